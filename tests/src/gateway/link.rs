//! One link as the test sees it from the gateway's side: what came, and what to send.

use std::sync::Arc;
use std::time::Instant;

use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::connection::Command;
use super::{Shared, UpgradeRequest};

/// What is known of one link.
#[derive(Debug)]
pub struct LinkState {
    /// How it was asked for.
    pub request: UpgradeRequest,
    /// Every text frame that the client sent.
    pub frames: Vec<Frame>,
    /// Whether the registration is done.
    pub registered: bool,
    /// The name that it registered.
    pub name: Option<String>,
    /// How many WebSocket pings came.
    pub pings: usize,
    /// Whether it is gone.
    pub ended: bool,
    pub(crate) commands: mpsc::Sender<Command>,
}

impl LinkState {
    pub(crate) fn new(commands: mpsc::Sender<Command>, request: UpgradeRequest) -> Self {
        Self { request, frames: vec![], registered: false, name: None, pings: 0, ended: false, commands }
    }
}

/// A frame that the client sent.
#[derive(Debug, Clone)]
pub struct Frame {
    /// When it came.
    pub at: Instant,
    /// Its size in bytes.
    pub bytes: usize,
    /// What it says.
    pub value: Value,
}

impl Frame {
    /// The envelope's type.
    pub fn kind(&self) -> &str {
        self.value["type"].as_str().unwrap_or_default()
    }
}

/// A handle on one link.
#[derive(Debug, Clone)]
pub struct Link {
    shared: Arc<Shared>,
    number: usize,
}

impl Link {
    pub(crate) fn new(shared: Arc<Shared>, number: usize) -> Self {
        Self { shared, number }
    }

    /// Looks at what is known of it.
    pub fn look<R>(&self, look: impl FnOnce(&LinkState) -> R) -> R {
        look(&self.shared.state.look().links[self.number])
    }

    /// Waits until `find` finds something in what is known of it.
    pub async fn until<R>(&self, what: &str, mut find: impl FnMut(&LinkState) -> Option<R>) -> R {
        let number = self.number;
        self.shared.state.until(&format!("link {}: {what}", number + 1), move |state| find(&state.links[number])).await
    }

    /// Waits for the end of the registration.
    pub async fn registered(&self) {
        self.until("the registration", |link| link.registered.then_some(())).await;
    }

    /// Waits until it is gone.
    pub async fn ended(&self) {
        self.until("its end", |link| link.ended.then_some(())).await;
    }

    /// The name that was registered.
    pub fn name(&self) -> String {
        self.look(|link| link.name.clone()).expect("it has registered")
    }

    /// All frames of one type so far.
    pub fn frames(&self, kind: &str) -> Vec<Frame> {
        self.look(|link| link.frames.iter().filter(|frame| frame.kind() == kind).cloned().collect())
    }

    /// Waits for `count` frames of one type.
    pub async fn frames_reach(&self, kind: &str, count: usize) -> Vec<Frame> {
        self.until(&format!("{count} frames of type {kind}"), |link| {
            let frames: Vec<_> = link.frames.iter().filter(|frame| frame.kind() == kind).cloned().collect();
            (frames.len() >= count).then_some(frames)
        })
        .await
    }

    /// Waits for the answer to the request with this id: its frame.
    pub async fn answer_frame(&self, id: &Value) -> Frame {
        self.until(&format!("the answer to {id}"), |link| {
            let is_it = |frame: &&Frame| frame.kind() == "response" && frame.value["payload"]["id"] == *id;
            link.frames.iter().find(is_it).cloned()
        })
        .await
    }

    /// Waits for the answer to the request with this id: the JSON-RPC response.
    pub async fn answer(&self, id: &Value) -> Value {
        self.answer_frame(id).await.value["payload"].clone()
    }

    /// How many answers there are to the request with this id.
    pub fn answers(&self, id: &Value) -> usize {
        self.frames("response").iter().filter(|frame| frame.value["payload"]["id"] == *id).count()
    }

    /// Sends a request for the local server and tells its id, which looks as ContextForge's do.
    pub async fn post(&self, method: &str, params: Value) -> Value {
        let id = Value::from(uuid::Uuid::new_v4().simple().to_string());
        self.send(json!({
            "type": "request",
            "sessionId": self.session(),
            "payload": {"jsonrpc": "2.0", "id": id, "method": method, "params": params},
        }))
        .await;
        id
    }

    /// Sends a request for the local server and waits for the JSON-RPC response.
    pub async fn request(&self, method: &str, params: Value) -> Value {
        let id = self.post(method, params).await;
        self.answer(&id).await
    }

    /// Calls a tool without waiting for the answer.
    pub async fn post_call(&self, tool: &str, arguments: Value) -> Value {
        self.post("tools/call", json!({"name": tool, "arguments": arguments})).await
    }

    /// Calls a tool and waits for the JSON-RPC response.
    pub async fn call(&self, tool: &str, arguments: Value) -> Value {
        let id = self.post_call(tool, arguments).await;
        self.answer(&id).await
    }

    /// Calls a tool and hands out the text of its result.
    pub async fn call_text(&self, tool: &str, arguments: Value) -> String {
        let answer = self.call(tool, arguments).await;
        match answer["result"]["content"][0]["text"].as_str() {
            Some(text) => text.to_owned(),
            None => panic!("the tool {tool} answered: {answer}"),
        }
    }

    /// Sends a notification to the local server, in the envelope that the real gateways use for it.
    pub async fn notify(&self, method: &str) {
        let payload = json!({"jsonrpc": "2.0", "method": method});
        self.send(json!({"type": "request", "sessionId": self.session(), "payload": payload})).await;
    }

    /// Sends any frame.
    pub async fn send(&self, frame: Value) {
        self.send_text(frame.to_string()).await;
    }

    /// Sends any text.
    pub async fn send_text(&self, text: String) {
        self.command(Command::Text(text)).await;
    }

    /// Sends a binary frame.
    pub async fn send_binary(&self, bytes: Vec<u8>) {
        self.command(Command::Binary(bytes)).await;
    }

    /// Closes with a code and a reason, then drops the connection.
    pub async fn close(&self, code: u16, reason: &str) {
        self.command(Command::Close(code, reason.to_owned())).await;
    }

    /// Drops the connection with no close frame.
    pub async fn drop_tcp(&self) {
        self.command(Command::DropTcp).await;
    }

    /// Stops reading and writing, and keeps the connection open.
    pub async fn go_silent(&self) {
        self.command(Command::GoSilent).await;
    }

    /// The session's id as this gateway gives it out.
    pub fn session(&self) -> String {
        format!("fake-session-{}", self.number + 1)
    }

    pub(crate) fn change<R>(&self, change: impl FnOnce(&mut LinkState) -> R) -> R {
        self.shared.state.change(|state| change(&mut state.links[self.number]))
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(crate) fn number(&self) -> usize {
        self.number
    }

    async fn command(&self, command: Command) {
        let commands = self.look(|link| link.commands.clone());
        // A link that is gone takes no commands; what the test waits for next will tell.
        let _ = commands.send(command).await;
    }
}
