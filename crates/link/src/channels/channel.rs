//! One conversation over a link, as lines both ways.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use culvert_protocol::channels::{ChannelId, ResetReason};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, TryAcquireError, mpsc};

use super::assembler::{Assembled, Assembler, TooLarge};
use crate::queue::{Gauge, Gone, Refused};

/// Bytes of one channel that may wait for their turn; a longer line passes alone.
const UNSENT: usize = 64 * 1024;

/// What the ends of channels tell the carrier.
#[derive(Debug)]
pub(super) enum Outgoing {
    /// Bytes to send, line break included.
    Line(ChannelId, Bytes),
    /// Nothing more is sent.
    Finish(ChannelId),
    /// Over, both ways.
    Reset(ChannelId, ResetReason, String),
    /// The reader has taken so many bytes.
    Taken(ChannelId, u32),
}

/// How a channel ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChannelEnd {
    /// The peer finished it.
    Finished,
    /// The peer reset it, with words that were cleaned for display.
    Reset(ResetReason, String),
    /// The link is over and was not resumed.
    LinkLost,
}

/// Both ends of one conversation at this side. Dropping both ends the channel.
#[derive(Debug)]
pub struct Channel {
    /// Its number.
    pub id: ChannelId,
    /// Lines for the peer.
    pub sender: LineSender,
    /// Lines of the peer.
    pub receiver: LineReceiver,
}

/// Sends lines; clones share the channel's budget. When the last is dropped, this side of the channel is finished.
#[derive(Debug, Clone)]
pub struct LineSender {
    inner: Arc<Sending>,
}

#[derive(Debug)]
struct Sending {
    id: ChannelId,
    out: mpsc::UnboundedSender<Outgoing>,
    budget: Arc<Semaphore>,
    end: Arc<End>,
}

/// How a channel ends, for all who hold a part of it.
#[derive(Debug, Default)]
struct End {
    how: OnceLock<ChannelEnd>,
    /// It is over, both ways.
    over: Notify,
}

/// Receives lines. Dropped before the channel's end, it resets the channel.
#[derive(Debug)]
pub struct LineReceiver {
    id: ChannelId,
    lines: mpsc::UnboundedReceiver<Assembled>,
    out: mpsc::UnboundedSender<Outgoing>,
    end: Arc<End>,
    taken: u32,
    report_at: u32,
}

/// Where the carrier puts a channel's lines, and closes its ends.
#[derive(Debug)]
pub(super) struct Feed {
    /// None: the peer has finished.
    lines: Option<mpsc::UnboundedSender<Assembled>>,
    assembler: Assembler,
    end: Arc<End>,
    budget: Arc<Semaphore>,
    /// Whether the sender at this side has finished.
    pub(super) sender_done: bool,
}

impl Feed {
    /// Takes the peer's bytes in; returns the credit that is due at once.
    pub(super) fn take(&mut self, bytes: Bytes) -> Result<u32, TooLarge> {
        let lines = &self.lines;
        self.assembler.push(bytes, |assembled| {
            if let Some(lines) = lines {
                let _ = lines.send(assembled);
            }
        })
    }

    /// The peer has finished: the receiver reads what is left and then the end.
    pub(super) fn finish(&mut self) {
        let _ = self.end.how.set(ChannelEnd::Finished);
        self.lines = None;
    }

    /// Whether both sides have finished.
    pub(super) fn is_done(&self) -> bool {
        self.lines.is_none() && self.sender_done
    }

    /// The channel is over, both ways.
    pub(super) fn end(self, how: ChannelEnd) {
        let _ = self.end.how.set(how);
        self.budget.close();
        self.end.over.notify_waiters();
    }
}

