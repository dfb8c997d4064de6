//! A tunnel client of the base dialect with a server inside: two tools, and `echo` that sends back its parameters.

use culvert_link::{Dialler, Frame, FrameReceiver, FrameSender, LinkEnd, Request};
use culvert_protocol::{Cause, GatewayAddress, Secret};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::gateway::PATIENCE;

pub(crate) struct BaseClient {
    pub(crate) sender: FrameSender,
    receiver: FrameReceiver,
    pub(crate) session: String,
}

impl BaseClient {
    pub(crate) async fn dial(gateway: &GatewayAddress, token: &Secret) -> Result<Self, Cause> {
        let request = Request {
            gateway,
            endpoint: None,
            token: Some(token).filter(|token| !token.is_empty()),
            session_id: "ours",
            max_message: 16 << 20,
        };
        let dialled = Dialler::default().dial(request).await?;
        Ok(Self { sender: dialled.sender, receiver: dialled.receiver, session: String::new() })
    }

    /// One over a link that is up.
    pub(crate) fn over(sender: FrameSender, receiver: FrameReceiver) -> Self {
        Self { sender, receiver, session: String::new() }
    }

    pub(crate) async fn send(&self, frame: Value) {
        self.sender.send(frame.to_string()).await.unwrap();
    }

    pub(crate) async fn register(&self, name: &str) {
        self.send(json!({"type": "register", "sessionId": "ours",
            "server": {"name": name, "description": format!("the {name} server"), "protocol": "mcp"}}))
            .await;
    }

    /// The next frame.
    pub(crate) async fn recv(&mut self) -> Result<Value, LinkEnd> {
        match timeout(PATIENCE, self.receiver.recv()).await.expect("no frame in time")? {
            Frame::Text(text) => Ok(serde_json::from_str(&text).unwrap()),
            Frame::Binary(_) => panic!("the base dialect has no binary frames"),
        }
    }

    /// The next frame of this type; requests in between are answered.
    pub(crate) async fn next(&mut self, kind: &str) -> Value {
        loop {
            let frame = self.recv().await.unwrap();
            if frame["type"] == kind {
                return frame;
            }
            self.answer(&frame).await;
        }
    }

    /// Answers the handshake until the registration is complete.
    pub(crate) async fn serve_until_complete(&mut self) {
        let ack = self.next("register_ack").await;
        assert_eq!(ack["status"], "processing");
        self.session = ack["sessionId"].as_str().unwrap().to_owned();
        let complete = self.next("register_complete").await;
        assert_eq!((&complete["status"], &complete["sessionId"]), (&json!("success"), &ack["sessionId"]));
    }

    /// Serves in the background until the link is over, and says why.
    pub(crate) fn serve(mut self) -> JoinHandle<LinkEnd> {
        tokio::spawn(async move {
            loop {
                match self.recv().await {
                    Ok(frame) => self.answer(&frame).await,
                    Err(end) => return end,
                }
            }
        })
    }

    /// Answers a request as the server would.
    pub(crate) async fn answer(&self, frame: &Value) {
        let payload = &frame["payload"];
        if frame["type"] != "request" || payload["id"].is_null() {
            return;
        }
        let result = match payload["method"].as_str().unwrap() {
            "initialize" => {
                assert_eq!(payload["params"]["protocolVersion"], "2025-11-25");
                assert_eq!(payload["params"]["clientInfo"]["name"], "culvert-gateway");
                assert_eq!(payload["params"]["capabilities"], json!({}));
                json!({"protocolVersion": "2025-11-25", "capabilities": {"tools": {}},
                       "serverInfo": {"name": "test", "version": "1"}})
            }
            "tools/list" => json!({"tools": [{"name": "echo", "inputSchema": {}}, {"name": "b", "inputSchema": {}}]}),
            "echo" => payload["params"].clone(),
            "silence" => return,
            other => panic!("{other}"),
        };
        let payload = json!({"jsonrpc": "2.0", "id": payload["id"], "result": result});
        self.send(json!({"type": "response", "sessionId": "ours", "payload": payload})).await;
    }
}

/// How the link ended, as close code and reason.
pub(crate) async fn closed(serving: JoinHandle<LinkEnd>) -> (u16, String) {
    match timeout(PATIENCE, serving).await.expect("the link did not end").unwrap() {
        LinkEnd::Closed { code, reason } => (code, reason),
        other => panic!("{other:?}"),
    }
}
