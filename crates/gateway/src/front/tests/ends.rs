//! How sessions end, and what their clients see of it.

use culvert_protocol::rpc_error::RpcError;

use super::*;

#[tokio::test]
async fn a_server_that_goes_answers_every_post_and_the_session_is_unknown_then() {
    let mut scene = Scene::new();
    let (client, mut server) = scene.session("2025-06-18").await;
    let held = client.spawn(call(1));
    server.next().await;
    let streamed = client.spawn(call_with_token(2, "t"));
    server.next().await;
    server.say(progress("t", 1)).await;
    let mut events = Events::of(streamed.await.unwrap());
    let mut general = Events::of(client.get().await);
    events.data().await;
    drop(server);
    let error = json_body(held.await.unwrap()).await;
    assert_eq!((&error["id"], &error["error"]["data"]["code"]), (&json!(1), &json!("tunnel.closed")));
    let error = events.data().await;
    assert_eq!((&error["id"], &error["error"]["data"]["code"]), (&json!(2), &json!("tunnel.closed")));
    assert_eq!(events.next().await, None);
    assert_eq!(general.next().await, None);
    assert_eq!(refused(client.post(call(3)).await).await.0, StatusCode::NOT_FOUND);
    let (client, mut server) = scene.session("2025-06-18").await;
    let posted = client.spawn(call(1));
    server.next().await;
    server.say(answer(1, 1)).await;
    assert_eq!(json_body(posted.await.unwrap()).await, answer(1, 1));
}

#[tokio::test]
async fn delete_ends_the_session_and_lets_the_server_go() {
    let mut scene = Scene::new();
    let (client, mut server) = scene.session("2025-06-18").await;
    let posted = client.spawn(call(1));
    server.next().await;
    let response = client.delete().await;
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
    assert_eq!(json_body(posted.await.unwrap()).await["error"]["data"]["code"], "session.ended");
    server.end.to_client.closed().await;
    assert_eq!(refused(client.post(call(2)).await).await.0, StatusCode::NOT_FOUND);
    assert_eq!(refused(client.delete().await).await.0, StatusCode::NOT_FOUND);
    assert_eq!(scene.front.counts().sessions, 0);
}

#[tokio::test]
async fn the_house_can_end_all_sessions_with_its_reason() {
    let mut scene = Scene::new();
    let (client, mut server) = scene.session("2025-06-18").await;
    let posted = client.spawn(call(1));
    server.next().await;
    scene.front.end(&RpcError::tunnel("gateway.stopping", "the gateway stops"));
    assert_eq!(json_body(posted.await.unwrap()).await["error"]["data"]["code"], "gateway.stopping");
    server.end.to_client.closed().await;
}

#[tokio::test]
async fn a_session_ends_also_while_its_client_is_behind() {
    let mut scene = Scene::new();
    let (client, server) = scene.session("2025-06-18").await;
    let general = Events::of(client.get().await);
    let large = told(&"x".repeat(600_000));
    for _ in 0..2 {
        server.say(large.clone()).await;
    }
    client.delete().await;
    let gone = timeout(Duration::from_secs(10), server.end.to_client.closed()).await;
    assert!(gone.is_ok(), "it does not wait for the client");
    drop(general);
}
