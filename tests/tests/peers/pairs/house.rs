//! A gateway of Culvert's own, and the tunnels that bring servers to it.

use culvert_tests::own_gateway::{OwnGateway, SECRET};
use culvert_tests::{Culvert, CulvertCommand};

use super::local::Local;

/// The answers of servers who say everything twice (as text and as structured content) are larger than the default
/// limit of 16 MiB when the payload has 8 MiB.
const MAX_MESSAGE_SIZE: &str = "67108864";

#[derive(Debug)]
pub(crate) struct House {
    gateway: OwnGateway,
    /// Good for everything.
    pub(crate) token: String,
}

impl House {
    pub(crate) async fn open() -> Self {
        let gateway = OwnGateway::start_as(OwnGateway::command().args(["--max-message-size", MAX_MESSAGE_SIZE])).await;
        Self { gateway, token: OwnGateway::token("admin@example.com", SECRET).await }
    }

    /// Tunnels a server, by this command, and tells the URL that MCP clients are to use.
    pub(crate) async fn share(&self, local: &dyn Local, command: Vec<String>, options: &[&str]) -> (Culvert, String) {
        let mut run = CulvertCommand::run()
            .args(["--local-stdio", &shell_words::join(command), "--server-name", local.name()])
            .args(["--gateway", &self.gateway.url, "--max-message-size", MAX_MESSAGE_SIZE])
            .env("REVERSE_PROXY_TOKEN", &self.token)
            .args(options);
        for (name, value) in local.environment() {
            run = run.env(name, value);
        }
        let tunnel = run.start();
        let online = tunnel.online().await;
        let url = online["url"].as_str().unwrap_or_else(|| panic!("a URL for MCP clients: {online}"));
        (tunnel, url.to_owned())
    }

    pub(crate) async fn close(self, tunnel: Culvert) {
        tunnel.stop().await;
        self.gateway.culvert.stop().await;
    }
}
