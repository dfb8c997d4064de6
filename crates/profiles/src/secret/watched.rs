//! A secret that is kept fresh: whoever uses it sees the newest, and may ask for it to be read again.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use culvert_protocol::Secret;
use culvert_tunnel::Bearer;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::sleep;

use super::expiry::Expiry;
use super::problem::{SecretError, SecretNotice};

/// How often a file is looked at. A change is seen after this and [`SETTLED`] at the latest.
pub(super) const LOOK: Duration = Duration::from_secs(2);

/// How long a changed file must stay the same before it is read: whoever writes it in place is not interrupted.
const SETTLED: Duration = Duration::from_millis(200);

/// How often that is waited for; then a file that never rests is read as it is.
const RESTLESS: u32 = 5;

/// The wait after the first failure to read; it doubles.
const FIRST_RETRY: Duration = Duration::from_secs(5);

/// The longest wait after a failure, and the longest sleep at all: the clock goes on while the machine is suspended,
/// and timers do not.
const LONGEST: Duration = Duration::from_secs(60);

/// How many requests to read again may wait at once; more wait for a place.
const REQUESTS: usize = 32;

/// The time of day, handed in so that tests can turn it.
pub(super) type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// Why a secret is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// Somebody began to watch it.
    First,
    /// It changed, will end, or could not be had before.
    Due,
    /// Somebody asked.
    Asked,
}

/// When a secret may be another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turnover {
    /// Never while this process runs.
    Never,
    /// When its file is another one, and in time.
    WithItsFile,
    /// Only reading tells.
    InTime,
}

/// Where a secret is read from.
pub(super) trait Supply: Send + Sync + 'static {
    /// What tells one file from the next.
    type Stamp: PartialEq + Send;

    /// When it may be another one.
    fn turnover(&self) -> Turnover;

    /// The file's stamp now, if there is a file; the last one again while the file system gives no answer.
    fn stamp(&self) -> impl Future<Output = Option<Self::Stamp>> + Send;

    /// The secret now, and what had better be otherwise with its place.
    fn read(&self, why: Why) -> impl Future<Output = (Result<Secret, SecretError>, Option<SecretNotice>)> + Send;
}

/// What came of a request to read again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reread {
    /// There is another secret; the receiver has it already.
    Changed,
    /// It is the same.
    Same,
    /// It could not be read; the last one that could be still stands.
    Failed(SecretError),
}

/// A request to read again; it is answered when that is done.
pub type Again = oneshot::Sender<Reread>;

/// How it stands with a secret.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SecretCondition {
    /// How often it was read, with or without success.
    pub reads: u64,
    /// Why the last read failed. The secret of the last good one still stands, if there was one.
    pub trouble: Option<SecretError>,
    /// What had better be otherwise with its place.
    pub notice: Option<SecretNotice>,
    /// When it ends, if it says so.
    pub expiry: Option<Expiry>,
}

/// A secret that is kept fresh until all clones of this and of its [`again`](Self::again) are gone.
#[derive(Debug, Clone)]
pub struct Watched(pub(super) Arc<Ends>);

/// The user's ends of the channels to a keeper.
#[derive(Debug)]
pub(super) struct Ends {
    secret: watch::Receiver<Option<Secret>>,
    condition: watch::Receiver<SecretCondition>,
    again: mpsc::Sender<Again>,
}

impl Watched {
    /// Keeps what `supply` gives. Within a tokio runtime.
    pub(super) fn spawn(supply: impl Supply, clock: Clock) -> Self {
        let (secret, newest) = watch::channel(None);
        let (condition, newest_condition) = watch::channel(SecretCondition::default());
        let (again, requests) = mpsc::channel(REQUESTS);
        let keeper = Keeper { supply, clock, secret, condition, requests, asked: Vec::new(), is_another: false };
        tokio::spawn(keeper.keep());
        Self(Arc::new(Ends { secret: newest, condition: newest_condition, again }))
    }

    /// The newest secret; `None` until one could be read.
    pub fn secret(&self) -> watch::Receiver<Option<Secret>> {
        self.0.secret.clone()
    }

    /// How it stands with it.
    pub fn condition(&self) -> watch::Receiver<SecretCondition> {
        self.0.condition.clone()
    }

    /// The way to ask for it to be read again. Requests that wait together are answered by one read.
    pub fn again(&self) -> mpsc::Sender<Again> {
        self.0.again.clone()
    }

    /// The same for the engine of a tunnel.
    pub fn bearer(&self) -> Bearer {
        let kept = self.clone();
        let renew = move || -> Pin<Box<dyn Future<Output = ()> + Send>> {
            let kept = kept.clone();
            Box::pin(async move { drop(kept.refresh().await) })
        };
        Bearer::live(self.secret(), Arc::new(renew))
    }

    /// Waits for the first read.
    ///
    /// # Errors
    /// Why it failed. It is tried again all the same.
    pub async fn first(&self) -> Result<Secret, SecretError> {
        let mut condition = self.condition();
        let trouble = match condition.wait_for(|condition| condition.reads > 0).await {
            Ok(condition) => condition.trouble.clone(),
            Err(_) => Some(gone()),
        };
        let secret = self.0.secret.borrow().clone();
        secret.ok_or_else(|| trouble.unwrap_or_else(gone))
    }

