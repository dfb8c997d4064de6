//! A user with a desktop, a gateway to share through, and profiles.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Desktop, Item, Menu, Tray};
use crate::culvert::{Culvert, CulvertCommand, Finished};
use crate::fixture::Fixture;
use crate::mcp::McpSession;
use crate::own_gateway::{OwnGateway, SECRET};
use crate::watched::PATIENCE;

/// The user, and all that is the user's.
#[derive(Debug)]
pub struct User {
    /// Where the user sits.
    pub desktop: Desktop,
    /// The gateway.
    pub gateway: OwnGateway,
    /// A token that may do anything at the gateway.
    pub token: String,
}

/// The app as it runs in the tray.
#[derive(Debug)]
pub struct Running {
    /// Its process.
    pub app: Culvert,
    /// The tray that it is in.
    pub tray: Tray,
    /// Its item.
    pub item: Item,
    /// The item's menu.
    pub menu: Menu,
}

impl User {
    /// With an empty home.
    pub async fn new() -> Self {
        let (desktop, gateway) = tokio::join!(Desktop::start(), OwnGateway::start());
        Self { desktop, gateway, token: OwnGateway::token("me@example.com", SECRET).await }
    }

    /// With these servers saved, and the app in the tray, where each of them is off.
    pub async fn in_tray(servers: &[(&str, &Fixture)]) -> (Self, Running) {
        let user = Self::new().await;
        for (name, server) in servers {
            user.saves(name, server).await;
        }
        let tray = user.desktop.tray().await;
        let running = user.starts(&tray).await;
        for (name, _) in servers {
            running.menu.off(name).await;
        }
        (user, running)
    }

    /// Writes what the app remembers, as if it had been chosen there.
    pub fn chose(&self, choices: &Value) {
        let folder = self.desktop.home().join(".config/culvert");
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join("app.json"), choices.to_string()).expect("a file");
    }

    /// Has the login shell find commands in this folder. It greets whoever logs in.
    pub fn finds(&self, folder: &Path) {
        let profile = format!("echo 'Welcome to this machine!'\nPATH=\"{}:$PATH\"\nexport PATH\n", folder.display());
        std::fs::write(self.desktop.home().join(".profile"), profile).expect("a file");
    }

    /// Runs `culvert` with these arguments; it must do as it is told.
    pub async fn does(&self, arguments: &[&str]) -> Finished {
        let finished = self.desktop.culvert().args(arguments).finish().await;
        assert_eq!(finished.code, Some(0), "{arguments:?}: {finished:#?}");
        finished
    }

    /// Saves a profile of this server, with its token in a file.
    pub async fn saves(&self, name: &str, fixture: &Fixture) {
        self.saves_command(name, &fixture.command()).await;
    }

    /// The same with a command.
    pub async fn saves_command(&self, name: &str, command: &str) {
        self.saves_with(name, command, &self.token).await;
    }

    /// The same with a token of its own.
    pub async fn saves_with(&self, name: &str, command: &str, token: &str) {
        let file = self.desktop.home().join(format!("{name}.token"));
        write_private(&file, token);
        let (token, gateway) = (format!("file:{}", file.display()), &self.gateway.url);
        let add = ["profiles", "add", name, "--local-stdio", command, "--gateway", gateway, "--token", &token];
        // A heartbeat measures the round trip; the default of half a minute would only make the tests slow.
        self.does(&[&add[..], &["--set", "keepalive=1"]].concat()).await;
    }

    /// Has a profile wanted at the next start, as if the app had been quit with it on.
    pub async fn wants(&self, name: &str) {
        let up = self.desktop.culvert().args(["up", name]).start();
        up.says("until Ctrl-C").await;
        // Killed: an end that is asked for is none of the profile's.
        up.signal(nix::sys::signal::Signal::SIGKILL);
    }

    /// Starts the app as a login does, and finds its item in this tray.
    pub async fn starts(&self, tray: &Tray) -> Running {
        self.starts_as(self.desktop.app(), tray).await
    }

    /// The same with a command of the test's own.
    pub async fn starts_as(&self, app: CulvertCommand, tray: &Tray) -> Running {
        let before = tray.registered();
        let app = app.arg("--hidden").start();
        let item = tray.item_number(before + 1).await;
        let menu = item.menu().await;
        Running { app, tray: tray.clone(), item, menu }
    }

    /// Begins a session with one of the servers, through the gateway.
    pub async fn session(&self, server: &str) -> McpSession {
        McpSession::begin(&self.gateway, server, &self.token).await
    }

    /// Calls a tool of one of the servers, through the gateway.
    pub async fn calls(&self, server: &str) {
        let answer = self.session(server).await.call(1, "echo", json!({"text": "hello"})).await;
        assert_eq!(answer["result"]["content"][0]["text"], "hello", "{answer}");
    }

    /// The state of a profile as `culvert status` tells it.
    pub async fn told_state(&self, name: &str) -> String {
        let told = self.desktop.culvert().args(["status", "--json"]).finish().await;
        let report: Value = serde_json::from_str(&told.out.join("\n")).unwrap_or_else(|_| panic!("{told:#?}"));
        let profiles = report["profiles"].as_array().cloned().unwrap_or_default();
        let found = profiles.iter().find(|profile| profile["name"] == name);
        found.map(|profile| profile["state"].as_str().unwrap_or_default().to_owned()).unwrap_or_default()
    }

    /// Waits until `culvert status` tells this state.
    pub async fn until_state(&self, name: &str, state: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let told = self.told_state(name).await;
            if told == state {
                return;
            }
            assert!(Instant::now() < deadline, "{name} should be {state}, and is {told:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The secrets of Culvert's in the keychain.
    pub async fn kept_secrets(&self) -> Vec<String> {
        let search = ["search", "--all", "--unlock", "service", "culvert"];
        let found = self.desktop.user("secret-tool").args(search).finish().await;
        found.out.iter().filter_map(|line| line.strip_prefix("secret = ").map(str::to_owned)).collect()
    }

    /// The files in the user's home, but for the keychain's own, that hold this text.
    pub fn files_with(&self, text: &str) -> Vec<PathBuf> {
        let (mut folders, mut found) = (vec![self.desktop.home()], Vec::new());
        while let Some(folder) = folders.pop() {
            for path in std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
                if path.is_dir() {
                    folders.push(path);
                } else if !path.components().any(|part| part.as_os_str() == "keyrings") {
                    let whole = std::fs::read(&path).unwrap_or_default();
                    let holds = whole.windows(text.len()).any(|window| window == text.as_bytes());
                    found.extend(holds.then_some(path));
                }
            }
        }
        found
    }

    /// The file that starts the app at login.
    pub fn autostart(&self) -> Option<PathBuf> {
        let folder = std::fs::read_dir(self.desktop.home().join(".config/autostart")).ok()?;
        folder.flatten().map(|entry| entry.path()).find(|path| path.extension().is_some_and(|end| end == "desktop"))
    }
}

/// A file that others may not read: one that they may would be a notice.
fn write_private(path: &Path, text: &str) {
    std::fs::write(path, text).expect("a file");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).expect("a file of ours");
}

/// Whether these are the words of a profile that is online and whose round trip was measured.
pub fn online_with_figure(words: &str) -> bool {
    let figure = words.strip_prefix("online, ").and_then(|rest| rest.split_once(" ms")).map(|(figure, _)| figure);
    figure.is_some_and(|figure| figure.parse::<u32>().is_ok())
}
