//! What is to go wrong, and when: drawn by a seed, so that a number repeats it.

use std::ops::Range;
use std::time::Duration;

/// How much a connection carries at least before something happens to it: enough for a handshake.
const LEAST: usize = 3_000;

/// How many bytes drip, or go one by one, at most.
const FEW: usize = 400;

/// Which bytes a half-open connection swallows. An end that it still hears from, it also sees close.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Swallowed {
    /// What the client says.
    ToGateway,
    /// What the gateway says.
    ToClient,
    /// Everything.
    Both,
}

impl Swallowed {
    pub(super) fn takes_the_clients(self) -> bool {
        self != Self::ToClient
    }

    pub(super) fn takes_the_gateways(self) -> bool {
        self != Self::ToGateway
    }
}

/// What may happen beside breaks and pauses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trick {
    /// Every byte is a write of its own for a while.
    Bytes,
    /// The same, with a pause after each.
    Drip,
    /// What the client has said so far is said to the gateway once more, on another connection, whose answers nobody
    /// reads.
    Again,
}

/// What is to go wrong.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Decides when what happens to whom.
    pub seed: u64,
    /// The most bytes that a connection carries before something happens to it, both directions together.
    pub longest: usize,
    /// How long bytes may be held back, in milliseconds. Empty: never.
    pub pauses: Range<u64>,
    /// The connections to leave half-open, each once, early on and at times that the seed decides.
    pub half_open: Vec<Swallowed>,
    /// What else may happen.
    pub tricks: Vec<Trick>,
}

impl Plan {
    /// Connections that close and reset, and nothing else.
    pub fn breaks(seed: u64, longest: usize) -> Self {
        Self { seed, longest, pauses: 0..0, half_open: vec![], tricks: vec![] }
    }
}

/// What happens to a connection.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fault {
    Close,
    Reset,
    Pause(Duration),
    HalfOpen(Swallowed),
    /// So many bytes go one by one, with this pause after each.
    OneByOne(usize, Duration),
    Again,
}

/// The plan as far as it is carried out.
#[derive(Debug)]
pub(super) struct Fate {
    plan: Plan,
    random: fastrand::Rng,
    /// How much else goes wrong before the next connection is left half-open.
    before: usize,
}

impl Fate {
    pub(super) fn new(plan: Plan) -> Self {
        let mut random = fastrand::Rng::with_seed(plan.seed);
        let before = random.usize(0..5);
        Self { plan, random, before }
    }

    /// After how many bytes something happens.
    pub(super) fn after(&mut self) -> usize {
        self.random.usize(LEAST..self.plan.longest)
    }

    /// What happens.
    pub(super) fn fault(&mut self) -> Fault {
        if !self.plan.half_open.is_empty() && self.before == 0 {
            self.before = self.random.usize(0..5);
            return Fault::HalfOpen(self.plan.half_open.remove(0));
        }
        self.before = self.before.saturating_sub(1);
        if !self.plan.tricks.is_empty() && self.random.bool() {
            return match self.plan.tricks[self.random.usize(..self.plan.tricks.len())] {
                Trick::Bytes => Fault::OneByOne(self.random.usize(..10 * FEW), Duration::ZERO),
                Trick::Drip => Fault::OneByOne(self.random.usize(..FEW), Duration::from_millis(self.random.u64(1..4))),
                Trick::Again => Fault::Again,
            };
        }
        let pauses = self.plan.pauses.clone();
        match self.random.u8(0..3) {
            0 if !pauses.is_empty() => Fault::Pause(Duration::from_millis(self.random.u64(pauses))),
            1 => Fault::Close,
            _ => Fault::Reset,
        }
    }
}
