//! A network that says a registration twice: the whole connection comes once more, answers and all, or the client says
//! `register` again. The living tunnel stays, the catalog has one server, and no child is started for it.

use std::collections::HashSet;

use culvert_tests::Fixture;
use culvert_tests::base_client::BaseClient;
use culvert_tests::cutter::{Cutter, Plan};
use culvert_tests::mcp::McpSession;
use culvert_tests::own_gateway::{OwnGateway, SECRET};
use serde_json::{Value, json};

/// How often it is said again.
const TIMES: usize = 5;

/// A gateway behind a network, and who asks it.
struct Scene {
    gateway: OwnGateway,
    token: String,
    network: Cutter,
}

impl Scene {
    async fn open() -> Self {
        let gateway = OwnGateway::start().await;
        let token = OwnGateway::token("me@example.com", SECRET).await;
        let network = Cutter::before(gateway.address(), Plan::breaks(1, 60_000)).await;
        Self { gateway, token, network }
    }

    /// The ids of all sessions.
    async fn sessions(&self) -> Vec<Value> {
        let answer = self.gateway.request("GET", "/reverse-proxy/sessions", &self.token).send().await.json();
        answer["sessions"].as_array().unwrap().iter().map(|session| session["session_id"].clone()).collect()
    }

    /// Says everything again and again; the tunnel of this name must not notice, nor who calls through it.
    async fn nothing_comes_of_what_is_said_twice(&self, name: &str) {
        let session = McpSession::begin(&self.gateway, name, &self.token).await;
        let before = self.sessions().await;
        assert_eq!(before.len(), 1, "{before:?}");
        for time in 0..TIMES {
            self.network.say_again().await;
            let text = format!("time {time}");
            let answer = session.call(time, "echo", json!({"text": text})).await;
            assert_eq!(answer["result"]["content"][0]["text"], text, "{answer}");
        }
        self.gateway.culvert.says_number("link ended", TIMES).await;
        assert_eq!(self.sessions().await, before, "{}", self.gateway.culvert.words());
        let catalog = self.gateway.catalog(&self.token).await;
        assert_eq!((catalog.len(), &catalog[0]["status"]), (1, &json!("online")), "{catalog:?}");
        let registered = self.gateway.culvert.words().matches("server registered").count();
        assert_eq!(registered, 1, "{}", self.gateway.culvert.words());
    }
}

/// `culvert run` over this kind of link.
async fn a_tunnel_does_not_notice(more: &[&str]) {
    let scene = Scene::open().await;
    let fixture = Fixture::default();
    let tunnel = OwnGateway::tunnel_through(&scene.network.url(), &fixture, "twice", &scene.token).args(more).start();
    tunnel.online().await;
    scene.nothing_comes_of_what_is_said_twice("twice").await;
    let events = tunnel.events();
    assert_eq!(events.iter().filter(|event| event["event"] == "online").count(), 1, "{events:#?}");
    assert!(!events.iter().any(|event| event["status"] == "waiting"), "{events:#?}");
    let started: HashSet<String> = fixture.events("start").iter().map(|start| start["pid"].to_string()).collect();
    assert_eq!(
        started.len(),
        2 - usize::from(more.contains(&"--single-child")),
        "one for the gateway, one for the client"
    );
    tunnel.stop().await;
    scene.gateway.culvert.stop().await;
}

#[tokio::test]
async fn a_connection_that_comes_twice_displaces_no_tunnel() {
    a_tunnel_does_not_notice(&["--transport", "ws"]).await;
}

#[tokio::test]
async fn a_connection_that_comes_twice_displaces_no_tunnel_over_sse() {
    a_tunnel_does_not_notice(&["--transport", "sse"]).await;
}

#[tokio::test]
async fn a_connection_that_comes_twice_displaces_no_tunnel_with_a_single_child() {
    a_tunnel_does_not_notice(&["--single-child"]).await;
}

#[tokio::test]
async fn a_connection_that_comes_twice_displaces_no_base_tunnel() {
    let scene = Scene::open().await;
    let client = BaseClient::start(&scene.network.url(), "twice", &scene.token);
    scene.gateway.server_becomes("twice", "online", &scene.token).await;
    scene.nothing_comes_of_what_is_said_twice("twice").await;
    assert_eq!(client.links(), 1, "the client's link was never ended");
    drop(client);
    scene.gateway.server_becomes("twice", "offline", &scene.token).await;
    scene.gateway.culvert.stop().await;
}

/// Where a connection may end: from within the upgrade to after all that is said at a registration.
const ENDS: [usize; 9] = [300, 600, 800, 1_000, 1_300, 1_700, 2_200, 2_800, 3_500];

/// Whoever brings the server of this name, it is there once, and can be called.
async fn is_there_once(scene: &Scene, name: &str) {
    let entry = scene.gateway.server_becomes(name, "online", &scene.token).await;
    let session = McpSession::begin(&scene.gateway, name, &scene.token).await;
    let answer = session.call(1, "echo", json!({"text": name})).await;
    assert_eq!(answer["result"]["content"][0]["text"], name, "{answer}");
    let answer = scene.gateway.request("GET", "/reverse-proxy/sessions", &scene.token).send().await.json();
    let bring_it = |session: &&Value| session["server_id"] == entry["id"];
    assert_eq!(answer["sessions"].as_array().unwrap().iter().filter(bring_it).count(), 1, "{answer}");
    let catalog = scene.gateway.catalog(&scene.token).await;
    assert_eq!(catalog.iter().filter(|entry| entry["name"] == name).count(), 1, "{catalog:?}");
    assert_eq!(session.post(&json!({"jsonrpc": "2.0", "id": 2, "method": "ping"})).await.status, 200);
}

/// A network whose first connections end, each a little later in the registration.
async fn a_tunnel_through_ends(transport: &'static str) {
    let scene = Scene::open().await;
    ENDS.iter().for_each(|bytes| scene.network.end_next_after(*bytes));
    let fixture = Fixture::default();
    let tunnel = OwnGateway::tunnel_through(&scene.network.url(), &fixture, "once", &scene.token)
        .args(["--transport", transport, "--max-retries", "0"])
        .start();
    tunnel.online().await;
    fixture.until("one running server", |_| (tunnel.servers().len() == 1).then_some(())).await;
    is_there_once(&scene, "once").await;
    assert_eq!(tunnel.servers().len(), 2, "one for the gateway, one for the client: {:#?}", tunnel.servers());
    tunnel.stop().await;
    scene.gateway.server_becomes("once", "offline", &scene.token).await;
    scene.gateway.culvert.stop().await;
}

#[tokio::test]
async fn a_registration_that_breaks_off_anywhere_leaves_one_tunnel_and_one_child() {
    a_tunnel_through_ends("ws").await;
}

#[tokio::test]
async fn a_registration_that_breaks_off_anywhere_leaves_one_tunnel_and_one_child_over_sse() {
    a_tunnel_through_ends("sse").await;
}

#[tokio::test]
async fn a_base_registration_that_breaks_off_anywhere_leaves_one_tunnel() {
    let scene = Scene::open().await;
    ENDS.iter().for_each(|bytes| scene.network.end_next_after(*bytes));
    let client = BaseClient::start(&scene.network.url(), "once", &scene.token);
    is_there_once(&scene, "once").await;
    drop(client);
    scene.gateway.server_becomes("once", "offline", &scene.token).await;
    scene.gateway.culvert.stop().await;
}
