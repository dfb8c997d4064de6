//! Gateway → child: envelopes are read, their payloads handed to the child untouched.

use std::time::Duration;

use bytes::Bytes;
use culvert_link::{Frame, FrameReceiver, queue::Refused};
use culvert_protocol::envelope::{Envelope, Kind};
use culvert_protocol::glance::text_of;
use culvert_protocol::message::{Carried, Id, Malformed, Message, Shape, member};
use culvert_protocol::rpc_error::{INVALID_REQUEST, RpcError};
use culvert_protocol::splice::{single_line, splice};
use culvert_protocol::text;
use tokio::time::{Instant, timeout};
use tracing::{debug, warn};

use super::Session;
use crate::activity::Outcome;
use crate::end::End;
use crate::figures::{Direction, Method};
use crate::handshake;
use crate::http::headers::Credentials;
use crate::ledger::Ticket;
use crate::local::Letter;
use crate::local_answer;
use crate::moderation;
use crate::pending::{CallKind, NotTaken};
use crate::policy::{Entry, Lobby};
use crate::probe;
use crate::registration::Refusal;

/// How long a child may leave its full stdin unread before calls are answered with an error instead of waiting.
const STALL: Duration = Duration::from_secs(10);

/// What becomes of a payload.
enum Fate {
    /// It goes to the child. With an answer: what the caller gets if the child does not take it.
    ToChild(Bytes, Option<Box<str>>),
    /// It is answered here.
    Answer(String),
    /// It needs nothing more.
    Done,
}

