//! What the gateway tells machines about itself, on an address of its own.

use std::net::SocketAddr;
use std::time::Duration;

use culvert_gateway::config::MetricsConfig;
use culvert_protocol::Secret;
use culvert_tunnel::Transport;
use serde_json::json;

use crate::gateway::{PATIENCE, TestGateway, token};
use crate::http::{Answer, request};
use crate::mcp_client::Client;
use crate::tunnel::Tunnel;

async fn gateway() -> (TestGateway, Figures) {
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let wish = MetricsConfig { listen, token_file: None };
    let gateway = TestGateway::start_with(|config| config.metrics = Some(wish)).await;
    let figures = Figures(gateway.metrics.unwrap());
    (gateway, figures)
}

struct Figures(SocketAddr);

impl Figures {
    async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let host = self.0.to_string();
        let mut all = vec![("Host", host.as_str())];
        all.extend(headers);
        request(self.0, "GET", path, &all, "").await
    }

    /// The value of a figure, with its labels as they are written; none while nobody counted it.
    async fn read(&self, figure: &str) -> Option<f64> {
        let answer = self.get("/metrics", &[]).await;
        assert_eq!(answer.status, 200);
        let lines = answer.text().lines().filter_map(|line| line.strip_prefix("culvert_gateway_")?.split_once(' '));
        let mut found = lines.filter(|(name, _)| *name == figure).map(|(_, value)| value.parse().unwrap());
        let value = found.next();
        assert!(found.next().is_none(), "{figure} is there twice");
        value
    }

    async fn becomes(&self, figure: &str, expected: f64) {
        let poll = async {
            while self.read(figure).await != Some(expected) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        if tokio::time::timeout(PATIENCE, poll).await.is_err() {
            panic!("{figure} is {:?}, not {expected}", self.read(figure).await);
        }
    }
}

