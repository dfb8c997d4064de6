//! Whether the server behind a base tunnel still lives. Clients that others have written keep their link up when their
//! server is gone, and say nothing of it: each call would wait until its time is over.
//!
//! A server that works on a call may be too busy to answer anything else, and so may one that still works on what was
//! cancelled. So it is asked when it has answered the last call that it was given, for then it has nothing to do but
//! answer; else only when it has said nothing for as long as any caller waits.

use std::time::Duration;

use culvert_protocol::rpc_error::RpcError;
use tokio::time::sleep;

use super::own::SILENT;
use super::{CallError, Core, Shared};
use crate::era::Era;

/// How long a server may say nothing until it is asked for a sign of life.
pub(super) const QUIET: Duration = Duration::from_secs(30);

/// How long it may take to say anything then.
pub(super) const PATIENCE: Duration = Duration::from_secs(25);

/// A call that begins so soon after the question may be worked on before the question's answer has left.
pub(super) const CROWDED: Duration = Duration::from_secs(2);

/// What a server does when it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doing {
    /// Nothing.
    Idle,
    /// What it was given, or nothing any more.
    Work,
}

/// Completes when the server was asked for a sign of life and gave none. The conversation is over then, and so are its
/// calls: each is answered with this reason.
pub(crate) async fn silence(shared: &Shared) -> RpcError {
    let core = &shared.core;
    // Whoever waits for an answer that a server owes has given up by then.
    let overdue = core.terms.request_timeout;
    let mut quiet = Duration::ZERO;
    loop {
        let heard = core.heard();
        sleep(QUIET).await;
        quiet = if core.heard() == heard { quiet + QUIET } else { Duration::ZERO };
        let ask = match core.table().is_settled() {
            _ if quiet.is_zero() => None,
            true => Some(Doing::Idle),
            false => (quiet >= overdue).then_some(Doing::Work),
        };
        let Some(doing) = ask else { continue };
        if is_dead(core, doing).await {
            let limit = (quiet + PATIENCE).as_secs();
            let words = format!("the local server has said nothing for {limit} s, not even in answer to a ping");
            let why = RpcError::tunnel(SILENT, words);
            core.end(why.clone());
            return why;
        }
    }
}

async fn is_dead(core: &Core, doing: Doing) -> bool {
    let heard = core.heard();
    let method = match core.era() {
        Some(Era::Modern) => "server/discover",
        _ => "ping",
    };
    let crowd = async {
        // The question itself is one.
        let asked = core.table().begun();
        sleep(CROWDED).await;
        doing == Doing::Idle && core.table().begun() > asked
    };
    let question = core.request(method, None, PATIENCE);
    tokio::pin!(question);
    // The question first, so that it has begun when the crowd is counted.
    let answer = tokio::select! {
        biased;
        answer = &mut question => answer,
        is_crowded = crowd => match is_crowded {
            true => return false,
            false => question.await,
        },
    };
    // An error is an answer, and so is any other word.
    matches!(answer, Err(CallError::Timeout(_))) && core.heard() == heard
}
