//! What is kept account of while one tunnel runs: its figures, its calls, its server's log and pulse. Shared by the
//! engine, which writes it, and whoever wants to see it.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use culvert_protocol::message::{self, Message};
use tokio::time::Instant;

use crate::activity::{self, Activity, Audit, Call, CallHead, Caller, Outcome, Place};
use crate::figures::{Figures, Method};
use crate::processes::{Process, Processes, Running};
use crate::pulse::Pulse;
use crate::server_log::{self, ServerLog};

/// The account of one tunnel. It outlives the engine's run, and is never saved.
#[derive(Debug)]
pub struct Ledger {
    figures: Figures,
    activity: Activity,
    server_log: ServerLog,
    pulse: Pulse,
    processes: Arc<Processes>,
    /// Whether somebody is told of calls: looked at for each.
    is_audited: AtomicBool,
    audit: Mutex<Option<Arc<dyn Audit>>>,
}

impl Default for Ledger {
    fn default() -> Self {
        Self::new(activity::CALLS, server_log::LINES)
    }
}

impl Ledger {
    /// Remembers so many calls and so many lines of the server's log; at least one of each.
    pub fn new(calls: usize, lines: usize) -> Self {
        Self {
            figures: Figures::default(),
            activity: Activity::new(calls),
            server_log: ServerLog::new(lines),
            pulse: Pulse::default(),
            processes: Arc::default(),
            is_audited: AtomicBool::new(false),
            audit: Mutex::default(),
        }
    }

    /// Has somebody told of each call that is over from here on, or nobody.
    pub fn set_audit(&self, audit: Option<Arc<dyn Audit>>) {
        let is_audited = audit.is_some();
        *self.audit.lock().unwrap_or_else(PoisonError::into_inner) = audit;
        self.is_audited.store(is_audited, Ordering::Release);
    }

    fn audit(&self) -> Option<Arc<dyn Audit>> {
        let is_audited = self.is_audited.load(Ordering::Acquire);
        is_audited.then(|| self.audit.lock().unwrap_or_else(PoisonError::into_inner).clone()).flatten()
    }

    /// A call passes that is not followed: too many are already.
    pub(crate) fn unfollowed(&self) {
        if let Some(audit) = self.audit() {
            audit.missed();
        }
    }

    /// What was counted.
    pub fn figures(&self) -> &Figures {
        &self.figures
    }

    /// Who called what.
    pub fn activity(&self) -> &Activity {
        &self.activity
    }

    /// What the local server wrote on stderr.
    pub fn server_log(&self) -> &ServerLog {
        &self.server_log
    }

    /// The local server's processes that run now, in the order of their start.
    pub fn processes(&self) -> Vec<Process> {
        self.processes.now()
    }

    pub(crate) fn process_serves(&self, pid: u32, who: &str) {
        self.processes.serves(pid, who);
    }

    pub(crate) fn process_began(&self, pid: u32) -> Running {
        Processes::began(&self.processes, pid)
    }

    /// When the local server last answered anything: a call, or a probe.
    pub fn last_answer(&self) -> Option<Instant> {
        self.pulse.last()
    }

    pub(crate) fn pulse(&self) -> &Pulse {
        &self.pulse
    }

    /// What a request is about: at a glance or, where somebody keeps a record, so that nobody leads it astray.
    pub(crate) fn about<'a>(&self, request: &[u8], method: &str, glance: Option<&'a str>) -> Option<Cow<'a, str>> {
        if !self.is_audited.load(Ordering::Relaxed) {
            return glance.map(Cow::Borrowed);
        }
        culvert_protocol::about(std::str::from_utf8(request).ok()?, Method::about(method)?).map(Cow::Owned)
    }

    /// A call began. `bytes` are its request's.
    pub(crate) fn begin(
        self: &Arc<Self>,
        caller: &Arc<Caller>,
        name: &str,
        about: Option<&str>,
        bytes: usize,
        began: Instant,
    ) -> Ticket {
        let method = Method::of(name);
        self.figures.call_began();
        let head = (name != "ping").then(|| CallHead {
            caller: caller.clone(),
            method: match method {
                Method::OTHER => Cow::Owned(activity::shown(name).into()),
                known => Cow::Borrowed(known.name()),
            },
            about: about.map(activity::shown),
            began: SystemTime::now(),
            bytes_in: bytes,
        });
        let place = match head.map(|head| self.activity.begin(head, began)) {
            None => Listed::No,
            Some(Ok(place)) => Listed::There(place),
            // Somebody who is told of every call is told of those, too, that are too many for the list.
            Some(Err(head)) if self.is_audited.load(Ordering::Relaxed) => Listed::Here(Box::new(head)),
            Some(Err(_)) => Listed::No,
        };
        let is_endless = Method::is_endless(name);
        Ticket { ledger: self.clone(), method, began, place, is_endless, is_over: false }
    }
}

