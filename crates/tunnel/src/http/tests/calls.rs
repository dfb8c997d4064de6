//! Calls: every one gets exactly one answer, with the bytes that the server wrote.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use culvert_protocol::skim::Skimmed;
use http::Method;
use serde_json::json;
use tokio::time::Instant;

use super::server::{Reply, Rest};
use super::{LIMIT, answer, event, in_session, request, with_streams};
use crate::http::headers::ForwardAuth;
use crate::lines::Line;
use crate::local::Letter;
use crate::output::Output;

#[tokio::test(start_paused = true)]
async fn bytes_pass_untouched_both_ways() {
    let odd =
        "{\"id\" :1.50e1, \"jsonrpc\":\"2.0\",\r\n \"result\":{\"x\":1.0,\"x\":2,\"s\":\"\\u00e9é\"},\"extra\":[ ]}";
    let mut scene = in_session(move |seen| match seen.member("method").as_str() {
        Some("json") => Reply::json(200, odd),
        _ => Reply::events(format!("data: {}\n\n", odd.replace("\r\n", "\ndata: "))),
    });
    scene.greet().await;
    for method in ["json", "events"] {
        let sent = format!(
            "{{\"method\":\"{method}\" , \"params\":{{\"n\":1e400,\"n\":2}}, \"id\":1.50e1,\"jsonrpc\":\"2.0\"}}"
        );
        scene.say_line(sent.clone()).await;
        assert_eq!(
            scene.line().await.split_whitespace().collect::<String>(),
            odd.split_whitespace().collect::<String>()
        );
        assert_eq!(scene.saw(Method::POST).await.body, sent);
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_asks_and_tells_on_the_stream_of_a_call() {
    let open: Arc<Mutex<Option<Rest>>> = Arc::default();
    let held = open.clone();
    let mut scene = in_session(move |seen| match seen.member("method").as_str() {
        Some("tools/call") => {
            let (reply, rest) = Reply::stream();
            rest.send(event("1", r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{}}"#));
            rest.send(event("2", r#"{"jsonrpc":"2.0","id":"ask","method":"sampling/createMessage","params":{}}"#));
            *held.lock().unwrap() = Some(rest);
            reply
        }
        _ => {
            held.lock().unwrap().take().unwrap().send(event("3", r#"{"jsonrpc":"2.0","id":5,"result":{}}"#));
            Reply::status(202)
        }
    });
    scene.greet().await;
    scene.say(request(5, "tools/call")).await;
    assert_eq!(scene.message().await["method"], "notifications/progress");
    assert_eq!(scene.message().await["id"], "ask");
    let told = json!({"jsonrpc": "2.0", "id": "ask", "result": {"ok": true}});
    scene.say(told.clone()).await;
    assert_eq!(scene.message().await["id"], 5);
    assert_eq!(scene.saw(Method::POST).await.member("method"), "tools/call");
    assert_eq!(scene.saw(Method::POST).await.body, told.to_string());
}

#[tokio::test(start_paused = true)]
async fn a_call_that_fails_gets_an_error_and_the_others_go_on() {
    let mut scene = in_session(|seen| match seen.member("method").as_str() {
        Some("typed") => {
            Reply::json(400, r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32020,"message":"m","data":{"a":1}}}"#)
        }
        Some("plain") => Reply::status(500).header("content-type", "text/html"),
        Some("redirect") => Reply::status(302).header("location", "http://evil.test/"),
        Some("nothing") => Reply::status(202),
        Some("cut") => {
            let (reply, rest) = Reply::stream();
            rest.send("data: {\"jsonrpc\"");
            rest.cut();
            reply
        }
        Some("foreign") => Reply::json(200, r#"{"jsonrpc":"2.0","id":999,"result":{}}"#),
        _ => Reply::json(200, answer(seen, json!("fine"))),
    });
    scene.greet().await;
    for (number, (method, code)) in [
        ("plain", json!("server.refused")),
        ("redirect", json!("server.redirect")),
        ("nothing", json!("server.invalid_answer")),
        ("cut", json!("server.lost")),
        ("foreign", json!("server.invalid_answer")),
    ]
    .into_iter()
    .enumerate()
    {
        scene.say(request(number, method)).await;
        let got = scene.message().await;
        assert_eq!((&got["id"], &got["error"]["data"]["code"]), (&json!(number), &code), "{got}");
    }
    scene.say(request("t", "typed")).await;
    assert_eq!(
        scene.message().await,
        json!({"jsonrpc": "2.0", "id": "t", "error": {"code": -32020, "message": "m", "data": {"a": 1}}})
    );
    scene.say(request(9, "fine")).await;
    assert_eq!(scene.message().await["result"], "fine");
}

#[tokio::test(start_paused = true)]
async fn an_answer_over_the_limit_is_let_go_with_its_id_known() {
    let mut scene = in_session(|seen| {
        let long = answer(seen, json!("x".repeat(LIMIT)));
        if seen.member("method") == "json" { Reply::json(200, long) } else { Reply::events(event("1", &long)) }
    });
    scene.greet().await;
    for method in ["json", "events"] {
        scene.say(request(method, method)).await;
        let Output::Line(Line::Oversize { length, head }) = scene.output().await else { panic!("kept") };
        assert!(length > LIMIT);
        assert_eq!(head, Skimmed { id: Some(format!("{method:?}")), method: false });
    }
}

#[tokio::test(start_paused = true)]
async fn an_id_in_flight_is_refused_and_answers_that_nobody_waits_for_are_dropped() {
    let open: Arc<Mutex<Vec<Rest>>> = Arc::default();
    let held = open.clone();
    let mut scene = in_session(move |_| {
        let (reply, rest) = Reply::stream();
        rest.send(event("1", r#"{"jsonrpc":"2.0","id":77,"result":"nobody"}"#));
        held.lock().unwrap().push(rest);
        reply
    });
    scene.greet().await;
    scene.say(request(1, "slow")).await;
    scene.say(request(1, "again")).await;
    assert_eq!(scene.message().await["error"]["data"]["code"], "message.id_in_flight");
    scene.saw(Method::POST).await;
    for twice in ["one", "two"] {
        open.lock().unwrap()[0].send(event("2", &json!({"jsonrpc": "2.0", "id": 1, "result": twice}).to_string()));
    }
    open.lock().unwrap()[0].send(event("3", r#"{"jsonrpc":"2.0","method":"notifications/message"}"#));
    assert_eq!(scene.message().await["result"], "one");
    assert_eq!(scene.message().await["method"], "notifications/message");
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_call_ends_after_five_seconds_and_frees_its_id() {
    let open: Arc<Mutex<Vec<Rest>>> = Arc::default();
    let held = open.clone();
    let mut scene = in_session(move |seen| match seen.member("method").as_str() {
        Some("slow") => {
            let (reply, rest) = Reply::stream();
            held.lock().unwrap().push(rest);
            reply
        }
        Some("notifications/cancelled") => Reply::status(202),
        _ => Reply::json(200, answer(seen, json!({}))),
    });
    scene.greet().await;
    scene.say(request(1, "slow")).await;
    scene.say(json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}})).await;
    assert_eq!(scene.saw(Method::POST).await.member("method"), "slow");
    assert_eq!(scene.saw(Method::POST).await.member("method"), "notifications/cancelled");
    let began = Instant::now();
    loop {
        scene.say(request(1, "quick")).await;
        let got = scene.message().await;
        if got["error"].is_null() {
            break;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert!((4..=7).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn what_a_call_needs_to_go_on_is_not_held_up_by_calls_that_wait_for_their_turn() {
    let open: Arc<Mutex<Vec<Rest>>> = Arc::default();
    let held = open.clone();
    let mut scene = in_session(move |seen| match seen.member("method").as_str() {
        Some("slow") => {
            let (reply, rest) = Reply::stream();
            held.lock().unwrap().push(rest);
            reply
        }
        Some("after") => Reply::json(200, answer(seen, json!({}))),
        _ => {
            for (id, rest) in held.lock().unwrap().drain(..).enumerate() {
                rest.send(event("1", &json!({"jsonrpc": "2.0", "id": id, "result": {}}).to_string()));
            }
            Reply::status(202)
        }
    });
    scene.greet().await;
    for id in 0..64 {
        scene.say(request(id, "slow")).await;
    }
    for id in 64..264 {
        scene.say(request(id, "after")).await;
    }
    scene.say(json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 100}})).await;
    scene.say(json!({"jsonrpc": "2.0", "id": "ask", "result": {}})).await;
    let mut ids = Vec::new();
    while ids.len() < 263 {
        ids.push(scene.message().await["id"].as_u64().unwrap());
    }
    ids.sort_unstable();
    assert_eq!(ids, (0..264).filter(|id| *id != 100).collect::<Vec<u64>>(), "all but the one that was taken back");
}

#[tokio::test(start_paused = true)]
async fn a_callers_credentials_go_with_its_call_only() {
    let mut scene = with_streams(|seen| match seen.method {
        Method::GET => Reply::events(event("2", r#"{"jsonrpc":"2.0","id":1,"result":{}}"#)),
        _ if seen.member("method") == "cut" => Reply::events("id: 1\ndata:\n\n"),
        _ => Reply::json(200, answer(seen, json!({}))),
    });
    scene.say(request("init", "initialize")).await;
    scene.message().await;
    scene.seen().await;
    let raw = serde_json::value::RawValue::from_string(r#"{"authorization":"Bearer c","X-Key":"theirs"}"#.to_owned())
        .unwrap();
    let credentials = ForwardAuth::allow(["x-key"]).unwrap().sift(&raw);
    let line = request(1, "cut").to_string().into();
    scene.server.input.send(Letter { line, credentials }).await.unwrap();
    scene.message().await;
    scene.say(request(2, "plain")).await;
    scene.message().await;
    let authorizations: Vec<_> = [scene.seen().await, scene.seen().await, scene.seen().await]
        .map(|seen| (seen.header("authorization").to_owned(), seen.header("x-key").to_owned()))
        .into();
    let with = || ("Bearer c".to_owned(), "ours".to_owned());
    assert_eq!(authorizations, [with(), with(), (String::new(), "ours".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn only_what_the_server_itself_answers_is_a_sign_of_life() {
    let mut scene = in_session(|seen| match seen.member("method").as_str() {
        Some("good") => Reply::json(200, answer(seen, json!({}))),
        Some("unknown") => {
            let error = json!({"jsonrpc": "2.0", "id": seen.member("id"), "error": {"code": -32601, "message": "no"}});
            Reply::json(200, error.to_string())
        }
        _ => Reply::status(500),
    });
    scene.greet().await;
    for (method, alive) in [("bad", false), ("good", true), ("bad", false), ("unknown", true)] {
        tokio::time::advance(Duration::from_secs(1)).await;
        let asked = Instant::now();
        scene.say(request(method, method)).await;
        assert_eq!(scene.message().await["id"], method);
        assert_eq!(scene.ledger.last_answer().is_some_and(|last| last >= asked), alive, "{method}");
    }
}