impl Session<'_> {
    /// Reads the link until it ends or the gateway turns us down.
    pub(super) async fn read_gateway(&self, receiver: &mut FrameReceiver, lobby: &mut Lobby<Frame>) -> End {
        loop {
            let (frame, judged) = tokio::select! {
                biased;
                (frame, entry) = lobby.next(self.gate, &self.input) => (Ok(frame), Some(entry)),
                frame = receiver.recv() => (frame, None),
            };
            let text = match frame {
                Ok(Frame::Text(text)) => text,
                Ok(Frame::Binary(_)) => {
                    warn!("the gateway sent a binary frame, which the base dialect does not have: skipped");
                    continue;
                }
                Err(end) => return End::Link(end, self.lock().registered.map(|since| since.elapsed())),
            };
            moderation::count();
            let envelope = match Envelope::parse(&text) {
                Ok(envelope) => envelope,
                Err(error) => {
                    warn!(%error, "the gateway sent a frame that is no envelope: skipped");
                    continue;
                }
            };
            match envelope.kind {
                Kind::RegisterComplete => {
                    if let Some(refusal) = self.on_completion(&envelope) {
                        return End::Refused(refusal);
                    }
                }
                // An acknowledgement. Answering it would start a loop.
                Kind::Heartbeat => self.on_heartbeat(),
                Kind::Error => self.on_error(&envelope),
                Kind::Request | Kind::Response | Kind::Notification => {
                    let Some(payload) = envelope.payload else {
                        debug!("an envelope without a payload: skipped");
                        continue;
                    };
                    let line = payload.text().as_bytes();
                    if judged.is_none()
                        && let Some((_, raw_id)) = lobby.cancel(line)
                    {
                        let error = RpcError::tunnel("call.cancelled", "the call was cancelled");
                        let frame = self.lock().writer.response(&error.answer(&raw_id));
                        let _ = self.sender.send(frame).await;
                        continue;
                    }
                    let entry = judged.unwrap_or_else(|| self.gate.to_server(line, &self.input));
                    let entry = match entry {
                        Entry::Wait => match lobby.enter(Frame::Text(text.clone()), line) {
                            Ok(()) => continue,
                            Err((_, refused)) => refused,
                        },
                        entry => entry,
                    };
                    let fate = match entry {
                        Entry::Pass => self.on_payload(&payload),
                        Entry::Instead(other) => match std::str::from_utf8(&other).map(Carried::of) {
                            Ok(payload) => match self.on_payload(&payload) {
                                Fate::ToChild(same, awaited) if same.is_empty() => Fate::ToChild(other, awaited),
                                fate => fate,
                            },
                            Err(_) => continue,
                        },
                        Entry::Answer(answers) => {
                            self.give(answers).await;
                            continue;
                        }
                        Entry::Refuse(answers) => {
                            self.refused(&payload, &answers);
                            self.give(answers).await;
                            continue;
                        }
                        Entry::Wait => continue,
                    };
                    let credentials = envelope.authentication.and_then(|given| self.config.forward_auth.sift(given));
                    let start = payload.text().as_ptr() as usize - text.as_ptr() as usize;
                    let span = start..start + payload.text().len();
                    self.deliver(fate, credentials, || Bytes::from(text).slice(span)).await;
                }
                Kind::Register | Kind::RegisterAck | Kind::Labels | Kind::Unregister | Kind::Other(_) => {
                    debug!(kind = ?envelope.kind, "skipped")
                }
            }
        }
    }

    /// Gives these answers.
    async fn give(&self, answers: Vec<String>) {
        for answer in answers {
            let frame = self.lock().writer.response(&answer);
            let _ = self.sender.send(frame).await;
        }
    }

    /// Keeps account of what did not pass.
    fn refused(&self, payload: &Carried<'_>, answers: &[String]) {
        if let Ok(message) = payload.message()
            && let Shape::Request(_) = message.shape()
        {
            let now = Instant::now();
            let ticket = self.ticket(&message, &message.method(), now);
            ticket.end(Outcome::Refused, answers.iter().map(String::len).sum(), now);
        }
    }

    fn on_completion(&self, envelope: &Envelope<'_>) -> Option<Refusal> {
        if self.lock().registered.is_some() {
            return None;
        }
        if envelope.status.as_deref() != Some("success") {
            return Some(Refusal::of(envelope.message.as_deref().unwrap_or_default()));
        }
        self.registered(Vec::new());
        None
    }

    fn on_heartbeat(&self) {
        let sent = self.lock().heartbeat_sent.take();
        if let Some(sent) = sent {
            self.report.round_trip(sent.elapsed());
        }
    }

    fn on_error(&self, envelope: &Envelope<'_>) {
        let message = text::clean(envelope.message.as_deref().unwrap_or("it gave no reason"), 300);
        warn!("the gateway reports an error: {message}");
    }

    /// Decides on a payload by what it is, whatever its envelope's label says.
    fn on_payload(&self, payload: &Carried<'_>) -> Fate {
        let message = match payload.message() {
            Ok(message) => message,
            Err(Malformed::Batch) => return self.refuse_batch(payload.text()),
            Err(error) => {
                warn!(%error, "the gateway sent something that is no JSON-RPC message: skipped");
                return Fate::Done;
            }
        };
        let method = message.method();
        match (message.shape(), message.raw_id()) {
            (Shape::Request(_), Some(raw_id)) if self.lock().draining => {
                Fate::Answer(local_answer::stopping().answer(raw_id))
            }
            (Shape::Request(id), Some(raw_id)) if probe::is_reserved(id) => {
                Fate::Answer(probe::refusal().answer(raw_id))
            }
            (Shape::Request(id), Some(raw_id)) => {
                let kind = match &*method {
                    "initialize" if self.is_known_revision(&message) => {
                        return Fate::Answer(handshake::repeat(self.greeting, raw_id));
                    }
                    "initialize" => CallKind::Initialize,
                    _ => CallKind::Plain,
                };
                let token = progress_token(&message);
                let now = Instant::now();
                let (until, ticket) = (now + self.config.request_timeout, || self.ticket(&message, &method, now));
                let taken = self.lock().pending.insert(id.clone(), raw_id, kind, token, until, ticket);
                match taken {
                    Ok(None) => Fate::ToChild(Bytes::new(), Some(raw_id.into())),
                    Ok(Some(name)) => {
                        let span = message.id_span().unwrap_or_default();
                        Fate::ToChild(splice(payload.text(), &[(span, &name.to_json())]), Some(raw_id.into()))
                    }
                    Err(NotTaken::InFlight) => {
                        let why = format!("a request with the id {raw_id} is still in flight");
                        Fate::Answer(RpcError::new(INVALID_REQUEST, "message.id_in_flight", why).answer(raw_id))
                    }
                    Err(NotTaken::TooMany) => {
                        let error = RpcError::tunnel("server.busy", "too many calls are in flight on this server");
                        Fate::Answer(error.answer(raw_id))
                    }
                }
            }
            // The child was told already, after the engine's own `initialize`.
            (Shape::Notification, _) if method == "notifications/initialized" => Fate::Done,
            (Shape::Notification, _) if method == "notifications/cancelled" => self.on_cancelled(&message),
            (Shape::Notification, _) => Fate::ToChild(Bytes::new(), None),
            // All that a child asks is answered at this end, so no answer of a gateway is awaited.
            _ => Fate::Done,
        }
    }

    /// A place for a call in the account.
    fn ticket(&self, message: &Message<'_>, method: &str, now: Instant) -> Ticket {
        let about = Method::about(method).zip(message.params());
        let about = about.and_then(|(member, params)| text_of(params.get(), member));
        let about = self.report.ledger().about(message.text().as_bytes(), method, about.as_deref());
        self.report.ledger().begin(&self.caller, method, about.as_deref(), message.text().len(), now)
    }

    /// Whether a gateway's `initialize` asks for what the child has agreed to, so that its answer serves again.
    fn is_known_revision(&self, message: &Message<'_>) -> bool {
        let wanted = message.param(&["protocolVersion"]).ok().flatten();
        let known = member(&self.greeting.result, "protocolVersion").ok().flatten();
        wanted.is_none() || wanted.map(|wanted| wanted.get()) == known.map(|known| known.get())
    }

    /// A cancelled call may be known to the child by another id.
    fn on_cancelled(&self, message: &Message<'_>) -> Fate {
        let Ok(Some(id)) = message.param(&["requestId"]) else { return Fate::ToChild(Bytes::new(), None) };
        let renamed = {
            let mut shared = self.lock();
            shared.pending.cancelled(id.get(), Instant::now());
            shared.pending.renamed_to(id.get()).map(|name| name.to_json())
        };
        match renamed {
            Some(name) => Fate::ToChild(splice(message.text(), &[(message.span_of(id), &name)]), None),
            None => Fate::ToChild(Bytes::new(), None),
        }
    }

    /// Base gateways have no batches, and their strictest refuses them; so each request in one is refused.
    fn refuse_batch(&self, payload: &str) -> Fate {
        let elements = culvert_protocol::message::batch(payload).unwrap_or_default();
        let error = RpcError::new(INVALID_REQUEST, "message.batch", "batches are not supported on this tunnel");
        let requests = elements.iter().filter_map(|element| {
            let message = Message::parse(element.get()).ok()?;
            matches!(message.shape(), Shape::Request(_)).then(|| message.raw_id()).flatten()
        });
        for raw_id in requests {
            let frame = self.lock().writer.response(&error.answer(raw_id));
            if !self.sender.try_send(frame) {
                warn!("a refused batch could not be answered: the gateway does not read");
            }
        }
        Fate::Done
    }

    /// `whole` gives the payload as it came; an empty one in [`Fate::ToChild`] stands for it.
    async fn deliver(&self, fate: Fate, credentials: Option<Credentials>, whole: impl FnOnce() -> Bytes) {
        let (message, awaited_as) = match fate {
            Fate::ToChild(message, awaited_as) if message.is_empty() => (whole(), awaited_as),
            Fate::ToChild(message, awaited_as) => (message, awaited_as),
            Fate::Answer(answer) => {
                let frame = self.lock().writer.response(&answer);
                let _ = self.sender.send(frame).await;
                return;
            }
            Fate::Done => return,
        };
        self.report.ledger().figures().passed(Direction::ToServer, message.len());
        if self.hand_over(Letter { line: single_line(message), credentials }).await {
            return;
        }
        let Some(raw_id) = awaited_as else {
            warn!("a notification was dropped: the local server does not read its input");
            return;
        };
        self.lock().pending.give_up(&raw_id);
        let error = RpcError::tunnel("server.stalled", "the local server does not read its input");
        let frame = self.lock().writer.response(&error.answer(&raw_id));
        let _ = self.sender.send(frame).await;
    }

    /// Gives the child a message; waits a while for one that is slow. A child that is gone took it, as far as this end
    /// is concerned: whoever learns of its end answers its calls.
    async fn hand_over(&self, letter: Letter) -> bool {
        let letter = match self.input.try_send(letter) {
            Ok(()) | Err(Refused::Gone(_)) => {
                self.lock().stalled = false;
                return true;
            }
            Err(Refused::Full(letter)) => letter,
        };
        if self.lock().stalled {
            return false;
        }
        let taken = timeout(STALL, self.input.send(letter)).await.is_ok();
        self.lock().stalled = !taken;
        taken
    }
}

/// The token under which the caller wants to hear of progress.
fn progress_token(message: &Message<'_>) -> Option<Id> {
    let params = message.params()?.get();
    // Most calls have none, and a look for the name costs less than reading all params; only escapes could hide it.
    if !params.contains("progressToken") && !params.contains("\\u") {
        return None;
    }
    Id::of(message.param(&["_meta", "progressToken"]).ok()??).ok()
}
