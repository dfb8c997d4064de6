//! The multiplexer: conversations in, messages of whole frames out, and back.
//!
//! Fair by turns: each channel that has something to say gets at most [`TURN`](super::TURN) bytes before the next.
//! Bounded by credit: neither side sends on a channel more than the other has said it has room for.

use std::collections::{HashMap, VecDeque};

use bytes::{Bytes, BytesMut};
use thiserror::Error;

use super::frame::{BadFrame, ChannelId, Frame, HEAD, ResetReason, put_data_head};
use super::lane::{Lane, Sending};
use super::{MAX_MESSAGE, TURN};

/// The longest words of a reset, in bytes.
const MAX_WORDS: usize = 1024;

/// The longest header of a channel, in bytes.
const MAX_HEADER: usize = 4096;

/// Frames that may wait before any data. A peer that makes us queue more does not read what we answer.
const MAX_URGENT: usize = 16 * 1024;

/// Which end of the link this is: only the gateway opens channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Opens channels.
    Gateway,
    /// Has them opened.
    Client,
}

/// What a message brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The gateway opened a channel, with this header.
    Opened(ChannelId, Bytes),
    /// Bytes of a conversation. Tell [`Mux::consumed`] when they have been dealt with.
    Data(ChannelId, Bytes),
    /// Nothing more comes on this channel.
    Finished(ChannelId),
    /// The channel is over, both ways.
    Reset(ChannelId, ResetReason, String),
}

/// The peer broke the rules: the link is not to be trusted any more, and is not resumed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Violation {
    /// A message that is not made of frames.
    #[error("{0}")]
    Frame(#[from] BadFrame),
    /// An OPEN from the client, with a number that was used before, or with too long a header.
    #[error("channel {0} cannot be opened")]
    Open(ChannelId),
    /// A frame on a channel that never was.
    #[error("there is no channel {0}")]
    Unknown(ChannelId),
    /// More bytes than there was credit for, or after a FIN.
    #[error("channel {0} has sent more than it may")]
    Credit(ChannelId),
    /// A message longer than [`MAX_MESSAGE`].
    #[error("a message of {0} bytes")]
    TooLong(usize),
    /// More openings than answers could be sent to.
    #[error("too much is asked and too little read")]
    Flood,
    /// A count of bytes that cannot be: acknowledged before, or never sent.
    #[error("a count of {0} bytes is outside of what was sent")]
    Count(u64),
}

/// All channels of one link, seen from one side.
#[derive(Debug)]
pub struct Mux {
    side: Side,
    window: u32,
    lanes: HashMap<ChannelId, Lane>,
    /// The highest number that was given out so far.
    last: u32,
    /// Frames that go before any data.
    urgent: VecDeque<(ChannelId, Frame)>,
    /// Channels that can fill a turn, in order.
    round: VecDeque<ChannelId>,
}

impl Mux {
    /// No channels yet. `window` is the credit of each side of each channel, in bytes.
    pub fn new(side: Side, window: u32) -> Self {
        Self { side, window, lanes: HashMap::new(), last: 0, urgent: VecDeque::new(), round: VecDeque::new() }
    }

    /// Gateway: opens a channel. `None` when the link's numbers are used up.
    pub fn open(&mut self, header: Bytes) -> Option<ChannelId> {
        self.last = self.last.checked_add(1)?;
        let id = ChannelId(self.last);
        self.lanes.insert(id, Lane::new(self.window));
        self.urgent.push_back((id, Frame::Open(header)));
        Some(id)
    }

    /// Queues bytes on a channel. Nothing happens on one that is over, or was finished here.
    pub fn write(&mut self, id: ChannelId, bytes: Bytes) {
        if let Some(lane) = self.lanes.get_mut(&id).filter(|lane| lane.sending == Sending::Open) {
            lane.push(bytes);
            enter_round(id, lane, &mut self.round);
        }
    }

    /// Nothing more will be written on this channel.
    pub fn finish(&mut self, id: ChannelId) {
        if let Some(lane) = self.lanes.get_mut(&id).filter(|lane| lane.sending == Sending::Open) {
            lane.sending = Sending::Ending;
            enter_round(id, lane, &mut self.round);
        }
    }

    /// Ends a channel both ways at once; what was queued on it is let go.
    pub fn reset(&mut self, id: ChannelId, reason: ResetReason, words: &str) {
        if self.lanes.remove(&id).is_some() {
            let end = (0..=words.len().min(MAX_WORDS)).rev().find(|end| words.is_char_boundary(*end)).unwrap_or(0);
            let words = Bytes::copy_from_slice(&words.as_bytes()[..end]);
            self.urgent.push_back((id, Frame::Reset(reason, words)));
        }
    }

