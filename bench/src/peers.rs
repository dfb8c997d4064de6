//! Who is measured, and by which command each is started.

use std::path::{Path, PathBuf};

use crate::gateway::TOKEN;

/// The name that peers register the echo server under.
const SERVER_NAME: &str = "bench-echo";

/// A tunnel client. The command's words may hold the placeholders that [`Filled`] fills.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) name: String,
    command: Vec<String>,
    env: Vec<(&'static str, &'static str)>,
    /// What brings the program here, should it be missing.
    remedy: &'static str,
}

/// What the placeholders stand for in one run.
pub(crate) struct Filled<'a> {
    /// `{gateway}`: the base URL.
    pub(crate) gateway: &'a str,
    /// `{server}`: path of the echo server.
    pub(crate) server: &'a Path,
    /// `{config}`: an `mcpServers` file that names the echo server.
    pub(crate) config: &'a Path,
}

/// Why a peer cannot be started at all.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PeerError {
    #[error("no peer is called {0}; there are: culvert, mcp-reverse-proxy-client, contextforge")]
    Unknown(String),
    #[error("--cmd {0:?}: {1}")]
    Command(String, &'static str),
    #[error("{name}: {program} is missing\n  → {remedy}")]
    Missing { name: String, program: String, remedy: &'static str },
}

impl Peer {
    /// The peers that come with the benchmark. `programs` is the folder of this build's
    /// binaries, `installed` the one that setup.sh fills.
    pub(crate) fn known(programs: &Path, installed: &Path) -> Vec<Self> {
        let words = |program: PathBuf, rest: &str| {
            let rest = rest.split_ascii_whitespace().map(str::to_owned);
            std::iter::once(program.display().to_string()).chain(rest).collect()
        };
        vec![
            Self {
                name: "culvert".into(),
                command: words(
                    programs.join("culvert"),
                    "run --gateway {gateway} --token {token} --server-name {name} --local-stdio {server}",
                ),
                env: Vec::new(),
                remedy: "cargo build --release -p culvert-cli",
            },
            Self {
                name: "mcp-reverse-proxy-client".into(),
                command: words(
                    installed.join("reverse-proxy-client/bin/mcp-reverse-proxy-client"),
                    "--gateway-url {gateway} --token {token} --config {config} --log-level ERROR",
                ),
                env: Vec::new(),
                remedy: "bench/setup.sh",
            },
            Self {
                name: "contextforge".into(),
                command: words(
                    installed.join("contextforge-client/bin/python"),
                    "-m mcpgateway.reverse_proxy --gateway {gateway} --token {token} --local-stdio {server} --log-level ERROR",
                ),
                // Its settings refuse to load without one; no token is signed with it.
                env: vec![("JWT_SECRET_KEY", "bench-only-not-a-secret-0123456789")],
                remedy: "bench/setup.sh",
            },
        ]
    }

    /// A peer from the command line: `NAME=COMMAND`, or a command alone, named after its
    /// program. Split as a shell would; no shell runs it.
    pub(crate) fn free(text: &str) -> Result<Self, PeerError> {
        let wrong = |why| PeerError::Command(text.to_owned(), why);
        let named = text.split_once('=').filter(|(name, _)| !name.contains([' ', '/', '{']));
        let (name, line) = named.map_or((None, text), |(name, line)| (Some(name.to_owned()), line));
        let command = shell_words::split(line).map_err(|_| wrong("a quote is not closed"))?;
        let program = command.first().ok_or_else(|| wrong("no command"))?;
        let stem = Path::new(program).file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self { name: name.unwrap_or(stem), command, env: Vec::new(), remedy: "give --cmd the path of a program" })
    }

    /// Says in advance that the program is not there.
    pub(crate) fn check(&self) -> Result<(), PeerError> {
        let program = self.command.first().cloned().unwrap_or_default();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let there = match program.contains('/') {
            true => Path::new(&program).exists(),
            false => std::env::split_paths(&path).any(|folder| folder.join(&program).exists()),
        };
        let Self { name, remedy, .. } = self;
        there.then_some(()).ok_or(PeerError::Missing { name: name.clone(), program, remedy })
    }

    /// The command line with its placeholders filled, after splitting: paths may hold spaces.
    pub(crate) fn command(&self, filled: &Filled<'_>) -> Vec<String> {
        let Filled { gateway, server, config } = filled;
        let (server, config) = (server.display().to_string(), config.display().to_string());
        let values = [
            ("{gateway}", *gateway),
            ("{token}", TOKEN),
            ("{name}", SERVER_NAME),
            ("{server}", &server),
            ("{config}", &config),
        ];
        let fill = |word: &String| values.iter().fold(word.clone(), |word, (key, value)| word.replace(key, value));
        self.command.iter().map(fill).collect()
    }

    pub(crate) fn env(&self) -> &[(&'static str, &'static str)] {
        &self.env
    }
}

/// The content of the `{config}` file.
pub(crate) fn config_file(server: &Path) -> serde_json::Value {
    serde_json::json!({ "mcpServers": { SERVER_NAME: { "command": server, "args": [] } } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fills_placeholders_after_splitting() {
        let peer = Peer::free("mine=env A=b '/opt/my client' --to {gateway}/x --child {server} --as {name}").unwrap();
        assert_eq!(peer.name, "mine");
        let filled = Filled { gateway: "http://127.0.0.1:1", server: Path::new("/a b/echo"), config: Path::new("/c") };
        assert_eq!(
            peer.command(&filled),
            [
                "env",
                "A=b",
                "/opt/my client",
                "--to",
                "http://127.0.0.1:1/x",
                "--child",
                "/a b/echo",
                "--as",
                "bench-echo"
            ]
        );
    }

    #[test]
    fn names_a_free_peer_after_its_program() {
        assert_eq!(Peer::free("/opt/bin/other-client run --x=1").unwrap().name, "other-client");
        assert!(matches!(Peer::free("a='b"), Err(PeerError::Command(_, "a quote is not closed"))));
        assert!(matches!(Peer::free(""), Err(PeerError::Command(_, "no command"))));
    }

    #[test]
    fn a_missing_program_is_told_with_its_remedy() {
        let nowhere = Path::new("/nowhere");
        for peer in Peer::known(nowhere, nowhere) {
            let said = peer.check().unwrap_err().to_string();
            assert!(said.contains(&peer.name) && said.contains("→ "), "{said}");
        }
        assert!(Peer::free("sh -c true").unwrap().check().is_ok());
    }
}
