//! The server's end: it says what it is told to, and hands out what reached it exactly as it came.

use std::sync::{Arc, Mutex};

use culvert_tests::{Fixture, raw_json};
use tempfile::NamedTempFile;
use tokio::sync::mpsc;

/// Methods of the gateway's own requests, which may come in between.
const ITS_OWN: [&str; 5] = ["initialize", "notifications/initialized", "server/discover", "tools/list", "ping"];

/// What the server by hand is to write at the next request.
pub(super) type Replies = Arc<Mutex<Vec<String>>>;

/// A server.
#[derive(Debug)]
pub(super) enum FarEnd {
    /// The fixture, behind `culvert run`.
    Process { lines: culvert_tests::fixture::Lines, replies: NamedTempFile },
    /// One that this test plays on a base tunnel.
    ByHand { lines: mpsc::UnboundedReceiver<String>, replies: Replies },
}

impl FarEnd {
    /// The fixture that reads its replies from this file.
    pub(super) fn process(fixture: &Fixture, replies: NamedTempFile) -> Self {
        Self::Process { lines: fixture.follow(), replies }
    }

    /// What it writes at the next request.
    pub(super) fn will_reply(&self, lines: &[String]) {
        match self {
            Self::Process { replies, .. } => std::fs::write(replies.path(), lines.join("\n")).unwrap(),
            Self::ByHand { replies, .. } => *replies.lock().unwrap() = lines.to_vec(),
        }
    }

    /// The next message of a client that reached it.
    pub(super) async fn next(&mut self) -> String {
        loop {
            let line = match self {
                Self::Process { lines, .. } => lines.next().await,
                Self::ByHand { lines, .. } => lines.recv().await.unwrap(),
            };
            if !is_the_gateways(&line) {
                return line;
            }
        }
    }
}

/// Whether a message is one of the gateway's own.
pub(super) fn is_the_gateways(line: &str) -> bool {
    let method = raw_json::member(line, &["method"]).map(|span| &line[span]);
    let method: Option<String> = method.and_then(|method| serde_json::from_str(method).ok());
    method.is_some_and(|method| ITS_OWN.contains(&&*method))
}
