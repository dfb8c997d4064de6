//! What can stand between an HTTP client and a stdio server, and how it is started.

use std::path::Path;

use crate::peers::{self, Peer, PeerError};

/// Signs the token for Culvert's own gateway, on loopback and for the benchmark alone.
const SECRET: &str = "bench-only-not-a-secret-0123456789";

/// The name that Culvert registers the echo server under.
const SERVER_NAME: &str = "bench-echo";

/// What stands between the client and the server.
#[derive(Clone, Debug)]
pub(crate) struct Between {
    pub(crate) name: String,
    pub(crate) what: What,
}

#[derive(Clone, Debug)]
pub(crate) enum What {
    /// The client writes into the server's own pipes.
    Nothing,
    /// Processes, started one after the other, each when the one before takes connections.
    Bridge(Bridge),
}

#[derive(Clone, Debug)]
pub(crate) struct Bridge {
    /// A command whose output is the bearer that clients must show, if they must.
    pub(crate) token: Option<Peer>,
    pub(crate) processes: Vec<Peer>,
    /// Path of the Streamable HTTP endpoint.
    pub(crate) path: String,
}

/// What the placeholders of a command stand for in one run.
#[derive(Debug)]
pub(crate) struct Filled<'a> {
    /// `{port}`: where to listen on 127.0.0.1.
    pub(crate) port: u16,
    /// `{server}`: path of the echo server; `{command}`: the same as typed in a shell.
    pub(crate) server: &'a Path,
    /// `{state}`: a folder for this run alone.
    pub(crate) state: &'a Path,
    /// `{token}`: the bearer, where there is one.
    pub(crate) token: &'a str,
}

impl Filled<'_> {
    pub(crate) fn command(&self, peer: &Peer) -> Vec<String> {
        let (port, server, state) =
            (self.port.to_string(), self.server.display().to_string(), self.state.display().to_string());
        peer.command(&[
            ("{port}", &port),
            ("{server}", &server),
            ("{command}", &shell_words::quote(&server)),
            ("{state}", &state),
            ("{token}", self.token),
            ("{name}", SERVER_NAME),
        ])
    }
}

impl Between {
    /// All that come with the benchmark; Culvert first, nothing at all last. `programs` is
    /// the folder of this build's binaries, `installed` the one that setup.sh fills.
    pub(crate) fn known(programs: &Path, installed: &Path) -> Vec<Self> {
        let other = |name: &str, program: &str, rest: &str| {
            Self::bridge(name, None, vec![Peer::installed(name, installed.join(program), rest)], "/mcp")
        };
        vec![
            culvert(programs),
            other(
                "supergateway",
                "bin/supergateway",
                "--stdio {command} --outputTransport streamableHttp --stateful --port {port} --logLevel none",
            ),
            other("npm-mcp-proxy", "bin/npm-mcp-proxy", "--host 127.0.0.1 --port {port} --server stream -- {server}"),
            other("py-mcp-proxy", "mcp-proxy/bin/mcp-proxy", "--port {port} --log-level ERROR -- {server}"),
            Self { name: "pipe".to_owned(), what: What::Nothing },
        ]
    }

    /// What is measured only where it is named.
    fn on_request(programs: &Path) -> Vec<Self> {
        vec![audited(programs)]
    }

    /// A bridge from the command line, with its endpoint at `/mcp`.
    pub(crate) fn free(text: &str) -> Result<Self, PeerError> {
        let peer = Peer::free(text)?;
        Ok(Self::bridge(&peer.name.clone(), None, vec![peer], "/mcp"))
    }

    fn bridge(name: &str, token: Option<Peer>, processes: Vec<Peer>, path: &str) -> Self {
        Self { name: name.to_owned(), what: What::Bridge(Bridge { token, processes, path: path.to_owned() }) }
    }

