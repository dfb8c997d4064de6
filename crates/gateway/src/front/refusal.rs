//! What the front refuses, with the status that the transport asks for and a JSON-RPC error as its body.

use std::time::Duration;

use culvert_protocol::message::Malformed;
use culvert_protocol::rpc_error::{
    INTERNAL_ERROR, INVALID_PARAMS, INVALID_REQUEST, METHOD_NOT_FOUND, PARSE_ERROR, RpcError,
};
use http::header::{ALLOW, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};

use super::calls::Refused;
use super::session::NotSent;
use super::sessions::NotBegun;
use crate::backend::OpenError;
use crate::conversation::{FULL, NOT_STARTED};
use crate::reply::{self, Body};

/// MCP 2026-07-28: headers and body of a request do not say the same.
const HEADER_MISMATCH: i32 = -32020;

/// When a client may try again what was refused for want of room.
const ROOM_RETRY: Duration = Duration::from_secs(5);

/// When a client may try again after a tunnel broke: it is on its way back.
const TUNNEL_RETRY: Duration = Duration::from_secs(2);

/// A refusal.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    error: RpcError,
    raw_id: Option<Box<str>>,
    retry_after: Option<Duration>,
    allow: &'static str,
}

impl Refusal {
    fn new(status: StatusCode, error: RpcError) -> Self {
        Self { status, error, raw_id: None, retry_after: None, allow: "POST, GET, DELETE" }
    }

    fn invalid(status: StatusCode, code: &'static str, message: &str) -> Self {
        Self::new(status, RpcError::new(INVALID_REQUEST, code, message))
    }

    fn after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// Says which request is refused.
    pub(super) fn of(mut self, raw_id: Option<&str>) -> Self {
        self.raw_id = raw_id.map(Into::into);
        self
    }

    pub(super) fn method() -> Self {
        Self::invalid(StatusCode::METHOD_NOT_ALLOWED, "http.method", "an MCP endpoint takes POST, GET and DELETE")
    }

    /// The one method that is taken here: in modern revisions of MCP, and by each end of the older HTTP+SSE transport.
    pub(super) fn only(method: &'static str) -> Self {
        let message = format!("here, this revision of MCP takes {method} only");
        Self { allow: method, ..Self::invalid(StatusCode::METHOD_NOT_ALLOWED, "http.method", &message) }
    }

    pub(super) fn address_without_session() -> Self {
        let message = "the address names no session; use the one that the stream's first event gave";
        Self::invalid(StatusCode::BAD_REQUEST, "session.missing", message)
    }

    /// The session of a stream is over with it.
    pub(super) fn stream_gone() -> Self {
        let message = "there is no such session (any more); open the stream anew";
        Self::invalid(StatusCode::NOT_FOUND, "session.unknown", message)
    }

    pub(super) fn not_acceptable(missing: &str) -> Self {
        let message = format!("the Accept header must list {missing}");
        Self::invalid(StatusCode::NOT_ACCEPTABLE, "http.accept", &message)
    }

    pub(super) fn media_type() -> Self {
        let message = "the Content-Type must be application/json";
        Self::invalid(StatusCode::UNSUPPORTED_MEDIA_TYPE, "http.content_type", message)
    }

    pub(super) fn too_large(limit: usize) -> Self {
        let message = format!("the message is larger than the {limit} bytes that this gateway takes");
        Self::invalid(StatusCode::PAYLOAD_TOO_LARGE, "message.too_large", &message)
    }

    pub(super) fn too_large_for_tunnel(limit: usize) -> Self {
        let message = format!("the message is larger than the {limit} bytes that the tunnel to this server takes");
        Self::invalid(StatusCode::PAYLOAD_TOO_LARGE, "message.too_large", &message)
    }

    pub(super) fn body(detail: &str) -> Self {
        let message = format!("the body could not be read: {detail}");
        Self::invalid(StatusCode::BAD_REQUEST, "http.body", &message)
    }

    pub(super) fn body_timeout() -> Self {
        Self::invalid(StatusCode::REQUEST_TIMEOUT, "http.body", "the body took too long to arrive")
    }

    pub(super) fn malformed(malformed: Malformed) -> Self {
        let number = if malformed == Malformed::NotJson { PARSE_ERROR } else { INVALID_REQUEST };
        let message = format!("the body is not a JSON-RPC message: {malformed}");
        Self::new(StatusCode::BAD_REQUEST, RpcError::new(number, "message.invalid", message))
    }

    pub(super) fn batch(message: &str) -> Self {
        Self::invalid(StatusCode::BAD_REQUEST, "message.batch", message)
    }

    pub(super) fn session_missing() -> Self {
        let message = "the Mcp-Session-Id header is missing; a session begins with initialize";
        Self::invalid(StatusCode::BAD_REQUEST, "session.missing", message)
    }

    pub(super) fn session_unknown() -> Self {
        let message = "there is no such session (any more); begin a new one with initialize";
        Self::invalid(StatusCode::NOT_FOUND, "session.unknown", message)
    }

    /// What the tunnel's end refused before anything was said: it takes no more sessions, or has no child for this one.
    pub(super) fn not_begun(why: &RpcError) -> Option<Self> {
        match why.code() {
            FULL => Some(Self::new(StatusCode::SERVICE_UNAVAILABLE, why.clone()).after(ROOM_RETRY)),
            NOT_STARTED => Some(Self::new(StatusCode::BAD_GATEWAY, why.clone())),
            _ => None,
        }
    }

