//! Where all streams of a conversation put what the server says.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use culvert_link::queue;
use culvert_protocol::message::{Id, Malformed, Message, Shape, batch};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tracing::debug;

use super::calls::{Call, Calls};
use super::trouble::Trouble;
use crate::ledger::Ledger;
use crate::lines::Line;
use crate::output::{Exit, Output};

/// A message over this many bytes is large.
pub(super) const LARGE: usize = 256 * 1024;

/// Large messages that may be gathered at the same time: together with the limit on one, they bound the memory.
const LARGE_AT_ONCE: usize = 4;

/// What comes in, on its way to whoever reads the conversation.
#[derive(Debug)]
pub(super) struct Inbox {
    output: queue::Sender<Output>,
    calls: Mutex<Calls>,
    large: Arc<Semaphore>,
    limit: usize,
    ledger: Arc<Ledger>,
}

impl Inbox {
    /// Messages over `limit` bytes are not kept.
    pub(super) fn new(output: queue::Sender<Output>, limit: usize, ledger: Arc<Ledger>) -> Self {
        Self { output, calls: Mutex::default(), large: Arc::new(Semaphore::new(LARGE_AT_ONCE)), limit, ledger }
    }

    /// The longest message that is kept, in bytes.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// The calls in flight.
    pub(super) fn calls(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The right to gather a large message, to be held until it is delivered.
    pub(super) async fn large(&self) -> Option<OwnedSemaphorePermit> {
        self.large.clone().acquire_owned().await.ok()
    }

    /// Passes on what the server said. An answer passes if somebody waits for it.
    pub(super) async fn deliver(&self, line: Line) {
        match &line {
            Line::Oversize { head, .. } => {
                let id = head.id.as_deref().filter(|_| !head.method).and_then(Id::from_json);
                if id.is_some_and(|id| !self.was_awaited(&id)) {
                    return debug!("an answer that nobody waits for: dropped");
                }
            }
            Line::Whole(bytes) => match std::str::from_utf8(bytes).map(Message::parse) {
                Ok(Ok(message)) => {
                    if let Shape::Response(id) = message.shape()
                        && !self.was_awaited(id)
                    {
                        return debug!(%id, "an answer that nobody waits for: dropped");
                    }
                }
                Ok(Err(Malformed::Batch)) => return self.deliver_batch(bytes).await,
                // Whoever reads it says what is wrong with it.
                _ => {}
            },
        }
        self.send(line).await;
    }

    /// The server has answered the call with this id; whether anybody waits for it.
    fn was_awaited(&self, id: &Id) -> bool {
        self.ledger.pulse().beat(Instant::now());
        let awaited = self.calls().answered(id);
        if !awaited {
            self.ledger.figures().late_answer();
        }
        awaited
    }

    async fn deliver_batch(&self, bytes: &Bytes) {
        let text = String::from_utf8_lossy(bytes);
        for element in batch(&text).unwrap_or_default() {
            if element.get().starts_with('{') {
                Box::pin(self.deliver(Line::Whole(Bytes::copy_from_slice(element.get().as_bytes())))).await;
            }
        }
    }

    /// Gives a call an error for an answer, if it has none yet.
    pub(super) async fn refuse(&self, call: &Call, trouble: &Trouble) {
        if self.calls().close(call) {
            self.say(trouble.answer(&call.raw_id)).await;
        }
    }

    /// An answer of our own.
    pub(super) async fn say(&self, answer: String) {
        self.send(Line::Whole(answer.into())).await;
    }

    /// The last word.
    pub(super) async fn exit(&self, exit: Exit) {
        let _ = self.output.send(Output::Exited(exit)).await;
    }

    async fn send(&self, line: Line) {
        // Nobody reads a conversation that is being ended.
        let _ = self.output.send(Output::Line(line)).await;
    }
}
