//! The local server before and between sessions: brought up and greeted, and minded while there is no link.

use bytes::Bytes;
use culvert_protocol::Cause;
use culvert_protocol::message::{Message, Shape};
use tokio::time::Instant;
use tracing::{debug, warn};

use crate::base::Served;
use crate::config::TunnelConfig;
use crate::handshake::{self, NoGreeting};
use crate::lines::Line;
use crate::local::Launcher;
use crate::local_answer;
use crate::output::Output;
use crate::pending::Pending;
use crate::report::Report;

/// Whether a local server has ever worked: one that has not is the user's to mend, one that has is begun again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Record {
    Untried,
    Proven,
}

/// Starts the local server and greets it. One that has proven itself before gets the causes that are tried again.
pub(crate) async fn start(config: &TunnelConfig, launcher: &Launcher, record: Record) -> Result<Served, Cause> {
    let mut child = launcher.launch()?;
    match handshake::greet(&mut child, config.start_timeout).await {
        Ok(mut greeting) => {
            if let Some(listed) = greeting.listed.take() {
                launcher.policy().listed(listed);
            }
            launcher.ledger().pulse().beat(Instant::now());
            debug!(name = %config.name, tools = greeting.tools, "local server is ready");
            Ok(Served { child, greeting, pending: Pending::default(), gate: launcher.gate() })
        }
        Err(failed) => {
            let stderr = child.last_words();
            child.end().await;
            if matches!(failed, NoGreeting::Exited(_)) {
                launcher.ledger().figures().exited();
            }
            Err(match (record, failed, config.server.url()) {
                (Record::Proven, NoGreeting::Exited(exit), _) => exit.later(),
                (Record::Proven, NoGreeting::Silent, Some(url)) => {
                    Cause::ServerLost { url: url.to_string(), status: "does not answer any more".to_owned() }
                }
                (Record::Proven, NoGreeting::Silent, None) => {
                    Cause::ServerExited { status: "did not answer after its restart".to_owned(), stderr }
                }
                (_, failed, _) => failed.into_cause(config.start_timeout, stderr),
            })
        }
    }
}

/// Keeps an eye on a server while there is no link: what it says is let go, what it asks is answered. Returns when it
/// has ended, with the server taken away; without a server, never.
pub(crate) async fn mind(served: &mut Option<Served>, report: &Report) {
    let Some(Served { child, pending, gate, .. }) = served else { return std::future::pending().await };
    let exit = loop {
        let line = match child.next().await {
            Output::Line(Line::Whole(line)) => line,
            Output::Line(Line::Oversize { .. }) => continue,
            Output::Exited(exit) => break exit,
        };
        let Some(message) = std::str::from_utf8(&line).ok().and_then(|text| Message::parse(text).ok()) else {
            continue;
        };
        let _ = gate.to_client(&line, &child.input());
        if let Shape::Response(id) = message.shape() {
            child.has_answered(report.ledger(), Instant::now());
            pending.answered(id);
        }
        if let Some(answer) = local_answer::to_request(&message) {
            let _ = child.input().try_send(Bytes::from(answer));
        }
    };
    warn!("the local server {exit} while there was no link");
    report.ledger().figures().exited();
    report.restarts(exit.later());
    if let Some(served) = served.take() {
        served.child.end().await;
    }
}
