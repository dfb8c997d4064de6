//! What the front counts: calls by method and by time, refusals by code, and what went astray.
//!
//! Relaxed numbers: a call costs three additions, no lock, no memory. How much there is now is read from where it is.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use culvert_protocol::tally::{CALL_TIMES, Histogram, HistogramSnapshot, Method};

use crate::by_code::ByCode;

/// See the head of this file.
#[derive(Debug)]
pub(super) struct Counts {
    pub(super) late: AtomicU64,
    pub(super) dropped: AtomicU64,
    pub(super) refusals: ByCode,
    methods: [Tally; Method::COUNT],
    times: Histogram<16>,
}

#[derive(Debug, Default)]
struct Tally {
    calls: AtomicU64,
    errors: AtomicU64,
    cancelled: AtomicU64,
    unanswered: AtomicU64,
}

/// What became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The server answered with a result.
    Result,
    /// The server answered with an error.
    Error,
    /// Its caller gave it up.
    Cancelled,
    /// The server did not answer in time, or it, the session or the tunnel ended before.
    Unanswered,
}

impl Outcome {
    /// Its name in the audit log.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Result => "ok",
            Self::Error => "error",
            Self::Cancelled => "cancelled",
            Self::Unanswered => "unanswered",
        }
    }
}

/// What became of the calls of one method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MethodCounts {
    /// All that are over.
    pub calls: u64,
    /// Those that the server answered with an error.
    pub errors: u64,
    /// Those that their caller gave up.
    pub cancelled: u64,
    /// Those that the server did not answer in time, or that ended with it, the session or the tunnel.
    pub unanswered: u64,
}

/// A look at the calls and refusals so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallCounts {
    /// Calls that are over, by method; every method there is.
    pub methods: Vec<(Method, MethodCounts)>,
    /// How long calls took that the server answered, from their arrival here; those that stay open on purpose aside.
    pub times: HistogramSnapshot,
    /// What was refused, by code.
    pub refusals: BTreeMap<&'static str, u64>,
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            late: AtomicU64::default(),
            dropped: AtomicU64::default(),
            refusals: ByCode::default(),
            methods: std::array::from_fn(|_| Tally::default()),
            times: Histogram::new(&CALL_TIMES),
        }
    }
}

impl Counts {
    /// A message of a server that nobody waited for.
    pub(super) fn late(&self) {
        add(&self.late);
    }

    /// Messages that nobody read.
    pub(super) fn dropped(&self, count: usize) {
        self.dropped.fetch_add(count as u64, Ordering::Relaxed);
    }

    /// A call is over, so long after it came.
    pub(super) fn ended(&self, method: Method, outcome: Outcome, took: Duration) {
        let tally = &self.methods[method.index()];
        add(&tally.calls);
        match outcome {
            Outcome::Result => {}
            Outcome::Error => add(&tally.errors),
            Outcome::Cancelled => return add(&tally.cancelled),
            Outcome::Unanswered => return add(&tally.unanswered),
        }
        if !Method::is_endless(method.name()) {
            self.times.count(took);
        }
    }

    /// The calls and refusals so far.
    pub(super) fn calls(&self) -> CallCounts {
        CallCounts {
            methods: Method::all().map(|method| (method, self.methods[method.index()].read())).collect(),
            times: self.times.snapshot(),
            refusals: self.refusals.all(),
        }
    }
}

impl Tally {
    fn read(&self) -> MethodCounts {
        MethodCounts {
            calls: self.calls.load(Ordering::Relaxed),
            errors: self.errors.load(Ordering::Relaxed),
            cancelled: self.cancelled.load(Ordering::Relaxed),
            unanswered: self.unanswered.load(Ordering::Relaxed),
        }
    }
}

fn add(to: &AtomicU64) {
    to.fetch_add(1, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_server_answered_has_a_duration() {
        let counts = Counts::default();
        let call = Method::of("tools/call");
        for outcome in [Outcome::Result, Outcome::Error, Outcome::Cancelled, Outcome::Unanswered] {
            counts.ended(call, outcome, Duration::from_millis(2));
        }
        counts.ended(Method::of("subscriptions/listen"), Outcome::Result, Duration::from_secs(900));
        let seen = counts.calls();
        let of = |method| seen.methods.iter().find(|(of, _)| *of == method).unwrap().1;
        assert_eq!(of(call), MethodCounts { calls: 4, errors: 1, cancelled: 1, unanswered: 1 });
        assert_eq!((seen.times.count(), seen.methods.len()), (2, Method::COUNT));
    }
}
