//! What is so: the observed state of a tunnel, for faces to render. Never saved.

use std::time::Duration;

use culvert_link::Carriage;
use culvert_protocol::{Cause, Explain};
use tokio::time::Instant;

/// The state of one tunnel.
#[derive(Debug, Clone, PartialEq)]
pub enum Status {
    /// Not wanted.
    Off,
    /// The local server is being started.
    Starting {
        /// Since when.
        since: Instant,
    },
    /// The gateway is being dialled.
    Connecting,
    /// The link is up, the gateway registers the server.
    Registering,
    /// Registered.
    Online(Online),
    /// A try failed; another follows.
    Waiting {
        /// How many tries have failed in a row.
        attempt: u32,
        /// When the next one begins.
        retry_at: Instant,
        /// Why the last one failed.
        cause: Cause,
    },
    /// Asked to end: calls and children are being brought to theirs.
    Stopping,
    /// Ended; only the user can change it. No cause: as asked.
    Stopped {
        /// Why, unless the user asked for it.
        cause: Option<Cause>,
    },
}

impl Status {
    /// The state's name in events and logs.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Starting { .. } => "starting",
            Self::Connecting => "connecting",
            Self::Registering => "registering",
            Self::Online(_) => "online",
            Self::Waiting { .. } => "waiting",
            Self::Stopping => "stopping",
            Self::Stopped { .. } => "stopped",
        }
    }

    /// Why it is not online, where there is a reason.
    pub fn cause(&self) -> Option<&Cause> {
        match self {
            Self::Waiting { cause, .. } => Some(cause),
            Self::Stopped { cause } => cause.as_ref(),
            _ => None,
        }
    }
}

/// What is known of a registered tunnel.
#[derive(Debug, Clone, PartialEq)]
pub struct Online {
    /// Since when.
    pub since: Instant,
    /// What carries the link; may change while it is online.
    pub transport: Carriage,
    /// The session's id as the gateway has it.
    pub session: String,
    /// Whether the local server answers.
    pub server: Server,
    /// How many tools the local server listed; none when it has no tools at all.
    pub tools: Option<usize>,
    /// The time from a heartbeat to its acknowledgement, once measured.
    pub round_trip: Option<Duration>,
    /// Who has a session on it, one entry a session; only gateways of the channels dialect tell.
    pub in_use_by: Vec<String>,
    /// What needs attention although it is online.
    pub notices: Vec<Notice>,
}

/// How the local server behind a registered tunnel is. When it last answered is in the
/// [`Ledger`](crate::Ledger::last_answer).
#[derive(Debug, Clone, PartialEq)]
pub enum Server {
    /// It has answered nothing lately, and was not asked yet.
    Unprobed,
    /// A child of this very tunnel has answered a call or a probe within the last minute.
    Ready,
    /// It ended by itself, and is being started again.
    Restarting {
        /// Why it ended, or why it does not start.
        cause: Cause,
    },
    /// It runs, and does not answer.
    Silent {
        /// Since when: its last answer, or the first question.
        since: Instant,
    },
}

impl Server {
    /// The state's name in events and logs.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Unprobed => "unprobed",
            Self::Ready => "ready",
            Self::Restarting { .. } => "restarting",
            Self::Silent { .. } => "silent",
        }
    }
}

/// Something that needs attention although the tunnel is online.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// The gateway lists the session and routes no MCP calls: the released ContextForge.
    NoRouting,
    /// The heartbeat is so slow that base gateways may evict the session.
    SlowKeepalive(Duration),
    /// So many of the local server's tools are new or have changed, and are held back until they are approved.
    ToolsHeld(usize),
}

impl std::fmt::Display for Notice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoRouting => {
                f.write_str("this gateway lists the server but does not route MCP calls to it (ContextForge 1.0.x)")
            }
            Self::SlowKeepalive(every) => write!(f, "a heartbeat every {} s is rare", every.as_secs()),
            Self::ToolsHeld(1) => f.write_str("1 tool is new or has changed, and is held back"),
            Self::ToolsHeld(count) => write!(f, "{count} tools are new or have changed, and are held back"),
        }
    }
}

impl Explain for Notice {
    fn code(&self) -> &'static str {
        match self {
            Self::NoRouting => "gateway.no_routing",
            Self::SlowKeepalive(_) => "keepalive.slow",
            Self::ToolsHeld(_) => "tools.held",
        }
    }

    fn action(&self) -> std::borrow::Cow<'static, str> {
        match self {
            Self::NoRouting => "Use `culvert gateway`, or a ContextForge whose reverse proxy routes calls.".into(),
            Self::SlowKeepalive(_) => "Gateways drop clients that are silent for 90 s: use 60 s or less.".into(),
            Self::ToolsHeld(_) => {
                "Look at what has changed with `culvert tools NAME list`, then approve it or keep it blocked.".into()
            }
        }
    }
}
