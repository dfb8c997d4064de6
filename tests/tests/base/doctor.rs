//! `culvert doctor`: a good run leaves nothing behind, and each row of the troubleshooting table, provoked for real,
//! is told in its own words with our code and what to do.

use culvert_tests::culvert::Finished;
use culvert_tests::gateway::Refusal;
use culvert_tests::own_gateway::{OwnGateway, SECRET};
use culvert_tests::{CulvertCommand, FakeGateway, Fixture, Manner};
use serde_json::Value;

use crate::failing::assert_fails;

/// The checks of one server and one gateway, in their order.
const CHECKS: [&str; 12] = [
    "configuration",
    "command",
    "server",
    "client-certificate",
    "dns",
    "tcp",
    "proxy",
    "tls",
    "health",
    "token",
    "upgrade",
    "registration",
];

fn command(what: &[&str], fixture: &Fixture, gateway: &str) -> CulvertCommand {
    CulvertCommand::bare().args(what).server(fixture).args(["--gateway", gateway, "--server-name", "fixture"])
}

fn doctor(fixture: &Fixture, gateway: &str) -> CulvertCommand {
    command(&["doctor", "--json"], fixture, gateway)
}

fn run(fixture: &Fixture, gateway: &str) -> CulvertCommand {
    command(&["run", "--json", "--reconnect-delay", "0.05", "--max-retries", "1"], fixture, gateway)
}

fn check(finished: &Finished, id: &str) -> Value {
    let findings = finished.events();
    let found: Vec<_> = findings.iter().filter(|finding| finding["check"] == id).collect();
    assert_eq!(found.len(), 1, "{id} is told once: {finished:#?}");
    found[0].clone()
}

/// What failed is told in these words, with this code, why it matters and what to do; all else went on.
fn assert_finds(finished: &Finished, id: &str, code: &str, words: &str, solution: &str) {
    assert_eq!(finished.code, Some(2), "{finished:#?}");
    let finding = check(finished, id);
    assert_eq!((finding["result"].as_str(), finding["code"].as_str()), (Some("failed"), Some(code)), "{finding}");
    assert!(finding["evidence"].as_str().unwrap().starts_with(words), "{finding}");
    assert!(finding["next_step"].as_str().unwrap().contains(solution), "{finding}");
    assert!(finding["why"].as_str().is_some_and(|why| why.len() > 10), "{finding}");
    for id in CHECKS {
        check(finished, id);
    }
}

fn closed() -> String {
    format!("http://{}", std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap())
}

#[tokio::test]
async fn a_tunnel_that_would_work_is_found_well_and_nothing_is_left_behind() {
    let gateway = OwnGateway::start().await;
    let token = OwnGateway::token("me@example.com", SECRET).await;
    let fixture = Fixture::default();
    let finished = doctor(&fixture, &gateway.url).env("REVERSE_PROXY_TOKEN", &token).finish().await;
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    let told = finished.events();
    let ids: Vec<_> = told.iter().filter_map(|finding| finding["check"].as_str()).collect();
    assert_eq!(ids, CHECKS);
    for id in CHECKS {
        let result = if ["tls", "proxy", "client-certificate"].contains(&id) { "skipped" } else { "ok" };
        assert_eq!(check(&finished, id)["result"], result, "{finished:#?}");
    }
    let registration = check(&finished, "registration")["evidence"].as_str().unwrap().to_owned();
    assert!(registration.contains("fixture-doctor-") && registration.contains("heartbeat"), "{registration}");
    assert_eq!(told.last().unwrap()["result"], "ok");
    assert_eq!(fixture.events("eof").len(), 1, "the server was asked to end");
    let left = gateway.catalog(&token).await;
    assert!(left.is_empty(), "it is unregistered again, and nothing of it is kept: {left:?}");
    assert!(!format!("{finished:?}").contains(&token), "the token is not shown");
    gateway.culvert.stop().await;
}

#[tokio::test]
async fn connection_refused() {
    let (gateway, fixture) = (closed(), Fixture::default());
    let finished = doctor(&fixture, &gateway).finish().await;
    assert_finds(&finished, "tcp", "gateway.refused", "Connection refused", "Check the gateway's URL and the network");
    assert_eq!(check(&finished, "upgrade")["result"], "skipped");
}

#[tokio::test]
async fn max_retries_exceeded() {
    let (gateway, fixture) = (closed(), Fixture::default());
    let ran = run(&fixture, &gateway).finish().await;
    let words = ["Max retries exceeded", "Connection refused", "network stability"];
    assert_fails(&ran, 7, "link.retries_exhausted", &words);
}

#[tokio::test]
async fn unauthorized() {
    let gateway = FakeGateway::start(Manner::next().token("good")).await;
    let fixture = Fixture::default();
    let bad = |command: CulvertCommand| command.env("REVERSE_PROXY_TOKEN", "bad-sesame");
    let finished = bad(doctor(&fixture, &gateway.url())).finish().await;
    assert_finds(&finished, "upgrade", "auth.rejected", "401 Unauthorized", "Make a new token");
    assert_eq!(check(&finished, "registration")["result"], "skipped");
    assert!(!format!("{finished:?}").contains("sesame"), "{finished:?}");
    let ran = bad(run(&fixture, &gateway.url())).finish().await;
    assert_fails(&ran, 6, "auth.rejected", &["401 Unauthorized", "Make a new token"]);
}

#[tokio::test]
async fn websocket_connection_failed() {
    let (gateway, fixture) = (FakeGateway::next().await, Fixture::default());
    gateway.refuse_next(Refusal::bare(400));
    let finished = doctor(&fixture, &gateway.url()).args(["--transport", "ws"]).finish().await;
    assert_finds(&finished, "upgrade", "gateway.upgrade", "WebSocket connection failed", "outbound port 443");
    for _ in 0..2 {
        gateway.refuse_next(Refusal::bare(400));
    }
    let ran = run(&fixture, &gateway.url()).args(["--transport", "ws"]).finish().await;
    assert_fails(&ran, 7, "link.retries_exhausted", &["WebSocket connection failed"]);
}

#[tokio::test]
async fn subprocess_not_running() {
    let (gateway, fixture) = (FakeGateway::next().await, Fixture::new(&["--exit", "3", "--say", "no repository here"]));
    let finished = doctor(&fixture, &gateway.url()).finish().await;
    assert_finds(&finished, "server", "server.failed_to_start", "Subprocess not running", "same command by hand");
    let evidence = check(&finished, "server")["evidence"].as_str().unwrap().to_owned();
    assert!(evidence.contains("code 3") && evidence.contains("no repository here"), "{evidence}");
    assert_eq!(check(&finished, "upgrade")["result"], "ok", "the way to the gateway is looked at all the same");
    assert_eq!(check(&finished, "registration")["result"], "skipped");
    let ran = run(&fixture, &gateway.url()).finish().await;
    assert_fails(&ran, 5, "server.failed_to_start", &["Subprocess not running", "by hand"]);
}

#[tokio::test]
async fn people_read_signs_and_one_line_at_the_end() {
    let fixture = Fixture::default();
    let finished = command(&["doctor"], &fixture, &closed()).finish().await;
    assert_eq!(finished.code, Some(2), "{finished:#?}");
    let said = finished.out.join("\n");
    assert!(said.contains("✓ server") && said.contains("✗ tcp") && said.contains("– upgrade"), "{said}");
    assert_eq!(finished.out.last().unwrap(), "5 well, 0 with a warning, 1 failed, 6 skipped");
    assert!(!said.contains('\u{1b}'), "no colours in a pipe: {said:?}");
}
