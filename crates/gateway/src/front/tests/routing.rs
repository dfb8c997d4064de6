//! Where the server's own messages go: to one place, never to two.

use super::*;

fn asked(id: u32) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": "sampling/createMessage", "params": {}})
}

/// Two calls in flight, and nothing else.
async fn two_calls(scene: &mut Scene) -> (Client, Child, [JoinHandle<Response<Body>>; 2]) {
    let (client, mut server) = scene.session("2025-06-18").await;
    let one = client.spawn(call_with_token(1, "one"));
    server.next().await;
    let two = client.spawn(call_with_token(2, 2));
    server.next().await;
    (client, server, [one, two])
}

#[tokio::test]
async fn progress_goes_to_the_post_that_it_is_about_in_order() {
    let mut scene = Scene::new();
    let (_client, server, [one, two]) = two_calls(&mut scene).await;
    for at in 0..3 {
        server.say(progress("one", at)).await;
        server.say(progress(2, at)).await;
    }
    server.say(answer(2, "b")).await;
    server.say(answer(1, "a")).await;
    for (posted, token, last) in [(one, json!("one"), answer(1, "a")), (two, json!(2), answer(2, "b"))] {
        let mut events = Events::of(posted.await.unwrap());
        for at in 0..3 {
            assert_eq!(events.data().await, progress(token.clone(), at));
        }
        assert_eq!(events.data().await, last);
        assert_eq!(events.next().await, None);
    }
}

#[tokio::test]
async fn other_messages_go_to_the_only_post_in_flight() {
    let mut scene = Scene::new();
    let (client, mut server) = scene.session("2025-06-18").await;
    let mut general = Events::of(client.get().await);
    let posted = client.spawn(call(1));
    server.next().await;
    server.say(asked(5)).await;
    server.say(told("a")).await;
    let mut events = Events::of(posted.await.unwrap());
    assert_eq!(events.data().await, asked(5));
    assert_eq!(events.data().await, told("a"));
    server.say(answer(1, 1)).await;
    assert_eq!(events.data().await, answer(1, 1));
    server.say(told("b")).await;
    assert_eq!(general.data().await, told("b"), "and only this");
}

#[tokio::test]
async fn changes_of_the_server_leave_a_call_alone_while_somebody_listens_for_them() {
    let mut scene = Scene::new();
    let (client, mut server) = scene.session("2025-06-18").await;
    let changed = json!({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"});
    let updated = json!({"jsonrpc": "2.0", "method": "notifications/resources/updated", "params": {"uri": "a:b"}});
    let posted = client.spawn(call(1));
    server.next().await;
    server.say(changed.clone()).await;
    server.say(answer(1, 1)).await;
    let mut events = Events::of(posted.await.unwrap());
    assert_eq!(events.data().await, changed, "nobody listened elsewhere");
    assert_eq!(events.data().await, answer(1, 1));

    let mut general = Events::of(client.get().await);
    let posted = client.spawn(call(2));
    server.next().await;
    server.say(changed.clone()).await;
    server.say(updated.clone()).await;
    server.say(answer(2, 2)).await;
    assert_eq!(json_body(posted.await.unwrap()).await, answer(2, 2));
    assert_eq!(general.data().await, changed);
    assert_eq!(general.data().await, updated);
}

#[tokio::test]
async fn with_two_posts_in_flight_they_go_to_the_get_stream() {
    let mut scene = Scene::new();
    let (client, server, [one, two]) = two_calls(&mut scene).await;
    let mut general = Events::of(client.get().await);
    server.say(asked(5)).await;
    server.say(told("a")).await;
    assert_eq!(general.data().await, asked(5));
    assert_eq!(general.data().await, told("a"));
    server.say(answer(1, 1)).await;
    server.say(answer(2, 2)).await;
    assert_eq!(json_body(one.await.unwrap()).await, answer(1, 1));
    assert_eq!(json_body(two.await.unwrap()).await, answer(2, 2));
}

#[tokio::test]
async fn without_a_get_stream_notifications_wait_for_it_and_requests_take_a_post() {
    let mut scene = Scene::new();
    let (client, server, [one, two]) = two_calls(&mut scene).await;
    server.say(told("a")).await;
    server.say(asked(5)).await;
    let mut events = Events::of(one.await.unwrap());
    assert_eq!(events.data().await, asked(5), "somebody waits for its answer");
    assert_eq!(client.post(answer(5, "sampled")).await.status(), StatusCode::ACCEPTED);
    server.say(answer(2, 2)).await;
    assert_eq!(json_body(two.await.unwrap()).await, answer(2, 2));
    assert_eq!(Events::of(client.get().await).data().await, told("a"));
}

#[tokio::test]
async fn a_post_that_nobody_reads_is_not_chosen() {
    let mut scene = Scene::new();
    let (client, mut server) = scene.session("2025-06-18").await;
    let left = client.spawn(call(1));
    server.next().await;
    left.abort();
    let _ = left.await;
    server.say(asked(5)).await;
    assert_eq!(Events::of(client.get().await).data().await, asked(5));
}

#[tokio::test]
async fn what_waits_for_a_get_is_bounded_and_dropped_requests_are_answered() {
    let mut scene = Scene::new();
    let (client, mut server) = scene.session("2025-06-18").await;
    server.say(asked(5)).await;
    let large = told(&"x".repeat(200_000));
    for _ in 0..10 {
        server.say(large.clone()).await;
    }
    let refused = server.next().await;
    assert_eq!((&refused["id"], &refused["error"]["data"]["code"]), (&json!(5), &json!("client.absent")));
    crate::shared::tests::until(|| scene.front.counts().dropped == 6).await;
    server.say(told("last")).await;
    let mut general = Events::of(client.get().await);
    for _ in 0..5 {
        assert_eq!(general.data().await, large);
    }
    assert_eq!(general.data().await, told("last"));
}

#[tokio::test]
async fn a_listener_that_is_behind_slows_the_server_and_misses_nothing() {
    let mut scene = Scene::new();
    let (client, mut server) = scene.session("2025-06-18").await;
    let posted = client.spawn(call_with_token(1, 1));
    server.next().await;
    let script = tokio::spawn(async move {
        for at in 0..100 {
            let mut message = progress(1, at);
            message["params"]["message"] = json!("x".repeat(100_000));
            server.say(message).await;
        }
        server.say(answer(1, 1)).await;
        server
    });
    let mut events = Events::of(posted.await.unwrap());
    crate::shared::tests::until(|| !script.is_finished()).await;
    for at in 0..100 {
        assert_eq!(events.data().await["params"]["progress"], at);
    }
    assert_eq!(events.data().await, answer(1, 1));
    script.await.unwrap();
    assert_eq!(scene.front.counts().dropped, 0);
}
