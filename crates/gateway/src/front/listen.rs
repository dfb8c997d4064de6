//! GET and DELETE: listening to a session, and ending it.

use std::sync::Arc;

use culvert_protocol::rpc_error::RpcError;
use http::request::Parts;
use http::{Response, StatusCode};

use super::post::opening;
use super::refusal::Refusal;
use super::session::{Form, Session};
use super::{Front, headers, sse};
use crate::backend::{Backend, Caller};
use crate::reply::{self, Body};

/// Opens the session's own stream, or takes up the one that `Last-Event-ID` names.
pub(super) fn get(front: &Front, head: &Parts, backend: &Backend, caller: &Caller) -> Result<Response<Body>, Refusal> {
    headers::accepts_get(&head.headers)?;
    let session = find(front, head, backend, caller)?;
    let listener = match head.headers.get(headers::LAST_EVENT_ID) {
        None => session.listen().ok_or_else(Refusal::stream_taken)?,
        Some(last) => last
            .to_str()
            .ok()
            .and_then(sse::parse_event_id)
            .and_then(|(stream, after)| session.resume(stream, after))
            .ok_or_else(Refusal::event_unknown)?,
    };
    Ok(sse::response(listener, opening(&session), front.sessions.limits.keep_alive))
}

/// Ends the session. Its calls in flight are answered with an error.
pub(super) fn delete(
    front: &Front,
    head: &Parts,
    backend: &Backend,
    caller: &Caller,
) -> Result<Response<Body>, Refusal> {
    let session = find(front, head, backend, caller)?;
    front.sessions.remove(session.id);
    session.end(RpcError::tunnel("session.ended", "the client ended the session"));
    Ok(reply::empty(StatusCode::NO_CONTENT))
}

/// The session that the head of a request names.
pub(super) fn find(front: &Front, head: &Parts, backend: &Backend, caller: &Caller) -> Result<Arc<Session>, Refusal> {
    let id = headers::session(&head.headers)?.ok_or_else(Refusal::session_missing)?;
    let session = front.sessions.find(id, caller, backend, Form::Streamable).ok_or_else(Refusal::session_unknown)?;
    headers::check_version(&head.headers, || session.version())?;
    Ok(session)
}
