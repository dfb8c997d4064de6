//! One conversation with one child, used by several clients: the multiplexer of a base tunnel.
//!
//! It initialises the child once and answers each client's `initialize` from that. Ids and progress tokens are replaced
//! by numbers of its own and put back, by splicing bytes; nothing else is touched. What the server sends to nobody in
//! particular goes to every client. What it asks is answered here, since nobody could tell whose answer it wants.
//!
//! A child of the modern era says of most what it belongs to: a subscription's messages go to the request that opened
//! it, with that one's own id. Log messages alone name nobody; they go to the request that last asked for some.
//!
//! A client that takes its messages too slowly holds nobody up: when more than [`Terms::backlog`] bytes wait for it, its
//! conversation ends, and what it waited for is answered with the error `client.slow`.

mod client;
mod initialized;
mod own;
pub(crate) mod pulse;
mod pump;
mod splicing;
mod table;
#[cfg(test)]
pub(crate) mod tests;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use culvert_link::queue;
use culvert_protocol::channels::control::User;
use culvert_protocol::rpc_error::RpcError;
use tokio::sync::{Notify, mpsc, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::config::GatewayLimits;
use crate::conversation::{CONVERSATION_QUEUE, Conversation, ToServer};
use crate::era::Era;
use crate::random;
use crate::users::Users;

pub use initialized::Initialized;
use own::Opening;
pub(crate) use own::{DISCOVER_LIMIT, LEGACY, SILENT};
pub(crate) use table::Room;
use table::Table;

/// How long the server may take to answer the gateway's `initialize`. The tunnel's client registers only after a good
/// answer of its own, so this one is a replay or comes from a warm server.
pub const INITIALIZE_LIMIT: Duration = Duration::from_secs(60);

/// Bytes by which ids and tokens of our own may make a message longer.
const SPLICED: usize = 128;

/// Messages of the gateway's own that may wait for the child: answers to its requests, cancellations.
const OUTBOX: usize = 256;

/// A child shared by several clients. When the last handle is dropped, the conversation with the child ends.
#[derive(Debug)]
pub struct Shared {
    core: Arc<Core>,
    _stop: DropGuard,
}

/// On what terms a child is shared.
#[derive(Debug, Clone)]
pub(crate) struct Terms {
    /// Whoever uses it is among these.
    pub(crate) users: Users,
    /// Bytes of the longest message that its tunnel takes.
    pub(crate) max_message: usize,
    /// How many calls it takes.
    pub(crate) room: Room,
    /// Bytes that may wait for one client.
    pub(crate) backlog: usize,
    /// How long a caller waits for an answer.
    pub(crate) request_timeout: Duration,
}

impl Terms {
    /// What the gateway grants by default, to a tunnel that takes messages of any size.
    pub(crate) fn usual() -> Self {
        Self::of(&GatewayLimits::default())
    }

    /// What a gateway with these limits grants, to a tunnel that takes messages of any size.
    pub(crate) fn of(limits: &GatewayLimits) -> Self {
        Self {
            users: Users::default(),
            max_message: usize::MAX,
            room: Room { of_one: limits.session_calls, of_all: limits.shared_calls },
            // Twice the largest frame, so that a few large answers that arrive at once are no sign of slowness.
            backlog: limits.max_message.saturating_mul(2),
            request_timeout: limits.request_timeout,
        }
    }
}

/// How far the conversation with the child has come.
#[derive(Debug, Clone)]
enum Phase {
    Starting,
    Ready(Arc<Initialized>),
    Ended(RpcError),
}

/// What the tasks share.
#[derive(Debug)]
struct Core {
    table: Mutex<Table>,
    phase: watch::Sender<Phase>,
    /// Ends all tasks.
    stop: CancellationToken,
    /// To the child; gone when the conversation is over.
    raw: Mutex<Option<ToServer>>,
    outbox: mpsc::Sender<Bytes>,
    terms: Terms,
    /// A call was cancelled, so the pump's timer may have to ring earlier.
    cancelled: Notify,
    counts: Counts,
}

/// What went astray, for status and logs.
#[derive(Debug, Default)]
struct Counts {
    called: AtomicU64,
    late: AtomicU64,
    stray: AtomicU64,
    answered_here: AtomicU64,
    cut: AtomicU64,
    list_changes: AtomicU64,
    heard: AtomicU64,
}

/// A look at the counters of a shared child.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SharedCounts {
    /// Clients that are there now.
    pub clients: usize,
    /// Calls in flight now.
    pub in_flight: usize,
    /// Calls of clients so far.
    pub called: u64,
    /// Answers and progress of the server for calls that are over; dropped.
    pub late: u64,
    /// Messages that belong nowhere (an answer to nothing, no JSON-RPC); dropped.
    pub stray: u64,
    /// Requests of the server that the gateway answered itself.
    pub answered_here: u64,
    /// Clients cut off because they took their messages too slowly.
    pub cut: u64,
    /// How often the server announced that its tools, prompts or resources are others now.
    pub list_changes: u64,
}

