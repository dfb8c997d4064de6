//! Batches: taken where revision 2025-03-26 was agreed on, and nowhere else.

use super::*;

#[tokio::test]
async fn a_batch_is_split_and_its_answers_share_a_stream() {
    let mut scene = Scene::new();
    let (client, mut server) = scene.session("2025-03-26").await;
    let note = json!({"jsonrpc": "2.0", "method": "notifications/custom"});
    let posted = client.spawn(json!([call(1), note, call_with_token(2, "t")]));
    assert_eq!(server.next().await, call(1));
    assert_eq!(server.next().await, note);
    assert_eq!(server.next().await, call_with_token(2, "t"));
    server.say(answer(2, 2)).await;
    let mut events = Events::of(posted.await.unwrap());
    assert_eq!(events.data().await, answer(2, 2));
    server.say(answer(1, 1)).await;
    assert_eq!(events.data().await, answer(1, 1));
    assert_eq!(events.next().await, None, "all are answered");
}

#[tokio::test]
async fn a_batch_without_requests_is_accepted() {
    let mut scene = Scene::new();
    let (client, mut server) = scene.session("2025-03-26").await;
    let response = client.post(json!([answer(1, 1), answer(2, 2)])).await;
    assert_eq!(response.status(), StatusCode::ACCEPTED);
    assert!(body(response).await.is_empty());
    assert_eq!(server.next().await, answer(1, 1));
    assert_eq!(server.next().await, answer(2, 2));
}

#[tokio::test]
async fn what_no_batch_may_be_is_refused_whole() {
    let mut scene = Scene::new();
    let (client, mut server) = scene.session("2025-03-26").await;
    for (batch, code) in [
        (json!([]), "message.batch"),
        (json!([call(1), initialize("2025-03-26")]), "message.batch"),
        (json!([call(1), 7]), "message.invalid"),
        (json!([call(1), [call(2)]]), "message.invalid"),
        (json!([call(1), call(1)]), "request.duplicate_id"),
        (Value::from(vec![call(1); 1025]), "message.batch"),
    ] {
        assert_eq!(refused(client.post(batch).await).await, (StatusCode::BAD_REQUEST, code.to_owned()));
    }
    assert!(server.is_quiet());
    let (client, mut server) = scene.session("2025-06-18").await;
    assert_eq!(refused(client.post(json!([call(1)])).await).await.1, "message.batch");
    assert!(server.is_quiet());
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_is_refused_has_cancelled_nothing() {
    let mut scene = Scene::new();
    let (client, mut server) = scene.session("2025-03-26").await;
    let posted = client.spawn(call("long"));
    assert_eq!(server.next().await["id"], "long");
    let cancel = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "long"}});
    assert_eq!(refused(client.post(json!([cancel, 7])).await).await.1, "message.invalid");
    assert!(server.is_quiet());
    tokio::time::sleep(std::time::Duration::from_secs(10)).await;
    server.say(answer("long", "well")).await;
    assert_eq!(json_body(posted.await.unwrap()).await, answer("long", "well"));
}
