//! One connection of the fake gateway: upgrade, frames in and out, heartbeats, limits and eviction.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async_with_config};

use super::link::{Frame, Link};
use super::manner::{Acks, Manner};
use super::upgrade::{UpgradeRequest, judge};
use super::{Shared, registration, strict};

/// What a test has a link do.
#[derive(Debug)]
pub enum Command {
    /// Send this text.
    Text(String),
    /// Send these bytes.
    Binary(Vec<u8>),
    /// Close with code and reason.
    Close(u16, String),
    /// End without a close frame.
    DropTcp,
    /// Stay open and do nothing.
    GoSilent,
}

/// How long a client has to answer a close frame.
const FAREWELL: Duration = Duration::from_secs(2);

/// Serves one connection to its end.
pub(crate) async fn serve<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, shared: Arc<Shared>) {
    let mut request = None;
    let mut page = None;
    #[expect(clippy::result_large_err, reason = "the WebSocket library asks for this type")]
    let gate = |asked: &Request, response: Response| {
        let asked = UpgradeRequest::read(asked);
        let queued = shared.state.change(|state| {
            state.upgrades.push(asked.clone());
            state.refusals.pop_front()
        });
        match queued.or_else(|| judge(&shared.manner, &asked)) {
            Some(refusal) => {
                // The library writes no answer that says success; it is written below.
                page = (refusal.status < 300).then(|| refusal.text());
                Err(refusal.response())
            }
            None => {
                request = Some(asked);
                Ok(response)
            }
        }
    };
    // The limit proper is checked below: a frame that is cut off half read would leave no clean way to say 1009.
    let limits = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
    let accepted = accept_hdr_async_with_config(&mut stream, gate, Some(limits)).await;
    let Ok(socket) = accepted else {
        let _ = stream.write_all(page.unwrap_or_default().as_bytes()).await;
        return;
    };
    let (commands, inbox) = mpsc::channel(256);
    let number = shared.add_link(commands, request.expect("the gate let it in"));
    let link = Link::new(shared, number);

    // Reading never waits for writing: a gateway that did could deadlock with a client that does the same.
    let (sink, stream) = socket.split();
    let (out, outbox) = mpsc::unbounded_channel();
    let mut reader = Reader { stream, out, link: link.clone(), registering: JoinSet::new() };
    tokio::select! {
        () = write(sink, outbox) => {}
        () = reader.run(inbox) => {}
    }
    link.change(|state| state.ended = true);
}

/// Writes until something else ends the connection.
async fn write<S>(mut sink: SplitSink<WebSocketStream<S>, Message>, mut outbox: mpsc::UnboundedReceiver<Message>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    while let Some(message) = outbox.recv().await {
        // A broken connection shows at the next read.
        let _ = sink.send(message).await;
    }
    std::future::pending().await
}

struct Reader<S> {
    stream: SplitStream<WebSocketStream<S>>,
    out: mpsc::UnboundedSender<Message>,
    link: Link,
    registering: JoinSet<()>,
}

/// What a frame means for the connection.
enum Heard {
    Heartbeat,
    Farewell,
    SecondRegister,
    Other,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Reader<S> {
    async fn run(&mut self, mut inbox: mpsc::Receiver<Command>) {
        let Manner { evict_after: patience, max_frame, .. } = self.link.shared().manner;
        let mut evicted_at = tokio::time::Instant::now() + patience;
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(evicted_at) => return self.close(1000, "").await,
                command = inbox.recv() => match command {
                    // Half open: the socket stays, nobody is there. The test's end drops this task.
                    Some(Command::GoSilent) => std::future::pending().await,
                    Some(Command::DropTcp) | None => return,
                    Some(Command::Close(code, reason)) => return self.close(code, &reason).await,
                    Some(Command::Text(text)) => self.send(Message::text(text)),
                    Some(Command::Binary(bytes)) => self.send(Message::binary(bytes)),
                },
                message = self.stream.next() => match message {
                    Some(Ok(Message::Text(text))) if text.len() > max_frame => {
                        self.link.shared().breach(format!("a frame of {} bytes, {max_frame} are allowed", text.len()));
                        return self.close(1009, "").await;
                    }
                    Some(Ok(Message::Text(text))) => match self.take(&text) {
                        Heard::Heartbeat => evicted_at = tokio::time::Instant::now() + patience,
                        Heard::Farewell => return,
                        Heard::SecondRegister => return self.close(1008, "").await,
                        Heard::Other => {}
                    },
                    Some(Ok(Message::Binary(_))) => {
                        self.link.shared().breach("a binary frame".into());
                        return;
                    }
                    Some(Ok(Message::Ping(_))) => self.link.change(|state| state.pings += 1),
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return,
                },
            }
        }
    }

    fn take(&mut self, text: &str) -> Heard {
        let shared = self.link.shared().clone();
        let value = match strict::judge(text) {
            Ok(value) => value,
            Err(breach) => {
                shared.breach(format!("{breach}: {}", text.chars().take(300).collect::<String>()));
                self.send_json(&json!({"type": "error", "message": "Invalid message format"}));
                return Heard::Other;
            }
        };
        let frame = Frame { at: Instant::now(), bytes: text.len(), value };
        let (kind, name) = (frame.kind().to_owned(), frame.value["server"]["name"].as_str().map(str::to_owned));
        let registered_before = self.link.look(|state| state.name.is_some());
        self.link.change(|state| state.frames.push(frame));
        match kind.as_str() {
            "register" if registered_before => {
                shared.breach("a second register on one connection".into());
                self.send_json(&json!({"type": "error", "message": "Already registered"}));
                Heard::SecondRegister
            }
            "register" => {
                self.link.change(|state| state.name = name);
                self.registering.spawn(registration::serve(self.link.clone()));
                Heard::Other
            }
            "heartbeat" => {
                if shared.manner.acks == Acks::Each {
                    self.send_json(&json!({
                        "type": "heartbeat", "sessionId": self.link.session(), "timestamp": "2026-11-22T10:00:00Z",
                    }));
                }
                Heard::Heartbeat
            }
            "unregister" => Heard::Farewell,
            _ => Heard::Other,
        }
    }

    fn send_json(&self, frame: &serde_json::Value) {
        self.send(Message::text(frame.to_string()));
    }

    fn send(&self, message: Message) {
        let _ = self.out.send(message);
    }

    /// Waits for the client's own close, as a polite server does; a frame in between is not looked at any more.
    async fn close(&mut self, code: u16, reason: &str) {
        self.send(Message::Close(Some(CloseFrame { code: code.into(), reason: reason.to_owned().into() })));
        let answered = async { while let Some(Ok(_)) = self.stream.next().await {} };
        let _ = tokio::time::timeout(FAREWELL, answered).await;
    }
}
