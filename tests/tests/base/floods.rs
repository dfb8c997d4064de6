//! Children and gateways that flood: memory stays bounded, whatever comes.

use std::time::Duration;

use culvert_tests::{Culvert, CulvertCommand, FakeGateway, Fixture};
use serde_json::json;

/// What `culvert run` may come to hold, in bytes: its queues, one message each way, and itself.
const MOST: u64 = 64 * 1024 * 1024;

/// How long it is flooded.
const WHILE: Duration = Duration::from_secs(3);

/// The most that was ever resident.
fn peak(culvert: &Culvert) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", culvert.pid())).unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok());
    peak.map_or(u64::MAX, |kib: u64| kib * 1024)
}

#[tokio::test]
async fn a_child_that_floods_while_the_gateway_does_not_read_stays_bounded_in_memory() {
    let gateway = FakeGateway::released().await;
    let culvert = CulvertCommand::tunnel(&Fixture::default(), &gateway).start();
    let link = gateway.registered().await;
    link.post_call("flood", json!({"count": 5_000_000})).await;
    link.until("the flood", |link| (link.frames.len() > 100).then_some(())).await;
    link.go_silent().await;
    tokio::time::sleep(WHILE).await;
    let held = peak(&culvert);
    println!("{} MiB at most", held / 1024 / 1024);
    assert!(held < MOST, "{held} bytes");
    culvert.stop().await;
}

#[tokio::test]
async fn a_gateway_that_floods_a_child_that_does_not_read_stays_bounded_in_memory() {
    let gateway = FakeGateway::released().await;
    let culvert = CulvertCommand::tunnel(&Fixture::default(), &gateway).start();
    let link = gateway.registered().await;
    link.call_text("deaf", json!({})).await;
    let text = "x".repeat(10_000);
    for _ in 0..20_000 {
        link.post_call("echo", json!({"text": text})).await;
    }
    tokio::time::sleep(WHILE).await;
    let held = peak(&culvert);
    println!("{} MiB at most", held / 1024 / 1024);
    assert!(held < MOST, "{held} bytes");
    culvert.stop().await;
}
