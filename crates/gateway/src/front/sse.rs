//! Server-sent events: how a stream of messages is written as an HTTP body.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use culvert_protocol::splice::single_line;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::{Body as HttpBody, Frame};
use tokio::time::{Instant, Sleep, sleep};

use super::session::Listener;
use super::stream::{Event, StreamId};
use crate::reply::Body;

/// Messages up to this size are copied into one piece with what frames them; above it, three pieces and no copy.
const COPIED: usize = 16 * 1024;

/// The body keeps filling one piece with events that are ready up to this size.
const PIECE: usize = 64 * 1024;

/// Tells nginx and its like not to hold events back.
pub(super) const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Whether the stream begins with an empty event that only carries a number to resume from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Opening {
    /// Yes: clients of 2025-11-25 and later know what it means, and some older ones fail on it.
    Primed,
    /// No.
    Plain,
    /// It begins with the address to POST to, as the older HTTP+SSE transport has it. Its events have no numbers.
    Endpoint(String),
}

/// The whole response.
pub(super) fn response(listener: Listener, opening: Opening, keep_alive: Duration) -> Response<Body> {
    let mut response = Response::new(Events::new(listener, opening, keep_alive).boxed_unsync());
    *response.status_mut() = StatusCode::OK;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform"));
    headers.insert(X_ACCEL_BUFFERING, HeaderValue::from_static("no"));
    response
}

/// By what a client can ask for the events after one.
#[derive(Debug, Clone, Copy)]
enum Names {
    /// The stream and the event's number in it.
    Numbered(StreamId),
    /// Nothing.
    None,
}

/// The body of such a response.
struct Events {
    listener: Listener,
    names: Names,
    ready: VecDeque<Bytes>,
    keep_alive: Duration,
    silence: Pin<Box<Sleep>>,
}

impl Events {
    fn new(listener: Listener, opening: Opening, keep_alive: Duration) -> Self {
        let numbered = !matches!(opening, Opening::Endpoint(_));
        let first = match opening {
            Opening::Endpoint(address) => format!("event: endpoint\ndata: {address}\n\n"),
            Opening::Primed => format!("id: {}\ndata: \n\n", event_id(listener.stream(), listener.before())),
            // A first byte makes proxies pass the head on.
            Opening::Plain => ":\n\n".to_owned(),
        };
        let names = if numbered { Names::Numbered(listener.stream()) } else { Names::None };
        Self {
            names,
            listener,
            ready: VecDeque::from([first.into()]),
            keep_alive,
            silence: Box::pin(sleep(keep_alive)),
        }
    }
}

impl HttpBody for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = &mut *self;
        if let Some(piece) = this.ready.pop_front() {
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        let mut piece = BytesMut::new();
        while piece.len() < PIECE {
            match this.listener.poll_next(cx) {
                Poll::Ready(Some(event)) => write(&mut piece, &mut this.ready, this.names, event),
                Poll::Ready(None) if piece.is_empty() => return Poll::Ready(None),
                Poll::Ready(None) | Poll::Pending => break,
            }
            if !this.ready.is_empty() {
                break;
            }
        }
        if !piece.is_empty() {
            this.silence.as_mut().reset(Instant::now() + this.keep_alive);
            return Poll::Ready(Some(Ok(Frame::data(piece.freeze()))));
        }
        if this.silence.as_mut().poll(cx).is_ready() {
            this.silence.as_mut().reset(Instant::now() + this.keep_alive);
            // The timer must be asked once more, or it would wake nobody the next time.
            let _ = this.silence.as_mut().poll(cx);
            return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b":\n\n")))));
        }
        Poll::Pending
    }
}

/// Writes an event into `piece`; of a large one only what stands before the message, the rest goes to `rest`.
fn write(piece: &mut BytesMut, rest: &mut VecDeque<Bytes>, names: Names, event: Event) {
    let text = single_line(event.text);
    piece.reserve(text.len().min(COPIED) + 48);
    match names {
        Names::Numbered(stream) => {
            piece.put_slice(b"id: ");
            piece.put_slice(event_id(stream, event.number).as_bytes());
            piece.put_slice(b"\ndata: ");
        }
        Names::None => piece.put_slice(b"event: message\ndata: "),
    }
    if text.len() <= COPIED {
        piece.put_slice(&text);
        piece.put_slice(b"\n\n");
    } else {
        rest.push_back(text);
        rest.push_back(Bytes::from_static(b"\n\n"));
    }
}

/// What `Last-Event-ID` will say: the stream and the event within it.
fn event_id(stream: StreamId, number: u64) -> String {
    format!("{}-{number}", stream.0)
}

/// Reads an event id back.
pub(super) fn parse_event_id(text: &str) -> Option<(StreamId, u64)> {
    let (stream, number) = text.split_once('-')?;
    Some((StreamId(stream.parse().ok()?), number.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_ids_name_stream_and_place() {
        assert_eq!(parse_event_id(&event_id(StreamId(3), 17)), Some((StreamId(3), 17)));
        for bad in ["", "3", "3-", "-1", "a-b", "1-2-3"] {
            assert_eq!(parse_event_id(bad), None, "{bad}");
        }
    }
}
