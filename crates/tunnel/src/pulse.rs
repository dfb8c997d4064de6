//! When a local server last gave an answer, whichever of its children it was.

mod beacon;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use self::beacon::Beacon;

/// The last answer of one tunnel's local server.
#[derive(Debug)]
pub(crate) struct Pulse {
    zero: Instant,
    /// In microseconds after `zero`.
    beacon: Beacon,
    beaten: Notify,
    questions: AtomicU64,
}

/// Where [`beacon`] takes its atomics from.
mod atomic {
    pub(super) use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
}

impl Default for Pulse {
    fn default() -> Self {
        let (beacon, beaten) = (Beacon::new(), Notify::new());
        Self { zero: Instant::now(), beacon, beaten, questions: AtomicU64::new(1) }
    }
}

impl Pulse {
    /// There was an answer.
    pub(crate) fn beat(&self, now: Instant) {
        let micros = now.saturating_duration_since(self.zero).as_micros();
        if self.beacon.beat(u64::try_from(micros).unwrap_or(u64::MAX)) {
            self.beaten.notify_one();
        }
    }

    /// A number that no question has had before.
    pub(crate) fn next_number(&self) -> u64 {
        self.questions.fetch_add(1, Ordering::Relaxed)
    }

    /// When the last answer came, to the microsecond.
    pub(crate) fn last(&self) -> Option<Instant> {
        Some(self.zero + Duration::from_micros(self.beacon.last()?))
    }

    /// Waits for an answer that is not older than `since`. One may wait at a time. Cancel safe.
    pub(crate) async fn beats_since(&self, since: Instant) {
        self.beacon.await_next();
        let _over = Over(&self.beacon);
        // What is remembered was rounded down.
        while self.last().is_none_or(|last| last + Duration::from_micros(1) <= since) {
            self.beaten.notified().await;
        }
    }
}

struct Over<'a>(&'a Beacon);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_is_woken_by_a_new_answer_only() {
        let pulse = std::sync::Arc::new(Pulse::default());
        assert_eq!(pulse.last(), None);
        tokio::time::advance(Duration::from_secs(5)).await;
        let old = Instant::now();
        pulse.beat(old);
        assert_eq!(pulse.last(), Some(old));
        pulse.beats_since(old).await;
        tokio::time::advance(Duration::from_secs(5)).await;
        let asked = Instant::now();
        let waiting = tokio::spawn({
            let pulse = pulse.clone();
            async move { pulse.beats_since(asked).await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        pulse.beat(Instant::now());
        waiting.await.unwrap();
        assert!(!pulse.beacon.is_awaited());
    }
}
