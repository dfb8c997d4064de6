//! The older HTTP+SSE transport.

use std::sync::{Arc, Mutex};

use culvert_protocol::Explain as _;
use http::Method;
use serde_json::json;

use super::server::{Reply, Rest};
use super::{Scene, event, notification, request};

/// A server that names `endpoint` and echoes ids on its stream.
fn echoing(endpoint: &'static str) -> (Scene, Arc<Mutex<Option<Rest>>>) {
    let open: Arc<Mutex<Option<Rest>>> = Arc::default();
    let held = open.clone();
    let scene = super::sse(move |seen| {
        if seen.method == Method::GET {
            let (reply, rest) = Reply::stream();
            rest.send(format!(": hello\n\nevent: endpoint\ndata: {endpoint}\n\n"));
            *held.lock().unwrap() = Some(rest);
            return reply;
        }
        match seen.member("method").as_str() {
            Some("gone") => Reply::status(404),
            Some("fails") => Reply::status(500),
            Some("slow") => Reply::status(202),
            _ => {
                let answer = json!({"jsonrpc": "2.0", "id": seen.member("id"), "result": seen.path}).to_string();
                held.lock().unwrap().as_ref().unwrap().send(format!("event: message\n{}", event("1", &answer)));
                Reply::status(202)
            }
        }
    });
    (scene, open)
}

#[tokio::test(start_paused = true)]
async fn messages_go_to_the_endpoint_and_answers_come_on_the_stream() {
    let (mut scene, open) = echoing("/messages?session=1");
    scene.say(request(1, "initialize")).await;
    assert_eq!(scene.message().await, json!({"jsonrpc": "2.0", "id": 1, "result": "/messages?session=1"}));
    let first = scene.seen().await;
    assert_eq!((first.path.as_str(), first.header("accept")), ("/mcp?key=k", "text/event-stream"));
    scene.say(request(2, "fails")).await;
    assert_eq!(scene.message().await["error"]["data"]["code"], "server.refused");
    scene.say(request(3, "slow")).await;
    scene.say(request(4, "quick")).await;
    assert_eq!(scene.message().await["id"], 4, "a call that takes long holds nothing up");
    open.lock().unwrap().as_ref().unwrap().send(event("2", r#"{"jsonrpc":"2.0","id":3,"result":{}}"#));
    assert_eq!(scene.message().await["id"], 3);
    drop(open.lock().unwrap().take());
    let exit = scene.exit().await;
    assert_eq!(exit.to_string(), "ended its event stream");
    assert_eq!(exit.later().code(), "server.lost");
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_at_another_origin_is_refused() {
    for endpoint in ["http://evil.test/m?secret=1", "//mcp.test:3002/m", "https://mcp.test:3001/m"] {
        let (mut scene, _open) = echoing(endpoint);
        scene.say(request(1, "initialize")).await;
        let cause = scene.exit().await.first();
        assert_eq!(cause.code(), "server.foreign_endpoint");
        assert!(!cause.to_string().contains("secret"), "{cause}");
        let seen = scene.seen().await;
        assert_eq!(seen.method, Method::GET);
        assert!(scene.seen.try_recv().is_err(), "nothing was posted");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_begin_says_why() {
    type Script = fn() -> Reply;
    let cases: [(Script, &str, &str); 4] = [
        (|| Reply::status(405), "server.refused", "405"),
        (|| Reply::json(200, "{}"), "server.handshake", "no stream of events"),
        (|| Reply::events("data: x\n\n"), "server.handshake", "ended its event stream"),
        (|| Reply::status(302).header("location", "/elsewhere"), "server.redirect", "/elsewhere"),
    ];
    for (reply, code, words) in cases {
        let mut scene = super::sse(move |_| reply());
        let cause = scene.exit().await.first();
        assert_eq!(cause.code(), code);
        assert!(cause.to_string().contains(words), "{cause}");
    }
    let mute: Arc<Mutex<Option<Rest>>> = Arc::default();
    let mut scene = super::sse(move |_| {
        let (reply, rest) = Reply::stream();
        *mute.lock().unwrap() = Some(rest);
        reply
    });
    let cause = scene.exit().await.first();
    assert!(cause.to_string().contains("named no endpoint within 30 s"), "{cause}");
}

#[tokio::test(start_paused = true)]
async fn a_session_that_the_server_does_not_know_is_over() {
    let (mut scene, _open) = echoing("/m");
    scene.say(request(1, "initialize")).await;
    scene.message().await;
    scene.say(notification("gone")).await;
    assert!(scene.exit().await.to_string().starts_with("ended the session (404"));
}
