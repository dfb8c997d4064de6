//! Calls of several clients on one child.

use super::*;

#[tokio::test]
async fn one_handshake_serves_every_client() {
    let (shared, mut child) = starting();
    let mut early = shared.attach(User::default()).unwrap();
    say(
        &early,
        json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {"protocolVersion": "2024-11-05"}}),
    )
    .await;
    say(&early, json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
    child.initialize("2025-11-25").await;
    let answer = next(&mut early).await;
    assert_eq!(answer["id"], 0);
    assert_eq!(answer["result"]["protocolVersion"], "2024-11-05");
    let other = client(&shared).await;
    say(&other, json!({"jsonrpc": "2.0", "id": 1, "method": "ping"})).await;
    assert_eq!(child.next().await["method"], "ping", "and no second handshake before it");
    assert!(shared.ready().await.unwrap().offers("tools"));
}

#[tokio::test]
async fn equal_ids_of_two_clients_do_not_meet_and_come_back_as_spelled() {
    let (shared, mut child) = shared().await;
    let (mut one, mut two) = (client(&shared).await, client(&shared).await);
    say_text(&one, r#"{"jsonrpc":"2.0","id":"\u0031","method":"a","params":{"id":1}}"#).await;
    let first = child.next().await;
    say_text(&two, r#"{"jsonrpc":"2.0","id": 1 ,"method":"b"}"#).await;
    let second = child.next().await;
    assert_ne!(first["id"], second["id"]);
    assert_eq!(first["params"], json!({"id": 1}));
    child.say_text(format!(r#"{{"result":{{"x":1.0}},"id":{},"jsonrpc":"2.0"}}"#, second["id"])).await;
    child.say_text(format!(r#"{{"jsonrpc":"2.0","id":{},"error":{{"code":1}}}}"#, first["id"])).await;
    assert_eq!(line(&mut one).await, r#"{"jsonrpc":"2.0","id":"\u0031","error":{"code":1}}"#);
    assert_eq!(line(&mut two).await, r#"{"result":{"x":1.0},"id":1,"jsonrpc":"2.0"}"#);
}

#[tokio::test]
async fn an_id_in_flight_is_refused_and_free_again_after_its_answer() {
    let (shared, mut child) = shared().await;
    let mut one = client(&shared).await;
    say(&one, json!({"jsonrpc": "2.0", "id": 5, "method": "a"})).await;
    let first = child.next().await;
    say(&one, json!({"jsonrpc": "2.0", "id": 5, "method": "b"})).await;
    let refused = next(&mut one).await;
    assert_eq!((&refused["id"], &refused["error"]["code"]), (&json!(5), &json!(-32600)));
    say(&one, json!({"jsonrpc": "2.0", "id": "5", "method": "c"})).await;
    assert_eq!(child.next().await["method"], "c", "a text is no number");
    child.say(json!({"jsonrpc": "2.0", "id": first["id"], "result": {}})).await;
    assert_eq!(next(&mut one).await["id"], 5);
    say(&one, json!({"jsonrpc": "2.0", "id": 5, "method": "d"})).await;
    assert_eq!(child.next().await["method"], "d");
}

#[tokio::test]
async fn progress_reaches_its_own_client_with_its_own_token() {
    let (shared, mut child) = shared().await;
    let (mut one, mut two) = (client(&shared).await, client(&shared).await);
    let call = |token: Value| json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"_meta": {"progressToken": token}}});
    say(&one, call(json!("t"))).await;
    let first = child.next().await;
    say(&two, call(json!("t"))).await;
    let second = child.next().await;
    let tokens = [&first, &second].map(|request| request["params"]["_meta"]["progressToken"].clone());
    assert_ne!(tokens[0], tokens[1]);
    let progress = |token: &Value, at: u8| json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": token, "progress": at}});
    child.say(progress(&tokens[1], 2)).await;
    child.say(progress(&tokens[0], 1)).await;
    let heard = next(&mut one).await;
    assert_eq!(heard["params"], json!({"progressToken": "t", "progress": 1}));
    assert_eq!(next(&mut two).await["params"], json!({"progressToken": "t", "progress": 2}));
    child.say(json!({"jsonrpc": "2.0", "id": first["id"], "result": {}})).await;
    next(&mut one).await;
    child.say(progress(&tokens[0], 3)).await;
    until(|| shared.counts().late == 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_cancel_names_the_childs_id_and_the_call_ends_without_an_answer_too() {
    let (shared, mut child) = shared().await;
    let mut one = client(&shared).await;
    say(&one, json!({"jsonrpc": "2.0", "id": "x", "method": "a"})).await;
    let first = child.next().await;
    let cancel =
        json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"reason": "r", "requestId": "x"}});
    say(&one, cancel.clone()).await;
    let cancelled = child.next().await;
    assert_eq!(cancelled["params"], json!({"reason": "r", "requestId": first["id"]}));
    let answer = next(&mut one).await;
    assert_eq!((&answer["id"], &answer["error"]["data"]["code"]), (&json!("x"), &json!("call.cancelled")));
    child.say(json!({"jsonrpc": "2.0", "id": first["id"], "result": {}})).await;
    until(|| shared.counts().late == 1).await;
    say(&one, cancel).await;
    say(&one, json!({"jsonrpc": "2.0", "id": 2, "method": "b"})).await;
    assert_eq!(child.next().await["method"], "b", "a cancel of nothing goes nowhere");
}

#[tokio::test]
async fn what_belongs_to_nobody_goes_to_everybody_and_requests_are_answered_here() {
    let (shared, mut child) = shared().await;
    let (mut one, mut two) = (client(&shared).await, client(&shared).await);
    let mut silent = shared.attach(User::default()).unwrap();
    let changed = r#"{"jsonrpc":"2.0", "method":"notifications/tools/list_changed"}"#;
    child.say_text(changed).await;
    assert_eq!(line(&mut one).await, changed);
    assert_eq!(line(&mut two).await, changed);
    assert_eq!(shared.counts().list_changes, 1);
    child.say(json!({"jsonrpc": "2.0", "id": "p", "method": "ping"})).await;
    assert_eq!(child.next().await, json!({"jsonrpc": "2.0", "id": "p", "result": {}}));
    child.say(json!({"jsonrpc": "2.0", "id": 1, "method": "sampling/createMessage", "params": {}})).await;
    let refused = child.next().await;
    assert_eq!((&refused["id"], &refused["error"]["code"]), (&json!(1), &json!(-32601)));
    assert_eq!(shared.counts().answered_here, 2);
    assert!(silent.from_server.try_recv().is_none(), "a client before its handshake hears nothing");
}

#[tokio::test]
async fn what_a_client_cannot_say_here_goes_nowhere() {
    let (shared, mut child) = shared().await;
    let mut one = client(&shared).await;
    say(&one, json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
    say(&one, json!({"jsonrpc": "2.0", "method": "notifications/roots/list_changed"})).await;
    say(&one, json!({"jsonrpc": "2.0", "id": 1, "result": {}})).await;
    say_text(&one, "[]").await;
    assert_eq!(next(&mut one).await["error"]["code"], -32600);
    say_text(&one, r#"{"id":1,"method":"a","params":{"_meta":{"progressToken":1,"progressToken":2}}}"#).await;
    assert_eq!(next(&mut one).await["error"]["code"], -32600, "two tokens");
    say(&one, json!({"jsonrpc": "2.0", "method": "notifications/custom"})).await;
    assert_eq!(child.next().await["method"], "notifications/custom");
    child.say_text("Listening on port 80").await;
    child.say(json!({"jsonrpc": "2.0", "id": "never given out", "result": {}})).await;
    until(|| shared.counts().late == 1 && shared.counts().stray == 2).await;
}

#[tokio::test(start_paused = true)]
async fn the_gateway_calls_for_itself_within_a_limit() {
    let (shared, mut child) = shared().await;
    let call = |limit| {
        let shared = shared.clone();
        tokio::spawn(async move { shared.request("tools/list", Some(r#"{"cursor":"c"}"#), limit).await })
    };
    let listing = call(LONG);
    let request = child.next().await;
    assert_eq!((&request["method"], &request["params"]), (&json!("tools/list"), &json!({"cursor": "c"})));
    child.say_text(format!(r#"{{"jsonrpc":"2.0","id":{},"result":{{"tools":[ ]}}}}"#, request["id"])).await;
    assert_eq!(listing.await.unwrap().unwrap(), r#"{"tools":[ ]}"#);

    let refused = call(LONG);
    let id = child.next().await["id"].clone();
    child.say(json!({"jsonrpc": "2.0", "id": id, "error": {"code": -1, "message": "no"}})).await;
    assert!(matches!(refused.await.unwrap(), Err(super::super::CallError::Refused(error)) if error.contains("no")));

    let late = call(Duration::from_secs(3));
    let id = child.next().await["id"].clone();
    assert_eq!(late.await.unwrap(), Err(super::super::CallError::Timeout(Duration::from_secs(3))));
    let cancelled = child.next().await;
    assert_eq!((&cancelled["method"], &cancelled["params"]["requestId"]), (&json!("notifications/cancelled"), &id));
    assert_eq!(shared.counts().in_flight, 0);
}

#[tokio::test]
async fn a_message_is_relayed_with_its_own_id() {
    let (shared, mut child) = shared().await;
    let relay = |text: &'static str| {
        let shared = shared.clone();
        tokio::spawn(async move { shared.relay(text, LONG).await })
    };
    let initialized = relay(r#"{"id":9,"method":"initialize","params":{"protocolVersion":"2025-06-18"}}"#);
    assert!(initialized.await.unwrap().unwrap().unwrap().starts_with(br#"{"jsonrpc":"2.0","id":9,"#));
    let call = relay(r#"{"jsonrpc":"2.0","id":"q","method":"tools/list"}"#);
    let id = child.next().await["id"].clone();
    child.say(json!({"jsonrpc": "2.0", "id": id, "result": 1})).await;
    let answer: Value = serde_json::from_slice(&call.await.unwrap().unwrap().unwrap()).unwrap();
    assert_eq!(answer, json!({"jsonrpc": "2.0", "id": "q", "result": 1}));
    assert_eq!(relay(r#"{"method":"notifications/custom"}"#).await.unwrap(), Ok(None));
    assert_eq!(child.next().await["method"], "notifications/custom");
    assert!(relay("{}").await.unwrap().is_err());
}
