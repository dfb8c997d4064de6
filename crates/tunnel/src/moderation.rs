//! Fewer wake-ups under load. Where a base gateway hands out thousands of calls a second one by one, most of a tunnel's
//! time goes into being woken for each: so a thread that is about to sleep stays asleep for a moment, and finds several.
//! Network cards do the same with their interrupts. The channels dialect needs none of it: it batches by itself.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How many messages a pause is to gather, both directions together.
const BATCH: f64 = 32.0;

/// Messages that are further apart than this, in seconds, are taken one by one: nobody waits longer for company.
const BUSY: f64 = 25e-6;

/// A flow so dense that a shorter pause would do forms batches by itself.
const SHORTEST: f64 = 200e-6;

/// What a call may lose by a pause, in seconds.
const LONGEST: f64 = 450e-6;

/// A pause that gathers less than this on average is not worth it: callers wait for each answer before they go on.
const WORTH: f64 = 4.0;

/// For so many wake-ups no pause is tried after those before were not worth it: at first, and at most, as it doubles.
const HELD_OFF: (u32, u32) = (200, 6400);

/// How much one wake-up changes the average interval.
const WAKE_WEIGHT: f64 = 0.1;

/// How much one pause changes the average of what pauses gather.
const PAUSE_WEIGHT: f64 = 0.5;

/// Messages that base tunnels of this process have moved, whichever direction. One count for all of them, because it is
/// the thread they share that pauses.
static MOVED: AtomicU64 = AtomicU64::new(0);

/// Counts a message of a base tunnel.
pub(crate) fn count() {
    MOVED.fetch_add(1, Ordering::Relaxed);
}

/// Decides about pauses, for a runtime of one thread: ask [`pause`](Self::pause) whenever it is about to sleep.
#[derive(Debug)]
pub struct Moderation {
    moved: u64,
    woken: Instant,
    /// Between two messages, in seconds, on average.
    interval: f64,
    /// Messages that a pause brought, on average.
    gathered: f64,
    paused: bool,
    held_off: u32,
    next_hold: u32,
}

impl Moderation {
    /// One that has seen nothing yet.
    pub fn new() -> Self {
        let (moved, woken) = (MOVED.load(Ordering::Relaxed), Instant::now());
        Self { moved, woken, interval: 1.0, gathered: 2.0 * WORTH, paused: false, held_off: 0, next_hold: HELD_OFF.0 }
    }

    /// How long the thread should stay away now, at most half a millisecond; `None`: not at all.
    pub fn pause(&mut self) -> Option<Duration> {
        self.decide(MOVED.load(Ordering::Relaxed), Instant::now())
    }

    fn decide(&mut self, moved: u64, now: Instant) -> Option<Duration> {
        let fresh = moved.wrapping_sub(self.moved);
        if fresh == 0 {
            return None;
        }
        let (fresh, elapsed) = (fresh as f64, now.duration_since(self.woken).as_secs_f64());
        (self.moved, self.woken) = (moved, now);
        self.interval += (elapsed / fresh - self.interval) * WAKE_WEIGHT;
        if std::mem::take(&mut self.paused) {
            self.gathered += (fresh - self.gathered) * PAUSE_WEIGHT;
            if self.gathered < WORTH {
                (self.held_off, self.gathered) = (self.next_hold, 2.0 * WORTH);
                self.next_hold = (2 * self.next_hold).min(HELD_OFF.1);
            } else if fresh >= WORTH {
                self.next_hold = HELD_OFF.0;
            }
        }
        if self.held_off > 0 {
            self.held_off -= 1;
            return None;
        }
        let pause = self.interval * BATCH;
        if self.interval > BUSY || pause < SHORTEST {
            return None;
        }
        self.paused = true;
        Some(Duration::from_secs_f64(pause.min(LONGEST)))
    }
}

impl Default for Moderation {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs for a simulated second in which `messages` come at each wake-up, after `apart` and the pause; returns the
    /// share of time that was paused, and how many messages came.
    fn share_paused(apart: Duration, messages: impl Fn(Duration) -> u64) -> (f64, u64) {
        let mut moderation = Moderation::new();
        let start = Instant::now();
        let (mut now, mut moved, mut paused) = (start, moderation.moved, Duration::ZERO);
        let before = moved;
        while now - start < Duration::from_secs(1) {
            let pause = moderation.decide(moved, now).unwrap_or_default();
            paused += pause;
            now += apart + pause;
            moved += messages(apart + pause);
        }
        (paused.as_secs_f64(), moved - before)
    }

    #[test]
    fn calls_that_trickle_in_fast_are_gathered() {
        let every = Duration::from_micros(15);
        let (paused, moved) = share_paused(every, |time| (time.as_nanos() / every.as_nanos()) as u64);
        assert!(paused > 0.9, "{paused}");
        assert!(moved > 60_000, "{moved}: none is lost by waiting");
    }

    #[test]
    fn one_call_after_the_other_is_hardly_slowed() {
        let (paused, moved) = share_paused(Duration::from_micros(20), |_| 1);
        assert!(paused < 0.05, "{paused} of the time");
        assert!(moved > 47_000, "{moved}");
    }

    #[test]
    fn few_calls_and_dense_ones_are_left_alone() {
        assert_eq!(share_paused(Duration::from_micros(100), |_| 2).0, 0.0);
        // Until the average has come down to it.
        let (paused, _) = share_paused(Duration::from_micros(100), |time| (time.as_nanos() / 2_500) as u64);
        assert!(paused < 0.02, "{paused} of the time");
    }

    #[test]
    fn waking_for_nothing_decides_nothing() {
        let mut moderation = Moderation::new();
        assert_eq!(moderation.decide(moderation.moved, Instant::now() + Duration::from_micros(1)), None);
    }
}
