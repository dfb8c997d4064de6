//! Time that is missing: more of it passed between two looks than was to pass. The running clock stands still while a
//! computer sleeps and the one on the wall does not; both go on while a process is stopped.

use std::time::{Duration, Instant, SystemTime};

use tokio::sync::mpsc;
use tokio::time::sleep;

use super::Sign;

/// How often the clocks are looked at: half of what a tunnel may take to be back after a sleep.
const LOOK: Duration = Duration::from_secs(1);

/// A busy machine is late as well; so much it is not.
const LEAST: Duration = Duration::from_secs(4);

/// Both clocks at once.
#[derive(Debug, Clone, Copy)]
struct Clocks {
    wall: SystemTime,
    running: Instant,
}

impl Clocks {
    fn now() -> Self {
        Self { wall: SystemTime::now(), running: Instant::now() }
    }

    /// How much more than `meant` has passed since `before`, by the clock that says more; `None` when it is nothing to
    /// speak of. A clock that was set back says nothing.
    fn missed(self, before: Self, meant: Duration) -> Option<Duration> {
        let ran = self.running.saturating_duration_since(before.running);
        let passed = self.wall.duration_since(before.wall).unwrap_or_default();
        ran.max(passed).checked_sub(meant).filter(|missed| *missed >= LEAST)
    }
}

/// Tells of time that is missing, until nobody listens.
pub(super) async fn watch(teller: mpsc::Sender<Sign>) {
    let mut before = Clocks::now();
    loop {
        tokio::select! {
            () = teller.closed() => return,
            () = sleep(LOOK) => {}
        }
        let now = Clocks::now();
        if let Some(missed) = now.missed(before, LOOK) {
            let _ = teller.try_send(Sign::Missed(missed));
        }
        before = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sleep_a_stop_and_a_clock_set_forward_are_missed_time_and_one_set_back_is_none() {
        let before = Clocks::now();
        let after = |wall: i64, running: u64| {
            let span = Duration::from_secs(wall.unsigned_abs());
            let wall = if wall < 0 { before.wall - span } else { before.wall + span };
            let now = Clocks { wall, running: before.running + Duration::from_secs(running) };
            now.missed(before, LOOK).map(|missed| missed.as_secs())
        };
        assert_eq!(after(1, 1), None);
        assert_eq!(after(4, 4), None, "a busy machine");
        assert_eq!(after(3601, 1), Some(3600), "asleep for an hour");
        assert_eq!(after(61, 61), Some(60), "stopped for a minute");
        assert_eq!(after(-3600, 1), None, "the clock was set back");
        assert_eq!(after(-3600, 61), Some(60), "and stopped as well");
    }
}
