//! The gateway's end: a stream of events out, bodies of POSTs in. What HTTP they come over is not known here.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use culvert_protocol::sse::record::BadRecord;
use culvert_protocol::sse::{MAX_MESSAGE, Order, Record, event};
use culvert_protocol::{Secret, text};
use thiserror::Error;
use tokio::time::{Instant, sleep_until};
use tokio_tungstenite::tungstenite::Utf8Bytes;
use tokio_util::sync::CancellationToken;

use super::{DEAD, IDLE};
use crate::carriage::{Frame, FrameReceiver, FrameSender, LAST_WORDS, LinkEnd, Outgoing};
use crate::handed::{Over, handed};
use crate::queue::{self, Queued};

/// Bytes of events that are put into one piece of the stream.
const PIECE: usize = 64 * 1024;

/// A connection that has just been asked for.
#[derive(Debug)]
pub struct Accepted {
    /// Frames to the client.
    pub sender: FrameSender,
    /// Frames from it.
    pub receiver: FrameReceiver,
    /// The body of the answer to its GET.
    pub stream: EventStream,
    /// Where its POSTs go.
    pub intake: Arc<Intake>,
    /// Cancelled once nobody reads the stream any more.
    pub hung_up: CancellationToken,
}

/// Opens a connection: its POSTs will name `connection` and prove themselves by `key`.
pub fn accept(connection: &str, key: &Secret) -> Accepted {
    let (sender, outgoing) = FrameSender::new();
    let (receiver, frames, over, unwanted) = handed();
    let hung_up = CancellationToken::new();
    let mut greeting = BytesMut::new();
    event::put_comment(&mut greeting);
    event::put_open(connection, key, &mut greeting);
    let stream = EventStream {
        outgoing,
        over: over.clone(),
        unwanted: unwanted.clone(),
        hung_up: hung_up.clone(),
        piece: greeting,
        until: None,
        state: State::Running,
    };
    let heard = Mutex::new(Instant::now());
    let intake = Arc::new(Intake { order: tokio::sync::Mutex::default(), frames, heard, over, unwanted });
    tokio::spawn(watch_for_silence(intake.clone()));
    Accepted { sender, receiver: receiver.into(), stream, intake, hung_up }
}

/// The events of one connection, in pieces. Dropping it ends the connection.
#[derive(Debug)]
pub struct EventStream {
    outgoing: queue::Receiver<Outgoing>,
    over: Over,
    unwanted: CancellationToken,
    hung_up: CancellationToken,
    piece: BytesMut,
    /// Until when what is queued may leave, once nobody receives any more.
    until: Option<Instant>,
    state: State,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Running,
    Ended,
}

impl EventStream {
    /// The next piece; `None` at the end. Cancel safe.
    pub async fn next(&mut self) -> Option<Bytes> {
        if !self.piece.is_empty() {
            return Some(self.piece.split().freeze());
        }
        if self.state == State::Ended {
            return None;
        }
        let idle = Instant::now() + IDLE;
        loop {
            tokio::select! {
                biased;
                queued = self.outgoing.recv() => return queued.and_then(|queued| self.gather(queued)),
                _ = self.over.ended() => return None,
                () = self.unwanted.cancelled(), if self.until.is_none() => self.until = Some(Instant::now() + LAST_WORDS),
                () = sleep_until(self.until.unwrap_or(idle).min(idle)) => {
                    if self.until.is_some_and(|until| until <= Instant::now()) {
                        return None;
                    }
                    event::put_comment(&mut self.piece);
                    return Some(self.piece.split().freeze());
                }
            }
        }
    }

    /// One piece of all that is queued.
    fn gather(&mut self, first: Queued<Outgoing>) -> Option<Bytes> {
        let mut next = Some(first);
        while let Some(queued) = next {
            match &queued.item {
                Outgoing::Frame(Frame::Text(text)) => event::put_text(text, &mut self.piece),
                Outgoing::Frame(Frame::Binary(bytes)) => event::put_binary(bytes, &mut self.piece),
                Outgoing::Ping => event::put_comment(&mut self.piece),
                Outgoing::Close(code, reason) => {
                    event::put_close(*code, reason, &mut self.piece);
                    self.state = State::Ended;
                    break;
                }
            }
            next = if self.piece.len() < PIECE { self.outgoing.try_recv() } else { None };
        }
        Some(self.piece.split().freeze())
    }
}

