//! The audit log at a tunnel's end: each call of a profile's tunnels leaves a line. Profiles that name one file share it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use culvert_audit::{Code, Entry, Log, Verdict};
use culvert_profiles::TunnelKey;
use culvert_tunnel::activity::{Audit, Call, Caller, Outcome};
use tracing::warn;

/// The logs that are open, by their files.
#[derive(Debug, Default)]
pub(crate) struct Logs(BTreeMap<PathBuf, Weak<Log>>);

impl Logs {
    /// The log at `path`. Without one, calls go on and leave no lines.
    pub(crate) fn at(&mut self, path: &Path) -> Option<Arc<Log>> {
        self.0.retain(|_, log| log.strong_count() > 0);
        if let Some(log) = self.0.get(path).and_then(Weak::upgrade) {
            return Some(log);
        }
        match Log::begin(path.to_owned()) {
            Ok(log) => {
                let log = Arc::new(log);
                self.0.insert(path.to_owned(), Arc::downgrade(&log));
                Some(log)
            }
            Err(error) => {
                warn!(path = %path.display(), "there is no audit log: {error}");
                None
            }
        }
    }
}

/// What one tunnel tells a log.
#[derive(Debug)]
pub(crate) struct OfTunnel {
    log: Arc<Log>,
    server: String,
    gateway: String,
}

impl OfTunnel {
    pub(crate) fn new(log: Arc<Log>, server: &str, key: &TunnelKey) -> Self {
        Self { log, server: server.to_owned(), gateway: key.gateway.clone() }
    }
}

impl Audit for OfTunnel {
    fn over(&self, call: &Call) {
        let (caller, client) = match &*call.head.caller {
            Caller::Gateway => (None, None),
            Caller::Client { subject, client } => (subject.as_deref(), client.as_deref()),
        };
        let (outcome, code) = match call.outcome {
            Outcome::Ok => ("ok", None),
            Outcome::Error(0) => ("error", None),
            Outcome::Error(code) => ("error", Some(Code::Number(code))),
            Outcome::Refused => ("refused", None),
            Outcome::Cancelled => ("cancelled", None),
            Outcome::Ended => ("ended", None),
        };
        self.log.write(&Entry {
            time: call.head.began,
            at: "tunnel",
            server: Some(&self.server),
            gateway: Some(&self.gateway),
            caller,
            client,
            method: Some(&call.head.method),
            tool: call.head.about.as_deref(),
            verdict: if call.outcome == Outcome::Refused { Verdict::Denied } else { Verdict::Allowed },
            outcome,
            code,
            took: call.took,
            bytes_in: call.head.bytes_in,
            bytes_out: call.bytes_out,
        });
    }

    fn missed(&self) {
        self.log.missed();
    }
}