    /// Those that are named, and the free commands; all the known if neither is given.
    /// Fails if the program of one is missing.
    pub(crate) fn chosen(names: &[String], commands: &[String], programs: &Path) -> Result<Vec<Self>, PeerError> {
        let mut known = Self::known(programs, &peers::folder());
        if !names.is_empty() {
            known.extend(Self::on_request(programs));
        }
        let chosen = peers::chosen(&known, |between| &between.name, names, commands.iter().map(|c| Self::free(c)))?;
        for between in &chosen {
            if let What::Bridge(bridge) = &between.what {
                bridge.processes.iter().try_for_each(Peer::check)?;
            }
        }
        Ok(chosen)
    }
}

fn culvert(programs: &Path) -> Between {
    Between { name: "culvert".to_owned(), what: What::Bridge(both_ends(programs)) }
}

/// The same with an audit log at both ends.
fn audited(programs: &Path) -> Between {
    let mut bridge = both_ends(programs);
    for (process, end) in bridge.processes.iter_mut().zip(["gateway", "tunnel"]) {
        process.also(&format!("--audit-log {{state}}/{end}.log"));
    }
    Between { name: "culvert-audited".to_owned(), what: What::Bridge(bridge) }
}

/// Culvert as its users have it: with tokens. The cap on sessions is raised to what is measured.
fn both_ends(programs: &Path) -> Bridge {
    let mut bridge = gateway_alone(programs);
    let run = own(
        programs,
        "run --gateway http://127.0.0.1:{port} --token {token} --server-name {name} --local-stdio {command} \
         --max-sessions 32 --log-level ERROR",
    );
    bridge.processes.push(run);
    Bridge { path: format!("/servers/{SERVER_NAME}/mcp"), ..bridge }
}

/// Culvert's gateway, without any tunnel.
pub(crate) fn gateway_alone(programs: &Path) -> Bridge {
    let token = own(programs, "token create --username bench@example.com --state-dir {state}");
    let gateway = own(programs, "gateway --listen 127.0.0.1:{port} --state-dir {state} --log-level ERROR");
    Bridge {
        token: Some(token.with_env("JWT_SECRET_KEY", SECRET)),
        processes: vec![gateway.with_env("JWT_SECRET_KEY", SECRET)],
        path: String::new(),
    }
}

fn own(programs: &Path, rest: &str) -> Peer {
    Peer::built("culvert", programs.join("culvert"), rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_placeholder_is_filled() {
        let filled = Filled { port: 8123, server: Path::new("/a b/echo"), state: Path::new("/state"), token: "t.o.k" };
        let programs = Path::new("/programs");
        let known = Between::known(programs, Path::new("/installed"));
        for between in known.into_iter().chain(Between::on_request(programs)) {
            let What::Bridge(bridge) = &between.what else { continue };
            for peer in bridge.processes.iter().chain(&bridge.token) {
                let words = filled.command(peer);
                assert!(!words.iter().any(|word| word.contains('{')), "{words:?}");
            }
            let words = bridge.processes.iter().flat_map(|peer| filled.command(peer)).collect::<Vec<_>>();
            assert!(words.iter().any(|word| word.contains("8123")), "{words:?}");
            assert!(words.iter().any(|word| word == "/a b/echo" || word == "'/a b/echo'"), "{words:?}");
        }
    }

    #[test]
    fn chosen_by_name_they_must_be_there() {
        let none: [String; 0] = [];
        let nowhere = Path::new("/nowhere");
        assert!(Between::chosen(&["pipe".to_owned()], &none, nowhere).is_ok());
        let said = Between::chosen(&["culvert".to_owned()], &none, nowhere).unwrap_err().to_string();
        assert!(said.contains("/nowhere/culvert is missing"), "{said}");
        let said = Between::chosen(&["bridge".to_owned()], &none, nowhere).unwrap_err().to_string();
        assert!(said.contains("supergateway, npm-mcp-proxy, py-mcp-proxy, pipe, culvert-audited"), "{said}");
    }
}
