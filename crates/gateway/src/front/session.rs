//! One MCP session of a legacy client: its conversation with the server, and the pump that hands out what comes back.

mod pump;

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use culvert_link::queue;
use culvert_protocol::message::{Id, Message};
use culvert_protocol::rpc_error::RpcError;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::Limits;
use super::calls::{CANCEL_LINGER, Calls, NewCall, Patience, Refused, Room, SHARED_MARGIN};
use super::counts::Counts;
use super::sessions::{SessionId, Sessions};
use super::stream::{Listening, Stream, StreamId};
use crate::backend::{Caller, Identity};
use crate::conversation::{Conversation, ToServer};

/// How a session's client gets what the server says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Streamable HTTP: answers come with their POSTs.
    Streamable,
    /// HTTP+SSE: all comes on one stream, and the session ends with it.
    OneStream,
}

/// See the head of this file.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) id: SessionId,
    pub(super) form: Form,
    owner: Caller,
    tunnel: Identity,
    limits: Limits,
    counts: Arc<Counts>,
    to_server: ToServer,
    general: Arc<Stream>,
    state: Mutex<State>,
    /// The pump's timer may have to ring earlier, or the session is to end.
    wake: Notify,
    /// Cancelled when the pump has stopped.
    over: CancellationToken,
}

#[derive(Debug)]
struct State {
    calls: Calls,
    /// As the server answered to `initialize`.
    version: Option<Box<str>>,
    used: Instant,
    /// When the pump's timer rings.
    rings: Instant,
    ended: Option<RpcError>,
}

/// What is on its way in a session.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    /// Calls that are not over.
    pub(super) in_flight: usize,
    /// Bytes that wait for the server.
    pub(super) to_server: usize,
    /// Bytes that wait for the client to read them.
    pub(super) to_client: usize,
}

/// Why a message did not reach the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NotSent {
    /// The session is over: the client is to begin a new one.
    Over,
    /// The server has taken no message for as long as a call may last.
    Stalled,
    /// Calls that cannot be taken.
    Refused(Refused),
}

