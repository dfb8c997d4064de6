//! What sharing a child promises, shown on scripted children.

mod calls;
mod ends;
mod pulse;
mod roundtrip;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use culvert_protocol::channels::control::User;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::Shared;
use crate::conversation::{Conversation, ServerEnd, conversation};

/// No step of a test takes this long.
const LONG: Duration = Duration::from_secs(60);

/// A child whose every word is the test's.
pub(crate) struct Child {
    pub(crate) end: ServerEnd,
}

impl Child {
    /// What the child reads next, as it stands.
    pub(crate) async fn line(&mut self) -> String {
        let line = timeout(LONG, self.end.from_client.recv()).await.expect("in time").expect("not over");
        String::from_utf8(line.item.to_vec()).unwrap()
    }

    /// What the child reads next.
    pub(crate) async fn next(&mut self) -> Value {
        serde_json::from_str(&self.line().await).unwrap()
    }

    /// Nothing waits for the child.
    pub(crate) fn is_quiet(&mut self) -> bool {
        self.end.from_client.try_recv().is_none()
    }

    /// The child says something.
    pub(crate) async fn say(&self, message: Value) {
        self.say_text(message.to_string()).await;
    }

    /// The child says exactly this.
    pub(crate) async fn say_text(&self, text: impl Into<Bytes>) {
        self.end.to_client.send(text.into()).await.unwrap();
    }

    /// Answers the gateway's handshake.
    pub(crate) async fn initialize(&mut self, version: &str) {
        let request = self.next().await;
        assert_eq!(request["method"], "initialize");
        assert_eq!(request["params"]["protocolVersion"], "2025-11-25");
        assert_eq!(request["params"]["capabilities"], json!({}));
        assert_eq!(request["params"]["clientInfo"]["name"], "culvert-gateway");
        let result = json!({"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": {"name": "s"}});
        self.say(json!({"jsonrpc": "2.0", "id": request["id"], "result": result})).await;
        assert_eq!(self.next().await["method"], "notifications/initialized");
    }
}

/// A shared child that is ready.
pub(crate) async fn shared() -> (Arc<Shared>, Child) {
    let (shared, mut child) = starting();
    child.initialize("2025-11-25").await;
    shared.ready().await.unwrap();
    (shared, child)
}

/// A shared child that has not been initialised yet.
pub(crate) fn starting() -> (Arc<Shared>, Child) {
    let (raw, end) = conversation();
    (Shared::start(raw), Child { end })
}

async fn say(client: &Conversation, message: Value) {
    say_text(client, message.to_string()).await;
}

async fn say_text(client: &Conversation, text: impl Into<Bytes>) {
    client.to_server.send(text.into()).await.unwrap();
}

async fn line(client: &mut Conversation) -> String {
    let line = timeout(LONG, client.from_server.recv()).await.expect("in time").expect("not over");
    String::from_utf8(line.to_vec()).unwrap()
}

async fn next(client: &mut Conversation) -> Value {
    serde_json::from_str(&line(client).await).unwrap()
}

async fn over(client: &mut Conversation) {
    assert!(timeout(LONG, client.from_server.recv()).await.expect("in time").is_none());
}

/// A client that has done its handshake, so that it hears what concerns everybody.
async fn client(shared: &Shared) -> Conversation {
    let mut client = shared.attach(User::default()).unwrap();
    let params =
        json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "0"}});
    say(&client, json!({"jsonrpc": "2.0", "id": "init", "method": "initialize", "params": params})).await;
    assert_eq!(next(&mut client).await["id"], "init");
    client
}

/// Waits until a condition holds that nothing announces.
pub(crate) async fn until(holds: impl Fn() -> bool) {
    timeout(LONG, async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("in time");
}
