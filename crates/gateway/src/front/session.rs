//! One MCP session of a legacy client: its conversation with the server, and the pump that hands out what comes back.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use culvert_link::queue;
use culvert_protocol::message::{self, Id, Message, Shape};
use culvert_protocol::rpc_error::RpcError;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout};

use super::calls::{Calls, Due, NewCall, Patience, Refused};
use super::sessions::{SessionId, Sessions};
use super::stream::{Kind, Listening, Pushed, Stream, StreamId};
use super::{Counts, Limits};
use crate::backend::{Caller, Identity};
use crate::conversation::Conversation;
use crate::progress::{self, PROGRESS};

/// How long a client may leave its stream unread while more waits than a stream holds. Then its connection is given
/// up; what it missed stays to be resumed, within bounds.
const STALL: Duration = Duration::from_secs(30);

/// See the head of this file.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) id: SessionId,
    owner: Caller,
    tunnel: Identity,
    limits: Limits,
    counts: Arc<Counts>,
    to_server: queue::Sender<Bytes>,
    general: Arc<Stream>,
    state: Mutex<State>,
    /// The pump's timer may have to ring earlier, or the session is to end.
    wake: Notify,
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

/// Why a message did not reach the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NotSent {
    /// The session is over: the client is to begin a new one.
    Over,
    /// Calls that cannot be taken.
    Refused(Refused),
}

