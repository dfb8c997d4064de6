//! Which servers take stateless requests, how that is found out, and what clients of the others are told.

use super::*;

async fn assert_falls_back(response: Response<Body>) {
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    let error = json_body(response).await;
    let number = error["error"]["code"].as_i64().unwrap();
    assert!(![-32020, -32021, -32022, -32601].contains(&number), "a modern error would stop the fallback");
    assert_eq!((&error["id"], &error["error"]["data"]["code"]), (&json!(1), &json!("era.legacy")));
}

#[tokio::test]
async fn a_legacy_server_is_asked_once_and_clients_fall_back() {
    let mut scene = Scene::new();
    let client = scene.client();
    let posted = [client.spawn_ask(list(1)), client.of("bob").spawn_ask(ask(1, "server/discover", json!({})))];
    let mut server = scene.server().await;
    let asked = server.next().await;
    let error = json!({"code": -32601, "message": "Method not found"});
    server.say(json!({"jsonrpc": "2.0", "id": asked["id"], "error": error})).await;
    for posted in posted {
        assert_falls_back(posted.await.unwrap()).await;
    }
    assert_falls_back(client.ask(list(1)).await).await;
    assert_falls_back(client.ask(json!({"jsonrpc": "2.0", "id": 1, "method": "server/discover"})).await).await;
    assert!(scene.servers.try_recv().is_err(), "it was asked once");
    scene.session("2025-11-25").await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_keeps_silent_is_taken_for_legacy_for_a_while() {
    let mut scene = Scene::new();
    let client = scene.client();
    let since = Instant::now();
    let posted = client.spawn_ask(list(1));
    let mut server = scene.server().await;
    assert_eq!(server.next().await["method"], "server/discover");
    assert_falls_back(posted.await.unwrap()).await;
    assert!(since.elapsed() < Duration::from_secs(30), "some clients wait no longer: {:?}", since.elapsed());
    server.end.to_client.closed().await;
    assert_eq!(since.elapsed().as_secs(), 120, "it is asked for as long as a server may take to start");
    let known = Instant::now();
    assert_falls_back(client.ask(list(1)).await).await;
    assert_eq!(known.elapsed(), Duration::ZERO, "nobody waits for what is known");
    assert!(scene.servers.try_recv().is_err(), "it was asked once");
    advance(Duration::from_secs(301)).await;
    let posted = client.spawn_ask(list(1));
    let mut server = scene.modern_server().await;
    let heard = server.next().await;
    server.say(answer(heard["id"].clone(), 1)).await;
    assert_eq!(json_body(posted.await.unwrap()).await, answer(1, 1));
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_a_server_that_answers_anything_else() {
    let mut scene = Scene::new();
    let client = scene.client();
    let since = Instant::now();
    let posted = client.spawn_ask(list(1));
    let mut server = scene.server().await;
    assert_eq!(server.next().await["method"], "server/discover");
    let ping = server.next().await;
    assert_eq!(ping["method"], "ping");
    server.say(answer(ping["id"].clone(), json!({}))).await;
    assert_falls_back(posted.await.unwrap()).await;
    assert_eq!(since.elapsed().as_secs(), 3);
    server.end.to_client.closed().await;
}

#[tokio::test(start_paused = true)]
async fn a_modern_server_that_is_slow_to_start_serves_whoever_comes_next() {
    let mut scene = Scene::new();
    let client = scene.client();
    let posted = client.spawn_ask(list(1));
    let mut server = scene.server().await;
    let asked = server.next().await;
    assert_falls_back(posted.await.unwrap()).await;
    let waiting = [client.spawn_ask(list(1)), client.of("bob").spawn_ask(list(1))];
    advance(Duration::from_secs(10)).await;
    assert_eq!(server.next().await["method"], "ping", "is it slow, or of the other kind?");
    server.say(answer(asked["id"].clone(), discovered())).await;
    assert_eq!(server.next().await["method"], "notifications/cancelled");
    let mut bobs = scene.modern_server().await;
    for (server, posted) in [&mut server, &mut bobs].into_iter().zip(waiting) {
        let heard = server.next().await;
        server.say(answer(heard["id"].clone(), "late, and well")).await;
        assert_eq!(json_body(posted.await.unwrap()).await, answer(1, "late, and well"));
    }
    assert!(scene.servers.try_recv().is_err(), "each has one child");
}

#[tokio::test(start_paused = true)]
async fn the_slow_next_child_of_a_modern_server_is_no_sign_of_a_legacy_one() {
    let mut scene = Scene::new();
    let client = scene.client();
    let posted = client.spawn_ask(list(1));
    let mut first = scene.modern_server().await;
    let heard = first.next().await;
    first.say(answer(heard["id"].clone(), 1)).await;
    assert_eq!(json_body(posted.await.unwrap()).await, answer(1, 1));
    drop(first);
    let since = Instant::now();
    let posted = client.spawn_ask(list(2));
    let _mute = scene.server().await;
    let response = posted.await.unwrap();
    assert!(response.headers().contains_key("retry-after"));
    assert_eq!(refused(response).await, (StatusCode::SERVICE_UNAVAILABLE, "server.silent".to_owned()));
    assert_eq!(since.elapsed().as_secs(), 120);
}

#[tokio::test]
async fn a_server_of_both_eras_serves_both_at_once() {
    let mut scene = Scene::new();
    let (legacy, mut sessions) = scene.session("2025-11-25").await;
    let modern = scene.client().spawn_ask(list(1));
    let mut server = scene.modern_server().await;
    let heard = server.next().await;
    server.say(answer(heard["id"].clone(), "modern")).await;
    assert_eq!(json_body(modern.await.unwrap()).await, answer(1, "modern"));
    let posted = legacy.spawn(call(1));
    sessions.next().await;
    sessions.say(answer(1, "legacy")).await;
    assert_eq!(json_body(posted.await.unwrap()).await, answer(1, "legacy"));
}

#[tokio::test]
async fn the_one_child_of_a_base_tunnel_may_be_modern_or_not() {
    let (shared, _child) = crate::shared::tests::shared().await;
    let scene = Scene::new();
    let client = Client { backend: Backend::Shared(shared), ..scene.client() };
    assert_falls_back(client.ask(list(1)).await).await;

    let (shared, mut child) = crate::shared::tests::starting();
    let refused = child.next().await;
    let error = json!({"code": -32022, "message": "no", "data": {"supported": [REVISION]}});
    child.say(json!({"jsonrpc": "2.0", "id": refused["id"], "error": error})).await;
    let asked = child.next().await;
    assert_eq!(asked["method"], "server/discover");
    child.say(answer(asked["id"].clone(), discovered())).await;
    let client = Client { backend: Backend::Shared(shared), ..scene.client() };
    let posted = client.spawn_ask(list(1));
    let heard = child.next().await;
    child.say(answer(heard["id"].clone(), 1)).await;
    assert_eq!(json_body(posted.await.unwrap()).await, answer(1, 1));
    let posted = client.post(initialize("2025-11-25")).await;
    assert_eq!(json_body(posted).await["error"]["data"]["code"], "era.modern");
}
