//! Heartbeats and liveness: the traps around who answers whom, and how often.

use std::time::Duration;

use culvert_tests::gateway::Acks;
use culvert_tests::{CulvertCommand, FakeGateway, Fixture, Manner};
use serde_json::{Value, json};

#[tokio::test]
async fn a_heartbeat_ack_is_never_answered() {
    let gateway = FakeGateway::next().await;
    let culvert = CulvertCommand::tunnel(&Fixture::default(), &gateway).start();
    let link = gateway.registered().await;
    let before = link.frames_reach("heartbeat", 1).await.len();
    for _ in 0..50 {
        link.send(json!({"type": "heartbeat", "sessionId": link.session(), "timestamp": "2026-11-22T10:00:00Z"})).await;
    }
    // What is answered after them proves that they were read; the keepalive is 30 s, so no other heartbeat is due.
    link.call_text("echo", json!({"text": "barrier"})).await;
    assert_eq!(link.frames("heartbeat").len(), before);
    culvert.stop().await;
}

/// With the default keepalive the next one comes half a minute later.
#[tokio::test]
async fn the_first_heartbeat_measures_the_round_trip_at_once() {
    for manner in [Manner::next(), Manner::released()] {
        let gateway = FakeGateway::start(manner).await;
        let culvert = CulvertCommand::tunnel(&Fixture::default(), &gateway).start();
        let link = gateway.link_number(1).await;
        tokio::time::timeout(Duration::from_secs(15), link.frames_reach("heartbeat", 1)).await.expect("at once");
        assert_eq!(link.frames("heartbeat").len(), 1);
        culvert.stop().await;
    }
}

#[tokio::test]
async fn heartbeats_keep_their_interval_though_each_is_acknowledged() {
    let gateway = FakeGateway::next().await;
    let culvert = CulvertCommand::tunnel(&Fixture::default(), &gateway).args(["--keepalive", "1"]).start();
    let link = gateway.registered().await;
    let beats = link.frames_reach("heartbeat", 4).await;
    for pair in beats.windows(2) {
        let gap = pair[1].at - pair[0].at;
        assert!(gap > Duration::from_millis(700), "two heartbeats within {gap:?}");
    }
    culvert.stop().await;
}

#[tokio::test]
async fn a_late_heartbeat_ack_does_not_end_the_link() {
    let gateway = FakeGateway::start(Manner::next().acks(Acks::Never)).await;
    let culvert = CulvertCommand::tunnel(&Fixture::default(), &gateway).args(["--keepalive", "1"]).start();
    let link = gateway.registered().await;
    link.frames_reach("heartbeat", 5).await;
    assert_eq!(link.call_text("echo", json!({"text": "still here"})).await, "still here");
    assert_eq!(gateway.links(), 1);
    culvert.stop().await;
}

#[tokio::test]
async fn a_heartbeat_in_time_prevents_eviction() {
    let gateway = FakeGateway::start(Manner::next().evict_after(Duration::from_secs(3))).await;
    let culvert = CulvertCommand::tunnel(&Fixture::default(), &gateway).args(["--keepalive", "1"]).start();
    let link = gateway.registered().await;
    link.frames_reach("heartbeat", 5).await;
    assert_eq!(gateway.links(), 1, "five seconds, an eviction after three, and still the first link");
    culvert.stop().await;
}

#[tokio::test]
async fn a_keepalive_over_a_minute_warns() {
    let gateway = FakeGateway::next().await;
    let culvert = CulvertCommand::tunnel(&Fixture::default(), &gateway).args(["--keepalive", "61"]).start();
    let notice = culvert.notice("keepalive.slow").await;
    assert!(notice["message"].is_string() && notice["action"].is_string(), "{notice}");
    culvert.stop().await;
}

#[tokio::test]
async fn an_evicted_session_comes_back_and_says_why_it_was_gone() {
    let gateway = FakeGateway::next().await;
    let culvert = CulvertCommand::tunnel(&Fixture::default(), &gateway).start();
    let link = gateway.registered().await;
    culvert.online().await;
    link.close(1000, "").await;
    culvert.waiting("register.removed").await;
    gateway.registered_number(2).await;
    culvert.event_number("online", 2, |event| event["event"] == "online").await;
    culvert.stop().await;
}

/// Eight seconds without a byte, then a ping: liveness does not hang on the heartbeat.
#[tokio::test]
async fn silence_is_asked_about_with_a_ping() {
    let gateway = FakeGateway::next().await;
    let culvert = CulvertCommand::tunnel(&Fixture::default(), &gateway).start();
    let link = gateway.registered().await;
    link.until("a WebSocket ping", |link| (link.pings > 0).then_some(())).await;
    assert_eq!(gateway.links(), 1);
    culvert.stop().await;
}

/// The whole wait, on the real clock; `link` checks the same on a paused one.
#[tokio::test]
#[ignore = "takes half a minute"]
async fn a_half_open_link_is_given_up_after_28_seconds() {
    let gateway = FakeGateway::next().await;
    let culvert = CulvertCommand::tunnel(&Fixture::default(), &gateway).start();
    let link = gateway.registered().await;
    link.go_silent().await;
    culvert.waiting("link.silent").await;
    gateway.registered_number(2).await;
    culvert.stop().await;
}

#[tokio::test]
async fn a_server_that_stops_reading_does_not_stop_the_heartbeat() {
    let gateway = FakeGateway::start(Manner::next().evict_after(Duration::from_secs(5))).await;
    let culvert = CulvertCommand::tunnel(&Fixture::default(), &gateway).args(["--keepalive", "1"]).start();
    let link = gateway.registered().await;
    link.call_text("deaf", json!({})).await;
    let before = link.frames("heartbeat").len();
    // Far more than a pipe holds.
    let text = Value::from("x".repeat(10_000));
    for _ in 0..200 {
        link.post_call("echo", json!({"text": text})).await;
    }
    link.frames_reach("heartbeat", before + 3).await;
    assert_eq!(gateway.links(), 1);
    culvert.stop().await;
}
