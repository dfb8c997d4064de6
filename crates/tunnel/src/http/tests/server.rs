//! A server made of a closure: what it sees is told, what it says is what the test wants.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};
use tokio::sync::mpsc;

/// A request as it came.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

impl Seen {
    /// A header's value, or nothing.
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// A member of its body, or null.
    pub(super) fn member(&self, name: &str) -> serde_json::Value {
        serde_json::from_str::<serde_json::Value>(&self.body).map_or(serde_json::Value::Null, |body| body[name].clone())
    }
}

/// An answer.
pub(super) struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Pieces,
}

/// The rest of a body that is still being sent. Its end is the body's end, unless it is cut.
pub(super) struct Rest(mpsc::UnboundedSender<io::Result<Bytes>>);

impl Rest {
    pub(super) fn send(&self, piece: impl Into<Bytes>) {
        let _ = self.0.send(Ok(piece.into()));
    }

    /// Breaks the connection.
    pub(super) fn cut(self) {
        let _ = self.0.send(Err(io::Error::other("cut")));
    }
}

impl Reply {
    pub(super) fn status(status: u16) -> Self {
        Self::open(status).0
    }

    pub(super) fn json(status: u16, text: impl Into<Bytes>) -> Self {
        let (reply, rest) = Self::open(status);
        rest.send(text);
        reply.header("content-type", "application/json")
    }

    /// A whole stream of events.
    pub(super) fn events(text: impl Into<Bytes>) -> Self {
        let (reply, rest) = Self::stream();
        rest.send(text);
        reply
    }

    /// A stream of events that goes on.
    pub(super) fn stream() -> (Self, Rest) {
        let (reply, rest) = Self::open(200);
        (reply.header("content-type", "text/event-stream; charset=utf-8"), rest)
    }

    pub(super) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    fn open(status: u16) -> (Self, Rest) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self { status, headers: Vec::new(), body: Pieces(receiver) }, Rest(sender))
    }
}

struct Pieces(mpsc::UnboundedReceiver<io::Result<Bytes>>);

impl Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.0.poll_recv(cx).map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }
}

/// What a test's server does.
pub(super) type Script = Arc<dyn Fn(&Seen) -> Reply + Send + Sync>;

/// The server's own records.
#[derive(Debug)]
pub(super) struct Records {
    pub(super) seen: mpsc::UnboundedReceiver<Seen>,
    pub(super) connections: Arc<AtomicUsize>,
}

/// Serves whatever comes through `accept`.
pub(super) fn serve(script: Script, mut accept: mpsc::UnboundedReceiver<DuplexStream>) -> Records {
    let (tell, seen) = mpsc::unbounded_channel();
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = connections.clone();
    tokio::spawn(async move {
        while let Some(stream) = accept.recv().await {
            counted.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(speak(stream, script.clone(), tell.clone()));
        }
    });
    Records { seen, connections }
}

/// Serves one connection.
pub(super) async fn speak(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    script: Script,
    tell: mpsc::UnboundedSender<Seen>,
) {
    let service = service_fn(|request: Request<Incoming>| {
        let (script, tell) = (script.clone(), tell.clone());
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
            let seen = Seen {
                method: head.method,
                path: head.uri.to_string(),
                headers: head.headers,
                body: String::from_utf8(body.to_vec()).unwrap(),
            };
            let Reply { status, headers, body } = script(&seen);
            let _ = tell.send(seen);
            let mut response = Response::builder().status(status);
            for (name, value) in headers {
                response = response.header(name, value);
            }
            Ok::<_, Infallible>(response.body(body).unwrap())
        }
    });
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}
