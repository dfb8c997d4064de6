//! The older HTTP+SSE transport (revision 2024-11-05), for clients that know no other: GET opens the session's one
//! stream, whose first event says where to POST; every answer comes on the stream.
//!
//! The session lasts as long as the stream. It cannot be resumed, and knows nothing of later revisions' transport.

use std::fmt::Display;
use std::time::Duration;

use bytes::Bytes;
use culvert_protocol::message::{Malformed, Message, Shape};
use culvert_protocol::splice::single_line;
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use hyper::body::Body as HttpBody;
use tokio::time::timeout;

use super::post::{has_room, new_call};
use super::refusal::Refusal;
use super::session::{Form, NotSent};
use super::sessions::SessionId;
use super::sse::{self, Opening};
use super::{Front, body, headers, modern};
use crate::backend::{Backend, Caller};
use crate::reply::{self, Body};

/// How long the tunnel's end gets to say that it takes no more sessions, before the stream begins and no status can
/// tell of it any more.
const ROOM_WAIT: Duration = Duration::from_millis(250);

/// The name of the session in the address that the stream's first event gives.
const SESSION: &str = "session=";

impl Front {
    /// Answers a request to `…/sse`. `messages` is the path to POST to.
    pub async fn handle_sse<B>(
        &self,
        request: Request<B>,
        messages: &str,
        backend: &Backend,
        caller: Caller,
    ) -> Response<Body> {
        let (head, _) = request.into_parts();
        let told = self.audit.as_ref().map(|_| caller.clone());
        let opened = open(self, &head, messages, backend, caller).await;
        opened.unwrap_or_else(|refusal| self.refused(refusal, told.as_ref()))
    }

    /// Answers a request to the path that [`handle_sse`](Self::handle_sse) gave out.
    pub async fn handle_message<B>(&self, request: Request<B>, backend: &Backend, caller: Caller) -> Response<Body>
    where
        B: HttpBody<Data = Bytes>,
        B::Error: Display,
    {
        let (head, body) = request.into_parts();
        let taken = take(self, &head, body, backend, &caller).await;
        taken.unwrap_or_else(|refusal| self.refused(refusal, Some(&caller)))
    }
}

/// Begins a session and its stream.
async fn open(
    front: &Front,
    head: &Parts,
    messages: &str,
    backend: &Backend,
    caller: Caller,
) -> Result<Response<Body>, Refusal> {
    if head.method != Method::GET {
        return Err(Refusal::only("GET"));
    }
    headers::accepts_get(&head.headers)?;
    if let Backend::Offline { retry_after } = backend {
        return Err(Refusal::offline(*retry_after));
    }
    let session = front.sessions.begin(backend, caller, None, Form::OneStream).await?;
    let listener = session.listen().ok_or_else(Refusal::stream_taken)?;
    if timeout(ROOM_WAIT, session.ended()).await.is_ok()
        && let Some(why) = session.why_ended()
    {
        return Err(Refusal::unreachable(&why));
    }
    let opening = Opening::Endpoint(format!("{messages}?{SESSION}{}", session.id));
    Ok(sse::response(listener, opening, front.sessions.limits.keep_alive))
}

/// Takes a message of the client. Its answer, if it gets one, comes on the stream.
async fn take<B>(
    front: &Front,
    head: &Parts,
    body: B,
    backend: &Backend,
    caller: &Caller,
) -> Result<Response<Body>, Refusal>
where
    B: HttpBody<Data = Bytes>,
    B::Error: Display,
{
    if head.method != Method::POST {
        return Err(Refusal::only("POST"));
    }
    headers::is_json(&head.headers)?;
    if let Backend::Offline { retry_after } = backend {
        return Err(body::refused(body, &front.sessions.limits, Refusal::offline(*retry_after)).await);
    }
    let named = head.uri.query().unwrap_or_default().split('&').find_map(|part| part.strip_prefix(SESSION));
    let id = SessionId::parse(named.ok_or_else(Refusal::address_without_session)?);
    let session = id.and_then(|id| front.sessions.find(id, caller, backend, Form::OneStream));
    let session = session.ok_or_else(Refusal::stream_gone)?;
    let body = single_line(body::read(body, &front.sessions.limits).await?);
    let text = std::str::from_utf8(&body).map_err(|_| Refusal::malformed(Malformed::NotJson))?;
    let message = Message::parse(text).map_err(Refusal::malformed)?;
    if modern::names_version(&message) {
        return Err(Refusal::legacy_only().of(message.raw_id()));
    }
    body::fits(&body, backend).map_err(|refusal| refusal.of(message.raw_id()))?;
    let sent = match message.shape() {
        Shape::Request(_) => {
            let call = new_call(front, caller, &message)?;
            has_room(backend).map_err(|refusal| refusal.of(message.raw_id()))?;
            backend.called(1);
            session.ask(call, body.clone()).await
        }
        Shape::Notification | Shape::Response(_) => {
            session.note(&message);
            session.send(body.clone()).await
        }
    };
    match sent {
        Ok(()) => Ok(reply::empty(StatusCode::ACCEPTED)),
        Err(NotSent::Over) => Err(Refusal::stream_gone()),
        Err(refused) => Err(Refusal::from(refused).of(message.raw_id())),
    }
}
