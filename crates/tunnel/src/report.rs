//! Where the engine says what is so: one place through which every change of status goes out.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use culvert_link::Carriage;
use culvert_protocol::{Cause, Explain as _};
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::ledger::Ledger;
use crate::status::{Notice, Online, Server, Status};

/// Publishes status changes.
#[derive(Debug)]
pub(crate) struct Report {
    status: watch::Sender<Status>,
    /// How the local server is, also while the tunnel is not online.
    server: Mutex<Server>,
    /// How many tools are held back, also while the tunnel is not online.
    held: AtomicUsize,
    ledger: Arc<Ledger>,
}

impl Report {
    pub(crate) fn new(status: watch::Sender<Status>, ledger: Arc<Ledger>) -> Self {
        Self { status, server: Mutex::new(Server::Unprobed), held: AtomicUsize::new(0), ledger }
    }

    /// Where account is kept.
    pub(crate) fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    pub(crate) fn set(&self, mut status: Status) {
        if let Status::Online(online) = &mut status {
            online.server = self.server().clone();
            with_held(&mut online.notices, self.held.load(Ordering::Relaxed));
        }
        self.status.send_if_modified(|now| {
            let changed = *now != status;
            *now = status;
            changed
        });
    }

    pub(crate) fn online(&self, transport: Carriage, session: String, tools: Option<usize>, notices: Vec<Notice>) {
        self.ledger.figures().registered();
        let (since, round_trip, in_use_by) = (Instant::now(), None, Vec::new());
        let server = Server::Unprobed;
        self.set(Status::Online(Online { since, transport, session, server, tools, round_trip, in_use_by, notices }));
    }

    /// How the local server is now.
    pub(crate) fn serves(&self, server: Server) {
        let before = std::mem::replace(&mut *self.server(), server.clone());
        match (&before, &server) {
            (Server::Restarting { .. }, Server::Ready) => self.ledger.figures().restarted(),
            (_, Server::Silent { .. }) => warn!("the local server does not answer"),
            (Server::Silent { .. }, Server::Ready) => info!("the local server answers again"),
            _ => {}
        }
        self.status.send_if_modified(|now| {
            let Status::Online(online) = now else { return false };
            let changed = online.server != server;
            online.server = server;
            changed
        });
    }

    /// The local server has ended by itself; another is on its way.
    pub(crate) fn restarts(&self, cause: Cause) {
        self.serves(Server::Restarting { cause });
    }

    /// So many tools are held back and need the user's attention.
    pub(crate) fn held(&self, count: usize) {
        if self.held.swap(count, Ordering::Relaxed) == count {
            return;
        }
        if count > 0 {
            warn!(code = Notice::ToolsHeld(count).code(), "{}", Notice::ToolsHeld(count));
        }
        self.status.send_if_modified(|now| {
            let Status::Online(online) = now else { return false };
            with_held(&mut online.notices, count)
        });
    }

    fn server(&self) -> MutexGuard<'_, Server> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What carries the link now.
    pub(crate) fn carried(&self, transport: Carriage) {
        self.status.send_if_modified(|now| {
            let Status::Online(online) = now else { return false };
            std::mem::replace(&mut online.transport, transport) != transport
        });
    }

    /// Who has a session now.
    pub(crate) fn in_use(&self, callers: Vec<String>) {
        self.status.send_if_modified(|now| {
            let Status::Online(online) = now else { return false };
            let changed = online.in_use_by != callers;
            online.in_use_by = callers;
            changed
        });
    }

    /// What is so now.
    pub(crate) fn current(&self) -> Status {
        self.status.borrow().clone()
    }

    /// A fresh measurement. Faces are woken only when it differs by a step that a person would notice: a fifth, and at
    /// least a millisecond.
    pub(crate) fn round_trip(&self, measured: Duration) {
        self.ledger.figures().round_trip(measured);
        self.status.send_if_modified(|now| {
            let Status::Online(online) = now else { return false };
            let differs = online
                .round_trip
                .is_none_or(|known| measured.abs_diff(known) > (known / 5).max(Duration::from_millis(1)));
            if differs {
                online.round_trip = Some(measured);
            }
            differs
        });
    }

    pub(crate) fn waiting(&self, attempt: u32, wait: Duration, cause: Cause) {
        self.ledger.figures().reconnects(cause.code());
        self.set(Status::Waiting { attempt, retry_at: Instant::now() + wait, cause });
    }
}

/// Puts the notice about held tools among the others, or takes it out; whether that changed anything.
fn with_held(notices: &mut Vec<Notice>, count: usize) -> bool {
    let before = notices.clone();
    notices.retain(|notice| !matches!(notice, Notice::ToolsHeld(_)));
    notices.extend((count > 0).then_some(Notice::ToolsHeld(count)));
    *notices != before
}
