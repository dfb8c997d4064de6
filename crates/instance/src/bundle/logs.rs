//! The last lines that local servers wrote to their stderr, as data that one process can hand to another.

use std::fmt::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::overview::{Overview, TunnelView};

/// Lines of each server at most.
const LINES: usize = 100;

/// Bytes of all lines together at most.
const BYTES: usize = 512 * 1024;

/// What the local server of one tunnel wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerLines {
    /// The profile's name.
    pub name: String,
    /// The tunnel's gateway.
    pub gateway: String,
    /// The last of them, the oldest first.
    pub lines: Vec<ServerLine>,
}

/// A line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerLine {
    /// When it was read, in Unix seconds.
    pub at: u64,
    /// What it says, cleaned.
    pub text: String,
}

impl ServerLines {
    /// Those of every tunnel: 100 of each, and fewer where all of them would have more than 512 KiB.
    pub fn of(overview: &Overview) -> Vec<Self> {
        let views: Vec<_> = overview.tunnels().collect();
        let share = BYTES / views.len().max(1);
        views.into_iter().map(|view| Self::of_tunnel(view, share)).collect()
    }

    fn of_tunnel(view: &TunnelView, mut bytes: usize) -> Self {
        let mut lines = Vec::new();
        for line in view.ledger.server_log().lines().read(0).items.into_iter().rev().take(LINES) {
            let Some(left) = bytes.checked_sub(line.text.len()) else { break };
            bytes = left;
            let at = line.at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
            lines.push(ServerLine { at, text: line.text.into() });
        }
        lines.reverse();
        Self { name: view.name.clone(), gateway: view.key.gateway.clone(), lines }
    }

    pub(super) fn write(&self, out: &mut String, now: SystemTime) -> std::fmt::Result {
        writeln!(out, "{} for {}", self.name, self.gateway)?;
        for ServerLine { at, text } in &self.lines {
            let age = now.duration_since(UNIX_EPOCH + Duration::from_secs(*at)).unwrap_or_default().as_secs();
            writeln!(out, "  {age} s ago: {text}")?;
        }
        if self.lines.is_empty() { writeln!(out, "  nothing") } else { Ok(()) }
    }
}
