//! What a local server may say, and what of it a strict gateway gets to see. Every frame that the strict gateway
//! would refuse fails the test, whatever else it looks at.

use culvert_tests::{Culvert, CulvertCommand, FakeGateway, Fixture, Link};
use serde_json::{Value, json};

async fn tunnel() -> (FakeGateway, Fixture, Culvert, Link) {
    let gateway = FakeGateway::next().await;
    let server = Fixture::default();
    let culvert = CulvertCommand::tunnel(&server, &gateway).start();
    let link = gateway.registered().await;
    (gateway, server, culvert, link)
}

/// Has the server write these lines and proves that all is well afterwards.
async fn write_lines(link: &Link, lines: &[&str]) -> Value {
    let id = link.post_call("raw", json!({"lines": lines})).await;
    assert_eq!(link.call_text("echo", json!({"text": "barrier"})).await, "barrier");
    id
}

/// What the server asked the client with this method and id, and what it got to hear.
async fn ask(link: &Link, method: &str, id: Value) -> Value {
    let answer = link.call_text("ask", json!({"method": method, "id": id, "params": {}})).await;
    serde_json::from_str(&answer).unwrap()
}

#[tokio::test]
async fn a_server_request_gets_a_local_answer() {
    let (_gateway, server, culvert, link) = tunnel().await;
    for id in [json!(1), json!("one"), json!(1.5), json!(-7)] {
        assert_eq!(ask(&link, "ping", id.clone()).await, json!({"jsonrpc": "2.0", "id": id, "result": {}}));
    }
    for method in ["roots/list", "sampling/createMessage", "elicitation/create", "something/else"] {
        let answer = ask(&link, method, json!(2)).await;
        assert_eq!(answer["id"], 2);
        assert_eq!(answer["error"]["code"], -32601, "{method}: {answer}");
        assert!(answer["error"]["message"].is_string());
    }
    assert!(server.events("stray").is_empty());
    culvert.stop().await;
}

