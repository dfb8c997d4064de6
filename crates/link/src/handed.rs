//! The receiving end of a link whose frames other tasks hand over.

use std::sync::{Arc, OnceLock};

use tokio_util::sync::{CancellationToken, DropGuard};

use crate::carriage::{Frame, LinkEnd};
use crate::queue;

/// Frames that may wait to be received, in bytes. They do not wait long: a link is always read.
const IN_QUEUE: usize = 256 * 1024;

/// The receiving end.
#[derive(Debug)]
pub(crate) struct Handed {
    frames: queue::Receiver<Frame>,
    over: Over,
    _wanted: DropGuard,
}

/// How the connection ended. The first reason counts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Over {
    why: Arc<OnceLock<LinkEnd>>,
    told: CancellationToken,
}

/// A receiving end with the way to it: frames, its end, and whether it is gone.
pub(crate) fn handed() -> (Handed, queue::Sender<Frame>, Over, CancellationToken) {
    let (sender, frames) = queue::bounded(IN_QUEUE);
    let (over, unwanted) = (Over::default(), CancellationToken::new());
    let handed = Handed { frames, over: over.clone(), _wanted: unwanted.clone().drop_guard() };
    (handed, sender, over, unwanted)
}

impl Handed {
    /// As [`FrameReceiver::recv`](crate::FrameReceiver::recv).
    pub(crate) async fn recv(&mut self) -> Result<Frame, LinkEnd> {
        tokio::select! {
            // What came before the end is received before it.
            biased;
            Some(frame) = self.frames.recv() => Ok(frame.item),
            why = self.over.ended() => Err(why),
        }
    }
}

impl Over {
    /// Tells the end.
    pub(crate) fn end(&self, why: LinkEnd) {
        let _ = self.why.set(why);
        self.told.cancel();
    }

    /// Whether it has ended.
    pub(crate) fn is_over(&self) -> bool {
        self.told.is_cancelled()
    }

    /// Completes at the end.
    pub(crate) async fn ended(&self) -> LinkEnd {
        self.told.cancelled().await;
        // `end` sets the reason before it tells of it.
        self.why.get().cloned().unwrap_or_else(|| LinkEnd::Lost("the connection was closed".to_owned()))
    }
}
