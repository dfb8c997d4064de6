//! The released ContextForge gateway, the real one, on loopback with a database of its own.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::culvert::{Culvert, CulvertCommand};
use crate::http::Request;
use crate::peers::peer;

const SECRET: &str = "culvert-tests-signing-secret-0123456789abcdef";
const USER: &str = "admin@example.com";

/// How long it may take to come up: it makes its database first.
const START: Duration = Duration::from_secs(120);

/// The gateway, running.
#[derive(Debug)]
pub struct ContextForge {
    process: Option<Culvert>,
    address: SocketAddr,
    folder: TempDir,
    token: String,
}

impl ContextForge {
    /// Starts it on a free port and waits until it is healthy.
    pub async fn start() -> Self {
        let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let folder = tempfile::tempdir().expect("a temporary folder");
        let token = token_signed_with(SECRET).await;
        let mut gateway = Self { process: None, address: free.expect("a free port"), folder, token };
        gateway.up().await;
        gateway
    }

    /// Ends it.
    pub async fn down(&mut self) {
        if let Some(process) = self.process.take() {
            process.signal(nix::sys::signal::Signal::SIGTERM);
            process.end().await;
        }
    }

    /// Starts it again, at the same address and with the same database.
    pub async fn up(&mut self) {
        let database = format!("sqlite:///{}", self.folder.path().join("contextforge.db").display());
        let process = CulvertCommand::program(peer("CONTEXTFORGE_PYTHON"))
            .args(["-m", "uvicorn", "mcpgateway.main:app", "--workers", "1", "--host", "127.0.0.1", "--port"])
            .arg(self.address.port().to_string())
            .env("DATABASE_URL", database)
            .env("JWT_SECRET_KEY", SECRET)
            .env("AUTH_ENCRYPTION_SECRET", "culvert-tests-encryption-secret-0123456789")
            .env("PLATFORM_ADMIN_EMAIL", USER)
            .env("PLATFORM_ADMIN_PASSWORD", "Culvert-tests-2026!")
            .env("AUTH_REQUIRED", "true")
            .env("EMAIL_AUTH_ENABLED", "true")
            .env("MCP_CLIENT_AUTH_ENABLED", "true")
            .env("PASSWORD_CHANGE_ENFORCEMENT_ENABLED", "false")
            .env("CACHE_TYPE", "memory")
            .env("PLUGINS_ENABLED", "false")
            .env("MCPGATEWAY_REVERSE_PROXY_ENABLED", "true")
            // All is on this machine, and without it nothing here can be registered there.
            .env("SSRF_ALLOW_LOCALHOST", "true")
            .start();
        let deadline = Instant::now() + START;
        while Request::new("GET", self.address, "/health").try_send().await.is_none_or(|health| health.status != 200) {
            assert!(Instant::now() < deadline, "ContextForge does not come up:\n{}", process.words());
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        self.process = Some(process);
    }

    /// Host and port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A token that it takes.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// A request to it, with a good token.
    pub fn request(&self, method: &str, path: &str) -> Request {
        Request::new(method, self.address, path).bearer(&self.token)
    }

    /// The ids of the sessions registered under this name.
    pub async fn sessions(&self, name: &str) -> Vec<String> {
        let list = self.request("GET", "/reverse-proxy/sessions").send().await;
        assert_eq!(list.status, 200, "{list:?}");
        let sessions = list.json()["sessions"].as_array().cloned().unwrap_or_default();
        let named = sessions.iter().filter(|session| session["server_info"]["name"] == name);
        named.filter_map(|session| session["session_id"].as_str().map(str::to_owned)).collect()
    }

    /// Posts a message to a session, as an MCP client of this gateway would have to.
    pub async fn post(&self, session: &str, message: &Value) {
        let path = format!("/reverse-proxy/sessions/{session}/request");
        let sent = self.request("POST", &path).json(message).send().await;
        assert_eq!(sent.status, 200, "{sent:?}");
        assert_eq!(sent.json()["status"], "sent", "{sent:?}");
    }
}

/// A token made by the gateway's own tool, as its documentation says.
pub async fn token_signed_with(secret: &str) -> String {
    let finished = CulvertCommand::program(peer("CONTEXTFORGE_PYTHON"))
        .args(["-m", "mcpgateway.utils.create_jwt_token", "-u", USER, "-e", "10080", "--secret", secret])
        .env("JWT_SECRET_KEY", secret)
        .finish()
        .await;
    finished.out.last().unwrap_or_else(|| panic!("no token: {finished:#?}")).clone()
}
