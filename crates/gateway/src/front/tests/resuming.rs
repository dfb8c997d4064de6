//! Broken connections and what can be had again.

use super::*;

#[tokio::test]
async fn a_broken_post_is_taken_up_by_a_get_after_the_last_event_seen() {
    let mut scene = Scene::new();
    let (client, mut server) = scene.session("2025-06-18").await;
    let posted = client.spawn(call_with_token(1, "t"));
    server.next().await;
    server.say(progress("t", 1)).await;
    server.say(progress("t", 2)).await;
    let mut events = Events::of(posted.await.unwrap());
    let seen = events.next().await.unwrap();
    assert_eq!(seen.data, progress("t", 1));
    drop(events);
    server.say(progress("t", 3)).await;

    let again = client.with("last-event-id", seen.id);
    let mut events = Events::of(again.get().await);
    assert_eq!(events.data().await, progress("t", 2));
    assert_eq!(events.data().await, progress("t", 3));
    server.say(answer(1, "done")).await;
    let last = events.next().await.unwrap();
    assert_eq!(last.data, answer(1, "done"));
    assert_eq!(events.next().await, None);
    drop(events);

    let mut events = Events::of(again.get().await);
    assert_eq!(events.data().await, progress("t", 2), "once more, after the end");
    let mut events = Events::of(client.with("last-event-id", last.id).get().await);
    assert_eq!(events.next().await, None, "nothing came after it");
}

#[tokio::test]
async fn an_answer_that_came_while_nobody_listened_is_there() {
    let mut scene = Scene::new();
    let (client, mut server) = scene.session("2025-11-25").await;
    let posted = client.spawn(call_with_token(1, "t"));
    server.next().await;
    server.say(progress("t", 1)).await;
    let mut events = Events::of(posted.await.unwrap());
    let primer = events.block().await.unwrap();
    let id = primer.lines().next().unwrap().strip_prefix("id: ").unwrap().to_owned();
    drop(events);
    let other = client.spawn(call(2));
    server.next().await;
    server.say(answer(1, "done")).await;
    server.say(answer(2, 2)).await;
    other.await.unwrap();
    let mut events = Events::of(client.with("last-event-id", id).get().await);
    assert_eq!(events.data().await, progress("t", 1));
    assert_eq!(events.data().await, answer(1, "done"));
    assert_eq!(events.next().await, None);
}

#[tokio::test]
async fn the_get_stream_resumes_and_sends_a_stale_listener_away() {
    let mut scene = Scene::new();
    let (client, server) = scene.session("2025-06-18").await;
    let mut stale = Events::of(client.get().await);
    server.say(told("a")).await;
    server.say(told("b")).await;
    let seen = stale.next().await.unwrap().id;
    let mut fresh = Events::of(client.with("last-event-id", seen).get().await);
    assert_eq!(fresh.data().await, told("b"));
    server.say(told("c")).await;
    assert_eq!(fresh.data().await, told("c"));
    while stale.next().await.is_some() {}
    assert_eq!(refused(client.get().await).await.0, StatusCode::CONFLICT, "the fresh one stays");
}

#[tokio::test]
async fn an_event_of_no_stream_is_refused() {
    let mut scene = Scene::new();
    let (client, mut server) = scene.session("2025-06-18").await;
    let posted = client.spawn(call(1));
    server.next().await;
    for id in ["", "x", "7-1", "1-1", "2-0"] {
        let response = client.with("last-event-id", id).get().await;
        assert_eq!(refused(response).await, (StatusCode::BAD_REQUEST, "stream.unknown".to_owned()), "{id}");
    }
    server.say(answer(1, 1)).await;
    assert_eq!(json_body(posted.await.unwrap()).await, answer(1, 1), "a held POST cannot be taken from its client");
}
