//! POST: a message of a client, and the answer to it.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use culvert_protocol::message::{self, Malformed, Message, Shape};
use culvert_protocol::rpc_error::RpcError;
use culvert_protocol::splice::single_line;
use culvert_protocol::tally::Method;
use culvert_protocol::text;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderValue, Response, StatusCode};
use hyper::body::Body as HttpBody;
use tokio::time::sleep;

use super::calls::NewCall;
use super::refusal::Refusal;
use super::session::{Form, Listener, NotSent, Session};
use super::sse::{self, Opening};
use super::stream::First;
use super::{Front, body, headers, listen, modern};
use crate::backend::{Backend, Caller};
use crate::conversation::FULL;
use crate::progress;
use crate::reply::{self, Body};

/// The first revision whose clients know what an empty event with a number is for.
const PRIMED_SINCE: &str = "2025-11-25";

/// The one revision with batches.
const BATCHES: &str = "2025-03-26";

/// How soon it is tried whether a session has made room, and the longest such wait; each is twice the one before.
const ROOM_FIRST: Duration = Duration::from_millis(50);
const ROOM_LAST: Duration = Duration::from_millis(1600);

/// Takes a POST.
pub(super) async fn post<B>(
    front: &Front,
    head: Parts,
    body: B,
    backend: &Backend,
    caller: Caller,
) -> Result<Response<Body>, Refusal>
where
    B: HttpBody<Data = Bytes>,
    B::Error: Display,
{
    headers::accepts_post(&head.headers)?;
    headers::is_json(&head.headers)?;
    let body = single_line(body::read(body, &front.sessions.limits).await?);
    let text = std::str::from_utf8(&body).map_err(|_| Refusal::malformed(Malformed::NotJson))?;
    match Message::parse(text) {
        Ok(message) => {
            let refused = |refusal: Refusal| match message.shape() {
                Shape::Request(_) => refusal.of(message.raw_id()),
                Shape::Notification | Shape::Response(_) => refusal,
            };
            body::fits(&body, backend).map_err(refused)?;
            if modern::is_modern(&head.headers, &message) {
                return modern::post(front, &head, &body, &message, backend, caller).await.map_err(refused);
            }
            one(front, &head, &body, &message, backend, caller).await.map_err(refused)
        }
        Err(Malformed::Batch) => batch(front, &head, &body, text, backend, &caller).await,
        Err(malformed) => Err(Refusal::malformed(malformed)),
    }
}

/// A single message.
async fn one(
    front: &Front,
    head: &Parts,
    body: &Bytes,
    message: &Message<'_>,
    backend: &Backend,
    caller: Caller,
) -> Result<Response<Body>, Refusal> {
    match message.shape() {
        Shape::Request(_) if message.method() == "initialize" => {
            if headers::session(&head.headers)?.is_some() {
                listen::find(front, head, backend, &caller)?;
                return Err(Refusal::initialized_already());
            }
            begin(front, body, message, backend, caller).await
        }
        Shape::Request(_) => {
            let session = listen::find(front, head, backend, &caller)?;
            let call = new_call(front, &caller, message)?;
            has_room(backend)?;
            backend.called(1);
            let listener = session.call(vec![call], [body.clone()]).await?;
            Ok(answer(front, &session, listener).await)
        }
        Shape::Notification | Shape::Response(_) => {
            let session = listen::find(front, head, backend, &caller)?;
            session.note(message);
            session.send(body.clone()).await?;
            Ok(reply::empty(StatusCode::ACCEPTED))
        }
    }
}

/// Begins a session; where the tunnel takes no more, one that was left behind makes room for it.
async fn begin(
    front: &Front,
    body: &Bytes,
    message: &Message<'_>,
    backend: &Backend,
    caller: Caller,
) -> Result<Response<Body>, Refusal> {
    let is_full = |outcome: &Result<_, Refusal>| outcome.as_ref().is_err_and(|refusal| refusal.code() == FULL);
    let first = initialize(front, body, message, backend, caller.clone()).await;
    if !is_full(&first) || !front.sessions.make_room(&caller, backend).await {
        return first;
    }
    // The process behind it takes a moment to end.
    let mut wait = ROOM_FIRST;
    loop {
        sleep(wait).await;
        let next = initialize(front, body, message, backend, caller.clone()).await;
        wait *= 2;
        if !is_full(&next) || wait > ROOM_LAST {
            return next;
        }
    }
}

/// Begins a session. It is the client's only once the server has agreed and the client has got the session's id.
async fn initialize(
    front: &Front,
    body: &Bytes,
    message: &Message<'_>,
    backend: &Backend,
    caller: Caller,
) -> Result<Response<Body>, Refusal> {
    let call = new_call(front, &caller, message)?;
    let unclaimed =
        Unclaimed(Some(front.sessions.begin(backend, caller, client_name(message), Form::Streamable).await?));
    let Some(session) = &unclaimed.0 else { return Err(Refusal::session_unknown()) };
    backend.called(1);
    let listener = session.call(vec![call], [body.clone()]).await.map_err(|not_sent| match not_sent {
        // The tunnel ended between the look at it and the first message.
        NotSent::Over => Refusal::offline(Duration::from_secs(1)),
        other => other.into(),
    })?;
    let mut response = answer(front, session, listener).await;
    if let Some(refusal) = session.why_ended().as_ref().and_then(Refusal::not_begun).filter(|_| !is_stream(&response)) {
        return Err(refusal);
    }
    // In a stream, whether the server agrees may be still to come; the head has to name the session now.
    if is_stream(&response) || session.version().is_some() {
        name(&mut response, &unclaimed.claim());
    }
    Ok(response)
}

