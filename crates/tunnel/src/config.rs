//! What one tunnel is to do: the engine's own configuration, complete and checked. File formats, flags and precedence
//! are not known here.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use culvert_protocol::{GatewayAddress, Secret, ServerName, limits};

/// One profile's way to one gateway.
#[derive(Debug, Clone)]
pub struct TunnelConfig {
    /// The name to register.
    pub name: ServerName,
    /// What the gateway's catalog says about it.
    pub description: Option<String>,
    /// The local server.
    pub server: LocalServer,
    /// Where to register.
    pub gateway: GatewayAddress,
    /// The bearer; none for a gateway without authentication.
    pub token: Option<Secret>,
    /// When to try again.
    pub retry: Retry,
    /// How often the base dialect's heartbeat goes out.
    pub keepalive: Duration,
    /// The largest whole frame in bytes.
    pub max_message: usize,
    /// How long the local server may take to its first good `initialize` answer.
    pub start_timeout: Duration,
}

/// The MCP server at this end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LocalServer {
    /// A process spoken to over stdio.
    Stdio(StdioCommand),
}

/// A command without a shell.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StdioCommand {
    /// The program: a path, or a name looked up in `PATH`.
    pub program: String,
    /// Its arguments, literally.
    pub args: Vec<String>,
    /// Set in its environment, beyond what it inherits.
    pub env: BTreeMap<String, OsString>,
    /// Where it runs; the current folder when not given.
    pub cwd: Option<PathBuf>,
}

/// When a lost or refused link is tried again.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Retry {
    /// The ceiling of the first wait.
    pub first: Duration,
    /// The ceiling of every later wait.
    pub cap: Duration,
    /// How many tries may fail in a row; `None`: any number.
    pub max: Option<u32>,
}

impl Default for Retry {
    fn default() -> Self {
        Self { first: Duration::from_secs(1), cap: limits::RETRY_CAP, max: None }
    }
}
