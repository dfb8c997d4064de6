//! The gateway inside the app: tried with one click, switched on and used, and found again at the same port.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use culvert_tests::Fixture;
use culvert_tests::desktop::{Keyring, User, WebDriver, keys};
use culvert_tests::http::Request;
use culvert_tests::mcp::McpSession;
use serde_json::{Value, json};

/// Gives the built-in gateway a port of this test's own.
fn port(user: &User) -> SocketAddr {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    user.chose(&json!({"gateway_port": free.port()}));
    free
}

#[tokio::test]
async fn trying_it_shares_a_clock_on_this_machine_with_one_click() {
    let (mut user, server) = (User::new().await, Fixture::default());
    user.desktop.keyring(Keyring::Open).await;
    let address = port(&user);
    user.finds(&server.stand_ins(&["uvx"]));
    let web = WebDriver::start(&user.desktop, &[]).await;
    web.shows("uvx mcp-server-time").await;
    web.choose("button \"Try it").await;
    web.shows("Online for").await;
    web.shows("Built-in gateway").await;
    let starts = server.events("start");
    assert_eq!(starts[0]["arguments"], json!(["mcp-server-time"]), "{starts:?}");

    web.choose_in("Use in", "mcp.json").await;
    web.shows("Copied for mcp.json.").await;
    let entry: Value = serde_json::from_str(&user.desktop.clipboard().await).unwrap();
    let entry = entry["mcpServers"].as_object().unwrap().values().next().unwrap().clone();
    let path = entry["url"].as_str().unwrap().strip_prefix(&format!("http://{address}")).unwrap().to_owned();
    let bearer = entry["headers"]["Authorization"].as_str().unwrap();
    let post = Request::new("POST", address, &path).header("authorization", bearer);
    let answer = McpSession::begin_at(post).await.call(1, "echo", json!({"text": "hello"})).await;
    assert_eq!(answer["result"]["content"][0]["text"], "hello", "{answer}");
    web.quit().await;
}

#[tokio::test]
async fn the_built_in_gateway_is_switched_on_used_by_a_profile_and_keeps_its_port() {
    let (mut user, server) = (User::new().await, Fixture::default());
    user.desktop.keyring(Keyring::Open).await;
    let address = port(&user);
    user.saves("git", &server).await;
    let web = WebDriver::start(&user.desktop, &[]).await;
    web.connect("git").await;
    web.choose("button \"Settings").await;
    web.tab_to("switch \"Built-in gateway").await;
    web.press(keys::SPACE).await;
    web.shows(&format!("On at http://{address}")).await;
    web.choose_in("Choose a profile", "git").await;
    web.shows("git now uses the built-in gateway.").await;
    let status = |answer: Option<culvert_tests::http::Response>| answer.map(|answer| answer.status);
    let anybody = Request::new("GET", address, "/servers");
    assert_eq!(status(anybody.try_send().await), Some(401), "it asks for a token");
    web.quit().await;
    assert_eq!(status(anybody.try_send().await), None, "it ended with the app");

    let tray = user.desktop.tray().await;
    let running = user.starts(&tray).await;
    running.menu.online("git").await;
    assert_eq!(status(anybody.try_send().await), Some(401), "it is where it was");
    running.app.stop().await;
}