impl Channel {
    /// A channel's ends, and the carrier's side of them.
    pub(super) fn new(
        id: ChannelId,
        window: u32,
        assembler: Assembler,
        out: mpsc::UnboundedSender<Outgoing>,
    ) -> (Self, Feed) {
        let (lines, received) = mpsc::unbounded_channel();
        let end = Arc::<End>::default();
        let budget = Arc::new(Semaphore::new(UNSENT));
        let feed = Feed { lines: Some(lines), assembler, end: end.clone(), budget: budget.clone(), sender_done: false };
        let inner = Arc::new(Sending { id, out: out.clone(), budget, end: end.clone() });
        let sender = LineSender { inner };
        let receiver = LineReceiver { id, lines: received, out, end, taken: 0, report_at: (window / 4).max(1) };
        (Self { id, sender, receiver }, feed)
    }
}

impl LineSender {
    /// Sends a line, given without its line break; waits while 64 KiB of this channel wait already.
    ///
    /// # Errors
    /// [`Gone`] when the channel is over.
    pub async fn send(&self, line: Bytes) -> Result<(), Gone> {
        let share = self.inner.budget.clone().acquire_many_owned(cost(&line)).await.map_err(|_| Gone)?;
        self.pass_on(line, share)
    }

    /// Sends a line if there is room now.
    ///
    /// # Errors
    /// [`Refused`] gives it back.
    pub fn try_send(&self, line: Bytes) -> Result<(), Refused<Bytes>> {
        match self.inner.budget.clone().try_acquire_many_owned(cost(&line)) {
            Ok(share) => {
                // The carrier that is gone has closed the budget, or is just about to.
                let _ = self.pass_on(line, share);
                Ok(())
            }
            Err(TryAcquireError::NoPermits) => Err(Refused::Full(line)),
            Err(TryAcquireError::Closed) => Err(Refused::Gone(line)),
        }
    }

    /// Ends the channel both ways, now.
    pub fn reset(self, reason: ResetReason, words: &str) {
        let _ = self.inner.out.send(Outgoing::Reset(self.inner.id, reason, words.to_owned()));
    }

    /// How the channel ended, once it has.
    pub fn ended(&self) -> Option<ChannelEnd> {
        self.inner.end.how.get().cloned()
    }

    /// Completes when the channel is over, both ways. Cancel safe.
    pub async fn over(&self) {
        let told = self.inner.end.over.notified();
        if !self.inner.budget.is_closed() {
            told.await;
        }
    }

    /// Waits until all that was sent has left this end, or the channel is over. Cancel safe.
    pub async fn flushed(&self) {
        let _ = self.inner.budget.acquire_many(UNSENT as u32).await;
    }

    /// A look at the bytes that wait to be sent.
    pub fn gauge(&self) -> Gauge {
        Gauge::new(&self.inner.budget, UNSENT)
    }

    fn pass_on(&self, line: Bytes, share: OwnedSemaphorePermit) -> Result<(), Gone> {
        let line = Bytes::from_owner(Held { line, _share: share });
        self.inner.out.send(Outgoing::Line(self.inner.id, line)).map_err(|_| Gone)
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        let _ = self.out.send(Outgoing::Finish(self.id));
    }
}

impl LineReceiver {
    /// The next line; `None` when the peer has finished, or the channel is over. Cancel safe.
    pub async fn recv(&mut self) -> Option<Bytes> {
        let Assembled { line, credit } = self.lines.recv().await?;
        self.taken += credit;
        if self.taken >= self.report_at {
            let _ = self.out.send(Outgoing::Taken(self.id, std::mem::take(&mut self.taken)));
        }
        Some(line)
    }

    /// How the channel ended, once it has.
    pub fn ended(&self) -> Option<ChannelEnd> {
        self.end.how.get().cloned()
    }
}

impl Drop for LineReceiver {
    fn drop(&mut self) {
        if self.end.how.get().is_none() {
            let _ = self.out.send(Outgoing::Reset(self.id, ResetReason::Cancelled, String::new()));
        }
    }
}

/// A line that holds its share of the budget until its last byte has left.
struct Held {
    line: Bytes,
    _share: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.line
    }
}

fn cost(line: &Bytes) -> u32 {
    (line.len() + 1).min(UNSENT) as u32
}
