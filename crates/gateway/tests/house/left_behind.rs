//! A client that leaves without a word keeps its session's place on the tunnel only until another needs it.

use std::time::Duration;

use culvert_tunnel::Transport;
use serde_json::json;

use crate::gateway::{TestGateway, token};
use crate::mcp_client::Client;
use crate::tunnel::Tunnel;

/// When a session counts as left behind, in these tests.
const ABANDONED: Duration = Duration::from_millis(400);

async fn scene(places: usize) -> (TestGateway, Tunnel) {
    let gateway = TestGateway::start_with(|config| config.limits.abandoned = ABANDONED).await;
    let mut tunnel = Tunnel::start_with(&gateway.url, &token("me"), |config| {
        config.transport = Transport::WebSocket;
        config.children.max_sessions = places;
    });
    tunnel.online(|_| true).await;
    (gateway, tunnel)
}

#[tokio::test]
async fn the_session_that_was_unused_for_longest_makes_room() {
    let (gateway, tunnel) = scene(2).await;
    let me = token("me");
    let (left, stays) = (Client::begin(&gateway, &me).await, Client::begin(&gateway, &me).await);
    assert_eq!(left.call("echo").await, "echo");
    let early = Client::hello(&gateway, &me).await;
    assert_eq!((early.status, early.json()["error"]["data"]["code"].clone()), (503, json!("tunnel.full")));
    // As long as nobody needs its place, it stays however long it was unused.
    tokio::time::sleep(ABANDONED).await;
    assert_eq!(stays.call("echo").await, "echo");
    let next = Client::begin(&gateway, &me).await;
    assert_eq!(next.call("echo").await, "echo");
    assert_eq!(stays.call("echo").await, "echo", "the one that is used stays");
    let gone = left.post(&json!({"jsonrpc": "2.0", "id": 9, "method": "ping"})).await;
    assert_eq!((gone.status, gone.json()["error"]["data"]["code"].clone()), (404, json!("session.unknown")));
    tunnel.stop().await;
}

#[tokio::test]
async fn a_session_that_listens_or_waits_for_an_answer_is_never_taken_for_left_behind() {
    let (gateway, tunnel) = scene(2).await;
    let me = token("me");
    let (listens, waits) = (Client::begin(&gateway, &me).await, Client::begin(&gateway, &me).await);
    let stream = listens.listen().await;
    let (answer, ()) = tokio::join!(waits.call("wait"), async {
        tunnel.waiting(1).await;
        tokio::time::sleep(ABANDONED).await;
        assert_eq!(Client::hello(&gateway, &me).await.status, 503);
        tunnel.go();
    });
    assert_eq!(answer, "waited");
    assert_eq!(listens.call("echo").await, "echo");
    drop(stream);
    tunnel.stop().await;
}
