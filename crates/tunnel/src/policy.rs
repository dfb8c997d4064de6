//! The tool policy where messages pass: none costs one look at a flag, one that is set has each message judged at the
//! [`Desk`]. It may be another one from one moment to the next.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use culvert_protocol::tool_policy::{Desk, ToClient, ToServer, ToolPolicy};
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::local::Input;

/// How long a call may wait until the local server has listed its tools.
const LISTING: Duration = Duration::from_secs(15);

/// How often a list is asked for anew while one call waits: a server may say at any time that it has changed.
const TRIES: u32 = 4;

/// A policy that holds now, and may be replaced while tunnels run. Clones are the same one.
#[derive(Debug, Clone, Default)]
pub struct LivePolicy(Arc<Cell>);

#[derive(Debug, Default)]
struct Cell {
    /// Whether there is one: looked at for every message.
    is_set: AtomicBool,
    policy: Mutex<Arc<ToolPolicy>>,
}

impl LivePolicy {
    /// Replaces it: from the next message on, this one holds.
    pub fn set(&self, policy: ToolPolicy) {
        let is_set = !policy.is_open();
        *self.0.policy.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(policy);
        self.0.is_set.store(is_set, Ordering::Release);
    }

    fn now(&self) -> Option<Arc<ToolPolicy>> {
        let is_set = self.0.is_set.load(Ordering::Acquire);
        is_set.then(|| self.0.policy.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

/// The gate before one child.
#[derive(Debug)]
pub(crate) struct Gate {
    policy: LivePolicy,
    desk: Mutex<Desk>,
    settled: Notify,
}

impl Default for Gate {
    /// One that lets everything pass.
    fn default() -> Self {
        Self::new(LivePolicy::default())
    }
}

/// What becomes of a message of the gateway.
#[derive(Debug)]
pub(crate) enum Entry {
    /// It goes to the child.
    Pass,
    /// These are its answers, if it wants any.
    Answer(Vec<String>),
}

impl Gate {
    pub(crate) fn new(policy: LivePolicy) -> Self {
        // Without one, lists may be under way that the desk never sees.
        let desk = if policy.now().is_some() { Desk::default() } else { Desk::opened_late() };
        Self { policy, desk: Mutex::new(desk), settled: Notify::new() }
    }

    /// Judges a message of the gateway; waits for the child's list where that decides. The child's own messages must be
    /// read meanwhile.
    pub(crate) async fn to_server(&self, line: &[u8], child: &Input) -> Entry {
        match self.policy.now() {
            None => Entry::Pass,
            Some(policy) => self.judge(policy, line, child).await,
        }
    }

    async fn judge(&self, mut policy: Arc<ToolPolicy>, line: &[u8], child: &Input) -> Entry {
        let Ok(line) = std::str::from_utf8(line) else { return Entry::Answer(Vec::new()) };
        for _ in 0..TRIES {
            let step = self.desk().to_server(&policy, line);
            let question = match step {
                ToServer::Pass => return Entry::Pass,
                ToServer::Answer(answers) => return Entry::Answer(answers),
                ToServer::Wait(question) => question,
            };
            if let Some(question) = question
                && child.send(Bytes::from(question)).await.is_err()
            {
                break;
            }
            if timeout(LISTING, self.settle()).await.is_err() {
                self.desk().give_up();
                break;
            }
            match self.policy.now() {
                Some(now) => policy = now,
                None => return Entry::Pass,
            }
        }
        Entry::Answer(Desk::refuse_unlisted(line).into_iter().collect())
    }

    async fn settle(&self) {
        loop {
            let settled = self.settled.notified();
            if self.desk().has_settled() {
                return;
            }
            settled.await;
        }
    }

    /// Judges a message of the child; `None`: it passes as it is. A question of our own goes to the child by itself.
    pub(crate) fn to_client(&self, line: &[u8], child: &Input) -> Option<Vec<Bytes>> {
        let policy = self.policy.now()?;
        let Ok(line) = std::str::from_utf8(line) else { return Some(Vec::new()) };
        let judged = self.desk().to_client(&policy, line);
        let instead = match judged {
            ToClient::Pass => None,
            ToClient::Instead(others) => Some(others),
            ToClient::Ours(None) => Some(Vec::new()),
            ToClient::Ours(Some(question)) => {
                if child.try_send(Bytes::from(question)).is_err() {
                    self.desk().give_up();
                }
                Some(Vec::new())
            }
        };
        self.settled.notify_one();
        instead
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
