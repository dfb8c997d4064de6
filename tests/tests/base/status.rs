//! `culvert status` while saved profiles are in trouble: each row of the troubleshooting table, provoked for real, is
//! told in its own words with our code and what to do, to people and to programs.

use std::time::{Duration, Instant};

use culvert_tests::gateway::Refusal;
use culvert_tests::watched::PATIENCE;
use culvert_tests::{CulvertCommand, FakeGateway, Fixture, Manner};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A user's home with one profile in it, whose gateway is at `gateway`.
struct Home {
    folder: TempDir,
    _server: Fixture,
}

impl Home {
    fn with(fixture: &Fixture, gateway: &str, more: Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let profiles = folder.path().join("config/culvert/profiles");
        std::fs::create_dir_all(&profiles).unwrap();
        let mut profile = json!({"name": "fixture", "command": fixture.command(), "gateway": gateway});
        profile.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        profile["reconnect_delay"] = json!(0.05);
        std::fs::write(profiles.join("fixture.json"), profile.to_string()).unwrap();
        Self { folder, _server: fixture.clone() }
    }

    /// A command of this user.
    fn culvert(&self, arguments: &[&str]) -> CulvertCommand {
        CulvertCommand::bare()
            .args(arguments)
            .env("XDG_CONFIG_HOME", self.folder.path().join("config"))
            .env("XDG_STATE_HOME", self.folder.path().join("state"))
            .env("GATEWAY_TOKEN", "bad-sesame")
    }

    /// Has the profile up, until `status` tells this code; and what it tells then, to programs and to people.
    async fn told(&self, code: &str) -> (Value, String) {
        let runner = self.culvert(&["up"]).start();
        runner.says("until Ctrl-C").await;
        let deadline = Instant::now() + PATIENCE;
        let cause = loop {
            let asked = self.culvert(&["status", "--json"]).finish().await;
            let report: Value = serde_json::from_str(&asked.out.join("\n")).unwrap();
            let tunnel = &report["profiles"][0]["tunnels"][0];
            if tunnel["cause"]["code"] == code {
                assert_eq!(asked.code, Some(1), "something wanted is not online: {asked:#?}");
                break tunnel["cause"].clone();
            }
            assert!(Instant::now() < deadline, "it should come to {code}: {report}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        let asked = self.culvert(&["status"]).finish().await;
        assert!(!format!("{asked:?}").contains("sesame"), "{asked:?}");
        runner.signal(Signal::SIGTERM);
        runner.end().await;
        (cause, asked.out.join("\n"))
    }
}

/// What failed is told in these words, with this code and what to do.
async fn assert_tells(home: &Home, code: &str, words: &str, solution: &str) {
    let (cause, said) = home.told(code).await;
    assert!(cause["message"].as_str().unwrap().starts_with(words), "{cause}");
    assert!(cause["action"].as_str().unwrap().contains(solution), "{cause}");
    let line = said.lines().find(|line| line.contains(words)).unwrap_or_else(|| panic!("{words:?} in {said}"));
    assert!(line.ends_with(&format!("[{code}]")), "{said}");
    assert!(said.lines().any(|line| line.contains("→ ") && line.contains(solution)), "{said}");
    assert!(!said.contains('\u{1b}'), "no colours in a pipe: {said:?}");
}

fn closed() -> String {
    format!("http://{}", std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap())
}

#[tokio::test]
async fn connection_refused() {
    let home = Home::with(&Fixture::default(), &closed(), json!({}));
    assert_tells(&home, "gateway.refused", "Connection refused", "Check the gateway's URL and the network").await;
}

#[tokio::test]
async fn max_retries_exceeded() {
    let home = Home::with(&Fixture::default(), &closed(), json!({"max_retries": 2}));
    assert_tells(&home, "link.retries_exhausted", "Max retries exceeded", "Check network stability").await;
}

#[tokio::test]
async fn unauthorized() {
    let gateway = FakeGateway::start(Manner::next().token("good")).await;
    let home = Home::with(&Fixture::default(), &gateway.url(), json!({"token": "env:GATEWAY_TOKEN"}));
    assert_tells(&home, "auth.rejected", "401 Unauthorized", "Make a new token").await;
}

#[tokio::test]
async fn websocket_connection_failed() {
    let gateway = FakeGateway::next().await;
    for _ in 0..100 {
        gateway.refuse_next(Refusal::bare(400));
    }
    let home = Home::with(&Fixture::default(), &gateway.url(), json!({"transport": "ws"}));
    assert_tells(&home, "gateway.upgrade", "WebSocket connection failed", "outbound port 443").await;
}

#[tokio::test]
async fn subprocess_not_running() {
    let gateway = FakeGateway::next().await;
    let fixture = Fixture::new(&["--exit", "3", "--say", "no repository here"]);
    let home = Home::with(&fixture, &gateway.url(), json!({}));
    assert_tells(&home, "server.failed_to_start", "Subprocess not running", "same command by hand").await;
}
