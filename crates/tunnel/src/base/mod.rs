//! The base dialect at the client's end: one link, one child, envelopes on one side and lines on the other.
//!
//! Two loops run side by side, so that neither side can keep the other from being read: gateway → child ([`inbound`])
//! and child → gateway ([`outbound`]). What they share is small and is never held across a wait.

mod inbound;
mod outbound;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use culvert_link::{Carriage, Dialled, FrameReceiver, FrameSender};
use culvert_protocol::envelope::Writer;
use culvert_protocol::limits;
use culvert_protocol::message::{Id, Message};
use culvert_protocol::rpc_error::RpcError;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::activity::Caller;
use crate::config::TunnelConfig;
use crate::end::End;
use crate::figures::Direction;
use crate::handshake::Greeting;
use crate::local::{Input, Local};
use crate::outside::{Bearer, Outside, Turn, woken};
use crate::pending::{Overdue, Pending};
use crate::policy::{Gate, Lobby};
use crate::probe;
use crate::registration::Refusal;
use crate::report::Report;
use crate::status::{Notice, Status};

/// How long the gateway may take to hang up after we said goodbye.
const GOODBYE: Duration = Duration::from_secs(1);

/// The local server as a session needs it. It outlives the session.
#[derive(Debug)]
pub(crate) struct Served {
    /// Its process, or its session at a URL.
    pub(crate) child: Local,
    /// What it said of itself.
    pub(crate) greeting: Greeting,
    /// The calls in flight on it.
    pub(crate) pending: Pending,
    /// What may pass to and from it.
    pub(crate) gate: Gate,
}

/// How long a gateway may take to take the last answers, with its own full queue before them.
const LAST_WORDS: Duration = Duration::from_secs(4);

/// One registration on one link.
struct Session<'a> {
    config: &'a TunnelConfig,
    greeting: &'a Greeting,
    report: &'a Report,
    gate: &'a Gate,
    sender: FrameSender,
    input: Input,
    caller: Arc<Caller>,
    shared: Mutex<Shared<'a>>,
    /// A call was answered.
    settled: Notify,
    /// The registration is complete.
    begun: Notify,
}

/// What both loops touch.
struct Shared<'a> {
    pending: &'a mut Pending,
    writer: Writer,
    /// The gateway's name for the session.
    session_id: String,
    max_frame: usize,
    registered: Option<Instant>,
    heartbeat_sent: Option<Instant>,
    /// Whether the child was last seen not to read its input.
    stalled: bool,
    /// Whether no new calls are taken any more.
    draining: bool,
    /// Held until the registration is complete.
    turn: Option<Turn>,
}

/// How far the registration is when a session begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// The gateway is at it.
    Processing,
    /// It was all done with the acknowledgement, and no calls are routed.
    Mute,
}

/// A registration that the gateway has acknowledged.
#[derive(Debug)]
pub(crate) struct Registration {
    /// The gateway's name for the session.
    pub(crate) id: String,
    pub(crate) progress: Progress,
    /// Lasts until the registration is complete.
    pub(crate) turn: Turn,
}

