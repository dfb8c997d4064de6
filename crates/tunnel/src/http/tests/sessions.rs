//! What requests say of the session, how it begins, and all the ways in which it ends.

use culvert_protocol::Explain as _;
use http::Method;
use serde_json::json;

use super::server::Reply;
use super::{answer, in_session, notification, request, streamable};

#[tokio::test(start_paused = true)]
async fn requests_carry_what_the_transport_and_the_user_want() {
    let mut scene = in_session(|seen| Reply::json(200, answer(seen, json!({}))));
    scene.say(request(1, "initialize")).await;
    scene.message().await;
    let first = scene.seen().await;
    assert_eq!((first.path.as_str(), first.header("host")), ("/mcp?key=k", "mcp.test:3001"));
    assert_eq!(first.header("accept"), "application/json, text/event-stream");
    assert_eq!((first.header("content-type"), first.header("x-key")), ("application/json", "ours"));
    assert_eq!((first.header("mcp-session-id"), first.header("mcp-protocol-version")), ("", ""));
    scene.say(notification("notifications/initialized")).await;
    scene.say(request(2, "tools/list")).await;
    scene.message().await;
    let (told, listened, called) = (scene.seen().await, scene.seen().await, scene.seen().await);
    assert_eq!((told.member("method"), listened.method.clone()), (json!("notifications/initialized"), Method::GET));
    assert_eq!(listened.header("accept"), "text/event-stream");
    scene.server.end().await;
    let last = scene.seen.recv().await.unwrap();
    assert_eq!(last.method, Method::DELETE);
    for seen in [told, listened, called, last] {
        let said = (seen.header("mcp-session-id"), seen.header("mcp-protocol-version"), seen.header("x-key"));
        assert_eq!(said, ("s-1", "2025-06-18", "ours"), "{seen:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_that_the_server_has_ended_is_over() {
    for (status, words, shown) in [
        (
            404,
            "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32001,\"message\":\"Session not found\"}}",
            "Session not found",
        ),
        (
            400,
            "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32000,\"message\":\"Bad Request: No valid session ID provided\"}}",
            "No valid session ID",
        ),
        (404, "", "Not Found"),
    ] {
        let mut scene = in_session(move |_| Reply::json(status, words));
        scene.greet().await;
        scene.say(request(2, "tools/list")).await;
        let exit = scene.exit().await;
        assert!(exit.to_string().starts_with(&format!("ended the session ({status}")), "{exit}");
        assert!(exit.to_string().contains(shown), "{exit}");
        assert_eq!(exit.later().code(), "server.lost");
        scene.server.end().await;
        while let Some(seen) = scene.seen.recv().await {
            assert_ne!(seen.method, Method::DELETE, "there is nothing left to end");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_begin_says_why() {
    type Script = fn() -> Reply;
    let cases: [(Script, &str, &str); 6] = [
        (
            || Reply::status(307).header("location", "https://elsewhere.test/mcp?secret=1"),
            "server.redirect",
            "points elsewhere, to https://elsewhere.test/mcp; redirects are not followed",
        ),
        (|| Reply::json(401, r#"{"error":"unauthorized"}"#), "server.refused", "refused with 401: Unauthorized"),
        (|| Reply::status(404), "server.refused", "refused with 404: Not Found"),
        (|| Reply::events(""), "server.handshake", "ended without an answer"),
        (|| Reply::status(202), "server.handshake", "answered 202 without an answer"),
        (|| Reply::json(200, "<html>"), "server.handshake", "answered 200 without an answer"),
    ];
    for (reply, code, words) in cases {
        let mut scene = streamable(move |_| reply());
        scene.say(request(1, "initialize")).await;
        let cause = loop {
            match scene.output().await {
                super::Output::Exited(exit) => break exit.first(),
                super::Output::Line(line) => assert!(code == "server.handshake", "{line:?}"),
            }
        };
        assert_eq!(cause.code(), code);
        assert!(cause.to_string().contains(words), "{cause}");
        assert!(!cause.to_string().contains("secret") && !cause.to_string().contains("key=k"), "{cause}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_to_initialize_is_the_servers_answer() {
    let mut scene = streamable(|seen| {
        let error = json!({"jsonrpc": "2.0", "id": seen.member("id"), "error": {"code": -32602, "message": "no such revision"}});
        Reply::json(200, error.to_string())
    });
    scene.say(request(1, "initialize")).await;
    assert_eq!(scene.message().await["error"]["message"], "no such revision");
}
