//! The catalog and the sessions: a server appears by itself, is offline when gone, and stays known.

use culvert_tests::Fixture;
use culvert_tests::own_gateway::{OwnGateway, SECRET};
use serde_json::{Value, json};

const ACCEPT: &str = "application/json, text/event-stream";

fn hello() -> Value {
    let params =
        json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
    json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params})
}

async fn token() -> String {
    OwnGateway::token("me@example.com", SECRET).await
}

#[tokio::test]
async fn a_server_appears_by_itself_is_offline_when_gone_and_can_be_forgotten() {
    let (gateway, token) = (OwnGateway::start().await, token().await);
    let tunnel = gateway.tunnel(&Fixture::default(), "my fixture", &token).start();
    let online = tunnel.online().await;
    assert_eq!(online["url"], format!("{}/servers/my%20fixture/mcp", gateway.url));
    let entry = gateway.server_becomes("my fixture", "online", &token).await;
    assert_eq!((&entry["owner"], &entry["tools"]), (&json!("me@example.com"), &json!(culvert_tests::fixture::TOOLS)));
    let by_id = format!("/servers/{}", entry["id"].as_str().unwrap());

    let kept = gateway.request("DELETE", &by_id, &token).send().await;
    assert_eq!(kept.status, 409, "its tunnel would bring it back: {kept:?}");

    tunnel.stop().await;
    gateway.server_becomes("my fixture", "offline", &token).await;
    for path in [format!("{by_id}/mcp"), "/servers/my%20fixture/mcp".to_owned()] {
        let call = gateway.request("POST", &path, &token).header("accept", ACCEPT).json(&hello()).send().await;
        assert_eq!(call.status, 503, "offline, and never 404: {call:?}");
        assert!(call.header("retry-after").is_some_and(|after| after.parse::<u32>().is_ok()), "{call:?}");
    }

    assert_eq!(gateway.request("DELETE", &by_id, &token).send().await.status, 200);
    assert!(gateway.catalog(&token).await.is_empty());
    let unknown = gateway.request("POST", "/servers/my%20fixture/mcp", &token).header("accept", ACCEPT).json(&hello());
    assert_eq!(unknown.send().await.status, 404);
    gateway.culvert.stop().await;
}

#[tokio::test]
async fn ids_survive_a_restart_of_the_gateway_and_the_tunnel_comes_back() {
    let state = tempfile::tempdir().unwrap();
    let token = token().await;
    let command = |listen: &str| {
        culvert_tests::CulvertCommand::bare()
            .args(["gateway", "--json", "--listen", listen])
            .arg("--state-dir")
            .arg(state.path())
            .env("JWT_SECRET_KEY", SECRET)
    };
    let first = OwnGateway::start_as(command("127.0.0.1:0")).await;
    let address = first.address().to_string();
    let tunnel = first.tunnel(&Fixture::default(), "fixture", &token).start();
    tunnel.online().await;
    let id = first.server_becomes("fixture", "online", &token).await["id"].clone();
    first.culvert.stop().await;
    tunnel.event("waiting", |event| event["status"] == "waiting").await;

    let second = OwnGateway::start_as(command(&address)).await;
    assert_eq!(second.catalog(&token).await[0]["id"], id, "known from the start");
    tunnel.event_number("online", 2, |event| event["event"] == "online").await;
    assert_eq!(second.server_becomes("fixture", "online", &token).await["id"], id);
    tunnel.stop().await;
    second.culvert.stop().await;
}

#[tokio::test]
async fn a_broken_catalog_file_is_kept_aside_and_does_not_stop_the_gateway() {
    let state = tempfile::tempdir().unwrap();
    std::fs::write(state.path().join("catalog.json"), "{\"version\": 1, \"servers\": [").unwrap();
    let gateway = OwnGateway::start_as(OwnGateway::command().arg("--state-dir").arg(state.path())).await;
    assert!(gateway.catalog(&token().await).await.is_empty());
    assert!(state.path().join("catalog.json.broken").exists());
    gateway.culvert.stop().await;
}

