//! Where the engine says what is so: one place through which every change of status goes out.

use std::time::Duration;

use culvert_link::Carriage;
use culvert_protocol::Cause;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::status::{Notice, Online, Status};

/// Publishes status changes.
#[derive(Debug)]
pub(crate) struct Report {
    status: watch::Sender<Status>,
}

impl Report {
    pub(crate) fn new(status: watch::Sender<Status>) -> Self {
        Self { status }
    }

    pub(crate) fn set(&self, status: Status) {
        self.status.send_if_modified(|now| {
            let changed = *now != status;
            *now = status;
            changed
        });
    }

    pub(crate) fn online(&self, transport: Carriage, session: String, tools: Option<usize>, notices: Vec<Notice>) {
        let (since, round_trip, in_use_by) = (Instant::now(), None, Vec::new());
        self.set(Status::Online(Online { since, transport, session, tools, round_trip, in_use_by, notices }));
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
        self.set(Status::Waiting { attempt, retry_at: Instant::now() + wait, cause });
    }
}
