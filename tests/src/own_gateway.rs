//! `culvert gateway`, started for a test on a free port.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::authority::Authority;
use crate::culvert::{Culvert, CulvertCommand};
use crate::fixture::Fixture;
use crate::http::Request;
use crate::watched::PATIENCE;

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
        Self::command_at(SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    /// The same on a port of the test's own.
    pub fn command_at(address: SocketAddr) -> CulvertCommand {
        let listen = address.to_string();
        CulvertCommand::bare().args(["gateway", "--listen", &listen, "--json"]).env("JWT_SECRET_KEY", SECRET)
    }

    /// Starts a command line of the test's own.
    pub async fn start_as(command: CulvertCommand) -> Self {
        let culvert = command.start();
        let listening = culvert.event("listening", |event: &Value| event["event"] == "listening").await;
        let url = listening["url"].as_str().unwrap_or_default();
        Self { url: url.replace("//127.0.0.1:", "//localhost:"), culvert }
    }

    /// Host and port, to connect to.
    pub fn address(&self) -> SocketAddr {
        let port = self.url.rsplit(':').next().and_then(|port| port.trim_end_matches('/').parse().ok());
        SocketAddr::from(([127, 0, 0, 1], port.expect("a URL with a port")))
    }

    /// A request to it, with a bearer.
    pub fn request(&self, method: &str, path: &str, token: &str) -> Request {
        Request::new(method, self.address(), path).bearer(token)
    }

    /// `culvert run --json` of this server through it, under this name.
    pub fn tunnel(&self, fixture: &Fixture, name: &str, token: &str) -> CulvertCommand {
        Self::tunnel_through(&self.url, fixture, name, token)
    }

    /// The same through something that stands before the gateway at this URL.
    pub fn tunnel_through(url: &str, fixture: &Fixture, name: &str, token: &str) -> CulvertCommand {
        CulvertCommand::run()
            .server(fixture)
            .args(["--server-name", name, "--gateway", url, "--reconnect-delay", "0.05"])
            .env("REVERSE_PROXY_TOKEN", token)
    }

    /// The catalog as this bearer sees it.
    pub async fn catalog(&self, token: &str) -> Vec<Value> {
        let answer = self.request("GET", "/servers", token).send().await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["servers"].as_array().cloned().unwrap_or_default()
    }

    /// Waits until the one server of this name has this status in the catalog, and hands out its entry.
    pub async fn server_becomes(&self, name: &str, status: &str, token: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let catalog = self.catalog(token).await;
            if let Some(entry) = catalog.iter().find(|entry| entry["name"] == name && entry["status"] == status) {
                return entry.clone();
            }
            assert!(Instant::now() < deadline, "{name} should become {status}: {catalog:#?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
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
