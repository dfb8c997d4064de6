//! What reaches a running tunnel from outside: its bearer as it is now, a call to try at once, and its turn among those
//! that register at one gateway.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use culvert_protocol::{Labels, Secret};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::timeout;

use crate::ledger::Ledger;
use crate::policy::LivePolicy;

/// How long a bearer may take to be read again after a gateway refused it.
const RENEWAL: Duration = Duration::from_secs(45);

/// Everything from outside that one tunnel depends on.
#[derive(Debug, Clone)]
pub struct Outside {
    /// The bearer for the gateway.
    pub bearer: Bearer,
    /// Changed to end the wait between two tries.
    pub wake: watch::Receiver<()>,
    /// The owner's labels, once they are others than those of the configuration.
    pub labels: watch::Receiver<Option<Labels>>,
    /// What the gateway may see and use of the local server.
    pub policy: LivePolicy,
    /// Shared by all tunnels to one gateway.
    pub turnstile: Turnstile,
    /// Where the engine keeps its account; it serves one run at a time.
    pub ledger: Arc<Ledger>,
}

impl Default for Outside {
    /// No token, nobody who wakes, no other tunnel.
    fn default() -> Self {
        let (_, wake) = watch::channel(());
        let (_, labels) = watch::channel(None);
        Self {
            bearer: Bearer::none(),
            wake,
            labels,
            policy: LivePolicy::default(),
            turnstile: Turnstile::default(),
            ledger: Arc::default(),
        }
    }
}

/// Reads a bearer again, as after a gateway refused it; done when it has been read.
pub type Renew = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// The bearer for a gateway, which may be another one from one moment to the next.
#[derive(Clone)]
pub struct Bearer {
    now: watch::Receiver<Option<Secret>>,
    renew: Option<Renew>,
    /// The one that was presented last.
    presented: Arc<Mutex<Option<Secret>>>,
}

impl Bearer {
    /// None: for a gateway without authentication.
    pub fn none() -> Self {
        Self::from(watch::channel(None).1, None)
    }

    /// One that never changes.
    pub fn fixed(token: Secret) -> Self {
        Self::from(watch::channel(Some(token)).1, None)
    }

    /// The newest that `now` has; `renew` is asked once when a gateway refused it.
    pub fn live(now: watch::Receiver<Option<Secret>>, renew: Renew) -> Self {
        Self::from(now, Some(renew))
    }

    fn from(now: watch::Receiver<Option<Secret>>, renew: Option<Renew>) -> Self {
        Self { now, renew, presented: Arc::default() }
    }

    /// The bearer now, which is shown to the gateway.
    pub(crate) fn present(&self) -> Option<Secret> {
        let now = self.now.borrow().clone();
        self.presented().clone_from(&now);
        now
    }

    /// Has it read again after the one presented was refused; whether it is another one now.
    pub(crate) async fn renewed(&self) -> bool {
        if let Some(renew) = &self.renew {
            let _ = timeout(RENEWAL, renew()).await;
        }
        *self.now.borrow() != *self.presented()
    }

    /// Completes when it is another one than was presented to a gateway last.
    pub async fn replaced(&self) {
        let mut now = self.now.clone();
        if now.wait_for(|now| now.is_some() && *now != *self.presented()).await.is_err() {
            std::future::pending().await
        }
    }

    fn presented(&self) -> MutexGuard<'_, Option<Secret>> {
        self.presented.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bearer").field("set", &self.now.borrow().is_some()).finish_non_exhaustive()
    }
}

/// Lets tunnels to one gateway register one after the other: a gateway that greets many servers at once may fail them
/// all. Clones are the same turnstile.
#[derive(Debug, Clone)]
pub struct Turnstile(Arc<Semaphore>);

impl Default for Turnstile {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(1)))
    }
}

/// A tunnel's turn at a turnstile; it is over when this is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    _permit: Option<OwnedSemaphorePermit>,
}

/// Completes when a wait is to end; never once nobody can say so any more.
pub(crate) async fn woken(wake: &mut watch::Receiver<()>) {
    if wake.changed().await.is_err() {
        std::future::pending().await
    }
}

impl Turnstile {
    /// Waits for this tunnel's turn.
    pub(crate) async fn turn(&self) -> Turn {
        Turn { _permit: self.0.clone().acquire_owned().await.ok() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_refused_bearer_is_read_again_and_only_another_one_counts() {
        let (sender, now) = watch::channel(Some(Secret::new("old")));
        let rotate = sender.clone();
        let renew: Renew = Arc::new(move || {
            let rotate = rotate.clone();
            Box::pin(async move {
                rotate.send_replace(Some(Secret::new("new")));
            })
        });
        let bearer = Bearer::live(now, renew);
        assert_eq!(bearer.present(), Some(Secret::new("old")));
        assert!(bearer.renewed().await);
        assert_eq!(bearer.present(), Some(Secret::new("new")));
        assert!(!bearer.renewed().await);
        let fixed = Bearer::fixed(Secret::new("old"));
        fixed.present();
        assert!(!fixed.renewed().await);
    }

    #[tokio::test]
    async fn only_another_bearer_replaces_one() {
        let (sender, now) = watch::channel(Some(Secret::new("old")));
        let bearer = Bearer::live(now, Arc::new(|| Box::pin(async {})));
        bearer.present();
        let waiting = tokio::spawn(async move { bearer.replaced().await });
        sender.send_replace(None);
        sender.send_replace(Some(Secret::new("old")));
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        sender.send_replace(Some(Secret::new("new")));
        waiting.await.unwrap();
    }

    #[tokio::test]
    async fn one_passes_at_a_time() {
        let turnstile = Turnstile::default();
        let first = turnstile.turn().await;
        let next = tokio::spawn({
            let turnstile = turnstile.clone();
            async move { turnstile.turn().await }
        });
        tokio::task::yield_now().await;
        assert!(!next.is_finished());
        drop(first);
        next.await.unwrap();
    }

    #[test]
    fn nothing_of_a_token_is_shown() {
        let shown = format!("{:?}", Bearer::fixed(Secret::new("hunter2")));
        assert!(!shown.contains("hunter2") && shown.contains("set: true"), "{shown}");
    }
}
