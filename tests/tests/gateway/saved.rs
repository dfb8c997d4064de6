//! Saved profiles: one process runs them, others ask it; what is wanted outlives both.

use std::time::{Duration, Instant};

use culvert_tests::culvert::Finished;
use culvert_tests::own_gateway::{OwnGateway, SECRET};
use culvert_tests::watched::PATIENCE;
use culvert_tests::{CulvertCommand, Fixture};
use nix::sys::signal::Signal;
use serde_json::Value;
use tempfile::TempDir;

/// A user's home with profiles in it.
struct Home {
    folder: TempDir,
    token: String,
}

impl Home {
    async fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), token: OwnGateway::token("me@example.com", SECRET).await }
    }

    /// A command of this user.
    fn culvert(&self, arguments: &[&str]) -> CulvertCommand {
        CulvertCommand::bare()
            .args(arguments)
            .env("XDG_CONFIG_HOME", self.folder.path().join("config"))
            .env("XDG_STATE_HOME", self.folder.path().join("state"))
            .env("REVERSE_PROXY_TOKEN", &self.token)
    }

    async fn does(&self, arguments: &[&str]) -> Finished {
        let finished = self.culvert(arguments).finish().await;
        assert_eq!(finished.code, Some(0), "{arguments:?}: {finished:#?}");
        finished
    }

    /// The state of a profile as `status --json` tells it.
    async fn state(&self, name: &str) -> String {
        let told = self.culvert(&["status", "--json"]).finish().await;
        let report: Value = serde_json::from_str(&told.out.join("\n")).unwrap_or_else(|_| panic!("{told:#?}"));
        let profiles = report["profiles"].as_array().cloned().unwrap_or_default();
        let found = profiles.iter().find(|profile| profile["name"] == name);
        found.map(|profile| profile["state"].as_str().unwrap_or_default().to_owned()).unwrap_or_default()
    }

    async fn becomes(&self, name: &str, state: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let now = self.state(name).await;
            if now == state {
                return;
            }
            assert!(Instant::now() < deadline, "{name} should be {state}, it is {now}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

#[tokio::test]
async fn profiles_go_up_and_down_by_asking_whoever_runs_them() {
    let (gateway, home) = (OwnGateway::start().await, Home::new().await);
    let (one, two) = (Fixture::default(), Fixture::default());
    let nothing = home.culvert(&["up"]).finish().await;
    assert!(nothing.code == Some(3) && nothing.err.contains("[saved.none]"), "{nothing:#?}");
    for (name, fixture) in [("one", &one), ("two", &two)] {
        let (command, token) = (fixture.command(), "env:REVERSE_PROXY_TOKEN");
        let add = ["profiles", "add", name, "--local-stdio", &command, "--gateway", &gateway.url, "--token", token];
        home.does(&add).await;
    }
    let unknown = home.culvert(&["up", "three"]).finish().await;
    assert!(unknown.code == Some(3) && unknown.err.contains("There are: one, two."), "{unknown:#?}");

    let runner = home.culvert(&["up", "one"]).start();
    runner.says("until Ctrl-C").await;
    home.becomes("one", "online").await;
    assert_eq!(home.state("two").await, "off");
    home.does(&["up", "two"]).await;
    home.becomes("two", "online").await;
    home.does(&["down", "one"]).await;
    gateway.server_becomes("one", "offline", &home.token).await;
    assert_eq!(home.state("two").await, "online");

    let folder = home.folder.path().join("config/culvert/profiles");
    let second = home.culvert(&["run", "--config", folder.to_str().unwrap()]).finish().await;
    assert!(second.code == Some(3) && second.err.contains("[saved.locked]"), "{second:#?}");

    // Killed: the next one starts at once, and what was wanted is wanted still.
    runner.signal(Signal::SIGKILL);
    drop(runner);
    let next = home.culvert(&["up", "two"]).start();
    next.says("until Ctrl-C").await;
    home.becomes("two", "online").await;
    assert_eq!(home.state("one").await, "off", "off stays off");
    next.stop().await;
    let rest = home.culvert(&["status"]).finish().await;
    assert!(rest.err.contains("nothing runs the saved profiles"), "{rest:#?}");
}

#[tokio::test]
async fn a_support_bundle_shows_what_helps_and_no_secret() {
    let (gateway, home) = (OwnGateway::start().await, Home::new().await);
    let said = "ready, secret tweety-variable, Authorization: Bearer tweety-unknown, key tweety-file";
    let fixture = Fixture::new(&["--say", said]);
    let secret = home.folder.path().join("secret");
    std::fs::write(&secret, "tweety-file\n").unwrap();
    let profiles = home.folder.path().join("config/culvert/profiles");
    std::fs::create_dir_all(&profiles).unwrap();
    let profile = serde_json::json!({
        "name": "birds", "command": fixture.command(), "gateway": gateway.url, "token": "env:REVERSE_PROXY_TOKEN",
        "env": {"MY_PASSWORD": "tweety-variable"},
        "secret_env": {"KEY": format!("file:{}", secret.display())},
    });
    std::fs::write(profiles.join("birds.json"), profile.to_string()).unwrap();
    let runner = home.culvert(&["up"]).start();
    home.becomes("birds", "online").await;
    runner.says("birds").await;

    let file = home.folder.path().join("bundle.txt");
    let save = ["support-bundle", "--output", file.to_str().unwrap()];
    let unasked = home.culvert(&save).finish().await;
    assert!(unasked.code == Some(2) && !file.exists(), "nobody could be asked: {unasked:#?}");
    let finished = home.does(&[&save[..], &["--yes"]].concat()).await;
    let text = std::fs::read_to_string(&file).unwrap();
    assert_eq!(text.lines().collect::<Vec<_>>(), finished.out, "what was shown is what is saved");
    for part in ["birds: online, wanted", "ready, secret [redacted]", "registration, ok", "variable KEY from: file:"] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    assert!(!text.contains("tweety") && !text.contains(&home.token), "{text}");
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&file).unwrap());
    assert_eq!(mode & 0o777, 0o600);
    let again = home.culvert(&[&save[..], &["--yes"]].concat()).finish().await;
    assert_eq!(again.code, Some(1), "it is not overwritten");
    runner.stop().await;
}
