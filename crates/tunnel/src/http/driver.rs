//! What keeps a conversation going: messages are taken in order and sent as the transport has it, until one of the two
//! sides ends it.
//!
//! Requests go out side by side. All else waits for its predecessor, within bounds: over HTTP only that keeps a
//! cancellation from overtaking its call.

use std::collections::VecDeque;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use culvert_link::queue::{self, Queued};
use culvert_protocol::message::{Id, Malformed, Message, Shape, batch};
use culvert_protocol::rpc_error::{INVALID_REQUEST, RpcError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::calls::Call;
use super::inbox::Inbox;
use super::sse::Sse;
use super::streamable::Streamable;
use super::trouble::Trouble;
use super::url::ServerUrl;
use crate::local::Letter;

/// Calls that are with the server at once; each may hold a connection for as long as it takes.
const AT_ONCE: usize = 64;

/// Calls that wait for their turn, and the bytes that they may have together. Half of what the queue before them holds:
/// what a call in flight needs to go on must still get through.
const PARKED: usize = 4096;
const PARKED_BYTES: usize = super::INPUT_QUEUE / 2;

/// How long a message without an answer holds up those behind it.
const IN_ORDER: Duration = Duration::from_secs(1);

/// How long a call holds up those behind it until it is on its way.
const UNDER_WAY: Duration = Duration::from_secs(15);

/// How long a call that was cancelled may still get its answer.
const AFTER_CANCEL: Duration = Duration::from_secs(5);

/// How long saying goodbye to the server may take.
const GOODBYE: Duration = Duration::from_secs(2);

/// The transport under a conversation.
#[derive(Debug, Clone)]
pub(super) enum Wire {
    Streamable(Arc<Streamable>),
    Sse(Arc<Sse>),
}

/// What a task of the conversation leaves to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    Nothing,
    /// The session has begun: the server may speak by itself.
    Listen,
}

/// What a call is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Initialize,
    Plain,
}

/// A call that waits for its turn.
#[derive(Debug)]
struct Parked {
    call: Call,
    purpose: Purpose,
    letter: Queued<Letter>,
}

/// What must have happened before the next message is taken.
struct Gate {
    opens: oneshot::Receiver<()>,
    until: Option<Instant>,
    /// Its share of the queue is given back when it is on its way.
    _letter: Option<Queued<Letter>>,
}

/// One conversation.
pub(super) struct Driver {
    wire: Wire,
    inbox: Arc<Inbox>,
    letters: queue::Receiver<Letter>,
    faults: mpsc::Receiver<Trouble>,
    stop: CancellationToken,
    tasks: JoinSet<Next>,
    room: Arc<Semaphore>,
    parked: VecDeque<Parked>,
    gate: Option<Gate>,
}

impl Driver {
    pub(super) fn new(
        wire: Wire,
        inbox: Arc<Inbox>,
        letters: queue::Receiver<Letter>,
        faults: mpsc::Receiver<Trouble>,
        stop: CancellationToken,
    ) -> Self {
        Self {
            wire,
            inbox,
            letters,
            faults,
            stop,
            tasks: JoinSet::new(),
            room: Arc::new(Semaphore::new(AT_ONCE)),
            parked: VecDeque::new(),
            gate: None,
        }
    }

    /// Drives the conversation to its end.
    pub(super) async fn run(mut self) {
        self.open();
        let fault = self.converse().await;
        self.tasks.shutdown().await;
        let _ = timeout(GOODBYE, self.wire.goodbye(fault.as_ref())).await;
        if let Some(fault) = fault {
            let exit = fault.into_exit(self.wire.url());
            tokio::select! {
                () = self.inbox.exit(exit) => {}
                () = self.stop.cancelled() => {}
            }
        }
    }

    fn open(&mut self) {
        if let Wire::Sse(sse) = &self.wire {
            let (ready, opens) = oneshot::channel();
            let sse = sse.clone();
            self.tasks.spawn(async move { sse.listen(ready).await });
            self.gate = Some(Gate { opens, until: None, _letter: None });
        }
    }

