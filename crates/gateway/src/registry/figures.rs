//! How much there is in the registry, and how much has passed over its links: for whoever measures.

use std::sync::PoisonError;

use super::Registry;
use crate::counts::place;
use crate::traffic::{Traffic, Volume};

/// What passed over all links that were registered.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Passed {
    pub(crate) from_server: Volume,
    pub(crate) to_server: Volume,
}

impl Passed {
    /// What was not told before of one link.
    pub(super) fn add(&mut self, traffic: &Traffic) {
        let (from_server, to_server) = traffic.news();
        self.from_server += from_server;
        self.to_server += to_server;
    }
}

/// A look at all that is registered.
#[derive(Debug, Default)]
pub(crate) struct RegistryFigures {
    /// Tunnels that have a connection, by what carries them.
    pub(crate) connected: [usize; 2],
    /// Tunnels that wait for one, by what carried them.
    pub(crate) waiting: [usize; 2],
    /// Servers that a tunnel brings.
    pub(crate) online: usize,
    /// Servers that are known and that none brings.
    pub(crate) offline: usize,
    /// Bytes that were sent and that no client has acknowledged.
    pub(crate) unacknowledged: u64,
    pub(crate) passed: Passed,
}

impl Registry {
    /// How much there is, and how much has passed.
    pub(crate) fn figures(&self) -> RegistryFigures {
        let mut figures = RegistryFigures::default();
        let mut passed = self.passed.lock().unwrap_or_else(PoisonError::into_inner);
        let rooms = self.read();
        for session in rooms.sessions.values() {
            let tunnels = if session.is_waiting() { &mut figures.waiting } else { &mut figures.connected };
            tunnels[place(session.visitor().carriage)] += 1;
            figures.unacknowledged += session.traffic.unacknowledged();
            passed.add(&session.traffic);
        }
        figures.online = rooms.online.len();
        figures.offline = rooms.catalog.iter().count().saturating_sub(figures.online);
        figures.passed = *passed;
        figures
    }
}