/// Serves the local server over `link` until one of them ends or `stop` is cancelled.
pub(crate) async fn serve(
    link: Dialled,
    served: &mut Served,
    config: &TunnelConfig,
    outside: &Outside,
    registration: Registration,
    report: &Report,
    stop: &CancellationToken,
) -> End {
    let Dialled { sender, mut receiver, .. } = link;
    let Served { child, greeting, pending, gate } = served;
    let Registration { id: session_id, progress, turn } = registration;
    let shared = Shared {
        pending,
        writer: Writer::new(&session_id),
        session_id,
        max_frame: match progress {
            // Such a gateway closes the link at a frame over its limit.
            Progress::Processing => config.max_message.min(limits::MAX_MESSAGE_STRICT),
            Progress::Mute => config.max_message,
        },
        registered: None,
        heartbeat_sent: None,
        stalled: false,
        draining: false,
        turn: Some(turn),
    };
    let ledger = report.ledger();
    ledger.figures().watch_queue(Direction::FromServer, sender.gauge());
    let session = Session {
        config,
        greeting,
        report,
        gate,
        sender,
        input: child.input(),
        caller: Arc::new(Caller::Gateway),
        shared: Mutex::new(shared),
        settled: Notify::new(),
        begun: Notify::new(),
    };
    if progress == Progress::Mute {
        session.registered(vec![Notice::NoRouting]);
    }
    let mut lobby = Lobby::default();
    let end = {
        let mut work = pin!(async {
            tokio::select! {
                biased;
                end = session.read_gateway(&mut receiver, &mut lobby) => end,
                end = session.read_child(child) => end,
                end = session.tick() => end,
                end = session.outlive_token(&outside.bearer) => end,
                never = session.doubt_when_woken(outside.wake.clone()) => match never {},
                never = session.tell_changes() => match never {},
                never = probe::keep_asking(&session.input, greeting.era, report, config.probe_interval) => match never {},
            }
        });
        let ended = tokio::select! {
            biased;
            () = stop.cancelled() => None,
            end = &mut work => Some(end),
        };
        match ended {
            Some(end) => end,
            None => tokio::select! {
                biased;
                end = &mut work => end,
                () = session.drain() => End::Stopped,
            },
        }
    };
    let waiting = lobby.clear().filter_map(|(_, line)| Some(Message::parse(&line).ok()?.raw_id()?.into())).collect();
    session.say_goodbye(&end, receiver, waiting).await;
    end
}

impl<'a> Session<'a> {
    fn lock(&self) -> MutexGuard<'_, Shared<'a>> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes no new calls, and waits for the end of those in flight, as long as they may take to it.
    async fn drain(&self) {
        self.report.set(Status::Stopping);
        self.lock().draining = true;
        let quiet = async {
            while !self.lock().pending.is_quiet() {
                self.settled.notified().await;
            }
        };
        let _ = timeout(self.config.drain, quiet).await;
    }

    /// Completes when there is another token and nothing is in flight that a new registration would cut off.
    async fn outlive_token(&self, bearer: &Bearer) -> End {
        bearer.replaced().await;
        while !self.lock().pending.is_quiet() {
            self.settled.notified().await;
        }
        End::TokenReplaced
    }

    /// Puts the link to the test whenever the network may be another one.
    async fn doubt_when_woken(&self, mut wake: watch::Receiver<()>) -> Infallible {
        loop {
            woken(&mut wake).await;
            let patience = match self.lock().pending.is_quiet() {
                true => limits::SILENCE_WHEN_DOUBTED,
                false => limits::SILENCE_WHEN_DOUBTED_IN_USE,
            };
            self.sender.doubt(patience);
        }
    }

    /// The registration is complete.
    fn registered(&self, mut notices: Vec<Notice>) {
        if self.config.keepalive > limits::KEEPALIVE_WARN {
            notices.push(Notice::SlowKeepalive(self.config.keepalive));
        }
        let mut shared = self.lock();
        shared.registered = Some(Instant::now());
        shared.turn = None;
        self.begun.notify_one();
        self.report.online(Carriage::WebSocket, shared.session_id.clone(), self.greeting.tools, notices);
    }

    /// Heartbeats, and the end of a registration that takes too long.
    async fn tick(&self) -> End {
        let every = self.config.keepalive;
        let mut beat = interval_at(Instant::now() + every, every);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // A tenth of the time that calls have is near enough, and a cancelled one must not linger.
        let look = (self.config.request_timeout / 10).clamp(Duration::from_millis(100), Duration::from_secs(5));
        let mut looks = interval_at(Instant::now() + look, look);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let overdue = sleep(limits::REGISTER_TIMEOUT);
        tokio::pin!(overdue);
        loop {
            tokio::select! {
                _ = beat.tick() => {
                    let frame = {
                        let mut shared = self.lock();
                        shared.heartbeat_sent = Some(Instant::now());
                        shared.writer.heartbeat()
                    };
                    let _ = self.sender.send(frame).await;
                }
                // The first at once: it measures the round trip.
                () = self.begun.notified() => beat.reset_immediately(),
                _ = looks.tick() => self.end_overdue_calls().await,
                () = &mut overdue, if !overdue.is_elapsed() => {
                    if self.lock().registered.is_none() {
                        return End::Refused(Refusal::Overdue);
                    }
                }
            }
        }
    }

