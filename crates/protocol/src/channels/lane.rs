//! One channel as one side has it: what waits to be sent, and the credit in both directions.

use std::collections::VecDeque;

use bytes::{Buf as _, Bytes, BytesMut};

/// What this side still sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sending {
    /// As long as it likes.
    Open,
    /// What is queued, and then a FIN.
    Ending,
    /// Nothing: the FIN is out.
    Done,
}

#[derive(Debug)]
pub(super) struct Lane {
    queued: VecDeque<Bytes>,
    pub(super) sending: Sending,
    pub(super) peer_done: bool,
    /// What the peer has room for.
    credit: u32,
    /// What the peer may still send.
    allowance: u32,
    /// What was consumed here and not yet told to the peer.
    consumed: u32,
    /// Whether it stands in the round already.
    pub(super) in_round: bool,
}

impl Lane {
    pub(super) fn new(window: u32) -> Self {
        Self {
            queued: VecDeque::new(),
            sending: Sending::Open,
            peer_done: false,
            credit: window,
            allowance: window,
            consumed: 0,
            in_round: false,
        }
    }

    pub(super) fn push(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.queued.push_back(bytes);
        }
    }

    /// Whether it could fill a turn now.
    pub(super) fn is_ready(&self) -> bool {
        let data = !self.queued.is_empty() && self.credit > 0;
        data || (self.queued.is_empty() && self.sending == Sending::Ending)
    }

    /// How many bytes its next turn has, up to `room`.
    pub(super) fn turn(&self, room: usize) -> usize {
        let room = room.min(self.credit as usize);
        let mut size = 0;
        for bytes in &self.queued {
            size += bytes.len();
            if size >= room {
                return room;
            }
        }
        size
    }

    /// Moves `size` bytes, as [`turn`](Self::turn) gave them, into the message.
    pub(super) fn take(&mut self, mut size: usize, message: &mut BytesMut) {
        // A turn is never larger than the credit, which is a u32.
        self.credit -= size as u32;
        while let Some(first) = self.queued.front_mut().filter(|_| size > 0) {
            let part = first.len().min(size);
            message.extend_from_slice(&first[..part]);
            size -= part;
            if part == first.len() {
                self.queued.pop_front();
            } else {
                first.advance(part);
            }
        }
    }

    pub(super) fn has_queued(&self) -> bool {
        !self.queued.is_empty()
    }

    /// The peer has room for more; `false`: for more than can be.
    pub(super) fn credited(&mut self, bytes: u32) -> bool {
        match self.credit.checked_add(bytes) {
            Some(credit) => {
                self.credit = credit;
                true
            }
            None => false,
        }
    }

    /// The peer sent so much; `false`: more than it may.
    pub(super) fn received(&mut self, bytes: usize) -> bool {
        match u32::try_from(bytes).ok().and_then(|bytes| self.allowance.checked_sub(bytes)) {
            Some(left) => {
                self.allowance = left;
                true
            }
            None => false,
        }
    }

    /// So much was consumed here. Returns the credit to give when enough has come together: half a window, so that
    /// the peer never waits for less.
    pub(super) fn consumed(&mut self, bytes: u32, window: u32) -> Option<u32> {
        self.consumed = self.consumed.saturating_add(bytes);
        if self.peer_done || self.consumed < window.div_ceil(2) {
            return None;
        }
        self.allowance = self.allowance.saturating_add(self.consumed);
        Some(std::mem::take(&mut self.consumed))
    }
}
