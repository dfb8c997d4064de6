//! The fake gateway is itself held to what the real ones do, by a plain WebSocket client.

use culvert_tests::gateway::{Acks, Paths};
use culvert_tests::{FakeGateway, Manner};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

type Client = WebSocketStream<TcpStream>;

async fn connect(gateway: &FakeGateway, path: &str, token: Option<&str>) -> Result<Client, Error> {
    let stream = TcpStream::connect(gateway.address()).await.unwrap();
    let mut request = format!("ws://{}{path}", gateway.address()).into_client_request().unwrap();
    if let Some(token) = token {
        request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    }
    client_async(request, stream).await.map(|(client, _)| client)
}

async fn send(client: &mut Client, frame: Value) {
    client.send(Message::text(frame.to_string())).await.unwrap();
}

async fn receive(client: &mut Client) -> Value {
    match tokio::time::timeout(Duration::from_secs(10), client.next()).await.unwrap().unwrap().unwrap() {
        Message::Text(text) => serde_json::from_str(&text).unwrap(),
        Message::Close(frame) => json!({"closed": frame.map(|frame| u16::from(frame.code))}),
        other => panic!("{other:?}"),
    }
}

fn status(result: Result<Client, Error>) -> (u16, String) {
    match result {
        Err(Error::Http(response)) => {
            let body = response.body().clone().unwrap_or_default();
            (response.status().as_u16(), String::from_utf8(body).unwrap())
        }
        other => panic!("{:?}", other.err()),
    }
}

fn register(name: &str) -> Value {
    json!({"type": "register", "sessionId": "s", "server": {"name": name, "protocol": "mcp"}})
}

/// Plays the local server for the strict gateway until the registration is complete.
async fn register_fully(client: &mut Client, name: &str) -> Vec<String> {
    send(client, register(name)).await;
    let mut seen = vec![];
    loop {
        let frame = receive(client).await;
        if frame["type"] != "request" {
            seen.push(format!("{} {}", frame["type"], frame["status"]));
            if frame["type"] == "register_complete" {
                return seen;
            }
            continue;
        }
        let method = frame["payload"]["method"].as_str().unwrap().to_owned();
        if let Some(id) = frame["payload"].get("id") {
            let result = match method.as_str() {
                "initialize" => json!({"protocolVersion": "2025-11-25", "capabilities": {"tools": {}, "prompts": {}}}),
                _ => json!({"tools": []}),
            };
            let payload = json!({"jsonrpc": "2.0", "id": id, "result": result});
            send(client, json!({"type": "response", "sessionId": "s", "payload": payload})).await;
        }
        seen.push(method);
    }
}

fn take_breaches(gateway: &FakeGateway) -> Vec<String> {
    gateway.state().change(|state| std::mem::take(&mut state.breaches))
}

#[tokio::test]
async fn the_strict_gateway_initialises_lists_and_completes() {
    let gateway = FakeGateway::next().await;
    let mut client = connect(&gateway, "/reverse-proxy/ws", None).await.unwrap();
    assert_eq!(
        register_fully(&mut client, "git").await,
        [
            r#""register_ack" "processing""#,
            "initialize",
            "notifications/initialized",
            "tools/list",
            "prompts/list",
            r#""register_complete" "success""#
        ]
    );
    let link = gateway.registered().await;
    assert_eq!(link.name(), "git");
    send(&mut client, json!({"type": "heartbeat", "sessionId": "s"})).await;
    assert!(receive(&mut client).await["timestamp"].is_string());
    send(&mut client, json!({"type": "unregister", "sessionId": "s"})).await;
    link.ended().await;
}

#[tokio::test]
async fn the_released_gateway_says_success_and_nothing_more() {
    let gateway = FakeGateway::start(Manner::released().acks(Acks::Each)).await;
    let mut client = connect(&gateway, "/reverse-proxy/ws", None).await.unwrap();
    send(&mut client, register("git")).await;
    assert_eq!(receive(&mut client).await["status"], "success");
    send(&mut client, json!({"type": "heartbeat", "sessionId": "s"})).await;
    assert_eq!(receive(&mut client).await["type"], "heartbeat", "the very next frame is the acknowledgement");
}

