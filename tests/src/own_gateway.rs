//! `culvert gateway`, started for a test on a free port.

use serde_json::Value;

use crate::authority::Authority;
use crate::culvert::{Culvert, CulvertCommand};

/// The signing secret that the tests' gateways have: long enough for any check of its strength.
pub const SECRET: &str = "a-secret-for-tests-only-0123456789abcdef";

/// A running gateway of Culvert's own.
#[derive(Debug)]
pub struct OwnGateway {
    /// The process.
    pub culvert: Culvert,
    /// Its base URL.
    pub url: String,
}

impl OwnGateway {
    /// On loopback, in plain HTTP, with [`SECRET`].
    pub async fn start() -> Self {
        Self::start_as(Self::command()).await
    }

    /// Behind TLS, with a certificate for `localhost`, with this secret.
    pub async fn with_tls(authority: &Authority, secret: &str) -> Self {
        let (certificate, key) = authority.server_files();
        let command = Self::command().env("JWT_SECRET_KEY", secret);
        let command = command.arg("--tls-cert").arg(certificate).arg("--tls-key").arg(key);
        Self::start_as(command).await
    }

    /// The command line of one on a free loopback port, with [`SECRET`].
    pub fn command() -> CulvertCommand {
        CulvertCommand::bare().args(["gateway", "--listen", "127.0.0.1:0", "--json"]).env("JWT_SECRET_KEY", SECRET)
    }

    /// Starts a command line of the test's own.
    pub async fn start_as(command: CulvertCommand) -> Self {
        let culvert = command.start();
        let listening = culvert.event("listening", |event: &Value| event["event"] == "listening").await;
        let url = listening["url"].as_str().unwrap_or_default();
        Self { url: url.replace("//127.0.0.1:", "//localhost:"), culvert }
    }

    /// Host and port, as clients name them.
    pub fn authority(&self) -> &str {
        self.url.split("//").nth(1).unwrap_or_default().trim_end_matches('/')
    }

    /// A token that `culvert token create` makes for this user with this secret.
    pub async fn token(user: &str, secret: &str) -> String {
        let made = CulvertCommand::bare().args(["token", "create", "-u", user, "-s", secret]).finish().await;
        assert_eq!(made.code, Some(0), "{made:#?}");
        assert_eq!(made.out.len(), 1, "stdout is the token alone: {made:#?}");
        made.out[0].clone()
    }
}
