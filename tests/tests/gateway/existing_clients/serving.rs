//! Their servers are listed and called, over restarts of the gateway and the end of their servers.

use culvert_tests::mcp::McpSession;
use culvert_tests::own_gateway::{OwnGateway, SECRET};
use culvert_tests::peers::peer;
use culvert_tests::{CulvertCommand, Fixture};
use serde_json::{Value, json};

use super::{Existing, House, mcp_client};

/// The real server of the time, listed and called by both generations of a real MCP client. Then the gateway goes and
/// comes back at its old address: the tunnel client finds it by itself, under the name that it had.
async fn a_real_server_is_called_before_and_after_a_restart(client: Existing) {
    let state = tempfile::tempdir().unwrap();
    let token = OwnGateway::token("me@example.com", SECRET).await;
    let start = |listen: String| {
        let command = CulvertCommand::bare().args(["gateway", "--json", "--listen", &listen]);
        OwnGateway::start_as(command.arg("--state-dir").arg(state.path()).env("JWT_SECRET_KEY", SECRET))
    };
    let mut house = House { gateway: start("127.0.0.1:0".into()).await, token };
    let time = peer("TIME").display().to_string();
    let (running, name) = house.share(client, &[time, "--local-timezone".into(), "UTC".into()]).await;
    let id = house.gateway.server_becomes(&name, "online", &house.token).await["id"].clone();
    assert_time_is_told(&house, &name, "MCP1_PYTHON").await;
    let address = house.gateway.address().to_string();
    house.gateway.culvert.stop().await;

    house.gateway = start(address).await;
    let entry = house.gateway.server_becomes(&name, "online", &house.token).await;
    assert_eq!(entry["id"], id, "the same server as before");
    assert_time_is_told(&house, &name, "MCP2_PYTHON").await;
    running.stop().await;
    house.gateway.server_becomes(&name, "offline", &house.token).await;
    house.gateway.culvert.stop().await;
}

async fn assert_time_is_told(house: &House, name: &str, python: &str) {
    let called = mcp_client(python, "call.py")
        .args([&house.url(name), "get_current_time", r#"{"timezone":"UTC"}"#])
        .env("MCP_TOKEN", &house.token)
        .finish()
        .await;
    assert_eq!(called.code, Some(0), "{called:#?}");
    let got: Value = serde_json::from_str(called.out.last().unwrap()).unwrap();
    assert_eq!(got["tools"], json!(["convert_time", "get_current_time"]), "{got}");
    assert!(got["text"].as_str().is_some_and(|text| text.contains("UTC")), "{got}");
}

#[tokio::test]
async fn contextforges_own_client_serves_a_real_server_and_outlives_the_gateway() {
    a_real_server_is_called_before_and_after_a_restart(Existing::ContextForge).await;
}

#[tokio::test]
async fn pypis_client_serves_a_real_server_and_outlives_the_gateway() {
    a_real_server_is_called_before_and_after_a_restart(Existing::PyPi).await;
}

/// The server dies; these clients tell nobody. PyPI's loses its link at the next message, ContextForge's own keeps it up
/// for ever. No call outlives the link, others are not touched, and a client started anew serves again.
async fn a_dead_server_holds_nobody_else_up(client: Existing) {
    let house = House::open().await;
    let (other, other_name) = house.share(Existing::PyPi, &Fixture::default().arguments()).await;
    let server = Fixture::default();
    let (running, name) = house.share(client, &server.arguments()).await;
    let session = McpSession::begin(&house.gateway, &name, &house.token).await;
    let call = |id: i32, tool: &'static str| {
        let session = session.clone();
        tokio::spawn(async move { session.call(id, tool, json!({})).await })
    };
    let deadly = call(1, "exit");
    server.until("the deadly call", |_| server.received("tools/call").pop()).await;
    let after = call(2, "echo");

    let elsewhere = McpSession::begin(&house.gateway, &other_name, &house.token).await;
    let answer = elsewhere.call(1, "echo", json!({"text": "not my affair"})).await;
    assert_eq!(answer["result"]["content"][0]["text"], "not my affair", "{answer}");

    if matches!(client, Existing::ContextForge) {
        running.says("Connection lost").await;
        house.gateway.server_becomes(&name, "online", &house.token).await;
        drop(running);
    }
    for call in [deadly, after] {
        let answer = call.await.unwrap();
        assert_eq!(answer["error"]["data"]["code"], "tunnel.closed", "{answer}");
    }
    house.gateway.server_becomes(&name, "offline", &house.token).await;

    let (again, name) = house.share(client, &server.arguments()).await;
    let session = McpSession::begin(&house.gateway, &name, &house.token).await;
    let answer = session.call(1, "echo", json!({"text": "back again"})).await;
    assert_eq!(answer["result"]["content"][0]["text"], "back again", "{answer}");
    again.stop().await;
    other.stop().await;
    house.gateway.culvert.stop().await;
}

#[tokio::test]
async fn a_server_that_dies_behind_contextforges_own_client_holds_nobody_else_up() {
    a_dead_server_holds_nobody_else_up(Existing::ContextForge).await;
}

#[tokio::test]
async fn a_server_that_dies_behind_pypis_client_holds_nobody_else_up() {
    a_dead_server_holds_nobody_else_up(Existing::PyPi).await;
}