    /// `None`: as asked.
    async fn converse(&mut self) -> Option<Trouble> {
        loop {
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return None,
                Some(fault) = self.faults.recv() => return Some(fault),
                () = opened(&mut self.gate) => self.gate = None,
                Some(done) = self.tasks.join_next() => match done {
                    Ok(Next::Listen) => self.listen(),
                    Ok(Next::Nothing) => self.unpark(),
                    Err(error) => {
                        warn!(%error, "a task of a local server's conversation ended out of turn");
                        self.unpark();
                    }
                },
                letter = self.letters.recv(), if self.gate.is_none() => self.take(letter?).await,
            }
        }
    }

    async fn take(&mut self, letter: Queued<Letter>) {
        let line = letter.item.line.clone();
        let message = match std::str::from_utf8(&line).map(Message::parse) {
            Ok(Ok(message)) => message,
            Ok(Err(Malformed::Batch)) => return self.refuse_batch(&line).await,
            _ => return warn!("a message that is no JSON-RPC does not go to the local server"),
        };
        match (message.shape(), message.raw_id()) {
            (Shape::Request(id), Some(raw_id)) => {
                let opened = self.inbox.calls().open(id.clone(), raw_id);
                let purpose = if message.method() == "initialize" { Purpose::Initialize } else { Purpose::Plain };
                match opened {
                    Ok(call) => self.admit(Parked { call, purpose, letter }).await,
                    Err(error) => self.inbox.say(error.answer(raw_id)).await,
                }
            }
            _ => {
                let cancels = (message.method() == "notifications/cancelled")
                    .then(|| message.param(&["requestId"]).ok().flatten())
                    .flatten()
                    .and_then(|id| Id::from_json(id.get()));
                if cancels.as_ref().is_some_and(|id| self.withdraw(id)) {
                    return;
                }
                let begins = message.method() == "notifications/initialized";
                self.tell(letter, cancels, if begins { Next::Listen } else { Next::Nothing });
            }
        }
    }

    /// Lets a call out, or has it wait for its turn.
    async fn admit(&mut self, parked: Parked) {
        let first = self.parked.is_empty();
        if let Some(permit) = self.room.clone().try_acquire_owned().ok().filter(|_| first) {
            return self.call(parked, permit);
        }
        let bytes: usize = self.parked.iter().map(|parked| parked.letter.item.line.len()).sum();
        if self.parked.len() < PARKED && (first || bytes < PARKED_BYTES) {
            return self.parked.push_back(parked);
        }
        if self.inbox.calls().close(&parked.call) {
            let error = RpcError::tunnel("server.busy", "too many calls are in flight on this server");
            self.inbox.say(error.answer(&parked.call.raw_id)).await;
        }
    }

    fn unpark(&mut self) {
        while !self.parked.is_empty() {
            let Ok(permit) = self.room.clone().try_acquire_owned() else { return };
            if let Some(parked) = self.parked.pop_front() {
                self.call(parked, permit);
            }
        }
    }

    /// Takes back a call that has not gone out yet. Its caller waits for no answer.
    fn withdraw(&mut self, id: &Id) -> bool {
        let Some(at) = self.parked.iter().position(|parked| parked.call.id == *id) else { return false };
        if let Some(parked) = self.parked.remove(at) {
            self.inbox.calls().close(&parked.call);
        }
        true
    }

    fn call(&mut self, parked: Parked, permit: OwnedSemaphorePermit) {
        let Parked { call, purpose, mut letter } = parked;
        let (sent, opens) = oneshot::channel();
        let outgoing = Letter { line: letter.item.line.clone(), credentials: letter.item.credentials.take() };
        let until = match purpose {
            // What follows needs the session that its answer names.
            Purpose::Initialize => None,
            Purpose::Plain => Some(Instant::now() + UNDER_WAY),
        };
        self.gate = Some(Gate { opens, until, _letter: Some(letter) });
        let (wire, inbox) = (self.wire.clone(), self.inbox.clone());
        self.tasks.spawn(async move {
            let given_up = async {
                call.cancelled().await;
                sleep(AFTER_CANCEL).await;
            };
            tokio::select! {
                biased;
                () = wire.call(&call, purpose, outgoing, sent) => {}
                () = given_up => {
                    debug!(id = %call.id, "a cancelled call got no answer");
                    inbox.calls().close(&call);
                }
            }
            drop(permit);
            Next::Nothing
        });
    }

    /// Sends what has no answer.
    fn tell(&mut self, mut letter: Queued<Letter>, cancels: Option<Id>, then: Next) {
        let (done, opens) = oneshot::channel();
        let outgoing = Letter { line: letter.item.line.clone(), credentials: letter.item.credentials.take() };
        self.gate = Some(Gate { opens, until: Some(Instant::now() + IN_ORDER), _letter: Some(letter) });
        let (wire, inbox) = (self.wire.clone(), self.inbox.clone());
        self.tasks.spawn(async move {
            let accepted = wire.tell(outgoing).await;
            drop(done);
            if let Some(id) = cancels {
                inbox.calls().cancelled(&id);
            }
            if accepted { then } else { Next::Nothing }
        });
    }

    fn listen(&mut self) {
        if let Wire::Streamable(streamable) = &self.wire {
            let streamable = streamable.clone();
            self.tasks.spawn(async move { streamable.listen().await });
        }
    }

    /// Only one revision had batches, and no gateway sends them; so each request in one is refused.
    async fn refuse_batch(&self, line: &[u8]) {
        let text = String::from_utf8_lossy(line);
        let error = RpcError::new(INVALID_REQUEST, "message.batch", "batches are not supported on this tunnel");
        for element in batch(&text).unwrap_or_default() {
            let Ok(message) = Message::parse(element.get()) else { continue };
            if let (Shape::Request(_), Some(raw_id)) = (message.shape(), message.raw_id()) {
                self.inbox.say(error.answer(raw_id)).await;
            }
        }
    }
}

impl Wire {
    /// Sends a call and sees to it that it is answered. `sent` opens the gate for what comes after it.
    async fn call(&self, call: &Call, purpose: Purpose, letter: Letter, sent: oneshot::Sender<()>) {
        match self {
            Self::Streamable(wire) => wire.call(call, purpose, letter, sent).await,
            Self::Sse(wire) => wire.call(call, letter, sent).await,
        }
    }

    /// Sends what has no answer, and returns whether the server took it.
    async fn tell(&self, letter: Letter) -> bool {
        match self {
            Self::Streamable(wire) => wire.tell(letter).await,
            Self::Sse(wire) => wire.tell(letter).await,
        }
    }

    /// Says that the conversation is over, where the server wants to know.
    async fn goodbye(&self, fault: Option<&Trouble>) {
        match (self, fault) {
            (Self::Sse(_), _) | (_, Some(Trouble::Refused | Trouble::SessionEnded(_))) => {}
            (Self::Streamable(wire), _) => wire.goodbye().await,
        }
    }

    fn url(&self) -> &ServerUrl {
        match self {
            Self::Streamable(wire) => wire.url(),
            Self::Sse(wire) => wire.url(),
        }
    }
}

/// Completes when the gate opens; without one, never. Cancel safe.
async fn opened(gate: &mut Option<Gate>) {
    match gate {
        None => pending().await,
        Some(Gate { opens, until: None, .. }) => _ = opens.await,
        Some(Gate { opens, until: Some(until), .. }) => _ = timeout_at(*until, opens).await,
    }
}