impl Session {
    /// Begins a session and its pump.
    pub(super) fn start(
        id: SessionId,
        owner: Caller,
        tunnel: Identity,
        conversation: Conversation,
        sessions: Arc<Sessions>,
    ) -> Arc<Self> {
        let now = Instant::now();
        let limits = sessions.limits;
        let session = Arc::new(Self {
            id,
            owner,
            tunnel,
            limits,
            counts: sessions.counts.clone(),
            to_server: conversation.to_server,
            general: Stream::general(),
            state: Mutex::new(State {
                calls: Calls::default(),
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
        self.owner == *caller && backend.is(&self.tunnel)
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
        let entered = Entered { session: self, stream: stream.id, sent: false };
        let listening = stream.listen(None);
        for message in messages {
            self.send(message).await?;
        }
        entered.keep();
        Ok(Listener { listening, session: self.clone() })
    }

    /// Sends a message that has no answer.
    ///
    /// # Errors
    /// [`NotSent::Over`].
    pub(super) async fn send(&self, message: Bytes) -> Result<(), NotSent> {
        let message = match self.to_server.try_send(message) {
            Ok(()) => return Ok(()),
            Err(queue::Refused::Gone(_)) => return Err(NotSent::Over),
            Err(queue::Refused::Full(message)) => message,
        };
        self.to_server.send(message).await.map_err(|queue::Gone| NotSent::Over)
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
        if let Some(until) = id.and_then(|id| state.calls.cancel(&id, now)) {
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
            other => self.state().calls.resumable(other)?,
        };
        Some(Listener { listening: stream.listen(Some(after)), session: self.clone() })
    }

    /// Ends the session, for the first reason given.
    pub(super) fn end(&self, why: RpcError) {
        self.state().ended.get_or_insert(why);
        self.wake.notify_one();
    }

    fn patience(&self) -> Patience {
        Patience { call: self.limits.request_timeout, hold: self.limits.hold }
    }

    /// Makes the pump's timer ring at `due` if it would later.
    fn ring_by(&self, state: &mut State, due: Instant) {
        if due < state.rings {
            state.rings = due;
            self.wake.notify_one();
        }
    }

    /// Hands out what the server says until the session is over.
    async fn pump(self: Arc<Self>, mut from_server: queue::Receiver<Bytes>, sessions: Arc<Sessions>) {
        let mut timer = std::pin::pin!(sleep_until(self.state().rings));
        let why = loop {
            if let Some(why) = self.state().ended.clone() {
                break why;
            }
            tokio::select! {
                biased;
                () = self.wake.notified() => timer.as_mut().reset(self.state().rings),
                line = from_server.recv() => match line {
                    Some(line) => self.heard(line.item).await,
                    None => break RpcError::tunnel("tunnel.closed", "the tunnel to the local server closed"),
                },
                () = &mut timer => {
                    self.time_passed();
                    timer.as_mut().reset(self.state().rings);
                }
            }
        };
        drop(from_server);
        sessions.remove(self.id);
        let calls = {
            let mut state = self.state();
            state.ended.get_or_insert_with(|| why.clone());
            state.calls.drain()
        };
        for (raw_id, stream) in calls {
            stream.push(why.answer(&raw_id).into(), Kind::Answer);
        }
        self.general.finish();
        tracing::debug!(code = why.code(), "an MCP session ended");
    }

    /// One message of the server.
    async fn heard(&self, line: Bytes) {
        let Some((stream, kind)) = self.place(&line) else { return };
        let answers = kind == Kind::Answer;
        match stream.push(line, kind) {
            Pushed::Taken => {}
            Pushed::Behind => self.wait_for_room(&stream).await,
            Pushed::Dropped(kinds) => {
                self.counts.dropped(kinds.len());
                tracing::warn!(
                    messages = kinds.len(),
                    "nobody reads a session's stream; its oldest messages are dropped"
                );
                for kind in kinds {
                    if let Kind::Asked(raw_id) = kind {
                        let why = RpcError::tunnel("client.absent", "the client did not fetch this request");
                        let _ = self.to_server.try_send(why.answer(&raw_id).into());
                    }
                }
            }
            Pushed::Unread => self.counts.late(),
        }
        if answers && stream.is_finished() {
            let now = Instant::now();
            let mut state = self.state();
            state.used = now;
            state.calls.finished(&stream, now);
        }
    }

    /// Waits for a client that is behind: a slow side slows the other. Not for ever, and not beyond the session's end.
    async fn wait_for_room(&self, stream: &Arc<Stream>) {
        let room = timeout(STALL, stream.room());
        let ended = async {
            loop {
                self.wake.notified().await;
                if self.state().ended.is_some() {
                    return;
                }
            }
        };
        tokio::select! {
            room = room => if room.is_err() {
                tracing::warn!("a client has stopped reading its stream; its connection is given up");
                stream.cut();
            },
            () = ended => {}
        }
        // The pump's own loop looks again at what it may have been woken for meanwhile.
        self.wake.notify_one();
    }

    /// Where a message of the server goes: an answer to its POST, progress to the POST that it is about, the rest to the
    /// only POST in flight, else to the GET stream, where it waits if nobody listens. A request of the server rather
    /// goes to any POST in flight than wait for a GET that may never come: somebody waits for its answer.
    fn place(&self, line: &Bytes) -> Option<(Arc<Stream>, Kind)> {
        let message = std::str::from_utf8(line).ok().and_then(|text| Message::parse(text).ok());
        let Some(message) = message else {
            tracing::debug!(bytes = line.len(), "what the server sent is no JSON-RPC message; skipped");
            self.counts.late();
            return None;
        };
        let mut state = self.state();
        let kind = match message.shape() {
            Shape::Response(id) => {
                let Some(stream) = state.calls.answered(id) else {
                    self.counts.late();
                    return None;
                };
                if stream.id == StreamId::INITIALIZE {
                    state.initialized(&message);
                }
                return Some((stream, Kind::Answer));
            }
            Shape::Request(_) => Kind::Asked(message.raw_id().unwrap_or("null").into()),
            Shape::Notification => Kind::Told,
        };
        if kind == Kind::Told && message.method() == PROGRESS {
            let owner = progress::carried(&message)
                .and_then(|(_, token)| state.calls.progressed(&token, self.patience(), Instant::now()));
            if let Some(stream) = owner {
                return Some((stream, kind));
            }
        }
        let stream = state.calls.only_post().or_else(|| {
            let waits = matches!(kind, Kind::Asked(_)) && !self.general.has_listener();
            if waits { state.calls.oldest_post() } else { None }
        });
        Some((stream.unwrap_or_else(|| self.general.clone()), kind))
    }

    /// The timer rang: what is due, and when it is to ring next.
    fn time_passed(&self) {
        let now = Instant::now();
        let mut state = self.state();
        for due in state.calls.due(now) {
            match due {
                Due::Held(stream) => stream.stop_holding(),
                Due::TimedOut { raw_id, stream } => {
                    let limit = self.limits.request_timeout.as_secs();
                    let why =
                        RpcError::tunnel("call.timeout", format!("the local server did not answer within {limit} s"));
                    let cancel = format!(
                        r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{raw_id},"reason":"no answer within {limit} s"}}}}"#
                    );
                    if self.to_server.try_send(cancel.into()).is_err() {
                        tracing::debug!("the server takes no messages; it was not told of a call given up");
                    }
                    self.answer_here(&mut state, &stream, &why, &raw_id, now);
                }
                Due::Cancelled { raw_id, stream } => {
                    let why = RpcError::tunnel("call.cancelled", "the call was cancelled");
                    self.answer_here(&mut state, &stream, &why, &raw_id, now);
                }
            }
        }
        let idle_at = if state.calls.is_busy() || self.general.has_listener() {
            now + self.limits.idle
        } else {
            state.used + self.limits.idle
        };
        if idle_at <= now {
            let why = RpcError::tunnel("session.idle", "the session ended: it was not used for long");
            state.ended.get_or_insert(why);
        }
        state.rings = state.calls.next_due().map_or(idle_at, |due| due.min(idle_at));
    }

    fn answer_here(&self, state: &mut State, stream: &Arc<Stream>, why: &RpcError, raw_id: &str, now: Instant) {
        stream.push(why.answer(raw_id).into(), Kind::Answer);
        if stream.is_finished() {
            state.calls.finished(stream, now);
        }
    }
}

impl State {
    /// The server has answered to `initialize`: the session has a revision now, or is over.
    fn initialized(&mut self, answer: &Message<'_>) {
        let version = answer.result().and_then(|result| message::member(result, "protocolVersion").ok()?);
        self.version = version.and_then(|version| serde_json::from_str(version.get()).ok());
        if self.version.is_none() {
            self.ended = Some(RpcError::tunnel("session.refused", "the server refused to initialize"));
        }
    }
}

/// Calls that are entered and may not have reached the server yet: the POST's client can go away in between.
struct Entered<'s> {
    session: &'s Session,
    stream: StreamId,
    sent: bool,
}

impl Entered<'_> {
    fn keep(mut self) {
        self.sent = true;
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        if !self.sent {
            self.session.state().calls.withdraw(self.stream);
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
    }
}
