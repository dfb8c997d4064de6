//! One modern request on its way: what comes back for it, and how that is written as the answer to its POST.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use culvert_protocol::message::{self, Message, Shape};
use culvert_protocol::rpc_error::{METHOD_NOT_FOUND, RpcError};
use culvert_protocol::splice::single_line;
use culvert_protocol::tally::Method;
use futures_util::stream::unfold;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::super::counts::Outcome;
use super::super::refusal::Refusal;
use super::super::{Limits, sse};
use super::children::Lease;
use crate::audit::{Trail, code_of};
use crate::conversation::Conversation;
use crate::progress::PROGRESS;
use crate::reply::{self, Body};

/// The method whose stream stays open.
const LISTEN: &str = "subscriptions/listen";

/// A request and its place on the child. Dropped before its answer, it is cancelled.
#[derive(Debug)]
pub(super) struct Exchange {
    conversation: Conversation,
    raw_id: Box<str>,
    /// Until when the server may be silent; for ever on a subscription.
    deadline: Option<Instant>,
    request_timeout: Duration,
    hold: Duration,
    keep_alive: Duration,
    method: Method,
    began: Instant,
    /// Whether it was counted what became of it.
    is_counted: bool,
    /// What is told of it, if anything is.
    trail: Option<Box<Trail>>,
    lease: Lease,
}

/// What comes back for a request.
#[derive(Debug)]
enum Said {
    /// Its answer, and the HTTP status of that if nothing was sent before.
    Answer(Bytes, StatusCode),
    /// Something that belongs to it.
    Told(Bytes),
    /// The server has ended the subscription without an answer.
    TornDown,
}

impl Exchange {
    /// Sends the request to the child.
    pub(super) async fn begin(
        lease: Lease,
        body: &Bytes,
        request: &Message<'_>,
        trail: Option<Box<Trail>>,
        limits: &Limits,
    ) -> Result<Self, Refusal> {
        let conversation = lease.child.attach(lease.user.clone()).map_err(|why| Refusal::unreachable(&why))?;
        if conversation.to_server.send(body.clone()).await.is_err() {
            return Err(Refusal::unreachable(&conversation.from_server.why_ended()));
        }
        let listens = request.method() == LISTEN;
        Ok(Self {
            conversation,
            raw_id: request.raw_id().unwrap_or("null").into(),
            deadline: (!listens).then(|| Instant::now() + limits.request_timeout),
            request_timeout: limits.request_timeout,
            hold: limits.hold,
            keep_alive: limits.keep_alive,
            method: Method::of(&request.method()),
            began: Instant::now(),
            is_counted: false,
            trail,
            lease,
        })
    }

    /// Waits for the first message, and answers with it or with a stream.
    pub(super) async fn response(mut self) -> Response<Body> {
        match timeout(self.hold, self.next()).await {
            Ok(Said::Answer(text, status)) => reply::json_text(status, text),
            Ok(Said::Told(text)) => self.stream(event(text)),
            Ok(Said::TornDown) => {
                let why = RpcError::tunnel("subscription.ended", "the server ended the subscription");
                reply::json_text(StatusCode::OK, why.answer(&self.raw_id))
            }
            // A first byte makes proxies pass the head on.
            Err(_) => self.stream([Bytes::from_static(COMMENT)].into()),
        }
    }

