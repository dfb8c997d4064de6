//! The tunnel clients that existed before Culvert, unchanged, toward `culvert gateway`: ContextForge's own
//! (`mcpgateway.reverse_proxy` of 1.0.7) and PyPI's `mcp-reverse-proxy-client`.

mod manners;
mod networks;
mod serving;
mod sharing;
mod silent;

use std::time::{Duration, Instant};

use culvert_tests::own_gateway::{OwnGateway, SECRET};
use culvert_tests::peers::peer;
use culvert_tests::{Culvert, CulvertCommand};
use serde_json::{Value, json};

/// How long a client may take to register: ContextForge's own loads much of ContextForge first.
const START: Duration = Duration::from_secs(90);

/// One of the two.
#[derive(Debug, Clone, Copy)]
enum Existing {
    /// ContextForge's own.
    ContextForge,
    /// `mcp-reverse-proxy-client`.
    PyPi,
}

impl Existing {
    /// The command line that shares a local server through the gateway at `url`.
    fn command(self, url: &str, server: &[String], token: &str) -> CulvertCommand {
        let common = ["--token", token, "--keepalive", "1", "--reconnect-delay", "0.1"];
        match self {
            Self::ContextForge => CulvertCommand::program(peer("CONTEXTFORGE_CLIENT_PYTHON"))
                .args(["-m", "mcpgateway.reverse_proxy", "--gateway", url])
                .args(["--local-stdio", &shell_words::join(server)])
                .args(common)
                // It reads the gateway's settings too, and takes no placeholder for a secret.
                .env("JWT_SECRET_KEY", SECRET),
            Self::PyPi => {
                let servers = json!({"mcpServers": {"local": {"command": server[0], "args": server[1..]}}});
                let command = CulvertCommand::program(peer("REVERSE_PROXY_CLIENT"));
                command.write("mcp.json", &servers.to_string());
                command.args(["--gateway-url", url]).args(common)
            }
        }
    }
}

/// A gateway, and the token of who uses it.
struct House {
    gateway: OwnGateway,
    token: String,
}

impl House {
    async fn open() -> Self {
        let gateway = OwnGateway::start().await;
        Self { gateway, token: OwnGateway::token("me@example.com", SECRET).await }
    }

    /// Starts a client; the name that it made for its server, which is new at each start.
    async fn share(&self, client: Existing, server: &[String]) -> (Culvert, String) {
        self.share_through(&self.gateway.url, client, server).await
    }

    async fn share_through(&self, url: &str, client: Existing, server: &[String]) -> (Culvert, String) {
        let online = |entry: &Value| (entry["status"] == "online").then(|| entry["name"].clone());
        let before: Vec<Value> = self.gateway.catalog(&self.token).await.iter().filter_map(online).collect();
        let running = client.command(url, server, &self.token).start();
        let is_new = |entry: &Value| online(entry).is_some_and(|name| !before.contains(&name));
        let deadline = Instant::now() + START;
        loop {
            if let Some(entry) = self.gateway.catalog(&self.token).await.into_iter().find(is_new) {
                let name = entry["name"].as_str().unwrap_or_default().to_owned();
                assert!(entry["tools"].as_u64().is_some(), "its tools are counted: {entry}");
                return (running, name);
            }
            assert!(Instant::now() < deadline, "{client:?} should have registered:\n{}", running.words());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The URL of a server for MCP clients.
    fn url(&self, name: &str) -> String {
        format!("{}/servers/{name}/mcp", self.gateway.url.trim_end_matches('/'))
    }
}

/// One of the scripts in `clients`, run by the Python that has this generation of the SDK.
fn mcp_client(python: &str, script: &str) -> CulvertCommand {
    let clients = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/gateway/clients");
    CulvertCommand::program(peer(python)).args(["-B", &format!("{clients}/{script}")])
}
