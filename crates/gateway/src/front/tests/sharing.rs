//! Two HTTP clients on one base tunnel.

use super::*;
use crate::shared::tests::shared;

async fn session(scene: &Scene, backend: Backend) -> Client {
    let mut client = Client { backend, ..scene.client() };
    let response = client.post(initialize("2025-06-18")).await;
    client.header("mcp-session-id", response.headers()["mcp-session-id"].to_str().unwrap());
    assert_eq!(json_body(response).await["result"]["protocolVersion"], "2025-06-18");
    client
}

#[tokio::test]
async fn two_clients_use_one_child_at_once_without_crosstalk() {
    let scene = Scene::new();
    let (tunnel, mut child) = shared().await;
    let one = session(&scene, Backend::Shared(tunnel.clone())).await;
    let two = session(&scene, Backend::Shared(tunnel.clone())).await;
    let posts: Vec<_> =
        (0..50).flat_map(|id| [&one, &two].map(|client| client.spawn(call_with_token(id, format!("t{id}"))))).collect();
    let mut requests = Vec::new();
    for _ in 0..posts.len() {
        requests.push(child.next().await);
    }
    for request in requests.iter().rev() {
        let token = request["params"]["_meta"]["progressToken"].clone();
        child.say(progress(token, 1)).await;
        child.say(answer(request["id"].clone(), request["id"].clone())).await;
    }
    let mut results = std::collections::HashSet::new();
    for (at, posted) in posts.into_iter().enumerate() {
        let mut events = Events::of(posted.await.unwrap());
        assert_eq!(events.data().await, progress(format!("t{}", at / 2), 1));
        let last = events.data().await;
        assert_eq!(last["id"], at / 2);
        assert!(results.insert(last["result"].to_string()), "each its own");
    }
}

#[tokio::test]
async fn a_tunnel_that_ends_answers_all_and_a_new_one_serves_new_sessions() {
    let scene = Scene::new();
    let (tunnel, mut child) = shared().await;
    let client = session(&scene, Backend::Shared(tunnel.clone())).await;
    let posted = client.spawn(call(1));
    child.next().await;
    drop(child);
    assert_eq!(json_body(posted.await.unwrap()).await["error"]["data"]["code"], "tunnel.closed");
    let response = scene.client();
    let response = Client { backend: Backend::Shared(tunnel), ..response }.post(initialize("2025-06-18")).await;
    assert!(response.headers().contains_key("retry-after"));
    assert_eq!(refused(response).await, (StatusCode::SERVICE_UNAVAILABLE, "tunnel.closed".to_owned()));
    let (tunnel, mut child) = shared().await;
    let stale = Client { backend: Backend::Shared(tunnel.clone()), ..client };
    assert_eq!(refused(stale.post(call(1)).await).await.0, StatusCode::NOT_FOUND);
    let client = session(&scene, Backend::Shared(tunnel)).await;
    let posted = client.spawn(call(1));
    let id = child.next().await["id"].clone();
    child.say(answer(id, "ok")).await;
    assert_eq!(json_body(posted.await.unwrap()).await, answer(1, "ok"));
}

#[tokio::test]
async fn a_deleted_session_cancels_its_calls_on_the_shared_child() {
    let scene = Scene::new();
    let (tunnel, mut child) = shared().await;
    let client = session(&scene, Backend::Shared(tunnel.clone())).await;
    let posted = client.spawn(call(1));
    let id = child.next().await["id"].clone();
    client.delete().await;
    posted.await.unwrap();
    let cancelled = child.next().await;
    assert_eq!((&cancelled["method"], &cancelled["params"]["requestId"]), (&json!("notifications/cancelled"), &id));
}
