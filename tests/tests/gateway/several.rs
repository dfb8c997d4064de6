//! Several servers in one process: each by itself, taken up and let go as their file changes, and their health.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use culvert_tests::further::{MOST, held_by};
use culvert_tests::http::{Request, Response};
use culvert_tests::mcp::McpSession;
use culvert_tests::own_gateway::{OwnGateway, SECRET};
use culvert_tests::watched::PATIENCE;
use culvert_tests::{Culvert, CulvertCommand, Fixture};
use serde_json::{Value, json};

/// A file with these servers, by name and command.
fn file(servers: &[(&str, &str)]) -> String {
    let entry = |(name, command): &(&str, &str)| json!({"name": name, "command": command});
    json!({"servers": servers.iter().map(entry).collect::<Vec<_>>()}).to_string()
}

/// `run` of that file. The gateway is given where the token is: an entry's own would not get everyone's.
fn run(config: &Path, gateway: &OwnGateway, token: &str) -> CulvertCommand {
    CulvertCommand::run()
        .arg("--config")
        .arg(config)
        .args(["--reconnect-delay", "0.05", "--gateway", &gateway.url])
        .env("REVERSE_PROXY_TOKEN", token)
}

async fn online(culvert: &Culvert, name: &str) -> Value {
    culvert.event(&format!("{name} online"), |event| event["event"] == "online" && event["name"] == name).await
}

/// The ids of the sessions by the names of their servers.
async fn sessions(gateway: &OwnGateway, token: &str) -> BTreeMap<String, String> {
    let answer = gateway.request("GET", "/reverse-proxy/sessions", token).send().await;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = answer.json()["sessions"].as_array().cloned().unwrap_or_default();
    list.iter().map(|one| (text(&one["server_info"]["name"]), text(&one["session_id"]))).collect()
}

