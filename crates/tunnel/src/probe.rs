//! Asking a local server for a sign of life: when it has answered nothing for a while, and never while it answers
//! calls.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use culvert_protocol::message::Id;
use culvert_protocol::rpc_error::{INVALID_REQUEST, RpcError};
use tokio::time::{Instant, sleep_until, timeout};

use crate::handshake::{self, Era};
use crate::local::Input;
use crate::report::Report;
use crate::status::Server;

/// What the ids of our own requests begin with. A gateway's request with such an id is refused where we ask.
const OURS: &str = "culvert-";

/// What the ids of the questions begin with.
const PROBE: &str = "culvert-probe-";

/// The longest wait for the answer to a question.
const PATIENCE: Duration = Duration::from_secs(20);

/// Whether this is the id of a question of ours.
pub(crate) fn is_ours(id: &Id) -> bool {
    matches!(id, Id::Text(id) if id.starts_with(PROBE))
}

/// Whether a gateway must not use this id, given as JSON text, on a child that we talk to as well.
pub(crate) fn is_reserved(id: &Id) -> bool {
    matches!(id, Id::Text(id) if id.starts_with(OURS))
}

/// The answer to a request with an id that is ours.
pub(crate) fn refusal() -> RpcError {
    let why = "ids that begin with \"culvert-\" are the tunnel's own on this conversation";
    RpcError::new(INVALID_REQUEST, "message.id_reserved", why)
}

/// Asks whenever nothing was answered for the time of `every`, and reports what comes of it. An answer of any child
/// counts, and an error is an answer.
pub(crate) async fn keep_asking(input: &Input, era: Era, report: &Report, every: Duration) -> Infallible {
    let pulse = report.ledger().pulse();
    // So that a server that hangs shows within twice the interval.
    let patience = PATIENCE.min(every * 2 / 3);
    report.serves(if pulse.last().is_some_and(|last| last.elapsed() < 2 * every) {
        Server::Ready
    } else {
        Server::Unprobed
    });
    loop {
        while let Some(due) = pulse.last().map(|last| last + every).filter(|due| *due > Instant::now()) {
            sleep_until(due).await;
        }
        let asked = Instant::now();
        let number = pulse.next_number();
        // One that does not read its input is found out by its silence.
        let _ = input.try_send(question(era, number));
        if timeout(patience, pulse.beats_since(asked)).await.is_err() {
            report.serves(Server::Silent { since: pulse.last().unwrap_or(asked) });
            // Over HTTP it would hold a connection.
            let _ = input.try_send(withdrawal(number));
            if timeout(every.saturating_sub(patience), pulse.beats_since(asked)).await.is_err() {
                continue;
            }
        }
        report.serves(Server::Ready);
    }
}

fn question(era: Era, number: u64) -> Bytes {
    let (method, params) = match era {
        Era::Legacy => ("ping", String::new()),
        // That era has no ping.
        Era::Modern => ("server/discover", format!(r#","params":{{"_meta":{}}}"#, handshake::modern_meta())),
    };
    Bytes::from(format!(r#"{{"jsonrpc":"2.0","id":"{PROBE}{number}","method":"{method}"{params}}}"#))
}

fn withdrawal(number: u64) -> Bytes {
    let why = "no answer in time";
    Bytes::from(format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":"{PROBE}{number}","reason":"{why}"}}}}"#
    ))
}

#[cfg(test)]
mod tests;
