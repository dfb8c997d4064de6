//! A tool policy, with a real server behind it: what may not pass is neither listed nor called, and another policy holds
//! without a restart.

use culvert_tests::mcp::McpSession;
use culvert_tests::own_gateway::{OwnGateway, SECRET};
use culvert_tests::watched::PATIENCE;
use culvert_tests::{Fixture, fixture};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

async fn tools(session: &McpSession) -> Vec<String> {
    let response = session.post(&json!({"jsonrpc": "2.0", "id": "list", "method": "tools/list"})).await;
    let answer: Value = serde_json::from_str(&response.messages().pop().unwrap()).unwrap();
    let tools = answer["result"]["tools"].as_array().unwrap_or_else(|| panic!("{answer}"));
    tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
}

fn is_denied(answer: &Value) -> bool {
    answer["error"]["data"]["code"] == "policy.denied"
}

#[tokio::test]
async fn what_may_not_pass_is_neither_listed_nor_called_and_changes_hold_at_once() {
    let gateway = OwnGateway::start().await;
    let token = OwnGateway::token("me", SECRET).await;
    let fixture = Fixture::default();
    let command = gateway.tunnel(&fixture, "fixture", &token);
    let file = command.write("policy.yaml", "tools_deny: [environment, 'ex*']\n");
    let tunnel = command.arg("--config").arg(&file).start();
    tunnel.online().await;
    let session = McpSession::begin(&gateway, "fixture", &token).await;

    // Before anybody has listed anything.
    let answer = session.call(1, "echo", json!({"text": "hello"})).await;
    assert_eq!(answer["result"]["content"][0]["text"], "hello", "{answer}");
    for denied in ["environment", "exit", "no_such_tool"] {
        let answer = session.call(2, denied, json!({})).await;
        assert!(is_denied(&answer), "{denied}: {answer}");
    }
    let reached: Vec<_> = fixture.received("tools/call").iter().map(|call| call["params"]["name"].clone()).collect();
    assert_eq!(reached, ["echo"], "nothing else reached the server");
    let listed = tools(&session).await;
    assert!(!listed.iter().any(|name| name == "environment" || name == "exit"), "{listed:?}");
    assert_eq!(listed.len(), fixture::TOOLS - 2);
    let entry = gateway.server_becomes("fixture", "online", &token).await;
    assert_eq!(entry["tools"], fixture::TOOLS - 2, "the gateway itself sees no more: {entry}");

    std::fs::write(&file, "tools_allow: [environment]\n").unwrap();
    let deadline = Instant::now() + PATIENCE;
    while !is_denied(&session.call(3, "echo", json!({"text": "x"})).await) {
        assert!(Instant::now() < deadline, "the new policy does not hold");
        sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(tools(&session).await, ["environment"]);
    assert!(session.call(4, "environment", json!({})).await["result"].is_object());

    std::fs::write(&file, "tool_preset: read-only\n").unwrap();
    while !tools(&session).await.is_empty() {
        assert!(Instant::now() < deadline, "no tool of the fixture says that it only reads");
        sleep(std::time::Duration::from_millis(50)).await;
    }
    let finished = tunnel.stop().await;
    let online = finished.events().iter().filter(|event| event["event"] == "online").count();
    assert_eq!(online, 1, "it was online all the while: {finished:?}");
    gateway.culvert.stop().await;
}
