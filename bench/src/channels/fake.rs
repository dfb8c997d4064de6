//! A bridge for tests: serves sessions over HTTP and echoes, as it is told.

use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::channels::session::Target;

/// How the bridge answers a call.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Manner {
    Json,
    /// As events: one without data first, then a notification, then the answer.
    Events,
    /// With another text than the call's.
    Wrong,
    /// With the id of another call.
    Stray,
    /// Not at all.
    Silent,
    /// By a status.
    Refused,
}

const SESSION: &str = "fake-session";

/// Serves until the runtime ends.
pub(crate) async fn bridge(manner: Manner) -> Target {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(connection(socket, manner));
        }
    });
    Target { address, path: "/mcp".to_owned(), bearer: Some("a-token".to_owned()) }
}

async fn connection(socket: TcpStream, manner: Manner) {
    socket.set_nodelay(true).unwrap();
    let mut socket = BufReader::new(socket);
    while let Some((head, message)) = request(&mut socket).await {
        assert!(head.contains("authorization: bearer a-token"), "{head}");
        let method = message["method"].as_str().unwrap();
        assert_eq!(method != "initialize", head.contains(&format!("mcp-session-id: {SESSION}")), "{head}");
        let response = match method {
            "initialize" => {
                json(&format!(r#"{{"id":0,"result":{{"protocolVersion":{}}}}}"#, message["params"]["protocolVersion"]))
            }
            "notifications/initialized" => "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n".to_owned(),
            _ if matches!(manner, Manner::Silent) => std::future::pending().await,
            _ => answer(&message, manner),
        };
        socket.write_all(response.as_bytes()).await.unwrap();
    }
}

fn answer(call: &serde_json::Value, manner: Manner) -> String {
    let (id, text) = (call["id"].as_u64().unwrap(), call["params"]["arguments"]["text"].as_str().unwrap());
    let echo = |id: u64, text: &str| {
        format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"content":[{{"type":"text","text":"{text}"}}]}}}}"#)
    };
    match manner {
        Manner::Json | Manner::Silent => json(&echo(id, text)),
        Manner::Wrong => json(&echo(id, "another")),
        Manner::Stray => json(&echo(id + 1, text)),
        Manner::Events => {
            let event = format!(
                "id: 1\ndata: \n\nevent: message\ndata: {{\"method\":\"notifications/message\"}}\n\ndata: {}\n\n",
                echo(id, text)
            );
            let length = event.len();
            format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n{length:x}\r\n{event}\r\n0\r\n\r\n"
            )
        }
        Manner::Refused => "HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\n\r\nhuge".to_owned(),
    }
}

fn json(body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nMcp-Session-Id: {SESSION}\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

/// The head, in lower case, and the message; None at the end of the connection.
async fn request(socket: &mut BufReader<TcpStream>) -> Option<(String, serde_json::Value)> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if socket.read_line(&mut head).await.ok()? == 0 {
            return None;
        }
    }
    let head = head.to_ascii_lowercase();
    let length = head.split("content-length: ").nth(1)?.split("\r\n").next()?.parse().ok()?;
    let mut body = vec![0; length];
    socket.read_exact(&mut body).await.ok()?;
    Some((head, serde_json::from_slice(&body).ok()?))
}