    /// Answers the calls whose time is over; the child is told to stop working on them.
    async fn end_overdue_calls(&self) {
        let overdue = self.lock().pending.overdue(Instant::now());
        for Overdue { id, raw_id, cancelled } in overdue {
            let error = if cancelled {
                RpcError::tunnel("call.cancelled", "the call was cancelled")
            } else {
                let limit = self.config.request_timeout.as_secs_f32();
                // A child that does not read is not helped by more to read.
                let _ = self.input.try_send(cancellation(&id, "no answer in time"));
                RpcError::tunnel("call.timeout", format!("the local server did not answer within {limit} s"))
            };
            let frame = self.lock().writer.response(&error.answer(&raw_id));
            let _ = self.sender.send(frame).await;
            self.settled.notify_one();
        }
    }

    /// Tells the gateway whenever other things may pass than before.
    async fn tell_changes(&self) -> Infallible {
        let mut passing = self.gate.policy().passing();
        let mut told = *passing.borrow_and_update();
        loop {
            if passing.changed().await.is_err() {
                return std::future::pending().await;
            }
            let now = *passing.borrow_and_update();
            for feature in now.since(&std::mem::replace(&mut told, now)) {
                let notification = format!(r#"{{"jsonrpc":"2.0","method":"notifications/{feature}/list_changed"}}"#);
                let frame = self.lock().writer.notification(&notification);
                let _ = self.sender.send(frame).await;
            }
        }
    }

    /// The last frames of a session: its calls in flight, and those that nobody has judged yet, get their answer where
    /// the child is gone or the user wants to stop; where the link is gone, the child may stop working on them.
    async fn say_goodbye(&self, end: &End, mut receiver: FrameReceiver, unjudged: Vec<Box<str>>) {
        let error = match end {
            End::Link(..) => {
                let orphans = self.lock().pending.orphan();
                for id in orphans {
                    // A child that does not read is not helped by more to read.
                    let _ = self.input.try_send(cancellation(&id, "the link was lost"));
                }
                return;
            }
            End::Server(exit) => {
                let words = format!("the local server {exit}");
                RpcError::tunnel("server.exited", words)
            }
            End::Stopped | End::TokenReplaced => {
                RpcError::tunnel("tunnel.stopped", "the tunnel to this server was stopped by its owner")
            }
            End::Refused(_) | End::Cause(_) => {
                RpcError::tunnel("register.refused", "the gateway refused to register this server")
            }
        };
        let (waiting, orphans, unregister) = {
            let mut shared = self.lock();
            let waiting = match end {
                End::Server(_) => shared.pending.drain(),
                _ => shared.pending.awaited(),
            };
            (waiting, shared.pending.orphan(), shared.writer.unregister())
        };
        for id in orphans {
            let _ = self.input.try_send(cancellation(&id, "the link was lost"));
        }
        let last_words = async {
            for raw_id in waiting.into_iter().chain(unjudged) {
                let frame = self.lock().writer.response(&error.answer(&raw_id));
                let _ = self.sender.send(frame).await;
            }
            let _ = self.sender.send(unregister).await;
            self.sender.close(1000, "").await;
        };
        if timeout(LAST_WORDS, last_words).await.is_err() {
            // Nobody reads, or hardly; to hang up is all that is left.
            return;
        }
        // Hanging up with frames unread would reset the connection, and the last answers might be lost with it.
        let _ = timeout(GOODBYE, async { while receiver.recv().await.is_ok() {} }).await;
    }
}

/// Tells the child that nobody waits for this call any more.
fn cancellation(id: &Id, reason: &'static str) -> Bytes {
    let message = format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{},"reason":"{reason}"}}}}"#,
        id.to_json()
    );
    Bytes::from(message)
}
