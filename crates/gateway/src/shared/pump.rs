//! From the shared child to whom it concerns. Never waits for a client.

use std::sync::Arc;

use bytes::Bytes;
use culvert_link::queue;
use culvert_protocol::message::{Id, Message, Shape};
use culvert_protocol::rpc_error::{METHOD_NOT_FOUND, RpcError, empty_result};
use serde_json::value::RawValue;
use tokio::time::{Instant, sleep_until};

use super::table::{Call, ClientId, Owner, Table};
use super::{Core, splicing};
use crate::conversation::FromServer;
use crate::era::Era;
use crate::progress::{self, PROGRESS};

/// Takes what the child says until it is over, then tells everyone.
pub(super) async fn run(core: Arc<Core>, mut from_child: FromServer) {
    loop {
        let due = core.table().next_due();
        tokio::select! {
            biased;
            () = core.stop.cancelled() => break,
            line = from_child.recv() => match line {
                Some(line) => core.take(&line),
                None => break,
            },
            () = core.cancelled.notified() => {}
            () = until(due) => core.end_overdue(),
        }
    }
    core.end(from_child.why_ended());
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}

impl Core {
    /// One message of the child.
    fn take(&self, line: &Bytes) {
        self.count(|counts| &counts.heard);
        let message = std::str::from_utf8(line).ok().and_then(|text| Message::parse(text).ok());
        let Some(message) = message else {
            self.count(|counts| &counts.stray);
            tracing::debug!(bytes = line.len(), "what the shared server sent is no JSON-RPC message; skipped");
            return;
        };
        match message.shape() {
            Shape::Response(id) => self.answered(&message, id),
            Shape::Request(_) => self.asked(&message),
            Shape::Notification => match &*message.method() {
                PROGRESS => self.progressed(&message),
                method if self.era() == Some(Era::Modern) => self.told(&message, method),
                // The child can only cancel what it asked, and that is answered already.
                "notifications/cancelled" => {}
                method => self.announced(method, line),
            },
        }
    }

    /// An answer: to the one client whose call it ends.
    fn answered(&self, message: &Message<'_>, id: &Id) {
        let ended = number(id).and_then(|number| self.table().answered(number).map(|call| (number, call)));
        let Some((number, call)) = ended else {
            self.count(|counts| &counts.late);
            return;
        };
        // Only a subscription's own number stands for its id.
        let subscription = splicing::subscription(message).filter(|part| part.get() == number.to_string());
        let text = splicing::answer(message, subscription, &call.id);
        match call.owner {
            Owner::Gateway(waits) => {
                let _ = waits.send(text);
            }
            Owner::Client(client, _) => {
                let mut table = self.table();
                let Some(to) = table.client(client).cloned() else {
                    self.count(|counts| &counts.late);
                    return;
                };
                match to.try_send(text) {
                    Ok(()) => {}
                    Err(queue::Refused::Full(_)) => {
                        table.restore(number, call);
                        table.cut(client);
                    }
                    Err(queue::Refused::Gone(_)) => self.count(|counts| &counts.late),
                }
            }
        }
    }

    /// A request of the child's own: nobody could say which client it is meant for.
    fn asked(&self, message: &Message<'_>) {
        let id = message.raw_id().unwrap_or("null");
        self.count(|counts| &counts.answered_here);
        self.say(match &*message.method() {
            "ping" => empty_result(id),
            method => RpcError::new(
                METHOD_NOT_FOUND,
                "shared.unsupported",
                format!("{method} is not supported: several clients share this server"),
            )
            .answer(id),
        });
    }

    /// Progress: to the client whose call it is about, with that client's token.
    fn progressed(&self, message: &Message<'_>) {
        let table = self.table();
        let found = progress::carried(message).and_then(|(part, token)| {
            let Call { owner: Owner::Client(client, _), token: Some(token), .. } = table.call(number(&token)?)? else {
                return None;
            };
            Some((*client, table.client(*client)?, splicing::part(message, part, token)))
        });
        match found {
            None => self.count(|counts| &counts.late),
            Some((client, to, text)) => {
                if let Err(queue::Refused::Full(_)) = to.try_send(text) {
                    table.cut(client);
                }
            }
        }
    }

    /// What a modern child says without being asked for just that.
    fn told(&self, message: &Message<'_>, method: &str) {
        let ends = method == "notifications/cancelled";
        let mut table = self.table();
        let found = if ends {
            message.param(&["requestId"]).ok().flatten().and_then(|part| subscriber(&table, message, part))
        } else if let Some(part) = splicing::subscription(message) {
            subscriber(&table, message, part)
        } else if method == "notifications/message" {
            let text = || Bytes::copy_from_slice(message.text().as_bytes());
            table.last_listener().map(|(client, to)| (None, client, to.clone(), text()))
        } else {
            None
        };
        let Some((call, client, to, text)) = found else {
            drop(table);
            self.count(|counts| &counts.late);
            return;
        };
        if let Some(call) = call.filter(|_| ends) {
            table.end(call);
        }
        if let Err(queue::Refused::Full(_)) = to.try_send(text) {
            table.cut(client);
        }
    }

    /// What concerns everybody, `method` being what it is about.
    fn announced(&self, method: &str, line: &Bytes) {
        if method.starts_with("notifications/") && method.ends_with("/list_changed") {
            self.count(|counts| &counts.list_changes);
        }
        let table = self.table();
        for (client, to) in table.listeners() {
            if let Err(queue::Refused::Full(_)) = to.try_send(line.clone()) {
                table.cut(client);
            }
        }
    }

    /// Cancelled calls that the child left unanswered, as MCP asks it to: their clients get an answer all the same.
    fn end_overdue(&self) {
        let mut table = self.table();
        for call in table.overdue(Instant::now()) {
            let Owner::Client(client, _) = call.owner else { continue };
            let answer = RpcError::tunnel("call.cancelled", "the call was cancelled").answer(&call.id);
            if let Some(Err(queue::Refused::Full(_))) = table.client(client).map(|to| to.try_send(answer.into())) {
                table.cut(client);
            }
        }
    }
}

/// The call that `part` of a message names, whose it is, the way there, and the message with that one's own id in it.
fn subscriber<'a>(
    table: &Table,
    message: &Message<'a>,
    part: &'a RawValue,
) -> Option<(Option<u64>, ClientId, queue::Sender<Bytes>, Bytes)> {
    let number = number(&Id::of(part).ok()?)?;
    let call = table.call(number)?;
    let Owner::Client(client, _) = call.owner else { return None };
    Some((Some(number), client, table.client(client)?.clone(), splicing::part(message, part, &call.id)))
}

/// The number of a call; `None` for an id that was never given out.
fn number(id: &Id) -> Option<u64> {
    match id {
        Id::Integer(number) => u64::try_from(*number).ok(),
        Id::Number(_) | Id::Text(_) | Id::Null => None,
    }
}