#[tokio::test]
async fn a_rich_payload_is_answered_with_invalid_message_format() {
    let gateway = FakeGateway::next().await;
    let mut client = connect(&gateway, "/reverse-proxy/ws", None).await.unwrap();
    let payload = json!({"jsonrpc": "2.0", "id": null, "result": {}});
    send(&mut client, json!({"type": "response", "sessionId": "s", "payload": payload})).await;
    assert_eq!(receive(&mut client).await, json!({"type": "error", "message": "Invalid message format"}));
    assert_eq!(take_breaches(&gateway).len(), 1);
}

#[tokio::test]
async fn exactly_a_mebibyte_passes_and_a_byte_more_closes_with_1009() {
    let gateway = FakeGateway::next().await;
    let mut client = connect(&gateway, "/reverse-proxy/ws", None).await.unwrap();
    let frame = |bytes: usize| {
        let empty = json!({"type": "heartbeat", "sessionId": ""}).to_string();
        Message::text(empty.replace("\"\"", &format!("\"{}\"", "s".repeat(bytes - empty.len()))))
    };
    client.send(frame(1_048_576)).await.unwrap();
    assert_eq!(receive(&mut client).await["type"], "heartbeat");
    client.send(frame(1_048_577)).await.unwrap();
    assert_eq!(receive(&mut client).await["closed"], 1009);
    assert_eq!(take_breaches(&gateway).len(), 1);
}

#[tokio::test]
async fn a_second_register_is_an_error_and_1008() {
    let gateway = FakeGateway::start(Manner::mute()).await;
    let mut client = connect(&gateway, "/reverse-proxy/ws", None).await.unwrap();
    send(&mut client, register("git")).await;
    send(&mut client, register("git")).await;
    assert_eq!(receive(&mut client).await["type"], "error");
    assert_eq!(receive(&mut client).await["closed"], 1008);
    assert_eq!(take_breaches(&gateway).len(), 1);
}

#[tokio::test]
async fn a_namesake_displaces_and_silence_evicts_both_with_a_bare_1000() {
    let gateway = FakeGateway::start(Manner::next().evict_after(Duration::from_secs(1))).await;
    let mut first = connect(&gateway, "/reverse-proxy/ws", None).await.unwrap();
    register_fully(&mut first, "git").await;
    let mut second = connect(&gateway, "/reverse-proxy/ws", None).await.unwrap();
    register_fully(&mut second, "git").await;
    assert_eq!(receive(&mut first).await["closed"], 1000);
    assert_eq!(receive(&mut second).await["closed"], 1000);
}

#[tokio::test]
async fn a_binary_frame_is_a_breach() {
    let gateway = FakeGateway::next().await;
    let mut client = connect(&gateway, "/reverse-proxy/ws", None).await.unwrap();
    client.send(Message::binary(vec![0])).await.unwrap();
    gateway.link().await.ended().await;
    assert_eq!(take_breaches(&gateway), ["a binary frame"]);
}

#[tokio::test]
async fn tokens_and_paths_are_refused_as_the_real_ones_do() {
    let next = FakeGateway::start(Manner::next().token("t").paths(Paths::V1Only)).await;
    assert_eq!(status(connect(&next, "/reverse-proxy/ws", Some("t")).await), (403, String::new()));
    assert_eq!(status(connect(&next, "/elsewhere", Some("t")).await).0, 404);
    let (code, body) = status(connect(&next, "/v1/reverse-proxy/ws", None).await);
    assert!(code == 401 && body.contains("Authentication required"), "{code} {body}");
    let (code, body) = status(connect(&next, "/v1/reverse-proxy/ws", Some("x")).await);
    assert!(code == 401 && body.contains("Invalid token"), "{code} {body}");
    assert!(connect(&next, "/v1/reverse-proxy/ws", Some("t")).await.is_ok());

    let released = FakeGateway::start(Manner::released().token("t")).await;
    assert_eq!(status(connect(&released, "/reverse-proxy/ws", Some("x")).await), (403, String::new()));
    assert_eq!(status(connect(&released, "/v1/reverse-proxy/ws", Some("t")).await).0, 404);
}