    /// So many bytes of a channel's [`Event::Data`] have been dealt with: the peer may send as many more.
    pub fn consumed(&mut self, id: ChannelId, bytes: u32) {
        if let Some(credit) = self.lanes.get_mut(&id).and_then(|lane| lane.consumed(bytes, self.window)) {
            self.urgent.push_back((id, Frame::Credit(credit)));
        }
    }

    /// Whether [`fill`](Self::fill) would give a message now.
    pub fn has_output(&self) -> bool {
        !self.urgent.is_empty() || self.round.iter().any(|id| self.lanes.get(id).is_some_and(Lane::is_ready))
    }

    /// How many channels are open.
    #[cfg(test)]
    pub(super) fn open_channels(&self) -> usize {
        self.lanes.len()
    }

    /// The next message: whole frames, at most [`MAX_MESSAGE`] bytes, as much as there is.
    pub fn fill(&mut self) -> Option<Bytes> {
        let mut message = BytesMut::new();
        while let Some((_, frame)) = self.urgent.front() {
            if !message.is_empty() && message.len() + frame.size() > MAX_MESSAGE {
                return Some(message.freeze());
            }
            if let Some((id, frame)) = self.urgent.pop_front() {
                frame.put(id, &mut message);
            }
        }
        while message.len() + HEAD < MAX_MESSAGE {
            let Some(id) = self.round.pop_front() else { break };
            let Some(lane) = self.lanes.get_mut(&id) else { continue };
            lane.in_round = false;
            let size = lane.turn((MAX_MESSAGE - HEAD - message.len()).min(TURN));
            if size > 0 {
                message.reserve(HEAD + size);
                put_data_head(id, size, &mut message);
                lane.take(size, &mut message);
            }
            if !lane.has_queued() && lane.sending == Sending::Ending && message.len() + HEAD <= MAX_MESSAGE {
                Frame::Fin.put(id, &mut message);
                lane.sending = Sending::Done;
            }
            match lane.sending == Sending::Done && lane.peer_done {
                true => _ = self.lanes.remove(&id),
                false => enter_round(id, lane, &mut self.round),
            }
        }
        (!message.is_empty()).then(|| message.freeze())
    }

    /// Takes a message in and appends what it brought to `events`.
    ///
    /// # Errors
    /// A [`Violation`] ends the link; what was appended before it still counts.
    pub fn receive(&mut self, mut message: Bytes, events: &mut Vec<Event>) -> Result<(), Violation> {
        if message.len() > MAX_MESSAGE {
            return Err(Violation::TooLong(message.len()));
        }
        while !message.is_empty() {
            let (id, frame) = Frame::take(&mut message)?;
            if self.urgent.len() > MAX_URGENT {
                return Err(Violation::Flood);
            }
            if let Frame::Open(header) = frame {
                if self.side == Side::Gateway || id.0 <= self.last || header.len() > MAX_HEADER {
                    return Err(Violation::Open(id));
                }
                self.last = id.0;
                self.lanes.insert(id, Lane::new(self.window));
                events.push(Event::Opened(id, header));
                continue;
            }
            let Some(lane) = self.lanes.get_mut(&id) else {
                // What was on its way when the channel ended here is late, not wrong.
                if id.0 == 0 || id.0 > self.last {
                    return Err(Violation::Unknown(id));
                }
                continue;
            };
            match frame {
                Frame::Open(_) => {}
                Frame::Data(bytes) => {
                    if lane.peer_done || !lane.received(bytes.len()) {
                        return Err(Violation::Credit(id));
                    }
                    if !bytes.is_empty() {
                        events.push(Event::Data(id, bytes));
                    }
                }
                Frame::Credit(bytes) => {
                    if !lane.credited(bytes) {
                        return Err(Violation::Credit(id));
                    }
                    enter_round(id, lane, &mut self.round);
                }
                Frame::Fin => {
                    if lane.peer_done {
                        return Err(Violation::Credit(id));
                    }
                    lane.peer_done = true;
                    if lane.sending == Sending::Done {
                        self.lanes.remove(&id);
                    }
                    events.push(Event::Finished(id));
                }
                Frame::Reset(reason, words) => {
                    self.lanes.remove(&id);
                    let words = crate::text::clean(&String::from_utf8_lossy(&words), MAX_WORDS);
                    events.push(Event::Reset(id, reason, words));
                }
            }
        }
        Ok(())
    }
}

fn enter_round(id: ChannelId, lane: &mut Lane, round: &mut VecDeque<ChannelId>) {
    if !lane.in_round && lane.is_ready() {
        lane.in_round = true;
        round.push_back(id);
    }
}

#[cfg(test)]
#[path = "mux_tests.rs"]
mod tests;
