//! The local socket, or on Windows the named pipe, of whoever runs the saved profiles: other processes of the same user ask
//! there, a JSON line each way.

mod ask;
#[cfg(windows)]
mod pipe;
mod serve;
#[cfg(unix)]
mod socket;

use serde::{Deserialize, Serialize};

pub use self::ask::{Asked, NotAsked, ask, decide, follow, logs, tools};
#[cfg(windows)]
use self::pipe as entrance;
pub use self::serve::{Control, ControlError};
#[cfg(unix)]
use self::socket as entrance;
use crate::bundle::ServerLines;
use crate::report::{Problem, Report};
use crate::tools::{Decision, Tools};

/// The longest question that is read, in bytes.
const LONGEST: u64 = 1 << 20;

/// The longest answer that is read: 2000 tools and what has changed about them.
const LONGEST_ANSWER: u64 = 64 << 20;

/// What may be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case", deny_unknown_fields)]
pub enum Question {
    /// How everything is.
    Status,
    /// The same, and again whenever something has changed.
    Follow,
    /// Have profiles up, and remember that they are wanted. By name or key; none named: all.
    Up {
        /// Which.
        profiles: Vec<String>,
    },
    /// Have profiles down, and remember that they are not wanted.
    Down {
        /// Which.
        profiles: Vec<String>,
    },
    /// End the waits between tries.
    Reconnect {
        /// Of which profiles.
        profiles: Vec<String>,
    },
    /// Read the configuration again.
    Reload,
    /// What local servers wrote last.
    Logs,
    /// The tools of a profile's local server.
    Tools {
        /// Its name or key.
        profile: String,
    },
    /// Approve held tools of a profile, or keep them blocked; all of these or none.
    Decide {
        /// Its name or key.
        profile: String,
        /// What was decided.
        decisions: Vec<Decision>,
    },
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// How everything is, after what was asked for has begun.
    Status {
        /// Everything.
        report: Report,
    },
    /// What local servers wrote last.
    Logs {
        /// Of each tunnel.
        servers: Vec<ServerLines>,
    },
    /// A profile's tools, after what was decided is in force.
    Tools {
        /// All that are told.
        tools: Tools,
    },
    /// It cannot be done.
    Refused {
        /// Why.
        problem: Problem,
    },
}
