//! A thousand clients that lose their gateway at the same moment, and how they come back: a simulation with the very code
//! that draws the waits.

use std::time::Duration;

use culvert_protocol::backoff::Backoff;
use culvert_protocol::limits;

/// Arrivals are counted in bins of this length.
pub const BIN: Duration = Duration::from_millis(100);

/// The first wait unless the user says otherwise.
const FIRST: Duration = Duration::from_secs(1);

/// A session can be resumed for so long; the client gives up half a minute after the gateway does.
const RESUMABLE: Duration = Duration::from_secs(150);

/// How the waits are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waits {
    /// As Culvert does: evenly from nothing to a ceiling that doubles.
    Jittered,
    /// Always the ceiling, for comparison.
    Ceiling,
}

impl Waits {
    fn next(self, backoff: &mut Backoff) -> Duration {
        let ceiling = backoff.ceiling();
        let wait = backoff.next().unwrap_or_default();
        if self == Self::Jittered { wait } else { ceiling }
    }
}

/// When how many came to a gateway that was away.
#[derive(Debug)]
pub struct Herd {
    /// How many tries reached the gateway in each [`BIN`] from the moment on that it was back.
    pub arrivals: Vec<u32>,
    /// When the last client was registered again, counted from then.
    pub all_back: Duration,
}

impl Herd {
    /// The most tries in one bin.
    pub fn peak(&self) -> u32 {
        self.arrivals.iter().copied().max().unwrap_or_default()
    }
}

/// So many clients lose a gateway that is killed and comes back after `away`, remembering no session. Each first tries to
/// resume, at once and then with waits of its own; where that is refused, or the time for it is over, it registers.
pub fn herd(clients: usize, away: Duration, waits: Waits, seed: u64) -> Herd {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut herd = Herd { arrivals: Vec::new(), all_back: Duration::ZERO };
    for _ in 0..clients {
        let mut resuming = Backoff::new(FIRST, limits::RESUME_RETRY_CAP, random.fork());
        let mut registering = Backoff::new(FIRST, limits::RETRY_CAP, random.fork());
        let mut now = Duration::ZERO;
        while now < away && now < RESUMABLE {
            now += waits.next(&mut resuming);
        }
        if now >= away {
            herd.arrives(now - away);
        }
        // A refused resumption is followed by the first wait of the other kind.
        now += waits.next(&mut registering);
        while now < away {
            now += waits.next(&mut registering);
        }
        herd.arrives(now - away);
        herd.all_back = herd.all_back.max(now - away);
    }
    herd
}

impl Herd {
    fn arrives(&mut self, after: Duration) {
        let bin = usize::try_from(after.as_millis() / BIN.as_millis()).unwrap_or(usize::MAX);
        if self.arrivals.len() <= bin {
            self.arrivals.resize(bin + 1, 0);
        }
        self.arrivals[bin] += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The most of a thousand that may come within a tenth of a second, with a gateway that was away for so many
    /// milliseconds: the shorter, the shorter are the waits. Without jitter all of them do.
    const MOST: [(u64, u32); 7] =
        [(300, 250), (1_000, 160), (3_000, 120), (10_000, 120), (60_000, 120), (140_000, 120), (1_800_000, 30)];

    #[test]
    fn a_thousand_clients_make_no_spike_when_their_gateway_comes_back() {
        for (away, most) in MOST.map(|(away, most)| (Duration::from_millis(away), most)) {
            for seed in 0..10 {
                let herd = herd(1000, away, Waits::Jittered, seed);
                assert!(herd.peak() <= most, "{away:?}, seed {seed}: {} at once", herd.peak());
                assert!(herd.all_back <= limits::RETRY_CAP + FIRST, "{away:?}, seed {seed}: {:?}", herd.all_back);
            }
            let without = super::herd(1000, away, Waits::Ceiling, 0);
            assert_eq!(without.peak(), 1000, "{away:?}: the comparison is what jitter is there for");
        }
    }
}