#[tokio::test]
async fn a_posted_request_is_answered_and_a_deleted_session_comes_back() {
    let (gateway, token) = (OwnGateway::start().await, token().await);
    let tunnel = gateway.tunnel(&Fixture::default(), "fixture", &token).start();
    let session = tunnel.online().await["session"].as_str().unwrap().to_owned();
    let list = gateway.request("GET", "/reverse-proxy/sessions", &token).send().await.json();
    assert_eq!(list["total"], 1);
    assert_eq!(list["sessions"][0]["session_id"], session);
    assert_eq!(list["sessions"][0]["server_info"]["name"], "fixture");

    let path = format!("/reverse-proxy/sessions/{session}/request");
    let call = json!({"jsonrpc": "2.0", "id": "seven", "method": "tools/call",
        "params": {"name": "echo", "arguments": {"text": "posted"}}});
    let answer = gateway.request("POST", &path, &token).json(&call).send().await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let answer = answer.json();
    assert_eq!((&answer["id"], &answer["result"]["content"][0]["text"]), (&json!("seven"), &json!("posted")));

    let deleted = gateway.request("DELETE", &format!("/reverse-proxy/sessions/{session}"), &token).send().await;
    assert_eq!(deleted.status, 200, "{deleted:?}");
    let again = tunnel.event_number("online", 2, |event| event["event"] == "online").await;
    assert_ne!(again["session"], session);
    assert_eq!(gateway.request("POST", &path, &token).json(&call).send().await.status, 404);
    tunnel.stop().await;
    gateway.culvert.stop().await;
}

#[tokio::test]
async fn a_call_to_a_server_that_dies_is_answered_at_once() {
    let (gateway, token) = (OwnGateway::start().await, token().await);
    let tunnel = gateway.tunnel(&Fixture::default(), "fixture", &token).start();
    let session = tunnel.online().await["session"].as_str().unwrap().to_owned();
    let path = format!("/reverse-proxy/sessions/{session}/request");
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": {"name": "exit", "arguments": {"code": 3, "stderr": "out of cheese"}}});
    let began = std::time::Instant::now();
    let answer = gateway.request("POST", &path, &token).json(&call).send().await;
    assert!(began.elapsed().as_secs() < 20, "not after a timeout");
    assert!(answer.body.contains("out of cheese") && answer.body.contains("server.exited"), "{answer:?}");
    tunnel.stop().await;
    gateway.culvert.stop().await;
}

#[tokio::test]
async fn what_belongs_to_others_looks_like_what_is_not_there() {
    let (gateway, owner) = (OwnGateway::start().await, token().await);
    let other = OwnGateway::token("other@example.com", SECRET).await;
    let tunnel = gateway.tunnel(&Fixture::default(), "fixture", &owner).start();
    let session = tunnel.online().await["session"].as_str().unwrap().to_owned();
    let entry = gateway.server_becomes("fixture", "online", &owner).await;
    assert!(gateway.catalog(&other).await.is_empty());
    let theirs = gateway.request("GET", "/reverse-proxy/sessions", &other).send().await.json();
    assert_eq!(theirs["total"], 0);
    for (method, path) in [
        ("DELETE", format!("/reverse-proxy/sessions/{session}")),
        ("POST", format!("/reverse-proxy/sessions/{session}/request")),
        ("DELETE", format!("/servers/{}", entry["id"].as_str().unwrap())),
        ("POST", format!("/servers/{}/mcp", entry["id"].as_str().unwrap())),
        ("POST", "/servers/fixture/mcp".to_owned()),
    ] {
        let denied = gateway.request(method, &path, &other).header("accept", ACCEPT).json(&hello()).send().await;
        assert_eq!(denied.status, 404, "{method} {path}: {denied:?}");
    }
    tunnel.stop().await;
    gateway.culvert.stop().await;
}

#[tokio::test]
async fn the_same_name_of_two_owners_are_two_servers() {
    let (gateway, mine) = (OwnGateway::start().await, token().await);
    let theirs = OwnGateway::token("other@example.com", SECRET).await;
    let one = gateway.tunnel(&Fixture::default(), "fixture", &mine).start();
    one.online().await;
    let two = gateway.tunnel(&Fixture::default(), "fixture", &theirs).start();
    two.online().await;
    let (a, b) = (gateway.catalog(&mine).await, gateway.catalog(&theirs).await);
    assert_eq!((a.len(), b.len()), (1, 1));
    assert_ne!(a[0]["id"], b[0]["id"]);
    assert!(one.events().iter().all(|event| event["status"] != "waiting"), "nobody was displaced");
    one.stop().await;
    two.stop().await;
    gateway.culvert.stop().await;
}
