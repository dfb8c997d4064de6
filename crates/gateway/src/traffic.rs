//! What passes over a link, counted while it passes: relaxed numbers that nobody waits for.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use culvert_link::channels::Tap;

use crate::clock::UnixTime;

/// What passed over a link so far.
#[derive(Debug)]
pub(crate) struct Traffic {
    last_seen: AtomicI64,
    from_server: Flow,
    to_server: Flow,
    unacknowledged: AtomicU64,
}

/// What passed one way, and how much of it was told already.
#[derive(Debug, Default)]
struct Flow {
    messages: AtomicU64,
    bytes: AtomicU64,
    told: [AtomicU64; 2],
}

/// Messages of a link, and their bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Volume {
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
}

impl Flow {
    fn count(&self, bytes: usize) {
        self.messages.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    fn news(&self) -> Volume {
        let fresh = |now: &AtomicU64, told: &AtomicU64| {
            let now = now.load(Ordering::Relaxed);
            now - told.swap(now, Ordering::Relaxed)
        };
        Volume { messages: fresh(&self.messages, &self.told[0]), bytes: fresh(&self.bytes, &self.told[1]) }
    }
}

impl std::ops::AddAssign for Volume {
    fn add_assign(&mut self, more: Self) {
        self.messages += more.messages;
        self.bytes += more.bytes;
    }
}

impl Traffic {
    /// None yet.
    pub(crate) fn new(now: UnixTime) -> Self {
        Self {
            last_seen: AtomicI64::new(now.0),
            from_server: Flow::default(),
            to_server: Flow::default(),
            unacknowledged: AtomicU64::new(0),
        }
    }

    /// A frame of so many bytes came in.
    pub(crate) fn heard(&self, bytes: usize, now: UnixTime) {
        self.last_seen.store(now.0, Ordering::Relaxed);
        self.from_server.count(bytes);
    }

    /// A frame of so many bytes goes out.
    pub(crate) fn said(&self, bytes: usize) {
        self.to_server.count(bytes);
    }

    /// When the last frame came in.
    pub(crate) fn last_seen(&self) -> UnixTime {
        UnixTime(self.last_seen.load(Ordering::Relaxed))
    }

    /// Frames and bytes, both ways together.
    pub(crate) fn totals(&self) -> (u64, u64) {
        let both = |of: fn(&Flow) -> &AtomicU64| {
            of(&self.from_server).load(Ordering::Relaxed) + of(&self.to_server).load(Ordering::Relaxed)
        };
        (both(|flow| &flow.messages), both(|flow| &flow.bytes))
    }

    /// What passed since this was asked last, from the server and to it. One may ask at a time.
    pub(crate) fn news(&self) -> (Volume, Volume) {
        (self.from_server.news(), self.to_server.news())
    }

    /// Bytes that were sent and that the peer has not acknowledged, where the dialect has that.
    pub(crate) fn unacknowledged(&self) -> u64 {
        self.unacknowledged.load(Ordering::Relaxed)
    }
}

impl Tap for Traffic {
    fn heard(&self, bytes: usize) {
        self.heard(bytes, UnixTime::now());
    }

    fn said(&self, bytes: usize) {
        self.said(bytes);
    }

    fn holds(&self, bytes: u64) {
        self.unacknowledged.store(bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passed_is_told_once() {
        let traffic = Traffic::new(UnixTime(1));
        traffic.heard(10, UnixTime(2));
        traffic.said(3);
        traffic.said(4);
        let volume = |messages, bytes| Volume { messages, bytes };
        assert_eq!(traffic.news(), (volume(1, 10), volume(2, 7)));
        traffic.said(1);
        assert_eq!(traffic.news(), (volume(0, 0), volume(1, 1)));
        assert_eq!(traffic.totals(), (4, 18));
    }
}
