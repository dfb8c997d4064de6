//! A WebSocket as the carriage of a link.
//!
//! The writer is a task of its own, so that a slow peer never keeps us from reading; it drains what is queued and
//! flushes once. The reader also watches for silence (see [`limits::SILENCE_BEFORE_PING`]).

use std::time::Duration;

use bytes::Bytes;
use culvert_protocol::{limits, text};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::{CapacityError, ProtocolError};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error as WsError, Message, Utf8Bytes};

use crate::activity::{Activity, Io, Watched};
use crate::carriage::{Frame, FrameReceiver, FrameSender, LAST_WORDS, LinkEnd, NEARLY_IDLE, Outgoing};
use crate::queue::{self, Queued};

/// Bytes that are read from the socket at once.
const READ_BUFFER: usize = 16 * 1024;

/// Bytes that are gathered before a write is tried without being asked for.
const WRITE_BUFFER: usize = 64 * 1024;

/// The receiving end.
#[derive(Debug)]
pub(crate) struct Receiver {
    frames: SplitStream<WebSocketStream<Watched>>,
    activity: Activity,
    max_message: usize,
    pinger: FrameSender,
    /// The last ping. It is answered when the count of signs has moved on.
    pinged: Option<Pinged>,
    _alive: oneshot::Sender<()>,
}

/// A ping that went out.
#[derive(Debug, Clone, Copy)]
struct Pinged {
    at: Instant,
    /// How many signs of life there were by then.
    signs: u64,
    /// How long the answer may take.
    patience: Duration,
}

impl Receiver {
    /// As [`FrameReceiver::recv`].
    pub(crate) async fn recv(&mut self) -> Result<Frame, LinkEnd> {
        loop {
            // A timer is set only when there is something to wait for.
            let message = match self.frames.next().now_or_never() {
                Some(message) => message,
                None => {
                    let deadline = self.deadline();
                    tokio::select! {
                        biased;
                        message = self.frames.next() => message,
                        patience = self.pinger.doubted() => {
                            self.ping(patience);
                            continue;
                        }
                        () = tokio::time::sleep_until(deadline) => {
                            self.check_silence()?;
                            continue;
                        }
                    }
                }
            };
            match message {
                Some(Ok(Message::Text(text))) => return Ok(Frame::Text(text)),
                Some(Ok(Message::Binary(bytes))) => return Ok(Frame::Binary(bytes)),
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Some(Ok(Message::Close(frame))) => return Err(closed(frame)),
                Some(Err(error)) => return Err(self.ended(error)),
                None => return Err(LinkEnd::Lost("the connection was closed".to_owned())),
            }
        }
    }

    /// When the peer last gave a sign of life, and how many it gave: bytes of its own and, while much waits to be sent,
    /// room for more of ours. A ping would stand at the end of that queue, and nothing else need come back meanwhile.
    fn signs(&self) -> (Instant, u64) {
        let (read, reads) = (self.activity.last_read(), self.activity.reads());
        if self.pinger.queued() <= NEARLY_IDLE {
            return (read, reads);
        }
        (read.max(self.activity.last_written()), reads + self.activity.writes())
    }

    /// When to look at the silence again.
    fn deadline(&self) -> Instant {
        let (last, count) = self.signs();
        match self.pinged {
            Some(ping) if ping.signs == count => ping.at + ping.patience,
            _ => last + limits::SILENCE_BEFORE_PING,
        }
    }

    fn check_silence(&mut self) -> Result<(), LinkEnd> {
        if Instant::now() < self.deadline() {
            return Ok(());
        }
        let (last, count) = self.signs();
        if self.pinged.is_some_and(|ping| ping.signs == count) {
            return Err(LinkEnd::Silent(last.elapsed()));
        }
        self.ping(limits::SILENCE_AFTER_PING);
        Ok(())
    }

    /// Asks for a sign of life.
    fn ping(&mut self, patience: Duration) {
        let (_, signs) = self.signs();
        self.pinged = Some(Pinged { at: Instant::now(), signs, patience });
        self.pinger.ping();
    }

    fn ended(&self, error: WsError) -> LinkEnd {
        match error {
            WsError::Capacity(CapacityError::MessageTooLong { .. }) => LinkEnd::TooLarge(self.max_message),
            WsError::Protocol(ProtocolError::ResetWithoutClosingHandshake) => {
                LinkEnd::Lost("the connection was reset".to_owned())
            }
            WsError::Io(error) => LinkEnd::Lost(error.to_string()),
            WsError::ConnectionClosed | WsError::AlreadyClosed => LinkEnd::Lost("the connection was closed".to_owned()),
            other => LinkEnd::Protocol(text::clean(&other.to_string(), 200)),
        }
    }
}

