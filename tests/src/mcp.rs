//! An MCP client by hand: a session of the Streamable HTTP of `culvert gateway`, a request at a time.

use serde_json::{Value, json};

use crate::http::{Request, Response};
use crate::own_gateway::OwnGateway;

/// What a client must say that it accepts.
pub const ACCEPT: &str = "application/json, text/event-stream";

/// A session that has been initialised.
#[derive(Debug, Clone)]
pub struct McpSession {
    post: Request,
    id: String,
}

impl McpSession {
    /// A client's first message.
    pub fn hello() -> Value {
        let params =
            json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
        json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params})
    }

    /// Begins one with the server of this name or id, which must take it.
    pub async fn begin(gateway: &OwnGateway, server: &str, token: &str) -> Self {
        let path = format!("/servers/{}/mcp", server.replace(' ', "%20"));
        Self::begin_at(gateway.request("POST", &path, token)).await
    }

    /// Begins one with whatever takes this POST, which has no body yet.
    pub async fn begin_at(post: Request) -> Self {
        Self::ask_at(post).await.unwrap_or_else(|refused| panic!("{refused:?}"))
    }

    /// Begins one if it is taken; else hands out the refusal.
    pub async fn ask_at(post: Request) -> Result<Self, Response> {
        let post = post.header("accept", ACCEPT);
        let welcome = post.clone().json(&Self::hello()).send().await;
        if welcome.status != 200 {
            return Err(welcome);
        }
        let id = welcome.header("mcp-session-id").expect("a session").to_owned();
        let session = Self { post: post.header("mcp-session-id", &id), id };
        let ready = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        assert_eq!(session.post(&ready).await.status, 202);
        Ok(session)
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// A request of it that has no body yet.
    pub fn request(&self) -> Request {
        self.post.clone()
    }

    /// Posts a message.
    pub async fn post(&self, message: &Value) -> Response {
        self.request().json(message).send().await
    }

    /// Calls a tool. Hands out the whole answer, which is the call's own and comes as 200.
    pub async fn call(&self, id: impl Into<Value>, tool: &str, arguments: Value) -> Value {
        let id = id.into();
        let params = json!({"name": tool, "arguments": arguments});
        let response = self.post(&json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params})).await;
        assert_eq!(response.status, 200, "{response:?}");
        let answer = response.messages().pop().unwrap_or_else(|| panic!("no message: {response:?}"));
        let answer: Value = serde_json::from_str(&answer).expect("the answer is JSON");
        assert_eq!(answer["id"], id, "{answer}");
        answer
    }
}
