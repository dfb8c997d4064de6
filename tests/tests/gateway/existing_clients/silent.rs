//! Their server dies and they say nothing of it: the gateway finds out and ends the link.

use std::time::{Duration, Instant};

use culvert_tests::Fixture;
use culvert_tests::mcp::McpSession;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use super::{Existing, House};

/// Two looks of half a minute, the wait for an answer to the ping, and time to say so.
const FOUND_OUT: Duration = Duration::from_secs(100);

async fn a_dead_server_is_found_out(client: Existing) {
    let house = House::open().await;
    let server = Fixture::default();
    let (running, name) = house.share(client, &server.arguments()).await;
    let session = McpSession::begin(&house.gateway, &name, &house.token).await;
    let answer = session.call(1, "echo", json!({"text": "a"})).await;
    assert!(answer["error"].is_null(), "{answer}");

    for process in running.servers() {
        kill(Pid::from_raw(process.pid), Signal::SIGKILL).unwrap();
    }
    let deadline = Instant::now() + FOUND_OUT;
    // PyPI's ends the link itself when it cannot hand the ping on, which it would not have tried otherwise.
    let ended = match client {
        Existing::ContextForge => "not even in answer to a ping",
        Existing::PyPi => "link ended",
    };
    while !house.gateway.culvert.words().contains(ended) {
        assert!(Instant::now() < deadline, "{client:?}: {}", house.gateway.culvert.words());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    match client {
        // It takes the end of its link for a reason to start its server again.
        Existing::ContextForge => {
            house.gateway.server_becomes(&name, "online", &house.token).await;
            let session = McpSession::begin(&house.gateway, &name, &house.token).await;
            let answer = session.call(2, "echo", json!({"text": "b"})).await;
            assert!(answer["error"].is_null(), "{answer}");
        }
        // It comes back again and again and never starts it, so it is offline, as it should be.
        Existing::PyPi => drop(house.gateway.server_becomes(&name, "offline", &house.token).await),
    }
    running.stop().await;
    house.gateway.culvert.stop().await;
}

#[tokio::test]
#[ignore = "waits for a minute and more of silence: make test-all"]
async fn a_dead_server_behind_contextforges_own_client_is_found_out() {
    a_dead_server_is_found_out(Existing::ContextForge).await;
}

#[tokio::test]
#[ignore = "waits for a minute and more of silence: make test-all"]
async fn a_dead_server_behind_pypis_client_is_found_out() {
    a_dead_server_is_found_out(Existing::PyPi).await;
}
