//! What one tunnel is to do: the engine's own configuration, complete and checked. File formats, flags and precedence
//! are not known here.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use culvert_link::Outbound;
use culvert_protocol::{GatewayAddress, Labels, ServerName, ToolPolicy, limits};

use crate::http::headers::{ForwardAuth, Headers};
use crate::http::url::ServerUrl;

/// One profile's way to one gateway.
#[derive(Debug, Clone)]
pub struct TunnelConfig {
    /// The name to register.
    pub name: ServerName,
    /// What the gateway's catalog says about it.
    pub description: Option<String>,
    /// The local server.
    pub server: LocalServer,
    /// What a local server that is reached by URL may see of the credentials that a gateway sends along.
    pub forward_auth: ForwardAuth,
    /// Where to register.
    pub gateway: GatewayAddress,
    /// How connections to it are made.
    pub outbound: Outbound,
    /// When to try again.
    pub retry: Retry,
    /// How often the base dialect's heartbeat goes out.
    pub keepalive: Duration,
    /// The largest whole frame in bytes.
    pub max_message: usize,
    /// How long the local server may take to its first good `initialize` answer.
    pub start_timeout: Duration,
    /// How long one request of a base gateway may stay unanswered by the local server; progress starts it anew. On
    /// gateways of the channels dialect the gateway keeps this time.
    pub request_timeout: Duration,
    /// What carries the link.
    pub transport: Transport,
    /// What the gateway may see and use of the local server, as configured; [`Outside::policy`](crate::Outside) says
    /// what holds now.
    pub policy: ToolPolicy,
    /// How many processes the local server may have, on gateways that speak the channels dialect.
    pub children: Children,
    /// What the owner calls the tunnel by, for the gateway's list of sessions.
    pub labels: Labels,
    /// The name of this machine, for the gateway's list of sessions.
    pub host: Option<String>,
    /// How long the local server may go without an answer until it is asked for one.
    pub probe_interval: Duration,
    /// How long calls in flight may take to their end once the tunnel is to stop; zero: they are cut off.
    pub drain: Duration,
}

/// What carries a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Transport {
    /// WebSocket; SSE and POST where WebSocket fails and HTTPS works.
    #[default]
    Auto,
    /// WebSocket only.
    WebSocket,
    /// SSE and POST only: the channels dialect, so not for every gateway.
    Sse,
}

/// How many processes a local server may have. Base gateways have one client, so there it is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Children {
    /// It must not run twice, because it owns a file, a port or a login: all clients share one.
    pub single: bool,
    /// How many clients' sessions may be open at once, each with a process of its own.
    pub max_sessions: usize,
    /// One more is kept started, so that the next session need not wait for it.
    pub warm_spare: bool,
}

impl Default for Children {
    fn default() -> Self {
        Self { single: false, max_sessions: 8, warm_spare: false }
    }
}

/// The MCP server at this end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LocalServer {
    /// A process spoken to over stdio.
    Stdio(StdioCommand),
    /// A URL that speaks MCP's Streamable HTTP.
    StreamableHttp {
        /// Its MCP endpoint.
        url: ServerUrl,
        /// What every request carries besides.
        headers: Headers,
    },
    /// A URL that speaks the older HTTP+SSE, of revision 2024-11-05.
    Sse {
        /// Where its event stream is.
        url: ServerUrl,
        /// What every request carries besides.
        headers: Headers,
    },
}

impl LocalServer {
    /// Where it is, unless it is a process of our own.
    pub fn url(&self) -> Option<&ServerUrl> {
        match self {
            Self::Stdio(_) => None,
            Self::StreamableHttp { url, .. } | Self::Sse { url, .. } => Some(url),
        }
    }
}

/// A command without a shell. Its `Debug` shows the names of its variables, not their values, which may be secrets.
#[derive(Clone, PartialEq, Eq, Default)]
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

impl fmt::Debug for StdioCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StdioCommand")
            .field("program", &self.program)
            .field("args", &self.args)
            .field("env", &self.env.keys())
            .field("cwd", &self.cwd)
            .finish()
    }
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
    /// How long a network that lets no WebSocket pass is believed to stay so.
    pub websocket: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self { first: Duration::from_secs(1), cap: limits::RETRY_CAP, max: None, websocket: limits::WEBSOCKET_AGAIN }
    }
}

/// Any tunnel, for tests.
#[cfg(test)]
pub(crate) fn sample() -> TunnelConfig {
    TunnelConfig {
        name: ServerName::new("t").unwrap(),
        description: None,
        server: LocalServer::Stdio(Default::default()),
        forward_auth: Default::default(),
        gateway: GatewayAddress::parse("http://127.0.0.1:9").unwrap(),
        outbound: Default::default(),
        retry: Default::default(),
        keepalive: limits::KEEPALIVE_DEFAULT,
        max_message: 1 << 20,
        start_timeout: limits::START_TIMEOUT_DEFAULT,
        request_timeout: limits::REQUEST_TIMEOUT_DEFAULT,
        transport: Default::default(),
        policy: Default::default(),
        children: Default::default(),
        labels: Default::default(),
        host: None,
        probe_interval: limits::PROBE_INTERVAL_DEFAULT,
        drain: limits::DRAIN_DEFAULT,
    }
}
