//! The channels that are open on one link, and where what comes for each of them goes.

use std::collections::HashMap;

use bytes::Bytes;
use culvert_protocol::channels::ChannelId;
use tokio::sync::mpsc;

use super::super::assembler::{Assembler, TooLarge};
use super::super::channel::{Channel, ChannelEnd, Feed, Outgoing};
use super::Terms;

/// Channels that may be open on one link at all. What a profile allows is less.
const MAX_CHANNELS: usize = 4096;

/// See the head of this file.
#[derive(Debug)]
pub(super) struct Feeds {
    open: HashMap<ChannelId, Feed>,
    window: u32,
    max_line: usize,
    /// What each channel's ends tell the task with.
    out: mpsc::UnboundedSender<Outgoing>,
}

impl Feeds {
    /// None yet.
    pub(super) fn new(terms: &Terms, out: mpsc::UnboundedSender<Outgoing>) -> Self {
        Self { open: HashMap::new(), window: terms.window, max_line: terms.max_line, out }
    }

    /// Whether one more may be opened.
    pub(super) fn has_room(&self) -> bool {
        self.open.len() < MAX_CHANNELS
    }

    /// Adds one, and hands out its ends.
    pub(super) fn add(&mut self, id: ChannelId) -> Channel {
        let assembler = Assembler::new(self.max_line, self.window);
        let (channel, feed) = Channel::new(id, self.window, assembler, self.out.clone());
        self.open.insert(id, feed);
        channel
    }

    /// The peer's bytes; the credit that is due at once. What comes for a channel that has ended is let go.
    ///
    /// # Errors
    /// [`TooLarge`]: the channel is to be ended.
    pub(super) fn take(&mut self, id: ChannelId, bytes: Bytes) -> Result<u32, TooLarge> {
        self.open.get_mut(&id).map_or(Ok(0), |feed| feed.take(bytes))
    }

    /// The peer says nothing more on it.
    pub(super) fn peer_finished(&mut self, id: ChannelId) {
        if let Some(feed) = self.open.get_mut(&id) {
            feed.finish();
            self.forget_if_done(id);
        }
    }

    /// This side says nothing more on it.
    pub(super) fn sender_finished(&mut self, id: ChannelId) {
        if let Some(feed) = self.open.get_mut(&id) {
            feed.sender_done = true;
            self.forget_if_done(id);
        }
    }

    /// It is over, both ways.
    pub(super) fn end(&mut self, id: ChannelId, how: ChannelEnd) {
        if let Some(feed) = self.open.remove(&id) {
            feed.end(how);
        }
    }

    /// All are over with the link.
    pub(super) fn lose(&mut self) {
        for (_, feed) in self.open.drain() {
            feed.end(ChannelEnd::LinkLost);
        }
    }

    fn forget_if_done(&mut self, id: ChannelId) {
        if self.open.get(&id).is_some_and(Feed::is_done) {
            self.open.remove(&id);
        }
    }
}
