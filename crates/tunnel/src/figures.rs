//! What a tunnel counts, for metrics: plain numbers, cheap to count and to look at. How they are written is for others.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use culvert_link::queue::Gauge;
use culvert_protocol::tally::{CALL_TIMES, Histogram};
pub use culvert_protocol::tally::{HistogramSnapshot, Method};

use crate::activity::Outcome;

/// Upper bounds of the buckets for the link's round trip, in microseconds: 1 ms to 5 s.
static ROUND_TRIPS: [u64; 12] =
    [1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000];

/// The figures of one tunnel; they only grow, but for those that say how much there is now.
#[derive(Debug)]
pub struct Figures {
    registrations: AtomicU64,
    resumes: AtomicU64,
    reconnects: Mutex<BTreeMap<&'static str, u64>>,
    to_server: Flow,
    from_server: Flow,
    methods: [Tally; Method::COUNT],
    in_flight: AtomicU64,
    calls: Histogram<16>,
    round_trips: Histogram<12>,
    exits: AtomicU64,
    restarts: AtomicU64,
    late: AtomicU64,
    queues: Mutex<Vec<(Direction, Gauge)>>,
}

/// Which way something goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    ToServer,
    FromServer,
}

#[derive(Debug, Default)]
struct Flow {
    messages: AtomicU64,
    bytes: AtomicU64,
}

#[derive(Debug, Default)]
struct Tally {
    calls: AtomicU64,
    errors: AtomicU64,
    cancelled: AtomicU64,
    unanswered: AtomicU64,
}

/// A look at the figures of one tunnel, since it was started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FiguresSnapshot {
    /// How often it was registered.
    pub registrations: u64,
    /// How often a session went on over a new connection.
    pub resumes: u64,
    /// How often a connection, or a try at one, came to nothing and another followed, by the cause's code.
    pub reconnects: BTreeMap<&'static str, u64>,
    /// MCP messages for the local server.
    pub to_server: Traffic,
    /// MCP messages of the local server.
    pub from_server: Traffic,
    /// Calls to the local server that are over, by method; every method there is.
    pub methods: Vec<(Method, MethodSnapshot)>,
    /// Calls to the local server that are not over.
    pub in_flight: u64,
    /// How long calls took that were answered, those that stay open on purpose aside.
    pub calls: HistogramSnapshot,
    /// How long the gateway took to acknowledge a heartbeat.
    pub round_trips: HistogramSnapshot,
    /// How many of the local server's processes, or conversations with its URL, ended by themselves.
    pub exits: u64,
    /// How often the local server was started again because of that; processes of clients' sessions are not.
    pub restarts: u64,
    /// Answers that came when nobody waited for them any more, and were dropped.
    pub late_answers: u64,
    /// Bytes that wait for the local server now.
    pub queued_to_server: usize,
    /// Bytes that wait for the link now. What waits in it is bounded apart.
    pub queued_from_server: usize,
}

/// How much passed one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic {
    /// JSON-RPC messages; a batch is one.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// What became of the calls of one method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MethodSnapshot {
    /// All that are over.
    pub calls: u64,
    /// Those that were answered with an error.
    pub errors: u64,
    /// Those that the caller cancelled.
    pub cancelled: u64,
    /// Those that ended because the server, the caller or the link did.
    pub unanswered: u64,
}

impl Default for Figures {
    fn default() -> Self {
        Self {
            registrations: AtomicU64::default(),
            resumes: AtomicU64::default(),
            reconnects: Mutex::default(),
            to_server: Flow::default(),
            from_server: Flow::default(),
            methods: std::array::from_fn(|_| Tally::default()),
            in_flight: AtomicU64::default(),
            calls: Histogram::new(&CALL_TIMES),
            round_trips: Histogram::new(&ROUND_TRIPS),
            exits: AtomicU64::default(),
            restarts: AtomicU64::default(),
            late: AtomicU64::default(),
            queues: Mutex::default(),
        }
    }
}

impl Figures {
    /// What they are now. Each number is exact, but they may be of slightly different moments.
    pub fn snapshot(&self) -> FiguresSnapshot {
        FiguresSnapshot {
            registrations: read(&self.registrations),
            resumes: read(&self.resumes),
            reconnects: self.reconnects.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            to_server: self.to_server.read(),
            from_server: self.from_server.read(),
            methods: Method::all().map(|method| (method, self.methods[method.index()].read())).collect(),
            in_flight: read(&self.in_flight),
            calls: self.calls.snapshot(),
            round_trips: self.round_trips.snapshot(),
            exits: read(&self.exits),
            restarts: read(&self.restarts),
            late_answers: read(&self.late),
            queued_to_server: self.queued(Direction::ToServer),
            queued_from_server: self.queued(Direction::FromServer),
        }
    }

