//! Fewer wake-ups under load. Where a base gateway hands out thousands of calls a second one by one, most of a tunnel's
//! time goes into being woken for each: so a thread that is about to sleep rests for a moment, and finds several.
//! Network cards do the same with their interrupts. Rests last only as long as as many messages pass with them as
//! without, which is tried again and again. The channels dialect needs none of it: it batches by itself.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How long the pace is measured, with and without rests.
const STRETCH: Duration = Duration::from_millis(20);

/// How long both ends may take to get used to rests, or to their end, before the pace is measured.
const SETTLING: Duration = Duration::from_millis(3);

/// How long rests go on at first when they cost no pace, and at most, as it doubles with each such finding.
const REST_ON: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(4));

/// How often the pace is looked at while rests go on.
const LOOK: Duration = Duration::from_millis(100);

/// A pace that has come down to this share of what it was is a reason to measure anew.
const FELL: f64 = 0.7;

/// How long no rest is tried at first when they cost pace, and at most, as it doubles with each such finding.
const HOLD_OFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(16));

/// Below this, in messages per second (both directions), they are taken one by one: nobody waits for company.
const BUSY: f64 = 30_000.0;

/// How many messages a rest is to gather, both directions together.
const BATCH: f64 = 32.0;

/// A flow so dense that a shorter rest would do forms batches by itself; a call loses at most the longer by a rest.
const REST: (Duration, Duration) = (Duration::from_micros(200), Duration::from_micros(450));

/// The share of the pace without rests that must be left with them.
const KEPT: f64 = 0.9;

/// A rest that brings fewer messages than this is a lean one.
const WORTH: u64 = 4;

/// After so many lean rests in a row the rush is over.
const LEAN: u32 = 4;

/// Messages that base tunnels of this process have moved, whichever direction. One count for all of them, because it is
/// the thread they share that rests.
static MOVED: AtomicU64 = AtomicU64::new(0);

/// Counts a message of a base tunnel.
pub(crate) fn count() {
    MOVED.fetch_add(1, Ordering::Relaxed);
}

/// Decides about rests, for a runtime of one thread: ask [`rest`](Self::rest) whenever it is about to sleep.
#[derive(Debug)]
pub struct Moderation {
    seen: u64,
    stage: Stage,
    rest_on: Duration,
    hold_off: Duration,
}

/// A moment, and how many messages had been moved by then.
#[derive(Debug, Clone, Copy)]
struct Mark(Instant, u64);

impl Mark {
    /// Messages per second from here to there.
    fn pace_to(self, there: Self) -> f64 {
        there.1.wrapping_sub(self.1) as f64 / (there.0 - self.0).as_secs_f64()
    }
}

#[derive(Debug)]
enum Stage {
    /// No rests until then.
    Holding { until: Instant },
    /// No rests; the pace is measured, from the mark on.
    Plain { from: Option<Mark>, begun: Instant },
    /// Rests, and a look at what they make of the pace.
    Trial { rest: Duration, plain: f64, from: Option<Mark>, begun: Instant },
    /// Rests until then, unless the pace falls or the rests get lean.
    Resting { rest: Duration, until: Instant, plain: f64, from: Mark, lean: u32 },
}

impl Moderation {
    /// One that has seen nothing yet.
    pub fn new() -> Self {
        Self::since(Instant::now(), MOVED.load(Ordering::Relaxed))
    }

    fn since(now: Instant, seen: u64) -> Self {
        Self { seen, stage: Stage::Plain { from: None, begun: now }, rest_on: REST_ON.0, hold_off: HOLD_OFF.0 }
    }

    /// How long the thread should stay away now, at most half a millisecond; `None`: not at all.
    pub fn rest(&mut self) -> Option<Duration> {
        let moved = MOVED.load(Ordering::Relaxed);
        // Most threads that go to sleep here moved nothing, and need no look at the clock for it.
        (moved != self.seen).then(Instant::now).and_then(|now| self.decide(moved, now))
    }

