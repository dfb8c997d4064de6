//! A user's home with saved profiles, for whoever runs commands in it.

use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use tokio::time::sleep;

use crate::culvert::{CulvertCommand, Finished};
use crate::own_gateway::{OwnGateway, SECRET};
use crate::watched::PATIENCE;

/// A folder for a user's configuration and state, and a token for the variable of their commands.
pub struct Home {
    /// Where all of it is.
    pub folder: TempDir,
    /// Good at a gateway of the tests.
    pub token: String,
}

impl Home {
    /// An empty one of this user.
    pub async fn new(user: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        Self { folder, token: OwnGateway::token(user, SECRET).await }
    }

    /// A command of this user.
    pub fn culvert(&self, arguments: &[&str]) -> CulvertCommand {
        CulvertCommand::bare()
            .args(arguments)
            .env("XDG_CONFIG_HOME", self.folder.path().join("config"))
            .env("XDG_STATE_HOME", self.folder.path().join("state"))
            .env("REVERSE_PROXY_TOKEN", &self.token)
    }

    /// One that must succeed.
    pub async fn does(&self, arguments: &[&str]) -> Finished {
        let finished = self.culvert(arguments).finish().await;
        assert_eq!(finished.code, Some(0), "{arguments:?}: {finished:#?}");
        finished
    }

    /// The state of a profile as `status --json` tells it; empty for none.
    pub async fn state(&self, name: &str) -> String {
        let told = self.culvert(&["status", "--json"]).finish().await;
        let report: Value = serde_json::from_str(&told.out.join("\n")).unwrap_or_else(|_| panic!("{told:#?}"));
        let profiles = report["profiles"].as_array().cloned().unwrap_or_default();
        let found = profiles.iter().find(|profile| profile["name"] == name);
        found.map(|profile| profile["state"].as_str().unwrap_or_default().to_owned()).unwrap_or_default()
    }

    /// Waits until a profile is in this state.
    pub async fn becomes(&self, name: &str, state: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let now = self.state(name).await;
            if now == state {
                return;
            }
            assert!(Instant::now() < deadline, "{name} should be {state}, it is {now}");
            sleep(Duration::from_millis(100)).await;
        }
    }
}
