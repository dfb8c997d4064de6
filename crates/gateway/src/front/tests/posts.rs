//! POSTs and their answers.

use super::*;

#[tokio::test]
async fn a_session_begins_with_initialize_and_answers_come_as_the_server_wrote_them() {
    let mut scene = Scene::new();
    let mut client = scene.client();
    let posted = client.spawn(initialize("2025-06-18"));
    let mut server = scene.server().await;
    assert_eq!(server.next().await, initialize("2025-06-18"));
    let text = r#"{"jsonrpc":"2.0", "id":"init","result":{"protocolVersion":"2025-06-18","x":1.50}}"#;
    server.say_text(text).await;
    let response = posted.await.unwrap();
    let id = response.headers()["mcp-session-id"].to_str().unwrap().to_owned();
    assert!(id.len() == 32 && id.bytes().all(|byte| (0x21..=0x7e).contains(&byte)));
    assert_eq!(body(response).await, text);
    client.header("mcp-session-id", id);

    let response = client.post(json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
    assert_eq!(response.status(), StatusCode::ACCEPTED);
    assert!(body(response).await.is_empty());
    assert_eq!(server.next().await["method"], "notifications/initialized");

    let posted = client.spawn(call(1));
    assert_eq!(server.next().await, call(1));
    let text = r#"{ "id" : 1, "result" : {"a":1e2,"a":"\u00e9","unknown":[]}, "jsonrpc":"2.0", "more":0 }"#;
    server.say_text(text).await;
    let response = posted.await.unwrap();
    assert_eq!((response.status(), response.headers().get("mcp-session-id")), (StatusCode::OK, None));
    assert_eq!(body(response).await, text);

    let response = client.post(json!({"jsonrpc": "2.0", "id": 9, "result": {"roots": []}})).await;
    assert_eq!(response.status(), StatusCode::ACCEPTED, "an answer to the server");
    assert_eq!(server.next().await["id"], 9);
}

#[tokio::test]
async fn a_body_written_over_several_lines_reaches_the_server_as_one() {
    let mut scene = Scene::new();
    let (client, mut server) = scene.session("2025-06-18").await;
    let pretty = "{\r\n  \"jsonrpc\": \"2.0\",\n  \"id\": \"a\\nb\",\n  \"method\": \"ping\"\n}\n";
    let posted = tokio::spawn(async move { client.post_text(pretty).await });
    assert_eq!(server.line().await, pretty.replace(['\r', '\n'], " "));
    server.say_text("{\n\"id\":\"a\\u000ab\",\n\"result\":{}}").await;
    assert_eq!(body(posted.await.unwrap()).await, "{\n\"id\":\"a\\u000ab\",\n\"result\":{}}");
}

#[tokio::test]
async fn a_post_becomes_a_stream_when_something_comes_before_the_answer() {
    let mut scene = Scene::new();
    let (client, mut server) = scene.session("2025-06-18").await;
    let posted = client.spawn(call_with_token(1, "t"));
    server.next().await;
    server
        .say_text("{\"jsonrpc\":\"2.0\",\n\"method\":\"notifications/progress\",\"params\":{\"progressToken\":\"t\"}}")
        .await;
    let mut events = Events::of(posted.await.unwrap());
    assert_eq!(events.block().await.unwrap(), ":", "no primer: this revision does not know it");
    let block = events.block().await.unwrap();
    assert_eq!(
        block,
        "id: 2-1\ndata: {\"jsonrpc\":\"2.0\", \"method\":\"notifications/progress\",\"params\":{\"progressToken\":\"t\"}}"
    );
    let large = json!({"text": "x".repeat(100_000)});
    server.say(answer(1, large.clone())).await;
    assert_eq!(events.next().await, Some(Event { id: "2-2".to_owned(), data: answer(1, large) }));
    assert_eq!(events.next().await, None, "the answer ends it");
}

#[tokio::test]
async fn a_stream_of_the_newest_legacy_revision_begins_with_a_number_to_resume_from() {
    let mut scene = Scene::new();
    let (client, mut server) = scene.session("2025-11-25").await;
    let posted = client.spawn(call_with_token(1, "t"));
    server.next().await;
    server.say(progress("t", 1)).await;
    let mut events = Events::of(posted.await.unwrap());
    assert_eq!(events.block().await.unwrap(), "id: 2-0\ndata: ");
    assert_eq!(events.next().await.unwrap().id, "2-1");
}

#[tokio::test]
async fn a_refused_handshake_is_passed_on_and_leaves_no_session() {
    let mut scene = Scene::new();
    let posted = scene.client().spawn(initialize("2025-06-18"));
    let mut server = scene.server().await;
    server.next().await;
    server.say(json!({"jsonrpc": "2.0", "id": "init", "error": {"code": -32602, "message": "no"}})).await;
    let response = posted.await.unwrap();
    assert_eq!((response.status(), response.headers().get("mcp-session-id")), (StatusCode::OK, None));
    assert_eq!(json_body(response).await["error"]["message"], "no");
    server.end.to_client.closed().await;
    crate::shared::tests::until(|| scene.front.counts().sessions == 0).await;
}

#[tokio::test]
async fn a_client_that_leaves_during_the_handshake_leaves_no_session() {
    let mut scene = Scene::new();
    let posted = scene.client().spawn(initialize("2025-06-18"));
    let mut server = scene.server().await;
    server.next().await;
    posted.abort();
    server.end.to_client.closed().await;
    crate::shared::tests::until(|| scene.front.counts().sessions == 0).await;
}

#[tokio::test]
async fn a_handshake_that_comes_as_a_stream_names_its_session_in_the_head() {
    let mut scene = Scene::new();
    let mut client = scene.client();
    let posted = client.spawn(initialize("2025-11-25"));
    let mut server = scene.server().await;
    server.next().await;
    server.say(told("starting")).await;
    let response = posted.await.unwrap();
    client.header("mcp-session-id", response.headers()["mcp-session-id"].to_str().unwrap());
    let mut events = Events::of(response);
    assert_eq!(events.data().await, told("starting"));
    server.say(answer("init", json!({"protocolVersion": "2025-11-25"}))).await;
    assert_eq!(events.data().await["id"], "init");
    let posted = client.spawn(call(1));
    server.next().await;
    server.say(answer(1, 1)).await;
    assert_eq!(json_body(posted.await.unwrap()).await, answer(1, 1));
}

#[tokio::test]
async fn a_disconnect_is_no_cancel_and_its_late_answer_is_counted() {
    let mut scene = Scene::new();
    let (client, mut server) = scene.session("2025-06-18").await;
    let posted = client.spawn(call(1));
    server.next().await;
    posted.abort();
    let _ = posted.await;
    let other = client.spawn(call(2));
    assert_eq!(server.next().await["id"], 2, "no cancel in between");
    assert_eq!(refused(client.post(call(1)).await).await.1, "request.duplicate_id", "it is in flight still");
    server.say(answer(1, 1)).await;
    server.say(answer(2, 2)).await;
    assert_eq!(json_body(other.await.unwrap()).await, answer(2, 2));
    assert_eq!(scene.front.counts().late, 1);
}

#[tokio::test]
async fn a_client_that_leaves_before_its_call_was_sent_never_called() {
    let mut scene = Scene::new();
    let (client, mut server) = scene.session("2025-06-18").await;
    let filler = json!({"jsonrpc": "2.0", "method": "notifications/custom", "params": "x".repeat(300_000)});
    client.post(filler).await;
    let posted = client.spawn(call(1));
    let stuck = client.spawn(call(2));
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    posted.abort();
    let _ = posted.await;
    assert_eq!(server.next().await["method"], "notifications/custom");
    assert_eq!(server.next().await["id"], 2);
    server.say(answer(2, 2)).await;
    stuck.await.unwrap();
    let again = client.spawn(call(1));
    assert_eq!(server.next().await["id"], 1, "its id is free");
    server.say(answer(1, 1)).await;
    assert_eq!(json_body(again.await.unwrap()).await, answer(1, 1));
}

#[tokio::test]
async fn many_calls_at_once_are_answered_each_to_its_own() {
    let mut scene = Scene::new();
    let (client, mut server) = scene.session("2025-06-18").await;
    let posts: Vec<_> = (0..200).map(|id| client.spawn(call(id))).collect();
    let mut ids = Vec::new();
    for _ in 0..200 {
        ids.push(server.next().await["id"].clone());
    }
    for id in ids.iter().rev() {
        server.say(answer(id.clone(), id.clone())).await;
    }
    for (id, posted) in posts.into_iter().enumerate() {
        assert_eq!(json_body(posted.await.unwrap()).await, answer(id, id));
    }
}