    fn decide(&mut self, moved: u64, now: Instant) -> Option<Duration> {
        let fresh = moved.wrapping_sub(std::mem::replace(&mut self.seen, moved));
        let here = Mark(now, moved);
        match &mut self.stage {
            Stage::Holding { until } if now < *until => {}
            Stage::Holding { .. } => self.measure(now),
            Stage::Plain { from, begun } => match measured(from, *begun, here) {
                None => {}
                Some(pace) if pace < BUSY => self.measure(now),
                Some(pace) => {
                    let rest = Duration::from_secs_f64(BATCH / pace);
                    self.stage = if rest < REST.0 {
                        Stage::Holding { until: now + REST_ON.0 }
                    } else {
                        Stage::Trial { rest: rest.min(REST.1), plain: pace, from: None, begun: now }
                    };
                }
            },
            Stage::Trial { rest, plain, from, begun } => {
                let (rest, plain) = (*rest, *plain);
                match measured(from, *begun, here) {
                    None => return Some(rest),
                    Some(pace) if pace >= plain * KEPT => {
                        self.stage = Stage::Resting { rest, until: now + self.rest_on, plain, from: here, lean: 0 };
                        (self.rest_on, self.hold_off) = ((2 * self.rest_on).min(REST_ON.1), HOLD_OFF.0);
                        return Some(rest);
                    }
                    Some(_) => {
                        self.stage = Stage::Holding { until: now + self.hold_off };
                        (self.rest_on, self.hold_off) = (REST_ON.0, (2 * self.hold_off).min(HOLD_OFF.1));
                    }
                }
            }
            Stage::Resting { rest, until, plain, from, lean } => {
                *lean = if fresh < WORTH { *lean + 1 } else { 0 };
                let fell = now - from.0 >= LOOK && std::mem::replace(from, here).pace_to(here) < *plain * FELL;
                if now < *until && *lean < LEAN && !fell {
                    return Some(*rest);
                }
                self.measure(now);
            }
        }
        None
    }

    fn measure(&mut self, now: Instant) {
        self.stage = Stage::Plain { from: None, begun: now };
    }
}

/// Messages per second since `from`, which is set once things have settled; `None` until the stretch is over.
fn measured(from: &mut Option<Mark>, begun: Instant, here: Mark) -> Option<f64> {
    let Some(from) = *from else {
        *from = (here.0 - begun >= SETTLING).then_some(here);
        return None;
    };
    (here.0 - from.0 >= STRETCH).then(|| from.pace_to(here))
}

impl Default for Moderation {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A gateway with so many calls under way at most, that needs some time for each call's two messages.
    struct Gateway {
        at_once: u64,
        each: Duration,
    }

    /// Runs for simulated seconds before such a gateway: returns the share of time that was rested, and how many
    /// messages were moved per second.
    fn before(gateway: &Gateway, seconds: u64) -> (f64, f64) {
        let start = Instant::now();
        let end = start + Duration::from_secs(seconds);
        let mut moderation = Moderation::since(start, 0);
        let (mut now, mut moved, mut rested) = (start, 0, Duration::ZERO);
        while now < end {
            let rest = moderation.decide(moved, now).unwrap_or_default();
            rested += rest;
            // It works while we sleep, on what we have answered: never more than is under way.
            let made = (rest.as_nanos() / gateway.each.as_nanos()).min(u128::from(gateway.at_once)) as u64;
            now += rest + if made == 0 { gateway.each } else { Duration::ZERO };
            moved += 2 * made.max(1);
        }
        (rested.as_secs_f64() / seconds as f64, moved as f64 / seconds as f64)
    }

    #[test]
    fn a_gateway_that_sets_the_pace_itself_finds_us_resting() {
        let (rested, pace) = before(&Gateway { at_once: 64, each: Duration::from_micros(30) }, 5);
        assert!(rested > 0.9, "{rested}");
        assert!(pace > 0.95 * 66_666.0, "{pace}: none is lost by resting");
    }

    #[test]
    fn one_that_waits_for_our_answers_is_not_slowed() {
        for at_once in [1, 4, 8] {
            let (rested, pace) = before(&Gateway { at_once, each: Duration::from_micros(25) }, 20);
            assert!(rested < 0.02, "{at_once} at once: {rested} of the time");
            assert!(pace > 0.95 * 80_000.0, "{at_once} at once: {pace}");
        }
    }

    #[test]
    fn few_calls_and_dense_ones_are_left_alone() {
        for each in [Duration::from_micros(200), Duration::from_micros(4)] {
            assert_eq!(before(&Gateway { at_once: 64, each }, 1).0, 0.0, "{each:?}");
        }
    }

    #[test]
    fn rests_end_when_the_pace_falls() {
        let start = Instant::now();
        let mut moderation = Moderation::since(start, 0);
        moderation.stage = Stage::Resting {
            rest: Duration::from_micros(400),
            until: start + Duration::from_secs(4),
            plain: 60_000.0,
            from: Mark(start, 0),
            lean: 0,
        };
        let rests = (1..4000_u64)
            .take_while(|&at| moderation.decide(8 * at, start + Duration::from_micros(500 * at)).is_some());
        assert_eq!(rests.count(), 199, "at the first look: 16 000 messages per second");
    }

    #[test]
    fn rests_end_with_the_rush() {
        let start = Instant::now();
        let mut moderation = Moderation::since(start, 0);
        moderation.stage = Stage::Resting {
            rest: Duration::from_micros(400),
            until: start + Duration::from_millis(400),
            plain: 0.0,
            from: Mark(start, 0),
            lean: 0,
        };
        let rests = (30..40).take_while(|&moved| {
            let now = start + Duration::from_micros(500 * (moved - 29));
            moderation.decide(moved, now).is_some()
        });
        assert_eq!(rests.count(), 4, "thirty messages, then one each time");
    }
}
