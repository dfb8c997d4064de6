//! Streams that are cut, and taken up again; and the one on which the server speaks by itself.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::Method;
use serde_json::json;
use tokio::time::{Instant, timeout};

use super::server::Reply;
use super::{answer, event, notification, request, with_streams};

#[tokio::test(start_paused = true)]
async fn a_calls_stream_is_taken_up_again_after_the_wait_that_the_server_asks_for() {
    let times = AtomicUsize::new(0);
    let mut scene = with_streams(move |seen| match seen.method {
        Method::POST => Reply::events("id: a1\nretry: 750\ndata:\n\n"),
        _ => match times.fetch_add(1, Ordering::Relaxed) {
            // The stream for what the server says by itself.
            0 => Reply::status(405),
            1 => Reply::events(event("a2", r#"{"jsonrpc":"2.0","method":"notifications/progress"}"#)),
            _ => {
                let replayed = event("a2", r#"{"jsonrpc":"2.0","id":1,"result":"once"}"#);
                Reply::events(replayed.clone() + &replayed)
            }
        },
    });
    scene.greet().await;
    scene.say(request(1, "tools/call")).await;
    let began = Instant::now();
    assert_eq!(scene.message().await["method"], "notifications/progress");
    assert_eq!(began.elapsed().as_millis(), 750);
    assert_eq!(scene.message().await["result"], "once");
    assert_eq!(began.elapsed().as_millis(), 1500);
    scene.say(notification("x")).await;
    let mut asked = Vec::new();
    loop {
        let seen = scene.seen().await;
        match seen.method {
            Method::GET => asked.push(seen.header("last-event-id").to_owned()),
            _ if seen.member("method") == "x" => break,
            _ => {}
        }
    }
    assert_eq!(asked, ["", "a1", "a2"], "and not again after the answer");
    assert!(timeout(Duration::from_secs(60), scene.server.next()).await.is_err(), "what is said twice passes once");
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_cannot_be_taken_up_again_ends_its_call_with_an_error() {
    // Without an id; with one that the server does not know any more; and with a server that drops every try.
    for case in ["no id", "refused", "dropped"] {
        let mut scene = with_streams(move |seen| match (&seen.method, case) {
            (_, _) if seen.member("method") == "other" => Reply::json(200, answer(seen, json!({}))),
            (&Method::POST, "no id") => Reply::events("data: {\"jsonrpc\":\"2.0\",\"method\":\"a\"}\n\n"),
            (&Method::POST, _) => Reply::events("id: 1\ndata:\n\n"),
            (_, "refused") => Reply::status(405),
            _ => {
                let (reply, rest) = Reply::stream();
                rest.cut();
                reply
            }
        });
        scene.say(request("init", "initialize")).await;
        scene.message().await;
        scene.say(request(1, "tools/call")).await;
        let got = loop {
            let got = scene.message().await;
            if !got["id"].is_null() {
                break got;
            }
        };
        let code = if case == "refused" { "server.refused" } else { "server.lost" };
        assert_eq!((&got["id"], &got["error"]["data"]["code"]), (&json!(1), &json!(code)), "{case}: {got}");
        scene.say(request(2, "other")).await;
        assert_eq!(scene.message().await["id"], 2, "the conversation goes on");
    }
}

#[tokio::test(start_paused = true)]
async fn the_servers_own_stream_is_asked_for_again_with_what_was_last_heard() {
    let times = AtomicUsize::new(0);
    let mut scene = with_streams(move |_| match times.fetch_add(1, Ordering::Relaxed) {
        0 => Reply::events(format!("retry: 3000\n\n{}", event("g1", r#"{"jsonrpc":"2.0","method":"one"}"#))),
        1..=3 => Reply::status(503),
        4 => Reply::events(event("g2", r#"{"jsonrpc":"2.0","method":"two"}"#)),
        _ => Reply::status(404),
    });
    scene.greet().await;
    let began = Instant::now();
    assert_eq!(scene.message().await["method"], "one");
    assert_eq!(scene.saw(Method::GET).await.header("last-event-id"), "");
    assert_eq!(scene.message().await["method"], "two");
    let waited = began.elapsed();
    assert!(waited >= Duration::from_secs(4 * 3), "each try waits what was asked for: {waited:?}");
    for _ in 0..4 {
        assert_eq!(scene.saw(Method::GET).await.header("last-event-id"), "g1");
    }
    let exit = scene.exit().await;
    assert_eq!(exit.to_string(), "ended the session (404: Not Found)", "a stream that was there tells of the end");
}

#[tokio::test(start_paused = true)]
async fn a_server_without_a_stream_of_its_own_is_not_asked_again() {
    for status in [405, 404, 400, 501] {
        let mut scene = with_streams(move |seen| match seen.method {
            Method::GET => Reply::status(status),
            _ => Reply::json(200, answer(seen, json!({}))),
        });
        scene.greet().await;
        scene.saw(Method::GET).await;
        tokio::time::sleep(Duration::from_secs(600)).await;
        scene.say(request(1, "tools/list")).await;
        assert_eq!(scene.message().await["id"], 1);
        assert_eq!(scene.seen().await.method, Method::POST, "no second GET");
    }
}