impl Drop for EventStream {
    fn drop(&mut self) {
        self.over.end(LinkEnd::Lost("the event stream was closed".to_owned()));
        self.hung_up.cancel();
    }
}

/// Takes the POSTs of one connection in.
#[derive(Debug)]
pub struct Intake {
    /// Held while frames are handed over, so that those of two POSTs do not mix.
    order: tokio::sync::Mutex<Order>,
    frames: queue::Sender<Frame>,
    heard: Mutex<Instant>,
    over: Over,
    unwanted: CancellationToken,
}

/// Why a POST was not taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Rejected {
    /// The connection is over.
    #[error("the connection is over")]
    Over,
    /// The client broke the rules; the connection is over now.
    #[error("{0}")]
    Violation(String),
}

impl Intake {
    /// Notes a sign of life: bytes came in that belong to the connection.
    pub fn hear(&self) {
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Takes the body of POST `number` in, and what came before its turn. One that came before is taken as well, and is
    /// nothing new.
    ///
    /// # Errors
    /// [`Rejected`].
    pub async fn take(&self, number: u64, body: Bytes) -> Result<(), Rejected> {
        self.hear();
        let mut order = self.order.lock().await;
        if self.over.is_over() {
            return Err(Rejected::Over);
        }
        let ready = match order.take(number, body) {
            Ok(ready) => ready,
            Err(too_far) => return Err(self.violated(&too_far)),
        };
        for mut body in ready {
            while !body.is_empty() {
                match Record::take(&mut body) {
                    Ok(Record::Text(bytes)) => {
                        let text = Utf8Bytes::try_from(bytes).map_err(|_| self.violated(&BadRecord::Utf8))?;
                        self.hand_over(Frame::Text(text)).await?;
                    }
                    Ok(Record::Binary(bytes)) => self.hand_over(Frame::Binary(bytes)).await?,
                    Ok(Record::Close(code, reason)) => {
                        let reason = text::clean(&String::from_utf8_lossy(&reason), 200);
                        self.over.end(LinkEnd::Closed { code, reason });
                        return Ok(());
                    }
                    Err(too_long @ BadRecord::TooLong(_)) => {
                        self.over.end(LinkEnd::TooLarge(MAX_MESSAGE));
                        return Err(Rejected::Violation(too_long.to_string()));
                    }
                    Err(bad) => return Err(self.violated(&bad)),
                }
            }
        }
        Ok(())
    }

    /// Completes when the connection is over: it ended, or nobody receives any more. Until then its POSTs must find it,
    /// whoever has it by now.
    pub async fn ended(&self) {
        tokio::select! {
            () = self.unwanted.cancelled() => {}
            _ = self.over.ended() => {}
        }
    }

    async fn hand_over(&self, frame: Frame) -> Result<(), Rejected> {
        tokio::select! {
            sent = self.frames.send(frame) => sent.map_err(|_| Rejected::Over),
            _ = self.over.ended() => Err(Rejected::Over),
        }
    }

    fn violated(&self, why: &dyn std::fmt::Display) -> Rejected {
        self.over.end(LinkEnd::Protocol(why.to_string()));
        Rejected::Violation(why.to_string())
    }

    fn silent_from(&self) -> Instant {
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner) + DEAD
    }
}

/// Ends a connection whose client has said nothing for too long.
async fn watch_for_silence(intake: Arc<Intake>) {
    loop {
        let silent = intake.silent_from();
        tokio::select! {
            () = intake.ended() => return,
            () = sleep_until(silent) => {
                if intake.silent_from() <= Instant::now() {
                    return intake.over.end(LinkEnd::Silent(DEAD));
                }
            }
        }
    }
}