#[tokio::test]
async fn a_file_that_changes_touches_only_the_servers_that_changed_in_it() {
    let (gateway, token) = (OwnGateway::start().await, OwnGateway::token("me@example.com", SECRET).await);
    let (a, b, c) = (Fixture::default(), Fixture::default(), Fixture::default());
    let folder = tempfile::tempdir().unwrap();
    // As Kubernetes mounts a ConfigMap: names lead over a link that is swapped.
    let at = |name: &str| folder.path().join(name);
    let version = |name: &str, text: &str| {
        fs::create_dir_all(at(name)).unwrap();
        fs::write(at(name).join("servers.yaml"), text).unwrap();
    };
    version("v1", &file(&[("a", &a.command()), ("b", &b.command())]));
    std::os::unix::fs::symlink("v1", at("data")).unwrap();
    let config = at("data").join("servers.yaml");
    let culvert = run(&config, &gateway, &token).start();
    online(&culvert, "a").await;
    online(&culvert, "b").await;
    let before = sessions(&gateway, &token).await;

    version("v2", &file(&[("a", &a.command()), ("c", &c.command())]));
    std::os::unix::fs::symlink("v2", at("next")).unwrap();
    fs::rename(at("next"), at("data")).unwrap();
    online(&culvert, "c").await;
    gateway.server_becomes("b", "offline", &token).await;

    // Only when to start, which nothing that runs is concerned by.
    let file_of_c = file(&[("a", &a.command()), ("c", &c.command())]);
    fs::write(&config, file_of_c.replace(r#""name":"a""#, r#""name":"a","start":"never""#)).unwrap();
    culvert.says_number("the configuration was read again", 2).await;

    // In place, and broken: what runs goes on, and it is said where the mistake is.
    fs::write(&config, "servers:\n  - name: a\n    command: [").unwrap();
    culvert.says("its last good version stays: ").await;

    // Moved into place, with another command for one of the two.
    let other = Fixture::default();
    fs::write(at("new"), file(&[("a", &a.command()), ("c", &other.command())])).unwrap();
    fs::rename(at("new"), &config).unwrap();
    culvert.event_number("c online again", 2, |event| event["event"] == "online" && event["name"] == "c").await;
    other.until("the new command to be started", |record| record.first().map(|_| ())).await;

    let after = sessions(&gateway, &token).await;
    assert_eq!(after["a"], before["a"], "nothing of it has changed, so nothing of it was touched");
    assert_eq!(a.events("start").len(), 1);
    assert!(!after.contains_key("b"));
    let session = McpSession::begin(&gateway, "c", &token).await;
    assert!(session.call(1, "echo", json!({"text": "hi"})).await["result"].is_object());
    culvert.stop().await;
}

/// The labels of the session of a server, as the gateway lists them.
async fn labels(gateway: &OwnGateway, token: &str, name: &str) -> Value {
    let answer = gateway.request("GET", "/reverse-proxy/sessions", token).send().await.json();
    let sessions = answer["sessions"].as_array().cloned().unwrap_or_default();
    let session = sessions.into_iter().find(|one| one["server_info"]["name"] == name);
    session.map(|session| session["labels"].clone()).unwrap_or_default()
}

#[tokio::test]
async fn labels_change_on_the_live_link_and_a_call_under_way_gets_its_answer() {
    let (gateway, token) = (OwnGateway::start().await, OwnGateway::token("me@example.com", SECRET).await);
    let fixture = Fixture::default();
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("servers.yaml");
    let with = |labels: Value| {
        let entry = json!({"name": "git", "command": fixture.command(), "labels": labels});
        fs::write(&config, json!({"servers": [entry]}).to_string()).unwrap();
    };
    with(json!({"site": "north"}));
    let culvert = run(&config, &gateway, &token).start();
    online(&culvert, "git").await;
    assert_eq!(labels(&gateway, &token, "git").await, json!({"site": "north"}));
    let before = sessions(&gateway, &token).await;
    let session = McpSession::begin(&gateway, "git", &token).await;
    let called = session.call(1, "slow", json!({"ms": 3000}));
    let relabelled = async {
        fixture
            .until("the call to arrive", |record| {
                record.iter().any(|event| event.to_string().contains("tools/call")).then_some(())
            })
            .await;
        let new = json!({"site": "south", "team": "tools"});
        with(new.clone());
        let deadline = std::time::Instant::now() + PATIENCE;
        while labels(&gateway, &token, "git").await != new {
            assert!(std::time::Instant::now() < deadline, "the labels should be told:\n{}", culvert.words());
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    let (answer, ()) = tokio::join!(called, relabelled);
    assert!(answer["result"].is_object(), "{answer}");
    assert_eq!(sessions(&gateway, &token).await, before, "the tunnel was not touched");

    // All of them may go.
    with(json!({}));
    culvert.says_number("the configuration was read again", 2).await;
    let deadline = std::time::Instant::now() + PATIENCE;
    while labels(&gateway, &token, "git").await != json!({}) {
        assert!(std::time::Instant::now() < deadline, "none is left:\n{}", culvert.words());
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    culvert.stop().await;
}

#[tokio::test]
async fn one_failing_server_never_touches_another_and_shows_in_health_and_in_the_exit_code() {
    let (gateway, token) = (OwnGateway::start().await, OwnGateway::token("me@example.com", SECRET).await);
    let good = Fixture::default();
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("servers.yaml");
    let servers = [("good", good.command()), ("missing", "no-such-program-here".to_owned())];
    let servers = servers.each_ref().map(|(name, command)| (*name, command.as_str()));
    fs::write(&config, file(&servers)).unwrap();
    let bearer = folder.path().join("bearer");
    fs::write(&bearer, "for-health-only\n").unwrap();
    let address = free_address();
    let culvert = run(&config, &gateway, &token)
        .args(["--health-listen", &address.to_string(), "--health-token-file"])
        .arg(&bearer)
        .start();
    online(&culvert, "good").await;
    culvert.event("missing stopped", |event| event["name"] == "missing" && event["status"] == "stopped").await;

    assert_eq!(ask(address, "/healthz", "").await.status, 200);
    let unready = ask(address, "/readyz", "").await;
    assert_eq!((unready.status, unready.body.as_str()), (503, "command.not_found\n"), "no names without a bearer");
    let named = ask(address, "/readyz", "for-health-only").await;
    assert!(named.body.starts_with("missing at "), "{named:?}");
    assert_eq!(ask(address, "/metrics", "").await.status, 401);
    let metrics = ask(address, "/metrics", "for-health-only").await.body;
    let state = |name: &str, state: &str| {
        let line = format!("culvert_tunnel_state{{server=\"{name}\",gateway=\"{}\",state=\"{state}\"}} 1", gateway.url);
        assert!(metrics.lines().any(|known| known == line), "{line} is not in\n{metrics}");
    };
    state("good", "online");
    state("missing", "stopped");
    assert!(metrics.ends_with("# EOF\n"), "{metrics}");

    // Mended: ready without a restart of the other.
    fs::write(&config, file(&[("good", &good.command())])).unwrap();
    let deadline = std::time::Instant::now() + PATIENCE;
    while ask(address, "/readyz", "").await.status != 200 {
        assert!(std::time::Instant::now() < deadline, "it should be ready:\n{}", culvert.words());
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert_eq!(good.events("start").len(), 1);
    culvert.stop().await;
}

#[tokio::test]
async fn a_log_of_json_has_an_object_a_line_and_says_whose_it_is() {
    let (gateway, token) = (OwnGateway::start().await, OwnGateway::token("me@example.com", SECRET).await);
    let fixture = Fixture::new(&["--say", "here I am"]);
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("servers.yaml");
    fs::write(&config, file(&[("git", &fixture.command()), ("missing", "no-such-program-here")])).unwrap();
    let culvert = run(&config, &gateway, &token).args(["--log-format", "json", "--log-level", "DEBUG"]).start();
    online(&culvert, "git").await;
    culvert.says("here I am").await;
    let lines: Vec<Value> = culvert.words().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of_git: Vec<_> = lines.iter().filter(|line| line["span"]["server"] == "git").collect();
    assert!(!of_git.is_empty(), "{lines:#?}");
    let is_servers = |line: &Value| line["target"] == "server" && line["fields"]["message"] == "here I am";
    assert!(of_git.iter().any(|line| is_servers(line)), "{lines:#?}");
    for line in of_git {
        assert_eq!(
            (&line["span"]["name"], &line["span"]["gateway"]),
            (&json!("tunnel"), &json!(gateway.url)),
            "{line}"
        );
        assert!(line["timestamp"].is_string() && line["level"].is_string() && line["target"].is_string(), "{line}");
    }
    culvert.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(culvert.end().await.code, Some(4), "one was down that should not be");
}

/// `bench/run tunnels` measures the same of a release build.
#[tokio::test]
async fn a_further_tunnel_costs_half_a_mebibyte_at_most() {
    let fixture = Fixture::default();
    let (one, many) = (held_by(1, &fixture.command()).await, held_by(21, &fixture.command()).await);
    let (idle, used) = many.each_beyond(&one);
    println!("{idle} bytes idle, {used} after calls");
    assert!(idle <= MOST && used <= MOST, "{idle} bytes idle, {used} after calls: {one:?}, {many:?}");
}

/// What `path` answers to this bearer.
async fn ask(address: SocketAddr, path: &str, bearer: &str) -> Response {
    Request::new("GET", address, path).bearer(bearer).send().await
}

/// An address of this machine that nobody listens at.
fn free_address() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}
