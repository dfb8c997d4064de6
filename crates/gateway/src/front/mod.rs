//! The HTTP front of one server: MCP's Streamable HTTP as revisions 2024-11-05 to 2025-11-25 have it, and in [`modern`]
//! as 2026-07-28 does; in [`one_stream`] the transport before it.
//!
//! A session is a conversation with the server. A POST is held until the first message for it: its answer becomes one
//! JSON body, anything else a stream of events that ends with the answer. Progress goes to the POST that it is about;
//! what belongs to no POST to the only one in flight, else to the GET stream, where it waits if nobody listens; nothing
//! goes to two places. A client that goes away has not cancelled anything. Messages pass as the bytes that they are, but
//! for line breaks between tokens.
//!
//! It knows neither bearers nor links: who calls, and which server is meant, is settled before.

mod body;
mod calls;
mod counts;
mod headers;
mod listen;
mod modern;
mod one_stream;
mod post;
mod refusal;
mod session;
mod sessions;
mod sse;
mod stream;
#[cfg(test)]
mod tests;

use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use culvert_audit::Log;
use culvert_protocol::limits::MAX_MESSAGE_DEFAULT;
use culvert_protocol::message::Message;
use culvert_protocol::rpc_error::RpcError;
use culvert_protocol::tally::Method;
use http::{Request, Response};
use hyper::body::Body as HttpBody;

use crate::audit::{self, Trail, code_of};
use crate::backend::{Backend, Caller};
use crate::reply::Body;
use crate::shared::{CallError, Room, Terms};
pub use counts::{CallCounts, MethodCounts};
use counts::{Counts, Outcome};
use modern::Children;
use refusal::Refusal;
use sessions::Sessions;

/// What bounds the front.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a POST's body.
    pub max_body: usize,
    /// Sessions at once, all servers together.
    pub max_sessions: usize,
    /// Sessions of one subject at once, all servers together.
    pub subject_sessions: usize,
    /// Calls of one session that may be in flight, and messages of one batch.
    pub session_calls: usize,
    /// Calls that may be in flight at one process of a server, of all that share it.
    pub shared_calls: usize,
    /// Bytes that may wait on each stream of a session for a client that does not read; and that are kept of streams
    /// that are over.
    pub backlog: usize,
    /// How long a POST's body may take to arrive.
    pub arrival: Duration,
    /// A session without a call or an open stream ends after this time.
    pub idle: Duration,
    /// Where a tunnel takes no more sessions, one that nobody has used for this time makes room for another of the same
    /// subject.
    pub abandoned: Duration,
    /// A call without an answer or progress for this time is cancelled, and its caller gets an error.
    pub request_timeout: Duration,
    /// A stream says something at least this often, so that proxies keep it open.
    pub keep_alive: Duration,
    /// A POST is held for its first message at most this long; then it becomes a stream. Not short: some clients take
    /// larger answers as JSON than as an event.
    pub hold: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_body: MAX_MESSAGE_DEFAULT,
            max_sessions: 4096,
            subject_sessions: 1024,
            session_calls: 1024,
            shared_calls: 8192,
            backlog: 1024 * 1024,
            arrival: Duration::from_secs(60),
            idle: Duration::from_secs(10 * 60),
            abandoned: Duration::from_secs(2 * 60),
            request_timeout: Duration::from_secs(300),
            keep_alive: Duration::from_secs(15),
            hold: Duration::from_secs(30),
        }
    }
}

impl Limits {
    /// On what terms a process is shared.
    fn terms(&self) -> Terms {
        Terms {
            room: Room { of_one: self.session_calls, of_all: self.shared_calls },
            backlog: self.max_body.saturating_mul(2),
            request_timeout: self.request_timeout,
            ..Terms::usual()
        }
    }
}

/// A look at the front's counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FrontCounts {
    /// Sessions that are open now.
    pub sessions: usize,
    /// Principals whose modern requests have a child now, or had one a short while ago.
    pub principals: usize,
    /// Messages of servers that nobody waited for (any more): late answers, and what is no message.
    pub late: u64,
    /// Messages dropped because a session's stream was not read and too much waited.
    pub dropped: u64,
    /// Calls that are not over.
    pub in_flight: usize,
    /// Bytes that wait for servers, in all sessions together.
    pub queued_to_servers: usize,
    /// Bytes that wait for clients to read them, in all sessions together.
    pub queued_to_clients: usize,
}

/// See the head of this file.
#[derive(Debug)]
pub struct Front {
    sessions: Arc<Sessions>,
    children: Arc<Children>,
    audit: Option<Arc<Log>>,
}