fn closed(frame: Option<CloseFrame>) -> LinkEnd {
    let (code, reason) =
        frame.map_or((1005, String::new()), |frame| (frame.code.into(), text::clean(&frame.reason, 200)));
    LinkEnd::Closed { code, reason }
}

/// The gateway's end of a link: `stream` has just been upgraded. Frames over `max_message` bytes end it.
pub async fn accept(stream: impl Io, max_message: usize) -> (FrameSender, FrameReceiver) {
    let watched = Watched::new(stream);
    let activity = watched.activity();
    let socket = WebSocketStream::from_raw_socket(watched, Role::Server, Some(config(max_message))).await;
    carry(socket, activity, max_message)
}

/// The client's end of a link: `stream` has just been upgraded. Frames over `max_message` bytes end it.
pub async fn connect(stream: impl Io, max_message: usize) -> (FrameSender, FrameReceiver) {
    let watched = Watched::new(stream);
    let activity = watched.activity();
    let socket = WebSocketStream::from_raw_socket(watched, Role::Client, Some(config(max_message))).await;
    carry(socket, activity, max_message)
}

/// How a WebSocket is set up at both ends.
pub(crate) fn config(max_message: usize) -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .max_message_size(Some(max_message))
        .max_frame_size(Some(max_message))
}

pub(crate) fn carry(
    socket: WebSocketStream<Watched>,
    activity: Activity,
    max_message: usize,
) -> (FrameSender, FrameReceiver) {
    let (sink, frames) = socket.split();
    let (sender, outgoing) = FrameSender::new();
    let (alive, dropped) = oneshot::channel();
    tokio::spawn(async move {
        let mut writing = Box::pin(write(sink, outgoing));
        tokio::select! {
            () = &mut writing => {}
            // The receiving end is gone: nobody learns of a failure any more, so the rest is bounded by time.
            _ = dropped => {
                let _ = timeout(LAST_WORDS, writing).await;
            }
        }
    });
    let receiver = Receiver { frames, activity, max_message, pinger: sender.clone(), pinged: None, _alive: alive };
    (sender, receiver.into())
}

