//! How long to wait between tries: exponential, with full jitter, so that a thousand clients do not return at once.

use std::time::Duration;

/// An endless iterator of waits. The `n`-th is drawn evenly from zero to `min(cap, first × 2ⁿ)`; randomness is handed
/// in, so that a test can repeat it.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    cap: Duration,
    tries: u32,
    random: fastrand::Rng,
}

impl Backoff {
    /// Starts at a ceiling of `first` and never waits longer than `cap`.
    pub fn new(first: Duration, cap: Duration, random: fastrand::Rng) -> Self {
        Self { first: first.min(cap), cap, tries: 0, random }
    }

    /// Starts over: the peer was well for a while.
    pub fn reset(&mut self) {
        self.tries = 0;
    }

    /// How many waits were drawn since the start or the last reset.
    pub fn tries(&self) -> u32 {
        self.tries
    }

    /// The longest that the next wait can be.
    pub fn ceiling(&self) -> Duration {
        1_u32
            .checked_shl(self.tries)
            .and_then(|factor| self.first.checked_mul(factor))
            .map_or(self.cap, |ceiling| ceiling.min(self.cap))
    }
}

impl Iterator for Backoff {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let wait = self.ceiling().mul_f64(self.random.f64());
        self.tries = self.tries.saturating_add(1);
        Some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_wait_is_within_its_ceiling(first in 0_u64..100_000, cap in 0_u64..100_000, seed: u64, tries in 0_usize..80) {
            let (first, cap) = (Duration::from_millis(first), Duration::from_millis(cap));
            let mut backoff = Backoff::new(first, cap, fastrand::Rng::with_seed(seed));
            for n in 0..tries {
                let ceiling = backoff.ceiling();
                prop_assert!(ceiling <= cap);
                prop_assert!(n < 20 || first.is_zero() || ceiling == cap);
                prop_assert!(backoff.next().unwrap() <= ceiling);
            }
            backoff.reset();
            prop_assert_eq!(backoff.ceiling(), first.min(cap));
        }
    }

    #[test]
    fn waits_spread_over_the_whole_range() {
        let (first, cap) = (Duration::from_secs(1), Duration::from_secs(1));
        let waits: Vec<_> = Backoff::new(first, cap, fastrand::Rng::with_seed(7)).take(1000).collect();
        assert!(waits.iter().min().unwrap() < &Duration::from_millis(50));
        assert!(waits.iter().max().unwrap() > &Duration::from_millis(950));
    }
}
