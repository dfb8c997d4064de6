//! A tunnel of the base dialect by hand: every payload is taken and given as text, whatever is in it.

use culvert_tests::own_gateway::OwnGateway;
use culvert_tests::raw_json;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{WebSocketStream, client_async};

use super::far_end::{FarEnd, Replies, is_the_gateways};

/// Registers a server under this name, and plays it until the task is ended.
pub(super) async fn tunnel(gateway: &OwnGateway, name: &str, token: &str) -> (JoinHandle<()>, FarEnd) {
    let stream = TcpStream::connect(gateway.address()).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let mut request = format!("ws://{}/reverse-proxy/ws", gateway.address()).into_client_request().unwrap();
    request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    let mut socket = client_async(request, stream).await.unwrap().0;
    let register = json!({"type": "register", "sessionId": "mine", "server": {"name": name, "protocol": "mcp"}});
    socket.send(Message::text(register.to_string())).await.unwrap();
    let (heard, lines) = mpsc::unbounded_channel();
    let replies = Replies::default();
    (tokio::spawn(play(socket, heard, replies.clone())), FarEnd::ByHand { lines, replies })
}

async fn play(mut socket: WebSocketStream<TcpStream>, heard: mpsc::UnboundedSender<String>, replies: Replies) {
    while let Some(Ok(frame)) = socket.next().await {
        let Message::Text(frame) = frame else { continue };
        let Some(payload) = raw_json::member(&frame, &["payload"]).map(|span| &frame[span]) else { continue };
        let id = raw_json::member(payload, &["id"]).map(|span| &payload[span]);
        let _ = heard.send(payload.to_owned());
        let Some(id) = id else { continue };
        let answers = if is_the_gateways(payload) {
            vec![greet(id, payload)]
        } else {
            let token = raw_json::member(payload, &["params", "_meta", "progressToken"]);
            let token = token.map_or("null", |span| &payload[span]);
            let replies = replies.lock().unwrap().clone();
            replies.iter().map(|line| line.replace("@ID@", id).replace("@TOKEN@", token)).collect()
        };
        for answer in answers {
            let envelope = format!(r#"{{"type":"response","sessionId":"mine","payload":{answer}}}"#);
            socket.send(Message::text(envelope)).await.unwrap();
        }
    }
}

/// The answer to one of the gateway's own requests, which are plain.
fn greet(id: &str, request: &str) -> String {
    let request: Value = serde_json::from_str(request).unwrap();
    let result = match request["method"].as_str() {
        Some("initialize") => json!({
            "protocolVersion": request["params"]["protocolVersion"], "capabilities": {"tools": {}},
            "serverInfo": {"name": "by hand", "version": "1"},
        }),
        Some("tools/list") => json!({"tools": [{"name": "one", "inputSchema": {"type": "object"}}]}),
        _ => json!({}),
    };
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#)
}