    /// What comes next. Nothing does after the answer. Cancel safe.
    async fn next(&mut self) -> Said {
        loop {
            let received = self.conversation.from_server.recv();
            let line = match self.deadline {
                None => received.await,
                Some(deadline) => match timeout_at(deadline, received).await {
                    Ok(line) => line,
                    Err(_) => {
                        let limit = self.request_timeout.as_secs();
                        let words = format!("the local server did not answer within {limit} s");
                        return self.answered_here(&RpcError::tunnel("call.timeout", words));
                    }
                },
            };
            let Some(line) = line else {
                let why = self.conversation.from_server.why_ended();
                return self.answered_here(&why);
            };
            // The child's multiplexer passes on nothing else.
            let Some(message) = std::str::from_utf8(&line).ok().and_then(|text| Message::parse(text).ok()) else {
                continue;
            };
            match message.shape() {
                Shape::Response(_) => {
                    let status = status(&message);
                    let outcome = if message.error().is_some() { Outcome::Error } else { Outcome::Result };
                    let code = self.trail.as_ref().and_then(|_| code_of(&message));
                    self.count(outcome, code, line.len());
                    return Said::Answer(line, status);
                }
                Shape::Notification if message.method() == "notifications/cancelled" => {
                    self.count(Outcome::Result, None, 0);
                    return Said::TornDown;
                }
                Shape::Notification | Shape::Request(_) => {
                    if let Some(deadline) = self.deadline.as_mut().filter(|_| message.method() == PROGRESS) {
                        *deadline = Instant::now() + self.request_timeout;
                    }
                    return Said::Told(line);
                }
            }
        }
    }

    fn count(&mut self, outcome: Outcome, code: Option<i64>, bytes: usize) {
        if !std::mem::replace(&mut self.is_counted, true) {
            let took = self.began.elapsed();
            self.lease.counts().ended(self.method, outcome, took);
            if let Some(trail) = self.trail.take() {
                trail.end(outcome.word(), code, took, bytes);
            }
        }
    }

    fn answered_here(&mut self, why: &RpcError) -> Said {
        self.count(Outcome::Unanswered, None, 0);
        Said::Answer(why.answer(&self.raw_id).into(), StatusCode::OK)
    }

    /// A stream of events that begins with `first` and ends with the answer.
    fn stream(self, first: VecDeque<Bytes>) -> Response<Body> {
        let silent = Instant::now() + self.keep_alive;
        let pieces = unfold((Some(self), first, silent), |(exchange, ready, silent)| async move {
            let (mut exchange, mut ready, mut silent) = (exchange, ready, silent);
            loop {
                if let Some(piece) = ready.pop_front() {
                    return Some((Ok::<_, Infallible>(Frame::data(piece)), (exchange, ready, silent)));
                }
                let mut open = exchange.take()?;
                let keep_alive = open.keep_alive;
                tokio::select! {
                    biased;
                    said = open.next() => match said {
                        Said::Answer(text, _) => ready = event(text),
                        Said::TornDown => return None,
                        Said::Told(text) => {
                            ready = event(text);
                            exchange = Some(open);
                        }
                    },
                    () = sleep_until(silent) => {
                        ready.push_back(Bytes::from_static(COMMENT));
                        exchange = Some(open);
                    }
                }
                silent = Instant::now() + keep_alive;
            }
        });
        let mut response = Response::new(StreamBody::new(pieces).boxed_unsync());
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform"));
        headers.insert(sse::X_ACCEL_BUFFERING, HeaderValue::from_static("no"));
        response
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        // A client that goes away has cancelled.
        self.count(Outcome::Cancelled, None, 0);
    }
}

/// A line that clients skip.
const COMMENT: &[u8] = b":\n\n";

/// A message as an event, in pieces so that a large one is not copied. No numbers: such streams cannot be resumed.
fn event(text: Bytes) -> VecDeque<Bytes> {
    [Bytes::from_static(b"data: "), single_line(text), Bytes::from_static(b"\n\n")].into()
}

/// The HTTP status of an answer that comes alone.
fn status(answer: &Message<'_>) -> StatusCode {
    let number = |error| serde_json::from_str::<i32>(message::member(error, "code").ok()??.get()).ok();
    match answer.error().and_then(number) {
        Some(METHOD_NOT_FOUND) => StatusCode::NOT_FOUND,
        // Headers against body, missing capability, unsupported revision; and what is no valid request.
        Some(-32022..=-32020 | -32602 | -32600 | -32700) => StatusCode::BAD_REQUEST,
        _ => StatusCode::OK,
    }
}