/// How an answer ends its call.
pub(crate) fn outcome_of(answer: &Message<'_>) -> Outcome {
    match answer.error() {
        None => Outcome::Ok,
        Some(error) => {
            let code = message::member(error, "code").ok().flatten();
            Outcome::Error(code.and_then(|code| code.get().parse().ok()).unwrap_or_default())
        }
    }
}

/// A call under way. Dropped, it has [`Ended`](Outcome::Ended).
#[derive(Debug)]
pub(crate) struct Ticket {
    ledger: Arc<Ledger>,
    method: Method,
    began: Instant,
    place: Listed,
    is_endless: bool,
    is_over: bool,
}

/// Where the head of a call is kept.
#[derive(Debug)]
enum Listed {
    /// Nowhere.
    No,
    /// In the list of calls under way.
    There(Place),
    /// With its ticket.
    Here(Box<CallHead>),
}

impl Ticket {
    /// The call was over then; `bytes` are its answer's.
    pub(crate) fn end(mut self, outcome: Outcome, bytes: usize, then: Instant) {
        self.close(outcome, bytes, then);
    }

    /// Whether it stays open for as long as its caller wants to hear more.
    pub(crate) fn is_endless(&self) -> bool {
        self.is_endless
    }

    fn close(&mut self, outcome: Outcome, bytes: usize, then: Instant) {
        if std::mem::replace(&mut self.is_over, true) {
            return;
        }
        let took = then.saturating_duration_since(self.began);
        self.ledger.figures.call_ended(self.method, outcome, (!self.is_endless).then_some(took));
        let (head, is_listed) = match std::mem::replace(&mut self.place, Listed::No) {
            Listed::No => return,
            Listed::There(place) => (self.ledger.activity.end(place), true),
            Listed::Here(head) => (Some(*head), false),
        };
        let Some(head) = head else { return };
        let call = Call { head, took, outcome, bytes_out: bytes };
        if let Some(audit) = self.ledger.audit() {
            audit.over(&call);
        }
        if is_listed {
            self.ledger.activity.remember(call);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.close(Outcome::Ended, 0, Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_is_let_go_has_ended_and_one_that_is_over_is_counted_once() {
        let ledger = Arc::new(Ledger::new(8, 8));
        let caller = Arc::new(Caller::Gateway);
        let now = Instant::now();
        drop(ledger.begin(&caller, "tools/call", Some("echo"), 10, now));
        ledger.begin(&caller, "my/method", None, 10, now).end(Outcome::Ok, 20, now);
        ledger.begin(&caller, "ping", None, 10, now).end(Outcome::Ok, 20, now);
        let calls = ledger.activity().calls().read(0).items;
        let told: Vec<_> =
            calls.iter().map(|call| (&*call.head.method, call.head.about.as_deref(), call.outcome)).collect();
        assert_eq!(told, [("tools/call", Some("echo"), Outcome::Ended), ("my/method", None, Outcome::Ok)]);
        let figures = ledger.figures().snapshot();
        assert_eq!(figures.methods.iter().map(|(_, of)| of.calls).sum::<u64>(), 3);
        assert_eq!((figures.in_flight, figures.calls.count()), (0, 2));
        assert_eq!(ledger.last_answer(), None);
    }
}
