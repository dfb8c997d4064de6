//! Child → gateway: lines are looked at, wrapped and sent; what the gateway could not carry becomes an error for the
//! caller that waits.

use bytes::Bytes;
use culvert_protocol::message::{Id, Malformed, Message, Shape, batch};
use culvert_protocol::rpc_error::{INTERNAL_ERROR, RpcError, TUNNEL_ERROR};
use culvert_protocol::skim::Skimmed;
use culvert_protocol::splice::splice;
use culvert_protocol::{text, tool_policy};
use tokio::time::Instant;
use tracing::{debug, warn};

use super::Session;
use crate::activity::Outcome;
use crate::end::End;
use crate::figures::Direction;
use crate::handshake;
use crate::ledger::{Ticket, outcome_of};
use crate::lines::Line;
use crate::local::Local;
use crate::local_answer;
use crate::moderation;
use crate::output::Output;
use crate::pending::{Call, CallKind};
use crate::probe;

impl Session<'_> {
    /// Reads the child until it ends.
    pub(super) async fn read_child(&self, child: &mut Local) -> End {
        loop {
            let output = child.next().await;
            moderation::count();
            match output {
                Output::Line(Line::Whole(line)) => match std::str::from_utf8(&line) {
                    Ok(line) => self.on_line(line, child).await,
                    Err(_) => not_a_message(&String::from_utf8_lossy(&line)),
                },
                Output::Line(Line::Oversize { length, head }) => {
                    self.report.ledger().figures().passed(Direction::FromServer, length);
                    self.on_oversize(length, head, child).await;
                }
                Output::Exited(exit) => return End::Server(exit),
            }
        }
    }

    async fn on_line(&self, line: &str, child: &Local) {
        match Message::parse(line) {
            Ok(message) => {
                self.report.ledger().figures().passed(Direction::FromServer, line.len());
                self.on_message(&message, child).await;
            }
            Err(Malformed::Batch) => {
                self.report.ledger().figures().passed(Direction::FromServer, line.len());
                for element in batch(line).unwrap_or_default() {
                    match Message::parse(element.get()) {
                        Ok(message) => self.on_message(&message, child).await,
                        Err(_) => not_a_message(element.get()),
                    }
                }
            }
            Err(_) => not_a_message(line),
        }
    }

    async fn on_message(&self, message: &Message<'_>, child: &Local) {
        match message.shape() {
            Shape::Response(id) if tool_policy::is_ours(id) => {
                child.has_answered(self.report.ledger(), Instant::now());
                let _ = self.gate.to_client(message.text().as_bytes(), &self.input);
            }
            Shape::Response(id) => {
                let now = Instant::now();
                child.has_answered(self.report.ledger(), now);
                let call = self.lock().pending.answered(id);
                match call {
                    Some(mut call) => {
                        let ticket = call.ticket.take();
                        self.answer(message, &call).await;
                        self.settle(ticket, outcome_of(message), message.text().len(), now);
                    }
                    None if probe::is_ours(id) => {}
                    None => {
                        self.report.ledger().figures().late_answer();
                        debug!(%id, "an answer that nobody waits for: dropped");
                    }
                }
            }
            Shape::Request(_) => {
                let answered = local_answer::to_request(message).is_none_or(|answer| {
                    // A server that asks without reading must not make us collect answers for it.
                    self.input.try_send(Bytes::from(answer)).is_ok()
                });
                if !answered {
                    warn!("the local server asks without reading answers");
                }
            }
            Shape::Notification => {
                if self.gate.to_client(message.text().as_bytes(), &self.input).is_none() {
                    self.notify(message).await;
                }
            }
        }
    }

    async fn answer(&self, message: &Message<'_>, call: &Call) {
        if call.kind == CallKind::Initialize && message.error().is_some() {
            debug!("the local server does not take a second initialize: its first answer serves");
            return self.send_response(&handshake::repeat(self.greeting, &call.raw_id), call).await;
        }
        if let Some(untidy) = message.untidy() {
            let why = format!("the local server's answer cannot be carried: {untidy}");
            let error = RpcError::new(INTERNAL_ERROR, "server.invalid_answer", why);
            return self.send_response(&error.answer(&call.raw_id), call).await;
        }
        if call.renamed {
            let answer = splice(message.text(), &[(message.id_span().unwrap_or_default(), &call.raw_id)]);
            return self.send_response(&String::from_utf8_lossy(&answer), call).await;
        }
        self.send_response(message.text(), call).await;
    }

    /// Sends an answer, or an error in its place where the frame would be larger than the gateway takes.
    async fn send_response(&self, payload: &str, call: &Call) {
        let judged =
            self.gate.to_client(payload.as_bytes(), &self.input).and_then(|instead| instead.into_iter().next());
        let judged = judged.as_deref().and_then(|judged| std::str::from_utf8(judged).ok());
        let frame = {
            let shared = self.lock();
            let frame = shared.writer.response(judged.unwrap_or(payload));
            if frame.len() <= shared.max_frame {
                frame
            } else {
                let error = too_large(frame.len(), shared.max_frame);
                shared.writer.response(&error.answer(&call.raw_id))
            }
        };
        let _ = self.sender.send(frame).await;
    }

    /// A call has had its answer.
    fn settle(&self, ticket: Option<Ticket>, outcome: Outcome, bytes: usize, then: Instant) {
        if let Some(ticket) = ticket {
            ticket.end(outcome, bytes, then);
        }
        self.settled.notify_one();
    }

    async fn on_oversize(&self, length: usize, head: Skimmed, child: &Local) {
        let limit = self.config.max_message;
        let id = head.id.as_deref().and_then(Id::from_json);
        match id {
            Some(id) if !head.method => {
                let now = Instant::now();
                child.has_answered(self.report.ledger(), now);
                let call = self.lock().pending.answered(&id);
                if let Some(mut call) = call {
                    let ticket = call.ticket.take();
                    self.send_response(&too_large(length, limit).answer(&call.raw_id), &call).await;
                    self.settle(ticket, Outcome::Error(TUNNEL_ERROR.into()), length, now);
                }
            }
            Some(_) => {
                let answer = too_large(length, limit).answer(&head.id.unwrap_or_default());
                let _ = self.input.try_send(Bytes::from(answer));
            }
            None => warn!(length, limit, "the local server sent a message over the limit: dropped"),
        }
    }

    async fn notify(&self, message: &Message<'_>) {
        if message.method() == "notifications/progress"
            && let Ok(Some(token)) = message.param(&["progressToken"])
            && let Some(token) = Id::from_json(token.get())
        {
            self.lock().pending.progressed(&token, Instant::now() + self.config.request_timeout);
        }
        let frame = {
            let shared = self.lock();
            let tidy = match message.untidy() {
                None => shared.writer.notification(message.text()),
                // Without params it says the same, and strict gateways take it.
                Some(_) if message.params().is_some_and(|params| params.get() == "null") => {
                    let method = serde_json::Value::from(&*message.method());
                    shared.writer.notification(&format!(r#"{{"jsonrpc":"2.0","method":{method}}}"#))
                }
                Some(untidy) => {
                    warn!(method = %text::clean(&message.method(), 80), "a notification was dropped: {untidy}");
                    return;
                }
            };
            if tidy.len() > shared.max_frame {
                let (length, limit) = (tidy.len(), shared.max_frame);
                warn!(length, limit, "a notification over the gateway's limit was dropped");
                return;
            }
            tidy
        };
        let _ = self.sender.send(frame).await;
    }
}

fn too_large(length: usize, limit: usize) -> RpcError {
    let words = format!("the answer has {length} bytes, the limit is {limit}");
    RpcError::tunnel("message.too_large", words)
}

fn not_a_message(line: &str) {
    warn!(line = %text::clean(line, 200), "the local server wrote something that is no JSON-RPC message: skipped");
}
