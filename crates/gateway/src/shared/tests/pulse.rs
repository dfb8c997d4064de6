//! A server that is gone is found out, and one that is only busy is left alone. All on paused time.

use tokio::time::Instant;

use super::super::pulse::{CROWDED, PATIENCE, QUIET, silence};
use super::*;

/// Runs the watch beside what a test does with the child.
fn watched(shared: &Arc<Shared>) -> tokio::task::JoinHandle<String> {
    let shared = shared.clone();
    tokio::spawn(async move { silence(&shared).await.message().to_owned() })
}

#[tokio::test(start_paused = true)]
async fn a_server_that_answers_no_ping_is_gone_and_calls_are_told() {
    let (shared, mut child) = shared().await;
    let mut one = client(&shared).await;
    let watch = watched(&shared);
    let begun = Instant::now();
    assert_eq!(child.next().await["method"], "ping");
    assert_eq!(begun.elapsed(), QUIET);
    tokio::time::sleep(CROWDED * 2).await;
    say(&one, json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call"})).await;
    let answer = next(&mut one).await;
    assert_eq!((&answer["id"], &answer["error"]["data"]["code"]), (&json!(7), &json!("server.silent")));
    assert_eq!(begun.elapsed(), QUIET + PATIENCE);
    assert!(watch.await.unwrap().contains("55 s"));
    assert!(shared.attach(User::default()).is_err(), "no new client waits for it");
}

#[tokio::test(start_paused = true)]
async fn any_word_is_a_sign_of_life() {
    let (shared, mut child) = shared().await;
    let watch = watched(&shared);
    let answers = |id: &Value| {
        [
            json!({"jsonrpc": "2.0", "id": id, "result": {}}),
            json!({"jsonrpc": "2.0", "id": id, "error": {"code": -32601, "message": "Method not found"}}),
            json!({"jsonrpc": "2.0", "method": "notifications/message", "params": {}}),
        ]
    };
    for which in 0..3 {
        let ping = child.next().await;
        assert_eq!(ping["method"], "ping");
        child.say(answers(&ping["id"])[which].clone()).await;
    }
    tokio::time::sleep(PATIENCE).await;
    assert!(!watch.is_finished());
}

#[tokio::test(start_paused = true)]
async fn a_server_that_works_is_not_asked() {
    let (shared, mut child) = shared().await;
    let one = client(&shared).await;
    let watch = watched(&shared);
    say(&one, json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call"})).await;
    let call = child.next().await;
    tokio::time::sleep(QUIET * 5).await;
    assert!(child.is_quiet(), "it may be busy with the call");
    say(&one, json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}})).await;
    assert_eq!(child.next().await["method"], "notifications/cancelled");
    tokio::time::sleep(QUIET * 5).await;
    assert!(child.is_quiet() && !watch.is_finished(), "it may still be busy with it");
    child.say(json!({"jsonrpc": "2.0", "id": call["id"], "result": {}})).await;
    tokio::time::sleep(QUIET).await;
    assert_eq!(child.next().await["method"], "ping", "now it has nothing to do");
}

#[tokio::test(start_paused = true)]
async fn a_call_right_behind_the_ping_proves_nothing() {
    let (shared, mut child) = shared().await;
    let one = client(&shared).await;
    let watch = watched(&shared);
    assert_eq!(child.next().await["method"], "ping");
    say(&one, json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call"})).await;
    tokio::time::sleep(QUIET * 5).await;
    assert!(!watch.is_finished());
}

#[tokio::test(start_paused = true)]
async fn a_server_that_died_at_work_is_gone_when_nobody_waits_any_more() {
    let (shared, mut child) = shared().await;
    let mut one = client(&shared).await;
    let watch = watched(&shared);
    let (begun, overdue) = (Instant::now(), shared.core.terms.request_timeout);
    for id in [1, 2] {
        say(&one, json!({"jsonrpc": "2.0", "id": id, "method": "tools/call"})).await;
        assert_eq!(child.next().await["method"], "tools/call");
    }
    tokio::time::sleep(overdue - CROWDED).await;
    assert!(child.is_quiet());
    assert_eq!(child.next().await["method"], "ping");
    assert_eq!(begun.elapsed(), overdue);
    assert_eq!(next(&mut one).await["error"]["data"]["code"], "server.silent");
    assert_eq!(begun.elapsed(), overdue + PATIENCE);
    assert!(watch.await.unwrap().contains("325 s"));
}
