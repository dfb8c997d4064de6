//! A client of MCP over Streamable HTTP that knows no more than it needs.

use std::sync::atomic::{AtomicU64, Ordering};

use culvert_protocol::Secret;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::gateway::TestGateway;

/// An MCP session of a client.
pub(crate) struct Client<'g> {
    gateway: &'g TestGateway,
    token: Secret,
    session: String,
    calls: AtomicU64,
}

const ACCEPT: &str = "application/json, text/event-stream";

impl<'g> Client<'g> {
    /// Asks for a session, and hands out the answer.
    pub(crate) async fn hello(gateway: &'g TestGateway, token: &Secret) -> crate::http::Answer {
        Self::new(gateway, token).post(&Self::initialize()).await
    }

    fn new(gateway: &'g TestGateway, token: &Secret) -> Self {
        Self { gateway, token: token.clone(), session: String::new(), calls: AtomicU64::new(1) }
    }

    fn initialize() -> Value {
        json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {"protocolVersion": "2025-06-18",
            "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}})
    }

    pub(crate) async fn begin(gateway: &'g TestGateway, token: &Secret) -> Self {
        let mut client = Self::new(gateway, token);
        let welcome = client.post(&Self::initialize()).await;
        assert_eq!(welcome.status, 200, "{welcome:?}");
        client.session = welcome.header("mcp-session-id").unwrap().to_owned();
        client.post(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
        client
    }

    /// Opens the session's own stream, which stays open with what is returned.
    pub(crate) async fn listen(&self) -> TcpStream {
        let mut stream = TcpStream::connect(self.gateway.address).await.unwrap();
        let ask = format!(
            "GET /servers/sh/mcp HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nAccept: text/event-stream\r\n\
             Mcp-Session-Id: {}\r\n\r\n",
            self.gateway.address,
            self.token.expose(),
            self.session
        );
        stream.write_all(ask.as_bytes()).await.unwrap();
        let mut head = [0; 15];
        stream.read_exact(&mut head).await.unwrap();
        assert_eq!(&head, b"HTTP/1.1 200 OK");
        stream
    }

    pub(crate) async fn post(&self, message: &Value) -> crate::http::Answer {
        let (host, bearer) = (self.gateway.address.to_string(), format!("Bearer {}", self.token.expose()));
        let mut headers = vec![
            ("Host", host.as_str()),
            ("Authorization", &bearer),
            ("Accept", ACCEPT),
            ("Content-Type", "application/json"),
        ];
        if !self.session.is_empty() {
            headers.push(("Mcp-Session-Id", &self.session));
        }
        crate::http::request(self.gateway.address, "POST", "/servers/sh/mcp", &headers, &message.to_string()).await
    }

    /// The answer to a call of a tool.
    pub(crate) async fn ask(&self, tool: &str) -> Value {
        let id = self.calls.fetch_add(1, Ordering::Relaxed);
        let call =
            json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": tool, "arguments": {}}});
        let answer = self.post(&call).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.message()
    }

    /// The text that a tool answers with.
    pub(crate) async fn call(&self, tool: &str) -> String {
        let message = self.ask(tool).await;
        message["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{message}")).to_owned()
    }
}
