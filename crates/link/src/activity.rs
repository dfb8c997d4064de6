//! A stream that remembers when bytes last came in. Bytes count, not whole messages: a large frame on a slow line is
//! no silence.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// Any byte stream that a link can run on: TCP, TLS over it, an upgraded HTTP connection.
pub trait Io: AsyncRead + AsyncWrite + Unpin + Send + 'static {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Io for S {}

/// When bytes last moved, in each direction.
#[derive(Debug, Clone)]
pub struct Activity {
    start: Instant,
    read: Arc<Direction>,
    written: Arc<Direction>,
}

/// One direction: when it last moved, in milliseconds from the start, and how often.
#[derive(Debug, Default)]
struct Direction {
    last: AtomicU64,
    times: AtomicU64,
}

impl Activity {
    fn new() -> Self {
        Self { start: Instant::now(), read: Arc::default(), written: Arc::default() }
    }

    /// When the last byte came in; the start while none has.
    pub(crate) fn last_read(&self) -> Instant {
        self.start + Duration::from_millis(self.read.last.load(Ordering::Relaxed))
    }

    /// When the system last took a byte to send; the start while it has not.
    pub(crate) fn last_written(&self) -> Instant {
        self.start + Duration::from_millis(self.written.last.load(Ordering::Relaxed))
    }

    /// How often bytes came in so far.
    pub(crate) fn reads(&self) -> u64 {
        self.read.times.load(Ordering::Relaxed)
    }

    /// How often bytes went out so far.
    pub(crate) fn writes(&self) -> u64 {
        self.written.times.load(Ordering::Relaxed)
    }

    fn mark(&self, direction: &Direction) {
        let elapsed = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        direction.last.store(elapsed, Ordering::Relaxed);
        direction.times.fetch_add(1, Ordering::Relaxed);
    }
}

/// A stream under watch.
pub struct Watched {
    inner: Box<dyn Io>,
    activity: Activity,
}

impl Watched {
    /// Begins to watch `stream`.
    pub fn new(stream: impl Io) -> Self {
        Self { inner: Box::new(stream), activity: Activity::new() }
    }

    /// What it remembers; stays good when the stream is owned by someone else.
    pub(crate) fn activity(&self) -> Activity {
        self.activity.clone()
    }
}

impl std::fmt::Debug for Watched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watched").field("activity", &self.activity).finish_non_exhaustive()
    }
}

impl AsyncRead for Watched {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.inner).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.activity.mark(&self.activity.read);
        }
        polled
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write(cx, buf);
        if matches!(polled, Poll::Ready(Ok(1..))) {
            self.activity.mark(&self.activity.written);
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
