//! Links that break while calls run: between `culvert run` and `culvert gateway`, nothing is lost, doubled or restarted.

use std::sync::Arc;

use culvert_tests::Fixture;
use culvert_tests::cutter::Cutter;
use culvert_tests::http::Request;
use culvert_tests::own_gateway::{OwnGateway, SECRET};
use serde_json::{Value, json};

const SESSIONS: usize = 5;
const CALLS: usize = 1000;

fn post(gateway: &OwnGateway, token: &str, session: Option<&str>, message: &Value) -> Request {
    let accept = "application/json, text/event-stream";
    let request = gateway.request("POST", "/servers/cut/mcp", token).header("accept", accept);
    let request = match session {
        Some(session) => request.header("mcp-session-id", session),
        None => request,
    };
    request.json(message)
}

/// The message in an answer, JSON or a stream of events.
fn answer(body: &str) -> Value {
    let data = body.lines().filter_map(|line| line.strip_prefix("data:")).map(str::trim).rfind(|data| !data.is_empty());
    serde_json::from_str(data.unwrap_or(body)).unwrap_or_else(|error| panic!("{error}: {body}"))
}

async fn begin(gateway: &OwnGateway, token: &str) -> String {
    let params =
        json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
    let hello = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params});
    let welcome = post(gateway, token, None, &hello).send().await;
    assert_eq!(welcome.status, 200, "{welcome:?}");
    let session = welcome.header("mcp-session-id").unwrap().to_owned();
    let ready = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    assert_eq!(post(gateway, token, Some(&session), &ready).send().await.status, 202);
    session
}

/// Calls from several sessions at once over a link that breaks again and again, with the seed in every message.
async fn every_call_is_answered_once(seed: u64) {
    let gateway = Arc::new(OwnGateway::start().await);
    let token = OwnGateway::token("me@example.com", SECRET).await;
    let cutter = Cutter::before(gateway.address(), seed, 60_000).await;
    let fixture = Fixture::default();
    let tunnel = OwnGateway::tunnel_through(&cutter.url(), &fixture, "cut", &token).start();
    gateway.server_becomes("cut", "online", &token).await;
    let mut sessions = Vec::new();
    for _ in 0..SESSIONS {
        sessions.push(begin(&gateway, &token).await);
    }
    let calls = sessions.into_iter().enumerate().map(|(number, session)| {
        let (gateway, token) = (gateway.clone(), token.clone());
        tokio::spawn(async move {
            for call in 0..CALLS / SESSIONS {
                let text = format!("{seed}:{number}:{call}:{}", "x".repeat(call * 37 % 1500));
                let params = json!({"name": "echo", "arguments": {"text": text}});
                let message = json!({"jsonrpc": "2.0", "id": call, "method": "tools/call", "params": params});
                let response = post(&gateway, &token, Some(&session), &message).send().await;
                assert_eq!(response.status, 200, "seed {seed}: {response:?}");
                let answer = answer(&response.body);
                assert_eq!(answer["id"], call, "seed {seed}: {answer}");
                assert_eq!(answer["result"]["content"][0]["text"], text, "seed {seed}: {answer}");
            }
        })
    });
    for calls in calls.collect::<Vec<_>>() {
        calls.await.unwrap();
    }
    cutter.calm();
    assert!(cutter.cuts() >= 5, "seed {seed}: only {} cuts", cutter.cuts());
    assert_eq!(fixture.events("start").len(), SESSIONS + 1, "seed {seed}: no child was started anew");
    assert_eq!(fixture.received("tools/call").len(), CALLS, "seed {seed}: each call reached its server once");
    tunnel.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_that_break_lose_and_double_no_call() {
    every_call_is_answered_once(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: many seeds"]
async fn links_that_break_lose_and_double_no_call_over_many_seeds() {
    for seed in 2..40 {
        every_call_is_answered_once(seed).await;
    }
}
