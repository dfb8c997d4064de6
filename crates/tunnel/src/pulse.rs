//! When a local server last gave an answer, whichever of its children it was.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// The last answer of one tunnel's local server.
#[derive(Debug)]
pub(crate) struct Pulse {
    zero: Instant,
    /// In microseconds after `zero`, and one more; 0 for never.
    last: AtomicU64,
    /// Whether somebody waits for the next one: then it costs a little more.
    awaited: AtomicBool,
    beaten: Notify,
    questions: AtomicU64,
}

impl Default for Pulse {
    fn default() -> Self {
        let (last, awaited, beaten) = (AtomicU64::new(0), AtomicBool::new(false), Notify::new());
        Self { zero: Instant::now(), last, awaited, beaten, questions: AtomicU64::new(1) }
    }
}

impl Pulse {
    /// There was an answer.
    pub(crate) fn beat(&self, now: Instant) {
        let micros = now.saturating_duration_since(self.zero).as_micros();
        // In this order, and the reader in the other: one of the two sees the other's.
        self.last.store(u64::try_from(micros).unwrap_or(u64::MAX).saturating_add(1), Ordering::SeqCst);
        if self.awaited.load(Ordering::SeqCst) {
            self.beaten.notify_one();
        }
    }

    /// A number that no question has had before.
    pub(crate) fn next_number(&self) -> u64 {
        self.questions.fetch_add(1, Ordering::Relaxed)
    }

    /// When the last answer came, to the microsecond.
    pub(crate) fn last(&self) -> Option<Instant> {
        let micros = self.last.load(Ordering::SeqCst).checked_sub(1)?;
        Some(self.zero + Duration::from_micros(micros))
    }

    /// Waits for an answer that is not older than `since`. One may wait at a time. Cancel safe.
    pub(crate) async fn beats_since(&self, since: Instant) {
        self.awaited.store(true, Ordering::SeqCst);
        let _over = Over(&self.awaited);
        // What is remembered was rounded down.
        while self.last().is_none_or(|last| last + Duration::from_micros(1) <= since) {
            self.beaten.notified().await;
        }
    }
}

struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
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
        assert!(!pulse.awaited.load(Ordering::SeqCst));
    }
}
