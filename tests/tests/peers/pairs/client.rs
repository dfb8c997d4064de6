//! The clients: real SDKs, each driven by a small program in `clients` that does what a plan says.

use std::path::Path;
use std::time::Duration;

use culvert_tests::CulvertCommand;
use culvert_tests::peers::peer;
use serde_json::{Value, json};

use super::findings::{Findings, Session};
use super::local::Local;

/// The last revision with sessions, and the first without.
pub(crate) const LEGACY: &str = "2025-11-25";
pub(crate) const MODERN: &str = "2026-07-28";

/// How long a plan may take: with many sessions, all start a process at once.
const PATIENCE: Duration = Duration::from_secs(150);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Client {
    /// PyPI `mcp` 1.x.
    Python1,
    /// PyPI `mcp` 2.x.
    Python2(Mode),
    /// npm `@modelcontextprotocol/sdk` (1.x).
    TypeScript1,
    /// npm `@modelcontextprotocol/client` (2.x).
    TypeScript2(Mode),
}

/// How a client of both eras is told to choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Auto,
    Legacy,
    Modern,
}

/// Where the server is to be found.
#[derive(Debug)]
pub(crate) enum Target<'a> {
    /// At the gateway, with this bearer.
    Url(&'a str, &'a str),
    /// As a child of the client, without Culvert.
    Command(&'a [String]),
}

impl Client {
    pub(crate) fn is_python(self) -> bool {
        matches!(self, Self::Python1 | Self::Python2(_))
    }

    /// Python takes a server's revision for granted when told to, and then never learns its name.
    pub(crate) fn asks_who_it_is(self) -> bool {
        self != Self::Python2(Mode::Modern)
    }

    /// The revision that it must agree on with this server; none if there is none.
    pub(crate) fn revision_with(self, local: &dyn Local) -> Option<&'static str> {
        match (self.mode(), local.is_modern()) {
            (Mode::Legacy, _) | (Mode::Auto, false) => Some(LEGACY),
            (Mode::Auto | Mode::Modern, true) => Some(MODERN),
            (Mode::Modern, false) => None,
        }
    }

    /// Does what the plan for each session says, and tells what came of it.
    pub(crate) async fn carry_out(self, target: Target<'_>, local: &dyn Local, sessions: Value) -> Vec<Session> {
        let mode = match self.mode() {
            Mode::Auto => "auto",
            Mode::Legacy => "legacy",
            Mode::Modern => MODERN,
        };
        let mut plan = json!({"mode": mode, "sessions": sessions});
        let mut command = self.program();
        match target {
            Target::Url(url, token) => {
                plan["url"] = url.into();
                command = command.env("MCP_TOKEN", token);
            }
            Target::Command(server) => {
                plan["command"] = server.into();
                for (name, value) in local.environment() {
                    command = command.env(name, value);
                }
            }
        }
        let plan = command.write("plan.json", &plan.to_string());
        let finished = command.arg(plan).start().end_within(PATIENCE).await;
        assert_eq!(finished.code, Some(0), "{self:?}: {finished:#?}");
        let printed = finished.out.last().unwrap_or_else(|| panic!("{self:?} printed nothing: {finished:#?}"));
        serde_json::from_str::<Findings>(printed).unwrap_or_else(|error| panic!("{error}: {printed}")).sessions
    }

    fn mode(self) -> Mode {
        match self {
            Self::Python1 | Self::TypeScript1 => Mode::Legacy,
            Self::Python2(mode) | Self::TypeScript2(mode) => mode,
        }
    }

    fn program(self) -> CulvertCommand {
        let (interpreter, script) = match self {
            Self::Python1 => ("MCP1_PYTHON", "python1.py"),
            Self::Python2(_) => ("MCP2_PYTHON", "python2.py"),
            Self::TypeScript1 => ("NODE", "typescript1.mjs"),
            Self::TypeScript2(_) => ("NODE", "typescript2.mjs"),
        };
        let script = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/clients")).join(script);
        let command = CulvertCommand::program(peer(interpreter)).env("MCP_PACKAGES", peer("NODE_PACKAGES"));
        if self.is_python() { command.arg("-B").arg(script) } else { command.arg(script) }
    }
}