impl Shared {
    /// Begins to share `raw`, a conversation with a child that no client has talked to yet. The handshake begins at
    /// once; see [`ready`](Self::ready). Needs a tokio runtime.
    pub fn start(raw: Conversation) -> Arc<Self> {
        Self::open(raw, Opening::Initialize, Terms::usual())
    }

    /// As [`start`](Self::start), on these terms.
    pub(crate) fn start_on(raw: Conversation, terms: Terms) -> Arc<Self> {
        Self::open(raw, Opening::Initialize, terms)
    }

    /// As [`start`](Self::start), for a child that is to be spoken to in the modern way: one that does not take it ends
    /// the conversation, with the code [`LEGACY`] or [`SILENT`] or why the child ended.
    pub(crate) fn start_modern(raw: Conversation, terms: Terms) -> Arc<Self> {
        Self::open(raw, Opening::Discover, terms)
    }

    fn open(raw: Conversation, opening: Opening, terms: Terms) -> Arc<Self> {
        let (outbox, mail) = mpsc::channel(OUTBOX);
        // A network may say a whole connection twice, answers included: to the questions of another conversation they
        // must be none, or an echo would register in the place of the living tunnel. Whoever got here had randomness.
        let first = random::number().unwrap_or_default();
        let core = Arc::new(Core {
            table: Mutex::new(Table::after(first, terms.room)),
            phase: watch::Sender::new(Phase::Starting),
            stop: CancellationToken::new(),
            raw: Mutex::new(Some(raw.to_server.clone())),
            outbox,
            terms,
            cancelled: Notify::new(),
            counts: Counts::default(),
        });
        tokio::spawn(own::post(core.clone(), mail, raw.to_server));
        tokio::spawn(pump::run(core.clone(), raw.from_server));
        tokio::spawn(own::handshake(core.clone(), opening));
        Arc::new(Self { _stop: core.stop.clone().drop_guard(), core })
    }

    /// Waits for the end of the handshake, at most [`INITIALIZE_LIMIT`].
    ///
    /// # Errors
    /// Why there was none, or why the conversation has ended since.
    pub async fn ready(&self) -> Result<Arc<Initialized>, RpcError> {
        self.core.ready().await
    }

    /// A client's own conversation with the child. Dropping it cancels the client's calls.
    ///
    /// # Errors
    /// Why the conversation with the child has ended.
    pub fn attach(&self, user: User) -> Result<Conversation, RpcError> {
        let raw = self.core.raw().ok_or_else(|| self.core.why_ended())?;
        let (to_server, from_client) = queue::bounded(CONVERSATION_QUEUE);
        let (to_client, from_server) = queue::bounded(self.core.terms.backlog);
        let (id, cut) = self.core.table().join(to_client.clone());
        let place = self.core.terms.users.join(user);
        let client = client::Client { core: self.core.clone(), id, to_client, raw, _place: place };
        tokio::spawn(client.run(from_client, cut));
        Ok(Conversation::shared(to_server, from_server))
    }

    /// A call of the gateway's own, `tools/list` say: the `result`, raw. `params` is JSON.
    ///
    /// # Errors
    /// [`CallError`]; after `limit` the child is told that the call is cancelled.
    pub async fn request(&self, method: &str, params: Option<&str>, limit: Duration) -> Result<String, CallError> {
        self.core.request(method, params, limit).await
    }

    /// As [`request`](Self::request), with `params` exactly as given: on behalf of somebody with a `_meta` of their own.
    pub(crate) async fn request_as(&self, method: &str, params: &str, limit: Duration) -> Result<String, CallError> {
        self.core.request_as(method, params, limit).await
    }

    /// Passes on one message of somebody who holds no conversation. A request's answer comes back with the request's
    /// own id; `None` for what has no answer. `initialize` is answered from the one handshake.
    ///
    /// # Errors
    /// [`CallError`]; after `limit` the child is told that the call is cancelled.
    pub async fn relay(&self, message: &str, limit: Duration) -> Result<Option<Bytes>, CallError> {
        self.core.relay(message, limit).await
    }

