//! Limits of time, on paused time.

use tokio::time::{Instant, advance};

use super::*;
use crate::conversation::CONVERSATION_QUEUE;

#[tokio::test(start_paused = true)]
async fn an_idle_session_ends_but_never_with_a_call_or_a_stream_open() {
    let mut scene = Scene::new();
    let idle = Limits::default().idle;
    let (client, mut server) = scene.session("2025-06-18").await;
    let general = client.get().await;
    advance(idle * 3).await;
    let posted = client.spawn(call_with_token(1, "t"));
    server.next().await;
    drop(general);
    for at in 0..40 {
        advance(Duration::from_secs(250)).await;
        server.say(progress("t", at)).await;
    }
    server.say(answer(1, 1)).await;
    let mut events = Events::of(posted.await.unwrap());
    while events.next().await.is_some() {}
    drop(events);
    let since = Instant::now();
    server.end.to_client.closed().await;
    let lasted = since.elapsed();
    assert!(lasted >= idle && lasted < idle * 2 + Duration::from_secs(1), "{lasted:?}");
    assert_eq!(refused(client.post(call(2)).await).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test(start_paused = true)]
async fn every_use_puts_the_idle_end_off() {
    let mut scene = Scene::new();
    let (client, mut server) = scene.session("2025-06-18").await;
    for _ in 0..10 {
        advance(Limits::default().idle - Duration::from_secs(1)).await;
        let note = json!({"jsonrpc": "2.0", "method": "notifications/custom"});
        assert_eq!(client.post(note).await.status(), StatusCode::ACCEPTED);
        server.next().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_says_something_again_and_again() {
    let mut scene = Scene::new();
    let (client, server) = scene.session("2025-06-18").await;
    let mut general = Events::of(client.get().await);
    assert_eq!(general.block().await.unwrap(), ":");
    for _ in 0..3 {
        let since = Instant::now();
        assert_eq!(general.block().await.unwrap(), ":");
        assert!(since.elapsed().abs_diff(Limits::default().keep_alive) < Duration::from_millis(10));
    }
    server.say(told("a")).await;
    assert_eq!(general.data().await, told("a"));
    assert_eq!(general.block().await.unwrap(), ":");
}

#[tokio::test(start_paused = true)]
async fn a_post_held_for_long_becomes_a_stream_that_stays_open() {
    let mut scene = Scene::new();
    let (client, mut server) = scene.session("2025-06-18").await;
    let since = Instant::now();
    let posted = client.spawn(call(1));
    server.next().await;
    let mut events = Events::of(posted.await.unwrap());
    assert!(since.elapsed().abs_diff(Limits::default().hold) < Duration::from_millis(10));
    for _ in 0..3 {
        assert_eq!(events.block().await.unwrap(), ":");
    }
    server.say(answer(1, 1)).await;
    assert_eq!(events.data().await, answer(1, 1));
    assert_eq!(events.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_call_without_an_answer_is_given_up_and_others_go_on() {
    let mut scene = Scene::new();
    let (client, mut server) = scene.session("2025-06-18").await;
    let since = Instant::now();
    let posted = client.spawn(call("a"));
    server.next().await;
    let mut events = Events::of(posted.await.unwrap());
    let error = events.data().await;
    assert_eq!((&error["id"], &error["error"]["data"]["code"]), (&json!("a"), &json!("call.timeout")));
    assert!(since.elapsed().abs_diff(Limits::default().request_timeout) < Duration::from_millis(10));
    assert_eq!(events.next().await, None);
    let cancelled = server.next().await;
    assert_eq!(
        (&cancelled["method"], &cancelled["params"]["requestId"]),
        (&json!("notifications/cancelled"), &json!("a"))
    );
    server.say(answer("a", "late")).await;
    let posted = client.spawn(call("b"));
    server.next().await;
    server.say(answer("b", 1)).await;
    assert_eq!(json_body(posted.await.unwrap()).await, answer("b", 1));
    assert_eq!(scene.front.counts().late, 1);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_reads_nothing_leaves_no_post_without_an_answer() {
    let mut scene = Scene::new();
    let (client, _deaf) = scene.session("2025-06-18").await;
    let large = told(&"x".repeat(CONVERSATION_QUEUE));
    assert_eq!(client.post(large.clone()).await.status(), StatusCode::ACCEPTED);
    let since = Instant::now();
    let error = Events::of(client.post(call(1)).await).data().await;
    assert_eq!((&error["id"], &error["error"]["data"]["code"]), (&json!(1), &json!("call.timeout")));
    assert!(since.elapsed().abs_diff(Limits::default().request_timeout) < Duration::from_millis(10));
    let unsaid = refused(client.post(large).await).await;
    assert_eq!(unsaid, (StatusCode::SERVICE_UNAVAILABLE, "server.stalled".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_call_may_be_answered_and_ends_by_itself() {
    let mut scene = Scene::new();
    let (client, mut server) = scene.session("2025-06-18").await;
    let cancel = |id: u32| json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}});
    let (answered, silent) = (client.spawn(call(1)), client.spawn(call(2)));
    server.next().await;
    server.next().await;
    for id in [1, 2] {
        assert_eq!(client.post(cancel(id)).await.status(), StatusCode::ACCEPTED);
        assert_eq!(server.next().await, cancel(id));
    }
    let since = Instant::now();
    server.say(answer(1, "all the same")).await;
    assert_eq!(json_body(answered.await.unwrap()).await, answer(1, "all the same"));
    let error = json_body(silent.await.unwrap()).await;
    assert_eq!((&error["id"], &error["error"]["data"]["code"]), (&json!(2), &json!("call.cancelled")));
    let after = since.elapsed();
    assert!(after >= Duration::from_secs(5) && after < Duration::from_millis(5100), "{after:?}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_stops_reading_loses_its_connection_not_its_calls() {
    let mut scene = Scene::new();
    let (client, mut server) = scene.session("2025-06-18").await;
    let mut general = Events::of(client.get().await);
    let since = Instant::now();
    let large = told(&"x".repeat(600_000));
    for _ in 0..2 {
        server.say(large.clone()).await;
    }
    let posted = client.spawn(call(1));
    server.next().await;
    server.say(answer(1, 1)).await;
    assert_eq!(json_body(posted.await.unwrap()).await, answer(1, 1));
    assert!(since.elapsed() >= Duration::from_secs(29), "it had its time: {:?}", since.elapsed());
    assert_eq!(general.block().await.unwrap(), ":");
    assert_eq!(general.next().await, None, "given up");
    assert_eq!(Events::of(client.get().await).data().await, large, "what is left can be had");
}