impl Session {
    /// Begins a session and its pump.
    pub(super) fn start(
        id: SessionId,
        form: Form,
        owner: Caller,
        tunnel: Identity,
        conversation: Conversation,
        sessions: Arc<Sessions>,
    ) -> Arc<Self> {
        let now = Instant::now();
        let limits = sessions.limits;
        let session = Arc::new(Self {
            id,
            form,
            owner,
            tunnel,
            limits,
            counts: sessions.counts.clone(),
            to_server: conversation.to_server,
            general: match form {
                Form::Streamable => Stream::general(limits.backlog),
                Form::OneStream => Stream::only(limits.backlog),
            },
            over: CancellationToken::new(),
            state: Mutex::new(State {
                calls: Calls::new(Room { calls: limits.session_calls, backlog: limits.backlog }),
                version: None,
                used: now,
                rings: now + limits.idle,
                ended: None,
            }),
            wake: Notify::new(),
        });
        tokio::spawn(session.clone().pump(conversation.from_server, sessions));
        session
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it is this caller's, on this very tunnel.
    pub(super) fn belongs(&self, caller: &Caller, backend: &crate::backend::Backend) -> bool {
        self.owner.subject == caller.subject && backend.is(&self.tunnel)
    }

    /// Whether it is this subject's.
    pub(super) fn is_of(&self, subject: &str) -> bool {
        self.owner.subject == subject
    }

    /// The revision that the server agreed to; `None` before it did.
    pub(super) fn version(&self) -> Option<Box<str>> {
        self.state().version.clone()
    }

    /// Sends the calls of one POST, and whatever came with them, to the server.
    ///
    /// # Errors
    /// [`NotSent`]: then nobody will answer them.
    pub(super) async fn call(
        self: &Arc<Self>,
        calls: Vec<NewCall>,
        messages: impl IntoIterator<Item = Bytes>,
    ) -> Result<Listener, NotSent> {
        let stream = {
            let mut state = self.state();
            if state.ended.is_some() {
                return Err(NotSent::Over);
            }
            let now = Instant::now();
            state.used = now;
            let stream = state.calls.begin(calls, self.patience(), now).map_err(NotSent::Refused)?;
            self.ring_by(&mut state, now + self.limits.hold.min(self.limits.request_timeout));
            stream
        };
        let entered = Entered { session: self, calls: Of::Post(stream.id), sent: false };
        let listening = stream.listen(None);
        for message in messages {
            match self.send(message).await {
                // The calls' time is over as well: the pump answers them.
                Err(NotSent::Stalled) => break,
                sent => sent?,
            }
        }
        entered.keep();
        Ok(Listener { listening, session: self.clone() })
    }

    /// Sends a call whose answer is to come on the session's one stream.
    ///
    /// # Errors
    /// [`NotSent`]: then nobody will answer it.
    pub(super) async fn ask(&self, call: NewCall, message: Bytes) -> Result<(), NotSent> {
        let id = call.id.clone();
        {
            let mut state = self.state();
            if state.ended.is_some() {
                return Err(NotSent::Over);
            }
            let now = Instant::now();
            state.used = now;
            state.calls.join(call, &self.general, self.patience(), now).map_err(NotSent::Refused)?;
            self.ring_by(&mut state, now + self.limits.request_timeout);
        }
        let entered = Entered { session: self, calls: Of::Call(id), sent: false };
        match self.send(message).await {
            // As in `call`.
            Ok(()) | Err(NotSent::Stalled) => entered.keep(),
            Err(not_sent) => return Err(not_sent),
        }
        Ok(())
    }

    /// Sends a message that has no answer. One that the server does not take waits as long as a call may last.
    ///
    /// # Errors
    /// [`NotSent::Over`], [`NotSent::Stalled`].
    pub(super) async fn send(&self, message: Bytes) -> Result<(), NotSent> {
        let message = match self.to_server.try_send(message) {
            Ok(()) => return Ok(()),
            Err(queue::Refused::Gone(_)) => return Err(NotSent::Over),
            Err(queue::Refused::Full(message)) => message,
        };
        match timeout(self.limits.request_timeout, self.to_server.send(message)).await {
            Ok(sent) => sent.map_err(|queue::Gone| NotSent::Over),
            Err(_) => Err(NotSent::Stalled),
        }
    }

    /// Notes what a client's notification means for its calls. It goes to the server all the same.
    pub(super) fn note(&self, notification: &Message<'_>) {
        let now = Instant::now();
        let mut state = self.state();
        state.used = now;
        if notification.method() != "notifications/cancelled" {
            return;
        }
        let id = notification.param(&["requestId"]).ok().flatten().and_then(|id| Id::of(id).ok());
        if let Some(until) = id.and_then(|id| state.calls.cancel(&id, self.patience(), now)) {
            self.ring_by(&mut state, until);
        }
    }

    /// The stream of whatever belongs to no POST; `None` when somebody listens to it already.
    pub(super) fn listen(self: &Arc<Self>) -> Option<Listener> {
        let _one_at_a_time = self.state();
        (!self.general.has_listener()).then(|| Listener { listening: self.general.listen(None), session: self.clone() })
    }

    /// A stream again after the event that the client saw last; `None` when there is no such stream (any more).
    pub(super) fn resume(self: &Arc<Self>, stream: StreamId, after: u64) -> Option<Listener> {
        let stream = match stream {
            StreamId::GENERAL => self.general.clone(),
            other => self.state().calls.posts.resumable(other)?,
        };
        Some(Listener { listening: stream.listen(Some(after)), session: self.clone() })
    }

    /// What is on its way.
    pub(super) fn load(&self) -> Load {
        let (in_flight, posts) = self.state().calls.load();
        Load { in_flight, to_server: self.to_server.used(), to_client: posts + self.general.waiting() }
    }

    /// Since when nobody uses it; `None` while a call is in flight or a stream is open: somebody is there.
    pub(super) fn unused_since(&self) -> Option<Instant> {
        let state = self.state();
        let is_used = state.ended.is_some() || state.calls.is_busy() || self.general.has_listener();
        (!is_used).then_some(state.used)
    }

    /// Completes when the session is over and all its calls are answered.
    pub(super) async fn ended(&self) {
        self.over.cancelled().await;
    }

    /// Why the session is over, if it is.
    pub(super) fn why_ended(&self) -> Option<RpcError> {
        self.state().ended.clone()
    }

    /// Ends the session, for the first reason given.
    pub(super) fn end(&self, why: RpcError) {
        self.state().ended.get_or_insert(why);
        self.wake.notify_one();
    }

    fn patience(&self) -> Patience {
        let margin = if matches!(self.tunnel, Identity::Shared(_)) { SHARED_MARGIN } else { Duration::ZERO };
        Patience { call: self.limits.request_timeout, hold: self.limits.hold, linger: CANCEL_LINGER + margin }
    }

    /// Makes the pump's timer ring at `due` if it would later.
    fn ring_by(&self, state: &mut State, due: Instant) {
        if due < state.rings {
            state.rings = due;
            self.wake.notify_one();
        }
    }
}

/// Calls that are entered and may not have reached the server yet: the POST's client can go away in between.
struct Entered<'s> {
    session: &'s Session,
    calls: Of,
    sent: bool,
}

/// Which calls.
enum Of {
    Post(StreamId),
    Call(Id),
}

impl Entered<'_> {
    fn keep(mut self) {
        self.sent = true;
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        if !self.sent {
            let mut state = self.session.state();
            match &self.calls {
                Of::Post(stream) => state.calls.withdraw(*stream),
                Of::Call(id) => state.calls.leave(id),
            }
        }
    }
}

/// Somebody who reads a stream of a session. While there is one, the session is in use.
#[derive(Debug)]
pub(super) struct Listener {
    listening: Listening,
    session: Arc<Session>,
}

impl Deref for Listener {
    type Target = Listening;

    fn deref(&self) -> &Listening {
        &self.listening
    }
}

impl DerefMut for Listener {
    fn deref_mut(&mut self) -> &mut Listening {
        &mut self.listening
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.session.state().used = Instant::now();
        if self.session.form == Form::OneStream {
            self.session.end(RpcError::tunnel("session.ended", "the client closed the session's stream"));
        }
    }
}
