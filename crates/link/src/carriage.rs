//! A link's connection as a pair of ends: frames in, frames out, and one clear reason when it is over. What carries the
//! frames is the business of [`websocket`](crate::websocket) and [`sse`](crate::sse).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use thiserror::Error;
use tokio::sync::Notify;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::handed::Handed;
use crate::queue::{self, Gone, Weight};
use crate::websocket;

/// Bytes that may wait to be written; a full queue makes its producers wait.
const OUT_QUEUE: usize = 1024 * 1024;

/// Bytes that may wait while another message of the resumable stream is added: what is queued cannot be overtaken.
pub(crate) const NEARLY_IDLE: usize = 64 * 1024;

/// How long the last frames may take once a link is being ended.
pub(crate) const LAST_WORDS: Duration = Duration::from_secs(2);

/// What carries a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carriage {
    /// One WebSocket.
    WebSocket,
    /// An event stream and POSTs; the channels dialect only.
    Sse,
}

impl std::fmt::Display for Carriage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::WebSocket => "ws",
            Self::Sse => "sse",
        })
    }
}

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// Text: an envelope or another control message.
    Text(Utf8Bytes),
    /// Bytes: part of the resumable stream.
    Binary(Bytes),
}

impl From<String> for Frame {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

/// Why no more frames come.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LinkEnd {
    /// The peer closed it.
    #[error("closed by the peer ({code}{})", if reason.is_empty() { String::new() } else { format!(": {reason}") })]
    Closed {
        /// The close code; 1005 when it gave none.
        code: u16,
        /// Its reason, cleaned for display.
        reason: String,
    },
    /// The connection broke.
    #[error("{0}")]
    Lost(String),
    /// Nothing came for so long that the peer counts as gone.
    #[error("nothing came for {} s", .0.as_secs())]
    Silent(Duration),
    /// The peer sent a frame over the limit.
    #[error("a message over the limit of {0} bytes came in")]
    TooLarge(usize),
    /// The peer broke WebSocket's rules.
    #[error("the peer broke the protocol: {0}")]
    Protocol(String),
}

/// The sending end; clones share one queue.
#[derive(Debug, Clone)]
pub struct FrameSender {
    queue: queue::Sender<Outgoing>,
    doubt: Arc<Doubt>,
}

/// Whether the link is to be put to the test, and how long it may take to pass.
#[derive(Debug, Default)]
struct Doubt {
    raised: Notify,
    patience_ms: AtomicU64,
}

/// What the writing side of a carriage is given.
#[derive(Debug)]
pub(crate) enum Outgoing {
    Frame(Frame),
    /// Asks the peer for a sign of life; only where the carriage has no such signs of its own.
    Ping,
    Close(u16, &'static str),
}

impl Weight for Frame {
    fn weight(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }
}

impl Weight for Outgoing {
    fn weight(&self) -> usize {
        match self {
            Self::Frame(frame) => frame.weight(),
            Self::Ping | Self::Close(..) => 0,
        }
    }
}

impl FrameSender {
    /// A sending end, and what it has queued.
    pub(crate) fn new() -> (Self, queue::Receiver<Outgoing>) {
        let (queue, outgoing) = queue::bounded(OUT_QUEUE);
        (Self { queue, doubt: Arc::default() }, outgoing)
    }

    /// Queues a frame; waits while 1 MiB waits already.
    ///
    /// # Errors
    /// [`Gone`] when the link is over; the receiving end tells why.
    pub async fn send(&self, frame: impl Into<Frame>) -> Result<(), Gone> {
        self.queue.send(Outgoing::Frame(frame.into())).await
    }

    /// Queues a frame if there is room now; whether it was queued.
    pub fn try_send(&self, frame: impl Into<Frame>) -> bool {
        self.queue.try_send(Outgoing::Frame(frame.into())).is_ok()
    }

    /// A look at the bytes that wait.
    pub fn gauge(&self) -> queue::Gauge {
        self.queue.gauge()
    }

    /// Waits until so little is queued that a small message sent now leaves at once.
    ///
    /// # Errors
    /// [`Gone`] when the link is over.
    pub(crate) async fn nearly_idle(&self) -> Result<(), Gone> {
        self.queue.drained_to(NEARLY_IDLE).await
    }

    /// Ends the link after what is queued, with a close code and a reason.
    pub async fn close(&self, code: u16, reason: &'static str) {
        // A link that is over already needs no end.
        let _ = self.queue.send(Outgoing::Close(code, reason)).await;
    }

    /// As [`close`](Self::close), but without waiting for room.
    pub(crate) fn try_close(&self, code: u16, reason: &'static str) {
        let _ = self.queue.try_send(Outgoing::Close(code, reason));
    }

    /// Asks for a sign of life, if there is room: a full queue means that the peer does not read, and then no ping is
    /// needed to find out that it is silent.
    pub(crate) fn ping(&self) {
        let _ = self.queue.try_send(Outgoing::Ping);
    }

    /// Puts the link to the test, because the network may be another one: a WebSocket is pinged at once, and ends when
    /// nothing comes for so long. An event stream has nothing to ask with.
    pub fn doubt(&self, patience: Duration) {
        let patience = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
        self.doubt.patience_ms.store(patience, Ordering::Relaxed);
        self.doubt.raised.notify_one();
    }

    /// Completes when the link is to be put to the test, with how long that may take. Cancel safe.
    pub(crate) async fn doubted(&self) -> Duration {
        self.doubt.raised.notified().await;
        Duration::from_millis(self.doubt.patience_ms.load(Ordering::Relaxed))
    }

    /// The bytes that wait, bookkeeping included.
    pub(crate) fn queued(&self) -> usize {
        self.queue.used()
    }

    /// Completes when the link is over.
    pub async fn closed(&self) {
        self.queue.closed().await;
    }
}

/// The receiving end. Dropping it ends the link: what is queued has two more seconds to leave.
#[derive(Debug)]
pub struct FrameReceiver {
    source: Source,
}

#[derive(Debug)]
enum Source {
    WebSocket(websocket::Receiver),
    Handed(Handed),
}

impl FrameReceiver {
    /// The next frame. Cancel safe.
    ///
    /// # Errors
    /// [`LinkEnd`] when there will be none; do not call it again then.
    pub async fn recv(&mut self) -> Result<Frame, LinkEnd> {
        match &mut self.source {
            Source::WebSocket(receiver) => receiver.recv().await,
            Source::Handed(handed) => handed.recv().await,
        }
    }
}

impl From<websocket::Receiver> for FrameReceiver {
    fn from(receiver: websocket::Receiver) -> Self {
        Self { source: Source::WebSocket(receiver) }
    }
}

impl From<Handed> for FrameReceiver {
    fn from(handed: Handed) -> Self {
        Self { source: Source::Handed(handed) }
    }
}
