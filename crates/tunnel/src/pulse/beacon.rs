//! The time of the last answer, and whether somebody waits for the next: two words that two threads touch without a
//! lock. All their interleavings are gone through in the package `fuzz`, which reads this very file; so it takes its
//! atomics from the module above.

use super::atomic::{AtomicBool, AtomicU64, Ordering, fence};

/// One writes, one waits, any number looks.
#[derive(Debug)]
pub(crate) struct Beacon {
    /// One more than the time; 0 for never.
    last: AtomicU64,
    awaited: AtomicBool,
}

impl Beacon {
    pub(crate) fn new() -> Self {
        Self { last: AtomicU64::new(0), awaited: AtomicBool::new(false) }
    }

    /// There was an answer at this time. Whether somebody waits, and is to be woken.
    pub(crate) fn beat(&self, time: u64) -> bool {
        self.last.store(time.saturating_add(1), Ordering::Release);
        // Here what is written comes before what is read, and with whoever waits too: one of the two sees the other's.
        fence(Ordering::SeqCst);
        self.is_awaited()
    }

    /// The time of the last answer.
    pub(crate) fn last(&self) -> Option<u64> {
        self.last.load(Ordering::Acquire).checked_sub(1)
    }

    /// Somebody waits from now on, and looks at [`last`](Self::last) only after this.
    pub(crate) fn await_next(&self) {
        self.awaited.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// Nobody waits any more.
    pub(crate) fn leave(&self) {
        self.awaited.store(false, Ordering::Relaxed);
    }

    /// Whether somebody waits.
    pub(crate) fn is_awaited(&self) -> bool {
        self.awaited.load(Ordering::Relaxed)
    }
}