    /// Reads it again, once, as after a gateway refused it.
    pub async fn refresh(&self) -> Reread {
        let (again, done) = oneshot::channel();
        if self.0.again.send(again).await.is_err() {
            return Reread::Failed(gone());
        }
        done.await.unwrap_or_else(|_| Reread::Failed(gone()))
    }
}

/// The runtime has ended, and the keeper with it.
fn gone() -> SecretError {
    SecretError::NoAnswer("the secret's keeper".to_owned())
}

/// Reads and reads again.
struct Keeper<S> {
    supply: S,
    clock: Clock,
    secret: watch::Sender<Option<Secret>>,
    condition: watch::Sender<SecretCondition>,
    requests: mpsc::Receiver<Again>,
    /// Who waits for the next read.
    asked: Vec<Again>,
    /// Whether it has changed before, and so will again.
    is_another: bool,
}

impl<S: Supply> Keeper<S> {
    async fn keep(mut self) {
        let mut why = Why::First;
        let mut failures = 0;
        loop {
            while let Ok(again) = self.requests.try_recv() {
                self.asked.push(again);
            }
            // Taken before the read: what changes after it is seen as a change.
            let stamp = self.stamp().await;
            let (read, notice) = self.supply.read(why).await;
            failures = if read.is_ok() { 0 } else { failures + 1 };
            let outcome = self.publish(read, notice);
            for again in self.asked.drain(..) {
                let _ = again.send(outcome.clone());
            }
            match self.next(stamp, failures).await {
                Some(reason) => why = reason,
                None => return,
            }
        }
    }

    async fn stamp(&self) -> Option<S::Stamp> {
        if self.supply.turnover() == Turnover::WithItsFile { self.supply.stamp().await } else { None }
    }

    fn publish(&mut self, read: Result<Secret, SecretError>, notice: Option<SecretNotice>) -> Reread {
        let now = (self.clock)();
        let (outcome, trouble) = match read {
            Ok(secret) => {
                let mut before = true;
                let changed = self.secret.send_if_modified(|held| {
                    before = held.is_some();
                    let changed = held.as_ref() != Some(&secret);
                    if changed {
                        *held = Some(secret);
                    }
                    changed
                });
                self.is_another |= changed && before;
                (if changed { Reread::Changed } else { Reread::Same }, None)
            }
            Err(error) => (Reread::Failed(error.clone()), Some(error)),
        };
        // The life of a token that says nothing about its beginning is known once it stands in for another one.
        let since = (self.is_another && outcome == Reread::Changed).then_some(now);
        self.condition.send_modify(|condition| {
            if outcome == Reread::Changed {
                condition.expiry = self.secret.borrow().as_ref().and_then(|secret| Expiry::of(secret, since));
            }
            condition.reads += 1;
            condition.trouble = trouble;
            condition.notice = notice;
        });
        outcome
    }

    /// Waits for a reason to read again; `None` when nobody wants it any more.
    async fn next(&mut self, stamp: Option<S::Stamp>, failures: u32) -> Option<Why> {
        let turnover = self.supply.turnover();
        let due = match turnover {
            Turnover::Never => None,
            Turnover::WithItsFile | Turnover::InTime => self.due(failures),
        };
        loop {
            let left = due.map(|due| due.duration_since((self.clock)()).unwrap_or_default());
            if left.is_some_and(|left| left.is_zero()) {
                return Some(Why::Due);
            }
            let nap = if turnover == Turnover::WithItsFile { LOOK } else { LONGEST };
            tokio::select! {
                again = self.requests.recv() => {
                    self.asked.push(again?);
                    return Some(Why::Asked);
                }
                () = sleep(left.map_or(nap, |left| left.min(nap))) => {}
            }
            if turnover == Turnover::WithItsFile && self.supply.stamp().await != stamp {
                self.settle().await;
                return Some(Why::Due);
            }
        }
    }

    /// When to read again because of time alone.
    fn due(&self, failures: u32) -> Option<SystemTime> {
        let now = (self.clock)();
        let wait = match failures {
            0 => self.condition.borrow().expiry?.look_again_in(now),
            _ => self.retry_in(failures),
        };
        now.checked_add(wait)
    }

    fn retry_in(&self, failures: u32) -> Duration {
        match &self.condition.borrow().trouble {
            // Its user may unlock it at any moment, and a look does not disturb.
            Some(SecretError::Keychain(_)) => FIRST_RETRY,
            _ => FIRST_RETRY.saturating_mul(1 << failures.saturating_sub(1).min(4)).min(LONGEST),
        }
    }

    /// Waits until two looks at the file agree.
    async fn settle(&self) {
        let mut before = self.supply.stamp().await;
        for _ in 0..RESTLESS {
            sleep(SETTLED).await;
            let now = self.supply.stamp().await;
            if now == before {
                return;
            }
            before = now;
        }
    }
}

#[cfg(test)]
mod tests;