    pub(super) fn initialized_already() -> Self {
        let message = "this session is initialized already; for a new one, send initialize without Mcp-Session-Id";
        Self::invalid(StatusCode::BAD_REQUEST, "session.initialized", message)
    }

    pub(super) fn version(version: &str) -> Self {
        let message = format!("the MCP-Protocol-Version {version:?} is not one that this session can speak");
        Self::invalid(StatusCode::BAD_REQUEST, "version.unsupported", &message)
    }

    /// Not one of the errors of the modern revisions, on purpose: clients that speak both then begin with `initialize`.
    pub(super) fn legacy_only() -> Self {
        let message = "this server speaks revisions of MCP up to 2025-11-25: begin with initialize";
        Self::invalid(StatusCode::BAD_REQUEST, "era.legacy", message)
    }

    /// What a modern client says in its headers is not what it says in the body.
    pub(super) fn header_mismatch(message: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, RpcError::new(HEADER_MISMATCH, "header.mismatch", message))
    }

    pub(super) fn invalid_params(message: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, RpcError::new(INVALID_PARAMS, "request.params", message))
    }

    pub(super) fn unknown_method(method: &str) -> Self {
        let message = format!("there is no method {method:?} in this revision of MCP");
        Self::new(StatusCode::NOT_FOUND, RpcError::new(METHOD_NOT_FOUND, "method.unknown", message))
    }

    /// The modern revisions have no requests of the server.
    pub(super) fn answer_to_nothing() -> Self {
        Self::invalid(StatusCode::BAD_REQUEST, "message.answer", "no request of the server waits for an answer")
    }

    /// The tunnel or the child behind it has just ended, or never was.
    pub(super) fn unreachable(why: &RpcError) -> Self {
        Self::not_begun(why).unwrap_or_else(|| Self::gone(why))
    }

    fn gone(why: &RpcError) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, why.clone()).after(TUNNEL_RETRY)
    }

    /// All who share the server's process have as many calls in flight there as it is given.
    pub(super) fn server_full() -> Self {
        let why = RpcError::tunnel("calls.too_many", "too many calls are in flight at this server");
        Self::new(StatusCode::TOO_MANY_REQUESTS, why).after(ROOM_RETRY)
    }

    pub(super) fn stream_taken() -> Self {
        let message = "this session has its GET stream open already; there is one at a time";
        Self::invalid(StatusCode::CONFLICT, "stream.taken", message)
    }

    pub(super) fn event_unknown() -> Self {
        let message = "the Last-Event-ID names no stream that can be resumed (any more)";
        Self::invalid(StatusCode::BAD_REQUEST, "stream.unknown", message)
    }

    pub(super) fn offline(retry_after: Duration) -> Self {
        let why = RpcError::tunnel("server.offline", "the server is known here, but no tunnel brings it at present");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, why).after(retry_after)
    }

    /// Its code.
    pub(super) fn code(&self) -> &'static str {
        self.error.code()
    }

    /// The whole response.
    pub(super) fn response(self) -> Response<Body> {
        let body = self.error.answer(self.raw_id.as_deref().unwrap_or("null"));
        let mut response = reply::json_text(self.status, body);
        let headers = response.headers_mut();
        if let Some(wait) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
        }
        if self.status == StatusCode::METHOD_NOT_ALLOWED {
            headers.insert(ALLOW, HeaderValue::from_static(self.allow));
        }
        response
    }
}

impl From<NotSent> for Refusal {
    fn from(not_sent: NotSent) -> Self {
        match not_sent {
            NotSent::Over => Self::session_unknown(),
            NotSent::Stalled => {
                let why = RpcError::tunnel("server.stalled", "the local server does not read its input");
                Self::new(StatusCode::SERVICE_UNAVAILABLE, why).after(ROOM_RETRY)
            }
            NotSent::Refused(Refused::Duplicate) => Self::invalid(
                StatusCode::BAD_REQUEST,
                "request.duplicate_id",
                "a request with this id is still in flight in this session",
            ),
            NotSent::Refused(Refused::TooMany) => {
                let why = RpcError::tunnel("calls.too_many", "too many calls are in flight in this session");
                Self::new(StatusCode::TOO_MANY_REQUESTS, why).after(ROOM_RETRY)
            }
        }
    }
}

impl From<NotBegun> for Refusal {
    fn from(not_begun: NotBegun) -> Self {
        match not_begun {
            NotBegun::TooMany => {
                let why = RpcError::tunnel("sessions.too_many", "this gateway has as many sessions as it takes");
                Self::new(StatusCode::SERVICE_UNAVAILABLE, why).after(ROOM_RETRY)
            }
            NotBegun::TooManyOfOne(limit) => {
                let words = format!("this subject has {limit} sessions already");
                Self::new(StatusCode::TOO_MANY_REQUESTS, RpcError::tunnel("limit.sessions", words)).after(ROOM_RETRY)
            }
            NotBegun::Closed(OpenError::Offline { retry_after }) => Self::offline(retry_after),
            NotBegun::Closed(OpenError::Ended(why)) => Self::unreachable(&why),
            NotBegun::NoRandomness => {
                let why = RpcError::new(INTERNAL_ERROR, "internal", "the system gives no random numbers");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, why)
            }
        }
    }
}
