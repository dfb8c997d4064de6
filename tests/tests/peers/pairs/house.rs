//! A gateway of Culvert's own, and the tunnels that bring servers to it.

use culvert_tests::own_gateway::{OwnGateway, SECRET};
use culvert_tests::{Culvert, CulvertCommand};

use super::local::Local;

/// The answers of servers who say everything twice (as text and as structured content) are larger than the default
/// limit of 16 MiB when the payload has 8 MiB.
const LARGE: &[&str] = &["--max-message-size", "67108864"];

#[derive(Debug)]
pub(crate) struct House {
    gateway: OwnGateway,
    /// For both ends.
    limit: &'static [&'static str],
    /// Good for everything.
    pub(crate) token: String,
}

impl House {
    /// With room for the largest payloads of these tests.
    pub(crate) async fn open() -> Self {
        Self::limited(LARGE).await
    }

    /// As it is when nobody has set anything.
    pub(crate) async fn plain() -> Self {
        Self::limited(&[]).await
    }

    async fn limited(limit: &'static [&'static str]) -> Self {
        let gateway = OwnGateway::start_as(OwnGateway::command().args(limit)).await;
        Self { gateway, limit, token: OwnGateway::token("admin@example.com", SECRET).await }
    }

    /// Tunnels a server, by this command, and tells the URL that MCP clients are to use.
    pub(crate) async fn share(&self, local: &dyn Local, command: Vec<String>, options: &[&str]) -> (Culvert, String) {
        let mut run = CulvertCommand::run()
            .args(["--local-stdio", &shell_words::join(command), "--server-name", local.name()])
            .args(["--gateway", &self.gateway.url])
            .args(self.limit)
            .args(options)
            .env("REVERSE_PROXY_TOKEN", &self.token);
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