impl Front {
    /// A front without sessions; its calls are told to `audit`, if there is one.
    pub fn new(limits: Limits, audit: Option<Arc<Log>>) -> Self {
        let counts = Arc::<Counts>::default();
        let sessions = Arc::new(Sessions::new(limits, counts.clone()));
        Self { sessions, children: Children::new(limits, counts), audit }
    }

    /// What will be told of a request, if anything is.
    fn trail(&self, caller: &Caller, request: &Message<'_>) -> Option<Box<Trail>> {
        Trail::of(self.audit.as_ref(), caller, request)
    }

    /// Answers one HTTP request to the MCP endpoint of `backend`. `caller` has been let in already.
    pub async fn handle<B>(&self, request: Request<B>, backend: &Backend, caller: Caller) -> Response<Body>
    where
        B: HttpBody<Data = Bytes>,
        B::Error: Display,
    {
        let told = self.audit.as_ref().map(|_| caller.clone());
        let answered = self.try_handle(request, backend, caller).await;
        answered.unwrap_or_else(|refusal| self.refused(refusal, told.as_ref()))
    }

    async fn try_handle<B>(
        &self,
        request: Request<B>,
        backend: &Backend,
        caller: Caller,
    ) -> Result<Response<Body>, Refusal>
    where
        B: HttpBody<Data = Bytes>,
        B::Error: Display,
    {
        let (head, body) = request.into_parts();
        if ![http::Method::POST, http::Method::GET, http::Method::DELETE].contains(&head.method) {
            return Err(Refusal::method());
        }
        // Before the session is looked for: the session is gone with its tunnel, but a 404 would say that the server is.
        if let Backend::Offline { retry_after } = backend {
            let refusal = Refusal::offline(*retry_after);
            return Err(match head.method {
                http::Method::POST => body::refused(body, &self.sessions.limits, refusal).await,
                _ => refusal,
            });
        }
        // The modern revisions know neither, and no session that would need them.
        if head.method != http::Method::POST && modern::is_meant(&head.headers) {
            return Err(Refusal::only("POST"));
        }
        match head.method {
            http::Method::GET => listen::get(self, &head, backend, &caller),
            http::Method::DELETE => listen::delete(self, &head, backend, &caller),
            _ => post::post(self, head, body, backend, caller).await,
        }
    }

    /// Ends all sessions; their calls in flight are answered with `why`.
    pub fn end(&self, why: &RpcError) {
        self.sessions.end_all(why);
        self.children.end_all(why);
    }

    /// The counters.
    pub fn counts(&self) -> FrontCounts {
        let counts = &self.sessions.counts;
        let mut seen = FrontCounts {
            principals: self.children.len(),
            late: counts.late.load(Ordering::Relaxed) + self.children.late(),
            dropped: counts.dropped.load(Ordering::Relaxed),
            in_flight: self.children.in_use(),
            ..FrontCounts::default()
        };
        for session in self.sessions.all() {
            let load = session.load();
            seen.sessions += 1;
            seen.in_flight += load.in_flight;
            seen.queued_to_servers += load.to_server;
            seen.queued_to_clients += load.to_client;
        }
        seen
    }

    /// What bounds it.
    pub(crate) fn limits(&self) -> Limits {
        self.sessions.limits
    }

    /// The calls and refusals so far.
    pub fn calls(&self) -> CallCounts {
        self.sessions.counts.calls()
    }

    /// A message was passed on beside all sessions, with this outcome.
    pub(crate) fn relayed(
        &self,
        caller: &Caller,
        text: &str,
        outcome: &Result<Option<Bytes>, CallError>,
        took: Duration,
    ) {
        let Ok(message) = Message::parse(text) else { return };
        let (mut code, mut bytes) = (None, 0);
        let outcome = match outcome {
            Ok(Some(answer)) => {
                let answer = std::str::from_utf8(answer).ok().and_then(|text| Message::parse(text).ok());
                (code, bytes) = answer.as_ref().map_or((None, 0), |answer| (code_of(answer), answer.text().len()));
                if answer.is_some_and(|answer| answer.error().is_some()) { Outcome::Error } else { Outcome::Result }
            }
            Err(CallError::Refused(_)) => Outcome::Error,
            Err(CallError::Timeout(_) | CallError::Ended(_)) => Outcome::Unanswered,
            Ok(None) | Err(CallError::Malformed(_)) => return,
        };
        self.sessions.counts.ended(Method::of(&message.method()), outcome, took);
        if let Some(trail) = self.trail(caller, &message) {
            trail.end(outcome.word(), code, took, bytes);
        }
    }

    fn refused(&self, refusal: Refusal, caller: Option<&Caller>) -> Response<Body> {
        if let (Some(audit), Some(caller)) = (&self.audit, caller) {
            audit::denied(audit, &caller.subject, caller.server.as_deref(), refusal.code());
        }
        self.sessions.counts.refusals.count(refusal.code());
        refusal.response()
    }
}
