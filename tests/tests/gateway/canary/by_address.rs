//! A local server by address, as small as can be: it answers JSON, and keeps the heads of requests.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

#[derive(Debug)]
pub(super) struct ByAddress {
    address: SocketAddr,
    heads: Arc<Mutex<String>>,
    task: JoinHandle<()>,
}

impl Drop for ByAddress {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl ByAddress {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heads = Arc::<Mutex<String>>::default();
        let kept = heads.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, kept.clone()));
            }
        });
        Self { address, heads, task }
    }

    /// Its address, with a key in the query as some have it.
    pub(super) fn url(&self, key: &str) -> String {
        format!("http://{}/mcp?key={key}", self.address)
    }

    /// Whether a request had this in its head.
    pub(super) fn was_told(&self, text: &str) -> bool {
        self.heads.lock().unwrap().contains(text)
    }
}

async fn serve(mut stream: TcpStream, heads: Arc<Mutex<String>>) {
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => return,
            }
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let length = head.to_ascii_lowercase().split("content-length:").nth(1).and_then(|rest| {
            let digits = rest.trim_start().split("\r\n").next()?;
            digits.trim().parse::<usize>().ok()
        });
        heads.lock().unwrap().push_str(&head);
        let mut body = vec![0; length.unwrap_or_default()];
        if stream.read_exact(&mut body).await.is_err() {
            return;
        }
        let message: Value = serde_json::from_slice(&body).unwrap_or_default();
        let answer = match (head.starts_with("POST "), message.get("id"), message["method"].as_str()) {
            (false, ..) => "HTTP/1.1 405 Method Not Allowed\r\ncontent-length: 0\r\n\r\n".to_owned(),
            (true, Some(id), Some(method)) => {
                let body = json!({"jsonrpc": "2.0", "id": id, "result": result(method, &message)}).to_string();
                format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len()
                )
            }
            _ => "HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n".to_owned(),
        };
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

fn result(method: &str, message: &Value) -> Value {
    match method {
        "initialize" => json!({
            "protocolVersion": message["params"]["protocolVersion"], "capabilities": {"tools": {}},
            "serverInfo": {"name": "by-address", "version": "1"},
        }),
        "tools/list" => json!({"tools": [{"name": "echo", "inputSchema": {"type": "object"}}]}),
        "tools/call" => json!({"content": [{"type": "text", "text": "called"}]}),
        _ => json!({}),
    }
}