/// What a client calls itself in `initialize`.
fn client_name(initialize: &Message<'_>) -> Option<String> {
    let info = initialize.param(&["clientInfo"]).ok()??;
    let part = |name| serde_json::from_str::<String>(message::member(info, name).ok()??.get()).ok();
    let name = text::clean(&part("name")?, 60);
    Some(match part("version") {
        Some(version) => format!("{name} {}", text::clean(&version, 20)),
        None => name,
    })
}

fn is_stream(response: &Response<Body>) -> bool {
    response.headers().get(CONTENT_TYPE).is_some_and(|form| form == "text/event-stream")
}

fn name(response: &mut Response<Body>, session: &Session) {
    if let Ok(id) = HeaderValue::from_str(&session.id.to_string()) {
        response.headers_mut().insert(headers::SESSION_ID, id);
    }
}

/// A session whose id no client knows yet. Dropped, it ends: nobody could ever use it.
struct Unclaimed(Option<Arc<Session>>);

impl Unclaimed {
    #[allow(clippy::expect_used)]
    fn claim(mut self) -> Arc<Session> {
        self.0.take().expect("a session is claimed once, by value")
    }
}

impl Drop for Unclaimed {
    fn drop(&mut self) {
        if let Some(session) = &self.0 {
            session.end(RpcError::tunnel("session.unclaimed", "the session was never taken up"));
        }
    }
}

/// The messages of a batch, each on its own. The rule: revision 2025-03-26 brought batches and 2025-06-18 took them
/// away again, so they are taken in sessions that agreed on the former and nowhere else. `initialize` may not be in one.
async fn batch(
    front: &Front,
    head: &Parts,
    body: &Bytes,
    text: &str,
    backend: &Backend,
    caller: &Caller,
) -> Result<Response<Body>, Refusal> {
    let parts = message::batch(text).map_err(Refusal::malformed)?;
    let session = listen::find(front, head, backend, caller)?;
    if session.version().as_deref() != Some(BATCHES) {
        return Err(Refusal::batch("batches were part of revision 2025-03-26 only; send one message at a time"));
    }
    let most = front.sessions.limits.session_calls;
    if parts.is_empty() || parts.len() > most {
        return Err(Refusal::batch(&format!("a batch holds 1 to {most} messages")));
    }
    let (mut calls, mut notes) = (Vec::new(), Vec::new());
    let mut lines = Vec::with_capacity(parts.len());
    for part in parts {
        let message = Message::parse(part.get()).map_err(Refusal::malformed)?;
        body::fits(part.get().as_bytes(), backend)?;
        match message.shape() {
            Shape::Request(_) if message.method() == "initialize" => {
                return Err(Refusal::batch("initialize may not be part of a batch"));
            }
            Shape::Request(_) => calls.push(new_call(front, caller, &message)?),
            Shape::Notification | Shape::Response(_) => notes.push(message),
        }
        lines.push(body.slice_ref(part.get().as_bytes()));
    }
    // Not before all of it is seen to be good: a batch that is refused has cancelled nothing.
    notes.iter().for_each(|message| session.note(message));
    if calls.is_empty() {
        for line in lines {
            session.send(line).await?;
        }
        return Ok(reply::empty(StatusCode::ACCEPTED));
    }
    has_room(backend)?;
    backend.called(calls.len());
    let listener = session.call(calls, lines).await?;
    Ok(answer(front, &session, listener).await)
}

/// Whether the server's process takes calls at present.
pub(super) fn has_room(backend: &Backend) -> Result<(), Refusal> {
    match backend {
        Backend::Shared(shared) if shared.is_full() => Err(Refusal::server_full()),
        _ => Ok(()),
    }
}

pub(super) fn new_call(front: &Front, caller: &Caller, request: &Message<'_>) -> Result<NewCall, Refusal> {
    let Shape::Request(id) = request.shape() else { return Err(Refusal::malformed(Malformed::NoKind)) };
    let token = progress::asked(request).map_err(Refusal::malformed)?;
    Ok(NewCall {
        id: id.clone(),
        raw_id: request.raw_id().unwrap_or("null").into(),
        token: token.and_then(|token| message::Id::of(token).ok()),
        method: Method::of(&request.method()),
        trail: front.trail(caller, request),
    })
}

/// Waits for the first message, and answers with it or with a stream.
async fn answer(front: &Front, session: &Session, mut listener: Listener) -> Response<Body> {
    match listener.first().await {
        First::Answer(text) => reply::json_text(StatusCode::OK, text),
        First::Events => sse::response(listener, opening(session), front.sessions.limits.keep_alive),
    }
}

/// How a stream of this session begins.
pub(super) fn opening(session: &Session) -> Opening {
    match session.version() {
        Some(version) if *version >= *PRIMED_SINCE => Opening::Primed,
        _ => Opening::Plain,
    }
}
