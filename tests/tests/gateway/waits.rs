//! How long a tunnel waits at most between its tries to go on with a session, as it says itself.

use culvert_tests::cutter::{Cutter, Plan};
use culvert_tests::mcp::McpSession;
use culvert_tests::own_gateway::{OwnGateway, SECRET};
use culvert_tests::{CulvertCommand, Fixture};
use serde_json::json;

/// A first wait beyond the ceiling, in seconds: without one, waits would be drawn from nothing to this, and three in a
/// row would be short less than once in a million times.
const FIRST: &str = "600";

#[tokio::test]
async fn a_wait_is_five_seconds_at_most_while_a_session_can_be_resumed() {
    let gateway = OwnGateway::start().await;
    let token = OwnGateway::token("me@example.com", SECRET).await;
    let network = Cutter::before(gateway.address(), Plan::breaks(1, 60_000)).await;
    let fixture = Fixture::default();
    let tunnel = CulvertCommand::run()
        .server(&fixture)
        .args(["--gateway", &network.url(), "--server-name", "fixture", "--reconnect-delay", FIRST])
        .env("REVERSE_PROXY_TOKEN", &token)
        .start();
    tunnel.online().await;
    network.block();
    // The first try is made at once; each of those after it has waited.
    let mut waits = Vec::new();
    for number in 1..=4 {
        let waiting = tunnel.event_number("waiting", number, |event| event["status"] == "waiting").await;
        waits.push(waiting["retry_in_ms"].as_u64().unwrap());
    }
    assert!(waits.iter().all(|wait| *wait <= 5_000), "{waits:?}");
    network.unblock();
    let session = McpSession::begin(&gateway, "fixture", &token).await;
    let answer = session.call(1, "echo", json!({"text": "back"})).await;
    assert_eq!(answer["result"]["content"][0]["text"], "back", "{answer}");
    tunnel.stop().await;
    gateway.culvert.stop().await;
}
