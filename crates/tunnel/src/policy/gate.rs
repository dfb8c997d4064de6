//! The gate before one child: messages are judged as they come, and none is waited for here.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use culvert_protocol::tool_policy::{Desk, ToClient, ToServer};
use tokio::sync::Notify;

use super::live::LivePolicy;
use crate::local::Input;

/// The gate before one child.
#[derive(Debug)]
pub(crate) struct Gate {
    policy: LivePolicy,
    desk: Mutex<Desk>,
    epoch: AtomicU64,
    /// Whether an answer may come to a question of our own, policy or none.
    is_asking: AtomicBool,
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
    /// This goes to the child in its place.
    Instead(Bytes),
    /// These are its answers.
    Answer(Vec<String>),
    /// These are its answers, if it wants any: it may not pass.
    Refuse(Vec<String>),
    /// It must wait until the child's list is known.
    Wait,
}

impl Gate {
    pub(crate) fn new(policy: LivePolicy) -> Self {
        let epoch = AtomicU64::new(policy.epoch());
        Self { policy, desk: Mutex::default(), epoch, is_asking: AtomicBool::new(false), settled: Notify::new() }
    }

    /// The policy that is kept here.
    pub(crate) fn policy(&self) -> &LivePolicy {
        &self.policy
    }

    /// Judges a message of the gateway. Where the child must be asked first, it is.
    pub(crate) fn to_server(&self, line: &[u8], child: &Input) -> Entry {
        let Some((rules, epoch)) = self.policy.now() else { return Entry::Pass };
        let Ok(line) = std::str::from_utf8(line) else { return Entry::Refuse(Vec::new()) };
        let mut desk = self.desk_at(epoch);
        match desk.to_server(&rules, line) {
            ToServer::Pass => Entry::Pass,
            ToServer::Instead(line) => Entry::Instead(line),
            ToServer::Answer(answers) => Entry::Answer(answers),
            ToServer::Refuse(answers) => Entry::Refuse(answers),
            ToServer::Wait(question) => {
                self.ask(&mut desk, question, child);
                Entry::Wait
            }
        }
    }

    /// Judges a message of the child; `None`: it passes as it is. A question of our own goes to the child by itself.
    pub(crate) fn to_client(&self, line: &[u8], child: &Input) -> Option<Vec<Bytes>> {
        let (rules, epoch) = match self.policy.now() {
            Some(now) => now,
            None if self.is_asking.load(Ordering::Acquire) => (self.policy.look().0, self.policy.epoch()),
            None => return None,
        };
        let Ok(line) = std::str::from_utf8(line) else { return Some(Vec::new()) };
        let (instead, listed) = {
            let mut desk = self.desk_at(epoch);
            let judged = desk.to_client(&rules, line);
            if desk.take_changed() && rules.holds() {
                let question = desk.look_again();
                self.ask(&mut desk, question, child);
            }
            let instead = match judged {
                ToClient::Pass => None,
                ToClient::Instead(others) => Some(others),
                ToClient::Ours(question) => {
                    self.ask(&mut desk, question, child);
                    Some(Vec::new())
                }
            };
            self.is_asking.store(!desk.has_settled(), Ordering::Release);
            (instead, desk.take_fresh())
        };
        if let Some(listed) = listed {
            self.policy.listed_to_one(listed);
        }
        self.settled.notify_one();
        instead
    }

    /// Completes when the child has said something, and what waits may be judged anew. Cancel safe; one may wait at a
    /// time.
    pub(super) async fn moved(&self) {
        self.settled.notified().await;
    }

    /// Whether no list is asked for that something could wait for.
    pub(super) fn has_settled(&self) -> bool {
        self.desk().has_settled()
    }

    /// Whether there is a policy.
    pub(super) fn is_set(&self) -> bool {
        self.policy.now().is_some()
    }

    /// Asks for no list any more.
    pub(super) fn give_up(&self) {
        self.desk().give_up();
    }

    fn desk_at(&self, epoch: u64) -> MutexGuard<'_, Desk> {
        let mut desk = self.desk();
        if self.epoch.swap(epoch, Ordering::AcqRel) != epoch {
            desk.forget();
        }
        desk
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a question to the child; one that has no room for it is asked again later.
    fn ask(&self, desk: &mut Desk, question: Option<String>, child: &Input) {
        let Some(question) = question else { return };
        self.is_asking.store(true, Ordering::Release);
        if child.try_send(Bytes::from(question)).is_err() {
            desk.give_up();
        }
    }
}
