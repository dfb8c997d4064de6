//! How a tunnel is.

use serde::{Deserialize, Serialize};
#[cfg(test)]
use ts_rs::TS;

use super::{Explained, Time};

/// The icon's four shapes; also a profile's state in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(TS))]
#[serde(rename_all = "camelCase")]
pub enum Mark {
    /// Not wanted.
    Off,
    /// On its way up, or down for now.
    Connecting,
    /// All is well.
    Online,
    /// Something needs the user.
    Attention,
}

/// How the local server behind a tunnel is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(TS))]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum ServerState {
    /// It has answered within the last minute.
    Ready,
    /// It was not asked yet.
    Unprobed,
    /// It ended by itself and is being started again.
    Restarting {
        /// Why it ended.
        cause: Explained,
    },
    /// It runs and does not answer.
    Silent {
        /// What to know about that.
        cause: Explained,
    },
}

/// What carries a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(TS))]
#[serde(rename_all = "camelCase")]
pub enum Transport {
    /// WebSocket.
    Ws,
    /// SSE and POST.
    Sse,
}

/// The state of one profile's tunnel to one gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(TS))]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Status {
    /// Not wanted.
    Off,
    /// The local server is being started.
    Starting {
        /// Since when.
        since: Time,
    },
    /// The gateway is being dialled.
    Connecting,
    /// The gateway registers the server.
    Registering,
    /// Registered.
    Online {
        /// Since when.
        since: Time,
        /// What carries the link.
        transport: Transport,
        /// Rounded by the back end to steps that matter.
        round_trip_ms: Option<u32>,
        /// Whether the local server answers.
        server: ServerState,
        /// How many tools it listed.
        tools: Option<u32>,
        /// One entry a session; empty on gateways that do not tell.
        in_use_by: Vec<String>,
        /// What needs attention although it is online.
        notices: Vec<Explained>,
        /// Where MCP clients find it; null where the gateway routes no calls.
        url: Option<String>,
    },
    /// A try failed; another follows.
    Waiting {
        /// How many have failed in a row.
        attempt: u32,
        /// When the next one begins.
        retry_at: Time,
        /// Why the last one failed.
        cause: Explained,
    },
    /// On its way to its end.
    Stopping,
    /// Ended; only the user can change it.
    Stopped {
        /// Why, unless the user asked for it.
        cause: Option<Explained>,
    },
}