#[tokio::test]
async fn a_server_request_with_a_null_id_never_reaches_the_gateway() {
    let (_gateway, _server, culvert, link) = tunnel().await;
    write_lines(&link, &[r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#]).await;
    culvert.stop().await;
}

#[tokio::test]
async fn an_answer_with_extra_members_becomes_an_error() {
    untidy_answer(r#"{"jsonrpc":"2.0","id":$ID,"result":{},"trace":"x"}"#).await;
}

#[tokio::test]
async fn an_answer_with_result_and_error_becomes_an_error() {
    untidy_answer(r#"{"jsonrpc":"2.0","id":$ID,"result":{},"error":{"code":1,"message":"both"}}"#).await;
}

#[tokio::test]
async fn an_answer_of_another_version_becomes_an_error() {
    untidy_answer(r#"{"jsonrpc":"1.0","id":$ID,"result":{}}"#).await;
    untidy_answer(r#"{"id":$ID,"result":{}}"#).await;
}

#[tokio::test]
async fn an_answer_with_a_malformed_error_becomes_a_clean_one() {
    untidy_answer(r#"{"jsonrpc":"2.0","id":$ID,"error":"it broke"}"#).await;
    untidy_answer(r#"{"jsonrpc":"2.0","id":$ID,"error":{"message":"no code"}}"#).await;
}

async fn untidy_answer(line: &str) {
    let (_gateway, _server, culvert, link) = tunnel().await;
    let id = link.post_call("raw", json!({"lines": [line]})).await;
    let answer = link.answer(&id).await;
    assert!(answer["error"]["message"].as_str().is_some_and(|message| !message.is_empty()), "{line}: {answer}");
    assert_eq!(link.answers(&id), 1);
    culvert.stop().await;
}

#[tokio::test]
async fn a_batch_is_never_passed_on() {
    let (_gateway, _server, culvert, link) = tunnel().await;
    let id = link.post_call("raw", json!({"lines": [r#"[{"jsonrpc":"2.0","id":$ID,"result":{}}]"#]})).await;
    let answer = link.answer(&id).await;
    assert!(answer.get("error").is_some() || answer["result"] == json!({}), "{answer}");
    assert_eq!(link.answers(&id), 1);
    culvert.stop().await;
}

#[tokio::test]
async fn answers_that_nobody_waits_for_are_dropped() {
    let (_gateway, _server, culvert, link) = tunnel().await;
    let answered = r#"{"jsonrpc":"2.0","id":$ID,"result":{"n":1}}"#;
    let id = write_lines(
        &link,
        &[
            r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"parse error"}}"#,
            r#"{"jsonrpc":"2.0","id":1.5,"result":{}}"#,
            r#"{"jsonrpc":"2.0","id":"never asked","result":{}}"#,
            answered,
            answered,
        ],
    )
    .await;
    assert_eq!(link.answer(&id).await["result"]["n"], 1);
    assert_eq!(link.answers(&id), 1, "one request, one answer");
    culvert.stop().await;
}

#[tokio::test]
async fn a_notification_with_null_params_is_no_breach() {
    let (_gateway, _server, culvert, link) = tunnel().await;
    write_lines(
        &link,
        &[
            r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":null}"#,
            r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":7}"#,
            r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed","extra":true}"#,
        ],
    )
    .await;
    culvert.stop().await;
}

#[tokio::test]
async fn a_flood_of_notifications_harms_no_call() {
    let (_gateway, _server, culvert, link) = tunnel().await;
    assert_eq!(link.call_text("flood", json!({"count": 20_000})).await, "flooded");
    assert_eq!(link.call_text("echo", json!({"text": "dry"})).await, "dry");
    culvert.stop().await;
}

#[tokio::test]
async fn a_line_that_is_not_json_is_logged_and_skipped() {
    let gateway = FakeGateway::next().await;
    let server = Fixture::new(&["--noise", "Listening\u{1b}[31m on :80"]);
    let culvert = CulvertCommand::tunnel(&server, &gateway).args(["--log-level", "DEBUG"]).start();
    let link = gateway.registered().await;
    assert_eq!(link.call_text("echo", json!({"text": "clear"})).await, "clear");
    culvert.says("Listening").await;
    let finished = culvert.stop().await;
    assert!(!finished.err.contains('\u{1b}'), "control characters are stripped: {:?}", finished.err);
}

#[tokio::test]
async fn what_a_gateway_sends_amiss_harms_nothing() {
    let (gateway, server, culvert, link) = tunnel().await;
    link.send_binary(vec![0, 159, 146, 150]).await;
    for text in [
        "",
        "not json",
        "[]",
        "{}",
        r#"{"type":"later","new":1}"#,
        r#"{"type":"request"}"#,
        r#"{"type":"request","payload":7}"#,
        r#"{"type":"request","payload":{"jsonrpc":"2.0"}}"#,
        r#"{"type":"request","payload":[{"jsonrpc":"2.0","id":1,"method":"ping"}]}"#,
        r#"{"type":"response","payload":{"jsonrpc":"2.0","id":"x","result":{}}}"#,
        r#"{"type":"error","message":"Invalid message format"}"#,
        r#"{"type":"register_ack","status":"processing"}"#,
        r#"{"type":"register_complete","status":"success"}"#,
    ] {
        link.send_text(text.to_owned()).await;
    }
    let answer = gateway.call_until_well("echo", json!({"text": "fine"})).await;
    assert_eq!(answer["result"]["content"][0]["text"], "fine");
    assert!(server.events("unreadable").is_empty(), "{:?}", server.events("unreadable"));
    culvert.stop().await;
}

#[tokio::test]
async fn a_request_id_comes_back_as_it_was() {
    let (_gateway, _server, culvert, link) = tunnel().await;
    for id in [json!("0f0e0d"), json!(7), json!("7"), json!(0), json!(-1), json!("é\"")] {
        let payload = json!({"jsonrpc": "2.0", "id": id, "method": "tools/call",
            "params": {"name": "echo", "arguments": {"text": id.to_string()}}});
        link.send(json!({"type": "request", "sessionId": "s", "payload": payload})).await;
        assert_eq!(link.answer(&id).await["result"]["content"][0]["text"], id.to_string());
    }
    culvert.stop().await;
}
