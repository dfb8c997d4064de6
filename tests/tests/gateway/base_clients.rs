//! The base dialect by hand: plain envelopes, no extensions, and what real clients do only when something goes wrong.

use std::time::Duration;

use culvert_tests::own_gateway::{OwnGateway, SECRET};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{WebSocketStream, client_async};

type Client = WebSocketStream<TcpStream>;

async fn connect(gateway: &OwnGateway, token: &str) -> Client {
    let stream = TcpStream::connect(gateway.address()).await.unwrap();
    let mut request = format!("ws://{}/reverse-proxy/ws", gateway.address()).into_client_request().unwrap();
    request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    client_async(request, stream).await.unwrap().0
}

async fn send(client: &mut Client, frame: Value) {
    client.send(Message::text(frame.to_string())).await.unwrap();
}

async fn next(client: &mut Client) -> Value {
    loop {
        match tokio::time::timeout(Duration::from_secs(20), client.next()).await.unwrap().unwrap().unwrap() {
            Message::Text(text) => return serde_json::from_str(&text).unwrap(),
            Message::Close(frame) => return json!({"closed": frame.map(|frame| u16::from(frame.code))}),
            _ => {}
        }
    }
}

/// Plays a server with one tool until the registration is over.
async fn register(client: &mut Client, name: &str) {
    let server = json!({"name": name, "protocol": "mcp"});
    send(client, json!({"type": "register", "sessionId": "mine", "server": server})).await;
    loop {
        let frame = next(client).await;
        match frame["type"].as_str() {
            Some("register_ack") => assert!(frame.get("extensions").is_none(), "none was offered: {frame}"),
            Some("register_complete") => {
                assert_eq!(frame["status"], "success", "{frame}");
                return;
            }
            _ => answer(client, &frame).await,
        }
    }
}

async fn answer(client: &mut Client, frame: &Value) {
    assert_eq!(frame["type"], "request", "{frame}");
    let payload = &frame["payload"];
    let Some(id) = payload.get("id") else { return };
    let result = match payload["method"].as_str() {
        Some("initialize") => json!({
            "protocolVersion": payload["params"]["protocolVersion"], "capabilities": {"tools": {}},
            "serverInfo": {"name": "by hand", "version": "1"},
        }),
        Some("tools/list") => json!({"tools": [{"name": "one", "inputSchema": {"type": "object"}}]}),
        _ => json!({}),
    };
    let payload = json!({"jsonrpc": "2.0", "id": id, "result": result});
    send(client, json!({"type": "response", "sessionId": "mine", "payload": payload})).await;
}

#[tokio::test]
async fn a_client_that_answers_acknowledgements_does_not_loop() {
    let gateway = OwnGateway::start().await;
    let token = OwnGateway::token("me", SECRET).await;
    let mut client = connect(&gateway, &token).await;
    register(&mut client, "by hand").await;
    assert_eq!(gateway.server_becomes("by hand", "online", &token).await["tools"], 1);
    for _ in 0..20 {
        send(&mut client, json!({"type": "heartbeat", "sessionId": "mine"})).await;
    }
    // A fence: whatever was to be sent for the heartbeats before it has been sent when it arrives.
    let session = gateway.request("GET", "/reverse-proxy/sessions", &token).send().await.json();
    let session = session["sessions"][0]["session_id"].as_str().unwrap().to_owned();
    let path = format!("/reverse-proxy/sessions/{session}/request");
    let ping = gateway.request("POST", &path, &token).json(&json!({"jsonrpc": "2.0", "id": 1, "method": "ping"}));
    let sent = tokio::spawn(async move { ping.send().await });
    let mut acknowledged = 0;
    loop {
        let frame = next(&mut client).await;
        if frame["type"] == "heartbeat" {
            acknowledged += 1;
            assert!(frame["timestamp"].is_string(), "{frame}");
        } else {
            answer(&mut client, &frame).await;
            break;
        }
    }
    assert!(acknowledged <= 2, "{acknowledged} acknowledgements for 20 heartbeats at once");
    assert_eq!(sent.await.unwrap().json()["result"], json!({}));
    gateway.culvert.stop().await;
}

#[tokio::test]
async fn a_second_register_on_one_connection_is_an_error_and_1008() {
    let gateway = OwnGateway::start().await;
    let token = OwnGateway::token("me", SECRET).await;
    let mut client = connect(&gateway, &token).await;
    register(&mut client, "by hand").await;
    send(&mut client, json!({"type": "register", "sessionId": "mine", "server": {"name": "again"}})).await;
    let mut said = vec![];
    let code = loop {
        let frame = next(&mut client).await;
        match frame.get("closed") {
            Some(code) => break code.clone(),
            None => said.push(frame),
        }
    };
    assert_eq!(code, 1008, "{said:?}");
    gateway.culvert.stop().await;
}

#[tokio::test]
async fn the_second_link_of_a_name_wins_and_the_first_gets_a_bare_1000() {
    let gateway = OwnGateway::start().await;
    let token = OwnGateway::token("me", SECRET).await;
    let mut first = connect(&gateway, &token).await;
    register(&mut first, "by hand").await;
    let mut second = connect(&gateway, &token).await;
    register(&mut second, "by hand").await;
    assert_eq!(next(&mut first).await["closed"], 1000);
    assert_eq!(gateway.catalog(&token).await.len(), 1);
    gateway.culvert.stop().await;
}