#[tokio::test]
async fn figures_follow_what_happens() {
    let (gateway, figures) = gateway().await;
    let me = token("me");
    let client = gateway.register(&me, "git").await;
    figures.becomes(r#"tunnels{state="online",transport="ws"}"#, 1.0).await;
    assert_eq!(figures.read(r#"tunnels{state="registering",transport="ws"}"#).await, Some(0.0));
    assert_eq!(figures.read(r#"servers{state="online"}"#).await, Some(1.0));
    assert_eq!(figures.read("registrations_total").await, Some(1.0));
    let before = figures.read(r#"link_bytes_total{direction="from_server"}"#).await.unwrap();

    let path = format!("/reverse-proxy/sessions/{}/request", client.session);
    let serving = client.serve();
    let echo = json!({"jsonrpc": "2.0", "id": 1, "method": "echo", "params": {"x": "y".repeat(500)}}).to_string();
    assert_eq!(gateway.ask("POST", &path, &me, &echo).await.status, 200);
    assert_eq!(figures.read(r#"calls_total{method="other"}"#).await, Some(1.0), "a method that nobody knows");
    assert_eq!(figures.read("call_seconds_count").await, Some(1.0));
    let after = figures.read(r#"link_bytes_total{direction="from_server"}"#).await.unwrap();
    assert!(after > before + 500.0, "{before} and {after}");

    assert_eq!(gateway.get("/servers", &Secret::new("nonsense")).await.status, 401);
    assert_eq!(gateway.ask("POST", "/servers/nothing/mcp", &me, "{}").await.status, 404);
    assert_eq!(gateway.ask("POST", "/servers/git/mcp", &me, "{}").await.status, 415);
    for (code, count) in [("auth.rejected", 1.0), ("server.unknown", 1.0), ("http.content_type", 1.0)] {
        assert_eq!(figures.read(&format!(r#"refusals_total{{code="{code}"}}"#)).await, Some(count), "{code}");
    }

    gateway.ask("DELETE", path.strip_suffix("/request").unwrap(), &me, "").await;
    crate::base_client::closed(serving).await;
    figures.becomes(r#"links_ended_total{cause="session.deleted"}"#, 1.0).await;
    figures.becomes(r#"servers{state="offline"}"#, 1.0).await;
    let gone = figures.read(r#"link_bytes_total{direction="from_server"}"#).await.unwrap();
    assert!(gone >= after, "what passed does not shrink with its link: {after} and {gone}");
}

#[tokio::test]
async fn sessions_and_calls_count_while_they_last() {
    let (gateway, figures) = gateway().await;
    let me = token("me");
    let mut tunnel = Tunnel::start(&gateway.url, &me, Transport::WebSocket);
    tunnel.online(|_| true).await;
    let client = Client::begin(&gateway, &me).await;
    assert_eq!(figures.read("sessions").await, Some(1.0));
    assert_eq!(figures.read(r#"calls_total{method="initialize"}"#).await, Some(1.0));
    let (_, ()) = tokio::join!(client.call("wait"), async {
        tunnel.waiting(1).await;
        assert_eq!(figures.read("calls_in_flight").await, Some(1.0));
        tunnel.go();
    });
    assert_eq!(figures.read("calls_in_flight").await, Some(0.0));
    assert_eq!(figures.read(r#"calls_total{method="tools/call"}"#).await, Some(1.0));
    assert_eq!(figures.read(r#"call_errors_total{method="tools/call"}"#).await, Some(0.0));
    assert!(figures.read("call_seconds_sum").await.unwrap() > 0.0);
    // All was acknowledged within a tenth of a second.
    figures.becomes("unacknowledged_bytes", 0.0).await;
    tunnel.stop().await;
    figures.becomes("sessions", 0.0).await;
    figures.becomes(r#"links_ended_total{cause="register.ended"}"#, 1.0).await;
}

#[tokio::test]
async fn figures_are_for_this_machine_or_for_who_shows_their_bearer() {
    let (gateway, figures) = gateway().await;
    for (path, status) in [("/metrics", 200), ("/healthz", 200), ("/readyz", 200), ("/servers", 404), ("/", 404)] {
        assert_eq!(figures.get(path, &[]).await.status, status, "{path}");
    }
    let content = figures.get("/metrics", &[]).await;
    assert!(content.header("Content-Type").unwrap().starts_with("application/openmetrics-text"));
    let rebound = request(figures.0, "GET", "/metrics", &[("Host", "evil.example")], "").await;
    assert_eq!((rebound.status, rebound.code()), (403, "request.host".to_owned()));
    let host = figures.0.to_string();
    assert_eq!(request(figures.0, "POST", "/metrics", &[("Host", &host)], "x").await.status, 405);
    // Nothing of it is where everybody may come.
    assert_eq!(gateway.get("/metrics", &token("me")).await.status, 404);

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "s3cret\n").unwrap();
    let wish = MetricsConfig { listen: SocketAddr::from(([127, 0, 0, 1], 0)), token_file: Some(file) };
    let gateway = TestGateway::start_with(|config| config.metrics = Some(wish)).await;
    let figures = Figures(gateway.metrics.unwrap());
    for (bearer, status) in [("Bearer s3cret", 200), ("Bearer s3cre", 401), ("Bearer s3crets", 401), ("s3cret", 401)] {
        assert_eq!(figures.get("/metrics", &[("Authorization", bearer)]).await.status, status, "{bearer}");
    }
    let without = figures.get("/metrics", &[]).await;
    assert_eq!((without.status, without.header("WWW-Authenticate")), (401, Some("Bearer")));
    assert_eq!(figures.get("/readyz", &[]).await.status, 200, "probes have no bearer");
}

#[tokio::test]
async fn ready_says_so_to_everybody_and_no_more() {
    let (gateway, figures) = gateway().await;
    let host = gateway.address.to_string();
    let ask = || async { request(gateway.address, "GET", "/readyz", &[("Host", &host)], "").await };
    assert_eq!((ask().await.status, ask().await.json()), (200, json!({"status": "ready", "warnings": []})));
    // The catalog's place is taken by a folder, so it cannot be written.
    std::fs::create_dir(gateway.state_dir().join("catalog.json")).unwrap();
    let link = gateway.register(&token("me"), "git").await;
    assert_eq!(ask().await.json(), json!({"status": "ready", "warnings": ["catalog.unwritten"]}));
    assert_eq!(figures.read("catalog_ok").await, Some(0.0));
    // A link that does not answer its close keeps the gateway stopping for a moment.
    gateway.begin_to_stop();
    let stopping = async {
        while figures.get("/readyz", &[]).await.status == 200 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, stopping).await.expect("it never says that it stops");
    assert_eq!(figures.get("/readyz", &[]).await.json()["reasons"], json!(["gateway.stopping"]));
    drop(link);
}
