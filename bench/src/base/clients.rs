//! The tunnel clients that the suite `base` measures.

use std::path::Path;

use crate::base::gateway::TOKEN;
use crate::peers::Peer;

/// The name that clients register the echo server under.
const SERVER_NAME: &str = "bench-echo";

/// What the placeholders of a client's command stand for in one run.
pub(crate) struct Filled<'a> {
    /// `{gateway}`: the base URL.
    pub(crate) gateway: &'a str,
    /// `{server}`: path of the echo server.
    pub(crate) server: &'a Path,
    /// `{config}`: an `mcpServers` file that names the echo server.
    pub(crate) config: &'a Path,
}

impl Filled<'_> {
    pub(crate) fn command(&self, peer: &Peer) -> Vec<String> {
        let (server, config) = (self.server.display().to_string(), self.config.display().to_string());
        peer.command(&[
            ("{gateway}", self.gateway),
            ("{token}", TOKEN),
            ("{name}", SERVER_NAME),
            ("{server}", &server),
            ("{config}", &config),
        ])
    }
}

/// The clients that come with the benchmark. `programs` is the folder of this build's
/// binaries, `installed` the one that setup.sh fills.
pub(crate) fn known(programs: &Path, installed: &Path) -> Vec<Peer> {
    vec![
        Peer::built(
            "culvert",
            programs.join("culvert"),
            "run --gateway {gateway} --token {token} --server-name {name} --local-stdio {server}",
        ),
        Peer::installed(
            "mcp-reverse-proxy-client",
            installed.join("reverse-proxy-client/bin/mcp-reverse-proxy-client"),
            "--gateway-url {gateway} --token {token} --config {config} --log-level ERROR",
        ),
        Peer::installed(
            "contextforge",
            installed.join("contextforge-client/bin/python"),
            "-m mcpgateway.reverse_proxy --gateway {gateway} --token {token} --local-stdio {server} --log-level ERROR",
        )
        // Its settings refuse to load without one; no token is signed with it.
        .with_env("JWT_SECRET_KEY", "bench-only-not-a-secret-0123456789"),
    ]
}

/// The content of the `{config}` file.
pub(crate) fn config_file(server: &Path) -> serde_json::Value {
    serde_json::json!({ "mcpServers": { SERVER_NAME: { "command": server, "args": [] } } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_placeholder_is_filled() {
        let filled = Filled { gateway: "http://127.0.0.1:1", server: Path::new("/a b/echo"), config: Path::new("/c") };
        for peer in known(Path::new("/programs"), Path::new("/installed")) {
            let words = filled.command(&peer);
            assert!(words.contains(&TOKEN.to_owned()), "{words:?}");
            assert!(!words.iter().any(|word| word.contains('{')), "{words:?}");
        }
    }
}
