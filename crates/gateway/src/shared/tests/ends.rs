//! How conversations on a shared child end, from each side.

use culvert_protocol::rpc_error::RpcError;

use super::*;

#[tokio::test]
async fn a_client_that_leaves_cancels_its_own_calls_only() {
    let (shared, mut child) = shared().await;
    let (one, mut two) = (client(&shared).await, client(&shared).await);
    say(&one, json!({"jsonrpc": "2.0", "id": 1, "method": "a"})).await;
    let left = child.next().await["id"].clone();
    say(&two, json!({"jsonrpc": "2.0", "id": 1, "method": "b"})).await;
    let stays = child.next().await["id"].clone();
    drop(one);
    let cancelled = child.next().await;
    assert_eq!((&cancelled["method"], &cancelled["params"]["requestId"]), (&json!("notifications/cancelled"), &left));
    child.say(json!({"jsonrpc": "2.0", "id": left, "result": {}})).await;
    child.say(json!({"jsonrpc": "2.0", "id": stays, "result": {}})).await;
    assert_eq!(next(&mut two).await["id"], 1);
    let counts = shared.counts();
    assert_eq!((counts.clients, counts.in_flight, counts.late), (1, 0, 1));
}

#[tokio::test]
async fn when_the_child_goes_each_waiting_call_gets_one_error_and_all_conversations_end() {
    let (shared, mut child) = shared().await;
    let (mut one, mut two) = (client(&shared).await, client(&shared).await);
    for id in [1, 2] {
        say(&one, json!({"jsonrpc": "2.0", "id": id, "method": "a"})).await;
        child.next().await;
    }
    let own = tokio::spawn({
        let shared = shared.clone();
        async move { shared.request("tools/list", None, LONG).await }
    });
    child.next().await;
    drop(child);
    for id in [1, 2] {
        let answer = next(&mut one).await;
        assert_eq!((&answer["id"], &answer["error"]["data"]["code"]), (&json!(id), &json!("tunnel.closed")));
    }
    over(&mut one).await;
    over(&mut two).await;
    assert!(matches!(own.await.unwrap(), Err(super::super::CallError::Ended(why)) if why.code() == "tunnel.closed"));
    assert_eq!(shared.closed().await.code(), "tunnel.closed");
    assert_eq!(shared.attach(User::default()).unwrap_err().code(), "tunnel.closed");
    until(|| shared.counts().clients == 0).await;
}

#[tokio::test]
async fn an_end_from_the_house_says_why_also_to_what_was_not_read_yet() {
    let (shared, mut child) = starting();
    let mut one = shared.attach(User::default()).unwrap();
    say(&one, json!({"jsonrpc": "2.0", "id": "unread", "method": "a"})).await;
    child.next().await;
    shared.end(RpcError::tunnel("link.displaced", "another tunnel took its place"));
    shared.end(RpcError::tunnel("tunnel.closed", "later"));
    let answer = next(&mut one).await;
    assert_eq!((&answer["id"], &answer["error"]["data"]["code"]), (&json!("unread"), &json!("link.displaced")));
    over(&mut one).await;
    assert_eq!(shared.ready().await.unwrap_err().code(), "link.displaced");
    assert!(child.end.to_client.send(Bytes::new()).await.is_err(), "the child is let go");
}

#[tokio::test]
async fn the_last_handle_ends_it() {
    let (shared, mut child) = shared().await;
    let mut one = client(&shared).await;
    drop(shared);
    over(&mut one).await;
    child.end.to_client.closed().await;
    assert!(child.end.from_client.recv().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_child_that_never_answers_the_handshake_is_given_up() {
    let (shared, mut child) = starting();
    child.next().await;
    let why = shared.ready().await.unwrap_err();
    assert_eq!(why.code(), "server.handshake");
    assert!(why.message().contains("60 s"), "{}", why.message());
}

#[tokio::test]
async fn a_child_that_refuses_the_handshake_is_given_up_with_its_words() {
    let (shared, mut child) = starting();
    let id = child.next().await["id"].clone();
    child.say(json!({"jsonrpc": "2.0", "id": id, "error": {"code": 1, "message": "not today"}})).await;
    assert!(shared.ready().await.unwrap_err().message().contains("not today"));
}

#[tokio::test]
async fn a_slow_client_is_cut_off_with_a_reason_and_others_go_on() {
    let (shared, mut child) = shared().await;
    let (mut slow, mut quick) = (client(&shared).await, client(&shared).await);
    say(&slow, json!({"jsonrpc": "2.0", "id": 1, "method": "a"})).await;
    let waits = child.next().await["id"].clone();
    let large = format!(r#"{{"jsonrpc":"2.0","method":"notifications/message","params":"{}"}}"#, "x".repeat(1 << 20));
    let (large, count) = (Bytes::from(large), shared.core.terms.backlog / (1 << 20) + 1);
    for _ in 0..count {
        child.say_text(large.clone()).await;
        assert_eq!(line(&mut quick).await.len(), large.len());
    }
    let cancelled = child.next().await;
    assert_eq!((&cancelled["method"], &cancelled["params"]["requestId"]), (&json!("notifications/cancelled"), &waits));
    say(&quick, json!({"jsonrpc": "2.0", "id": 1, "method": "b"})).await;
    let id = child.next().await["id"].clone();
    child.say(json!({"jsonrpc": "2.0", "id": id, "result": {}})).await;
    assert_eq!(next(&mut quick).await["id"], 1);
    let mut last = String::new();
    for _ in 0..count {
        last = line(&mut slow).await;
        if last.len() < large.len() {
            break;
        }
    }
    assert!(last.contains("client.slow"), "after what it was sent in time comes the reason");
    over(&mut slow).await;
    assert_eq!(shared.counts().cut, 1);
}

#[tokio::test]
async fn an_answer_that_does_not_fit_becomes_the_reason() {
    let (shared, mut child) = shared().await;
    let mut slow = client(&shared).await;
    for id in [1, 2] {
        say(&slow, json!({"jsonrpc": "2.0", "id": id, "method": "a"})).await;
        let number = child.next().await["id"].clone();
        let result = "x".repeat(shared.core.terms.backlog * 2 / 3);
        child.say(json!({"jsonrpc": "2.0", "id": number, "result": result})).await;
    }
    until(|| shared.counts().cut == 1).await;
    assert_eq!(next(&mut slow).await["id"], 1);
    let answer = next(&mut slow).await;
    assert_eq!((&answer["id"], &answer["error"]["data"]["code"]), (&json!(2), &json!("client.slow")));
    over(&mut slow).await;
}

#[tokio::test]
async fn calls_are_bounded_and_the_excess_is_answered() {
    let (shared, mut child) = shared().await;
    let mut one = client(&shared).await;
    let limit = shared.core.terms.room.of_one;
    for id in 0..=limit {
        say(&one, json!({"jsonrpc": "2.0", "id": id, "method": "a"})).await;
        if id < limit {
            child.next().await;
        }
    }
    let answer = next(&mut one).await;
    assert_eq!((&answer["id"], &answer["error"]["data"]["code"]), (&json!(limit), &json!("calls.too_many")));
    assert!(child.is_quiet());
}