    /// Bytes of the longest message that a client may send to it.
    pub(crate) fn takes(&self) -> usize {
        self.core.terms.max_message.saturating_sub(SPLICED)
    }

    /// Whether it takes no more calls of clients at present.
    pub(crate) fn is_full(&self) -> bool {
        self.core.table().is_full()
    }

    /// So many calls of clients come for it.
    pub(crate) fn called(&self, calls: usize) {
        self.core.counts.called.fetch_add(calls as u64, Ordering::Relaxed);
    }

    /// Ends the conversation with the child; `why` is what every waiting call is answered.
    pub fn end(&self, why: RpcError) {
        self.core.end(why);
    }

    /// Why the conversation with the child is over, if it is.
    pub(crate) fn why_closed(&self) -> Option<RpcError> {
        match &*self.core.phase.borrow() {
            Phase::Ended(why) => Some(why.clone()),
            Phase::Starting | Phase::Ready(_) => None,
        }
    }

    /// Completes when the conversation with the child is over, and says why.
    pub async fn closed(&self) -> RpcError {
        self.core.closed().await
    }

    /// The counters.
    pub fn counts(&self) -> SharedCounts {
        let (table, counts) = (self.core.table(), &self.core.counts);
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        SharedCounts {
            clients: table.clients(),
            in_flight: table.in_flight(),
            called: read(&counts.called),
            late: read(&counts.late),
            stray: read(&counts.stray),
            answered_here: read(&counts.answered_here),
            cut: read(&counts.cut),
            list_changes: read(&counts.list_changes),
        }
    }
}

/// Why a call of the gateway's own has no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The server answered with an error; its text is JSON.
    #[error("the server answered with an error: {0}")]
    Refused(String),
    /// No answer in time.
    #[error("the server did not answer within {} s", .0.as_secs())]
    Timeout(Duration),
    /// The conversation with the child is over, or it takes no more calls.
    #[error("{}", .0.message())]
    Ended(RpcError),
    /// What was to be passed on is no message that can be.
    #[error("not a message that can be passed on: {0}")]
    Malformed(culvert_protocol::message::Malformed),
}

impl Core {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn raw(&self) -> Option<ToServer> {
        self.raw.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn ready(&self) -> Result<Arc<Initialized>, RpcError> {
        let mut phase = self.phase.subscribe();
        let phase = phase.wait_for(|phase| !matches!(phase, Phase::Starting)).await;
        match phase.as_deref() {
            Ok(Phase::Ready(answer)) => Ok(answer.clone()),
            Ok(Phase::Ended(why)) => Err(why.clone()),
            Ok(Phase::Starting) | Err(_) => Err(gone()),
        }
    }

    /// How the child is spoken to, once that is settled.
    fn era(&self) -> Option<Era> {
        match &*self.phase.borrow() {
            Phase::Ready(answer) => Some(answer.era()),
            Phase::Starting | Phase::Ended(_) => None,
        }
    }

    async fn closed(&self) -> RpcError {
        let mut phase = self.phase.subscribe();
        let _ = phase.wait_for(|phase| matches!(phase, Phase::Ended(_))).await;
        self.why_ended()
    }

    fn why_ended(&self) -> RpcError {
        match &*self.phase.borrow() {
            Phase::Ended(why) => why.clone(),
            Phase::Starting | Phase::Ready(_) => gone(),
        }
    }

    /// Ends it all; the first reason stays.
    fn end(&self, why: RpcError) {
        let first = self.phase.send_if_modified(|phase| {
            let first = !matches!(phase, Phase::Ended(_));
            if first {
                *phase = Phase::Ended(why);
            }
            first
        });
        if first {
            self.raw.lock().unwrap_or_else(PoisonError::into_inner).take();
            self.table().forget_gateway_calls();
            self.stop.cancel();
        }
    }

    /// How many messages the child has sent so far.
    fn heard(&self) -> u64 {
        self.counts.heard.load(Ordering::Relaxed)
    }

    fn count(&self, which: impl FnOnce(&Counts) -> &AtomicU64) {
        which(&self.counts).fetch_add(1, Ordering::Relaxed);
    }
}

/// The reason when nobody gave a better one.
fn gone() -> RpcError {
    RpcError::tunnel("tunnel.closed", "the tunnel to the local server closed")
}