    pub(crate) fn registered(&self) {
        add(&self.registrations);
    }

    pub(crate) fn resumed(&self) {
        add(&self.resumes);
    }

    pub(crate) fn reconnects(&self, code: &'static str) {
        *self.reconnects.lock().unwrap_or_else(PoisonError::into_inner).entry(code).or_default() += 1;
    }

    pub(crate) fn passed(&self, direction: Direction, bytes: usize) {
        let flow = match direction {
            Direction::ToServer => &self.to_server,
            Direction::FromServer => &self.from_server,
        };
        add(&flow.messages);
        flow.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn call_began(&self) {
        add(&self.in_flight);
    }

    /// `took`: none for a call that stays open on purpose.
    pub(crate) fn call_ended(&self, method: Method, outcome: Outcome, took: Option<Duration>) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
        let tally = &self.methods[method.index()];
        add(&tally.calls);
        match outcome {
            Outcome::Ok => {}
            Outcome::Error(_) | Outcome::Refused => add(&tally.errors),
            Outcome::Cancelled => add(&tally.cancelled),
            Outcome::Ended => add(&tally.unanswered),
        }
        if let (Some(took), Outcome::Ok | Outcome::Error(_)) = (took, outcome) {
            self.calls.count(took);
        }
    }

    pub(crate) fn round_trip(&self, took: Duration) {
        self.round_trips.count(took);
    }

    pub(crate) fn exited(&self) {
        add(&self.exits);
    }

    pub(crate) fn restarted(&self) {
        add(&self.restarts);
    }

    pub(crate) fn late_answer(&self) {
        add(&self.late);
    }

    /// A queue counts as long as it is there.
    pub(crate) fn watch_queue(&self, direction: Direction, gauge: Gauge) {
        let mut queues = self.queues();
        queues.retain(|(_, gauge)| gauge.used().is_some());
        queues.push((direction, gauge));
    }

    fn queued(&self, direction: Direction) -> usize {
        self.queues().iter().filter(|(way, _)| *way == direction).filter_map(|(_, gauge)| gauge.used()).sum()
    }

    fn queues(&self) -> MutexGuard<'_, Vec<(Direction, Gauge)>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Flow {
    fn read(&self) -> Traffic {
        Traffic { messages: read(&self.messages), bytes: read(&self.bytes) }
    }
}

impl Tally {
    fn read(&self) -> MethodSnapshot {
        MethodSnapshot {
            calls: read(&self.calls),
            errors: read(&self.errors),
            cancelled: read(&self.cancelled),
            unanswered: read(&self.unanswered),
        }
    }
}

fn add(to: &AtomicU64) {
    to.fetch_add(1, Ordering::Relaxed);
}

fn read(from: &AtomicU64) -> u64 {
    from.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_became_of_calls_is_told_by_method() {
        let figures = Figures::default();
        let call = Method::of("tools/call");
        let outcomes = [Outcome::Ok, Outcome::Error(-32602), Outcome::Cancelled, Outcome::Ended];
        for outcome in outcomes {
            figures.call_began();
            figures.call_ended(call, outcome, Some(Duration::from_millis(2)));
        }
        figures.call_began();
        figures.call_ended(Method::OTHER, Outcome::Ok, None);
        figures.call_began();
        let snapshot = figures.snapshot();
        let of = |method| snapshot.methods.iter().find(|(of, _)| *of == method).unwrap().1;
        assert_eq!(of(call), MethodSnapshot { calls: 4, errors: 1, cancelled: 1, unanswered: 1 });
        assert_eq!(of(Method::OTHER), MethodSnapshot { calls: 1, ..MethodSnapshot::default() });
        assert_eq!((snapshot.in_flight, snapshot.calls.count()), (1, 2), "only answers have a duration");
        assert_eq!(snapshot.methods.len(), Method::COUNT);
    }

    #[test]
    fn queues_count_while_they_are_there() {
        let figures = Figures::default();
        let (sender, mut receiver) = culvert_link::queue::bounded::<bytes::Bytes>(10_000);
        figures.watch_queue(Direction::ToServer, sender.gauge());
        sender.try_send(bytes::Bytes::from(vec![0; 1000])).unwrap();
        assert!(figures.snapshot().queued_to_server >= 1000);
        assert_eq!(figures.snapshot().queued_from_server, 0);
        drop(receiver.try_recv());
        assert_eq!(figures.snapshot().queued_to_server, 0);
        drop((sender, receiver));
        let (other, _receiver) = culvert_link::queue::bounded::<bytes::Bytes>(1);
        figures.watch_queue(Direction::FromServer, other.gauge());
        assert_eq!(figures.queues().len(), 1, "a queue that is gone is forgotten");
    }
}
