//! The session's pump: hands out what the server says, keeps the time, and cleans up at the end.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use culvert_protocol::message::{self, Message, Shape};
use culvert_protocol::rpc_error::RpcError;
use tokio::time::{Instant, sleep_until, timeout};

use super::super::calls::{Answered, Due, Past};
use super::super::counts::Outcome;
use super::super::sessions::Sessions;
use super::super::stream::{Kind, Pushed, Stream, StreamId};
use super::{Session, State};
use crate::audit::code_of;
use crate::conversation::FromServer;
use crate::progress::{self, PROGRESS};

/// How long a client may leave its stream unread while more waits than a stream holds. Then its connection is given
/// up; what it missed stays to be resumed, within bounds.
const STALL: Duration = Duration::from_secs(30);

impl Session {
    /// Hands out what the server says until the session is over.
    pub(super) async fn pump(self: Arc<Self>, mut from_server: FromServer, sessions: Arc<Sessions>) {
        let mut timer = std::pin::pin!(sleep_until(self.state().rings));
        let why = loop {
            if let Some(why) = self.state().ended.clone() {
                break why;
            }
            tokio::select! {
                biased;
                () = self.wake.notified() => timer.as_mut().reset(self.state().rings),
                line = from_server.recv() => match line {
                    Some(line) => self.heard(line).await,
                    None => break from_server.why_ended(),
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
            state.calls.drain(Instant::now())
        };
        for (raw_id, Answered { stream, past, was_cancelled }) in calls {
            let outcome = if was_cancelled { Outcome::Cancelled } else { Outcome::Unanswered };
            self.ended_call(&past, outcome, None, 0);
            stream.push(why.answer(&raw_id).into(), Kind::Answer);
        }
        self.general.finish();
        self.over.cancel();
        tracing::debug!(code = why.code(), "an MCP session ended");
    }

    /// One message of the server.
    async fn heard(&self, line: Bytes) {
        let now = Instant::now();
        let Some((stream, kind)) = self.place(&line, now) else { return };
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
            let mut state = self.state();
            state.used = now;
            state.calls.posts.finished(&stream, now);
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

    /// Where a message of the server goes: an answer to its POST, progress to the POST that it is about, a change that no
    /// call is about to the GET stream if somebody listens there, the rest to the only POST in flight, else to the GET
    /// stream, where it waits if nobody listens. A request of the server rather goes to any POST in flight than wait for
    /// a GET that may never come: somebody waits for its answer.
    fn place(&self, line: &Bytes, now: Instant) -> Option<(Arc<Stream>, Kind)> {
        let message = std::str::from_utf8(line).ok().and_then(|text| Message::parse(text).ok());
        let Some(message) = message else {
            tracing::debug!(bytes = line.len(), "what the server sent is no JSON-RPC message; skipped");
            self.counts.late();
            return None;
        };
        let mut state = self.state();
        let kind = match message.shape() {
            Shape::Response(id) => {
                let Some(Answered { stream, past, was_cancelled }) = state.calls.answered(id, now) else {
                    self.counts.late();
                    return None;
                };
                let outcome = match message.error() {
                    _ if was_cancelled => Outcome::Cancelled,
                    Some(_) => Outcome::Error,
                    None => Outcome::Result,
                };
                self.ended_call(&past, outcome, past.trail.as_ref().and_then(|_| code_of(&message)), line.len());
                if stream.id == StreamId::INITIALIZE {
                    state.initialized(&message);
                }
                return Some((stream, Kind::Answer));
            }
            Shape::Request(_) => Kind::Asked(message.raw_id().unwrap_or("null").into()),
            Shape::Notification => Kind::Told,
        };
        if kind == Kind::Told && message.method() == PROGRESS {
            let owner =
                progress::carried(&message).and_then(|(_, token)| state.calls.progressed(&token, self.patience(), now));
            if let Some(stream) = owner {
                return Some((stream, kind));
            }
        }
        // On a POST it would make a stream of what could be plain JSON, and some clients limit what a stream may bring.
        if kind == Kind::Told && concerns_no_call(&message.method()) && self.general.has_listener() {
            return Some((self.general.clone(), kind));
        }
        let stream = state.calls.posts.only().or_else(|| {
            let waits = matches!(kind, Kind::Asked(_)) && !self.general.has_listener();
            if waits { state.calls.posts.oldest() } else { None }
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
                Due::TimedOut { raw_id, stream, past } => {
                    self.ended_call(&past, Outcome::Unanswered, None, 0);
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
                Due::Cancelled { raw_id, stream, past } => {
                    self.ended_call(&past, Outcome::Cancelled, None, 0);
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

    /// A call is over: it is counted, and told where that is wanted.
    fn ended_call(&self, past: &Past, outcome: Outcome, code: Option<i64>, bytes: usize) {
        self.counts.ended(past.method, outcome, past.took);
        if let Some(trail) = &past.trail {
            trail.end(outcome.word(), code, past.took, bytes);
        }
    }

    fn answer_here(&self, state: &mut State, stream: &Arc<Stream>, why: &RpcError, raw_id: &str, now: Instant) {
        stream.push(why.answer(raw_id).into(), Kind::Answer);
        if stream.is_finished() {
            state.calls.posts.finished(stream, now);
        }
    }
}

/// Whether a notification tells of the server as a whole: messages on a POST should be about its request.
fn concerns_no_call(method: &str) -> bool {
    method == "notifications/resources/updated"
        || method.strip_prefix("notifications/").is_some_and(|rest| rest.ends_with("/list_changed"))
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