/// Writes what is queued until the link breaks, a close was written, or nobody can send any more.
async fn write(mut sink: SplitSink<WebSocketStream<Watched>, Message>, mut outgoing: queue::Receiver<Outgoing>) {
    while let Some(first) = outgoing.recv().await {
        let mut next = Some(first);
        while let Some(Queued { item, .. }) = &mut next {
            let message = match item {
                Outgoing::Frame(Frame::Text(text)) => Message::Text(std::mem::take(text)),
                Outgoing::Frame(Frame::Binary(bytes)) => Message::Binary(std::mem::take(bytes)),
                Outgoing::Ping => Message::Ping(Bytes::new()),
                Outgoing::Close(code, reason) => {
                    let frame = CloseFrame { code: CloseCode::from(*code), reason: Utf8Bytes::from_static(reason) };
                    let _ = sink.send(Message::Close(Some(frame))).await;
                    return;
                }
            };
            if sink.feed(message).await.is_err() {
                return;
            }
            next = outgoing.try_recv();
        }
        if sink.flush().await.is_err() {
            return;
        }
    }
    let _ = sink.close().await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

    const PING: u8 = 0x89;
    const CLOSE: u8 = 0x88;

    /// A link whose peer is raw bytes.
    async fn link() -> (FrameSender, FrameReceiver, DuplexStream) {
        let (ours, theirs) = duplex(64 * 1024);
        let (sender, receiver) = accept(ours, 1000).await;
        (sender, receiver, theirs)
    }

    /// A masked client frame with an all-zero mask.
    fn frame(opcode: u8, body: &[u8]) -> Vec<u8> {
        let mut frame = vec![0x80 | opcode];
        match u8::try_from(body.len()).ok().filter(|len| *len < 126) {
            Some(len) => frame.push(0x80 | len),
            None => {
                frame.push(0x80 | 126);
                frame.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
            }
        }
        frame.extend([0; 4]);
        frame.extend(body);
        frame
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_peer_is_pinged_after_8_s_and_given_up_after_28() {
        let (_sender, mut receiver, mut peer) = link().await;
        let start = Instant::now();
        let ended = tokio::spawn(async move { receiver.recv().await });
        let mut head = [0; 2];
        peer.read_exact(&mut head).await.unwrap();
        assert_eq!((head, start.elapsed().as_secs()), ([PING, 0], 8));
        let Err(LinkEnd::Silent(after)) = ended.await.unwrap() else { panic!("the link must be dead") };
        assert_eq!((after.as_secs(), start.elapsed().as_secs()), (28, 28));
    }

    #[tokio::test(start_paused = true)]
    async fn a_link_in_doubt_is_pinged_at_once_and_given_up_soon_unless_it_answers() {
        const PONG: u8 = 10;
        let (sender, mut receiver, mut peer) = link().await;
        let start = Instant::now();
        let ended = tokio::spawn(async move { receiver.recv().await });
        let mut ping = [0; 2];
        sender.doubt(limits::SILENCE_WHEN_DOUBTED);
        peer.read_exact(&mut ping).await.unwrap();
        assert_eq!((ping, start.elapsed().as_millis()), ([PING, 0], 0));
        peer.write_all(&frame(PONG, b"")).await.unwrap();
        // It answered: the next ping is the usual one.
        peer.read_exact(&mut ping).await.unwrap();
        assert_eq!(start.elapsed().as_secs(), 8);
        sender.doubt(limits::SILENCE_WHEN_DOUBTED);
        let Err(LinkEnd::Silent(_)) = ended.await.unwrap() else { panic!("the link must be dead") };
        assert_eq!(start.elapsed().as_millis(), 8_000 + 900);
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_answers_pings_is_alive_for_as_long_as_it_likes() {
        const PONG: u8 = 10;
        let (_sender, mut receiver, mut peer) = link().await;
        let receiving = tokio::spawn(async move { receiver.recv().await });
        for _ in 0..20 {
            let mut ping = [0; 2];
            peer.read_exact(&mut ping).await.unwrap();
            assert_eq!(ping, [PING, 0]);
            peer.write_all(&frame(PONG, b"")).await.unwrap();
        }
        peer.write_all(&frame(1, b"still here")).await.unwrap();
        assert_eq!(receiving.await.unwrap(), Ok(Frame::Text("still here".into())));
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_upload_is_no_silence() {
        let (sender, mut receiver, mut peer) = link().await;
        let receiving = tokio::spawn(async move { receiver.recv().await });
        for _ in 0..15 {
            assert!(sender.try_send("x".repeat(60_000)));
        }
        let mut taken = vec![0; 9_000];
        for _ in 0..80 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            peer.read_exact(&mut taken).await.unwrap();
        }
        assert!(!receiving.is_finished());
        receiving.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn single_bytes_of_a_slow_message_are_no_silence() {
        let (_sender, mut receiver, mut peer) = link().await;
        let received = tokio::spawn(async move { receiver.recv().await });
        for byte in frame(1, b"slow") {
            tokio::time::sleep(Duration::from_secs(7)).await;
            peer.write_all(&[byte]).await.unwrap();
        }
        assert_eq!(received.await.unwrap(), Ok(Frame::Text("slow".into())));
    }

    #[tokio::test]
    async fn a_message_over_the_limit_ends_the_link_with_that_reason() {
        let (_sender, mut receiver, mut peer) = link().await;
        peer.write_all(&frame(1, &[b'x'; 1000])).await.unwrap();
        assert!(receiver.recv().await.is_ok());
        peer.write_all(&frame(1, &[b'x'; 1001])).await.unwrap();
        assert_eq!(receiver.recv().await, Err(LinkEnd::TooLarge(1000)));
    }

    #[tokio::test]
    async fn a_close_tells_its_code_and_a_broken_connection_that_it_broke() {
        let (_sender, mut receiver, mut peer) = link().await;
        peer.write_all(&frame(8, b"\x03\xf0policy\x1b[1m")).await.unwrap();
        assert_eq!(receiver.recv().await, Err(LinkEnd::Closed { code: 1008, reason: "policy [1m".into() }));
        let (_sender, mut receiver, peer) = link().await;
        drop(peer);
        assert!(matches!(receiver.recv().await, Err(LinkEnd::Lost(_))));
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_does_not_read_makes_producers_wait_and_ends_with_the_link() {
        let (sender, receiver, peer) = link().await;
        let mut taken = 0;
        while sender.try_send("x".repeat(64 * 1024)) {
            taken += 1;
            tokio::task::yield_now().await;
        }
        assert!(taken <= 18, "{taken} frames of 64 KiB were taken");
        drop(receiver);
        sender.closed().await;
        drop(peer);
    }

    #[tokio::test]
    async fn what_was_queued_before_a_close_still_leaves() {
        let (sender, _receiver, mut peer) = link().await;
        sender.send("last".to_owned()).await.unwrap();
        sender.close(1000, "bye").await;
        let mut bytes = [0; 13];
        peer.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes[2..6], b"last");
        assert_eq!((bytes[6], &bytes[10..13]), (CLOSE, &b"bye"[..]));
    }
}
