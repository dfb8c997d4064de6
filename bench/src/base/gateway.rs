//! A base gateway on loopback, for one peer: accepts its WebSocket and registers it as
//! ContextForge's reworked service does.

use std::io;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::StatusCode;
use tokio_tungstenite::tungstenite::http::header::AUTHORIZATION;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};

use crate::base::wire::{self, Frame, Id};
use crate::process::Ended;

/// The bearer token that peers are given and must show.
pub(crate) const TOKEN: &str = "bench-token";

/// Some clients answer a heartbeat with a heartbeat; acks spaced out keep that from
/// becoming a loop that would be measured instead of calls.
const ACK_EVERY: Duration = Duration::from_secs(5);

/// Why a peer could not be measured.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("the driver itself failed: {0}")]
    Driver(#[from] io::Error),
    #[error("the WebSocket broke: {0}")]
    Link(#[from] tungstenite::Error),
    #[error("the peer closed the connection")]
    Closed,
    #[error("the peer sent what is no frame: {0}")]
    Malformed(#[from] serde_json::Error),
    #[error("the peer sent a binary message")]
    Binary,
    #[error("wrong answer: {0}")]
    WrongAnswer(String),
    #[error("an answer to no call in flight (answered twice?)")]
    Stray,
    #[error("{calls} of {of} calls unanswered after {} s", .patience.as_secs())]
    Unanswered { calls: usize, of: usize, patience: Duration },
    #[error("not registered after {} s{said}", .patience.as_secs())]
    NotRegistered { patience: Duration, said: String },
    #[error(transparent)]
    Ended(#[from] Ended),
}

/// Listens for one peer.
pub(crate) struct Gateway {
    listener: TcpListener,
}

/// A peer's connection. Split, because calls must be sent while answers are read: a
/// peer that writes without reading meanwhile would else wait for the driver for ever.
pub(crate) struct Tunnel<S = TcpStream> {
    pub(crate) sink: SplitSink<WebSocketStream<S>, Message>,
    pub(crate) stream: SplitStream<WebSocketStream<S>>,
    next: u128,
    acks: Acks,
}

/// Says when a heartbeat is to be acknowledged.
#[derive(Default)]
pub(crate) struct Acks {
    last: Option<Instant>,
}

impl Acks {
    pub(crate) fn due(&mut self) -> bool {
        let now = Instant::now();
        let due = self.last.is_none_or(|last| now.duration_since(last) >= ACK_EVERY);
        if due {
            self.last = Some(now);
        }
        due
    }
}

impl Gateway {
    pub(crate) async fn bind() -> io::Result<Self> {
        Ok(Self { listener: TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await? })
    }

    /// The base URL that a peer is given.
    pub(crate) fn url(&self) -> io::Result<String> {
        Ok(format!("http://{}", self.listener.local_addr()?))
    }

    /// The first WebSocket that comes. Whatever else comes before it (a health probe,
    /// a wrong path or token) is refused. The port is closed afterwards: a peer that had
    /// to reconnect would be measured on a tunnel that it lost.
    pub(crate) async fn accept(self) -> Result<Tunnel, Failure> {
        loop {
            let (socket, _) = self.listener.accept().await?;
            socket.set_nodelay(true)?;
            if let Ok(socket) = tokio_tungstenite::accept_hdr_async_with_config(socket, admit, Some(config())).await {
                return Ok(Tunnel::new(socket));
            }
        }
    }
}

fn config() -> WebSocketConfig {
    WebSocketConfig::default().max_message_size(None).max_frame_size(None)
}

#[expect(clippy::result_large_err, reason = "the signature is tungstenite's")]
fn admit(request: &Request, response: Response) -> Result<Response, ErrorResponse> {
    let refuse = |status| {
        let mut refusal = ErrorResponse::new(None);
        *refusal.status_mut() = status;
        Err(refusal)
    };
    let bearer = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    if !matches!(request.uri().path(), "/reverse-proxy/ws" | "/v1/reverse-proxy/ws") {
        return refuse(StatusCode::NOT_FOUND);
    }
    if bearer.and_then(|value| value.strip_prefix("Bearer ")) != Some(TOKEN) {
        return refuse(StatusCode::UNAUTHORIZED);
    }
    Ok(response)
}

impl<S: AsyncRead + AsyncWrite + Unpin> Tunnel<S> {
    pub(crate) fn new(socket: WebSocketStream<S>) -> Self {
        let (sink, stream) = socket.split();
        Self { sink, stream, next: 1, acks: Acks::default() }
    }

    /// Waits for `register`. Frames before it are ignored, as gateways do.
    pub(crate) async fn registration(&mut self) -> Result<(), Failure> {
        loop {
            let text = self.text().await?;
            match Frame::parse(&text)? {
                Frame::Register => return Ok(()),
                Frame::Heartbeat => self.heartbeat().await?,
                Frame::Response(..) | Frame::Other => {}
            }
        }
    }

    /// Goes through the registration up to `register_complete`.
    pub(crate) async fn initialize(&mut self) -> Result<(), Failure> {
        self.send(wire::control("register_ack", "processing")).await?;
        let hello =
            r#"{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"culvert-bench","version":"1"}}"#;
        self.exchange("initialize", hello, "protocolVersion").await?;
        self.send(wire::notification("notifications/initialized")).await?;
        self.exchange("tools/list", "{}", "echo").await?;
        self.send(wire::control("register_complete", "success")).await
    }

    /// One request, whose result must mention `mention`.
    async fn exchange(&mut self, method: &str, params: &str, mention: &str) -> Result<(), Failure> {
        let id = Id(self.next);
        self.next += 1;
        self.send(wire::request(id, method, params)).await?;
        loop {
            let text = self.text().await?;
            match Frame::parse(&text)? {
                Frame::Response(from, answer) if from == id => {
                    let fits = answer.result.is_some_and(|result| result.get().contains(mention));
                    return if fits { Ok(()) } else { Err(Failure::WrongAnswer(answer.excerpt())) };
                }
                Frame::Heartbeat => self.heartbeat().await?,
                _ => {}
            }
        }
    }

    async fn heartbeat(&mut self) -> Result<(), Failure> {
        if self.acks.due() { self.send(wire::heartbeat_ack()).await } else { Ok(()) }
    }

    async fn send(&mut self, text: String) -> Result<(), Failure> {
        Ok(self.sink.send(Message::text(text)).await?)
    }

    async fn text(&mut self) -> Result<tungstenite::Utf8Bytes, Failure> {
        loop {
            if let Some(text) = text(self.stream.next().await)? {
                return Ok(text);
            }
        }
    }
}

/// The text of a message; None for pings and pongs, which tungstenite deals with.
pub(crate) fn text(message: Option<tungstenite::Result<Message>>) -> Result<Option<tungstenite::Utf8Bytes>, Failure> {
    match message {
        Some(Ok(Message::Text(text))) => Ok(Some(text)),
        Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Ok(None),
        Some(Ok(Message::Binary(_))) => Err(Failure::Binary),
        Some(Ok(Message::Close(_))) | None => Err(Failure::Closed),
        Some(Err(error)) => Err(error.into()),
    }
}
