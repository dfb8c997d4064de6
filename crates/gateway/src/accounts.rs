//! What each subject uses of the gateway, so that none can take it from the others: connections and bodies at once, and
//! requests in a second. Tunnels and sessions are counted where they are.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::config::SubjectLimits;
use crate::denial::{Denial, Limit};
use crate::rights::Subject;
use crate::sending::Sending;

/// How much a subject may ask at once after a while without a request, in seconds of its rate.
const BURST: Duration = Duration::from_secs(1);

/// All subjects that use something, or did so a moment ago.
#[derive(Debug)]
pub(crate) struct Accounts {
    limits: SubjectLimits,
    begun: Instant,
    open: Mutex<HashMap<Subject, Arc<Account>>>,
}

/// What one subject uses.
#[derive(Debug)]
pub(crate) struct Account {
    subject: Subject,
    connections: AtomicUsize,
    /// Bytes of the bodies that are under way.
    sending: Arc<AtomicUsize>,
    /// When all that was asked so far would have been asked at the allowed rate, in nanoseconds after the accounts were
    /// opened.
    asked: AtomicU64,
}

/// The subject that a connection is counted for: that of its latest request.
#[derive(Debug, Default)]
pub(crate) struct Charge(Mutex<Option<Arc<Account>>>);

impl Accounts {
    /// None yet.
    pub(crate) fn new(limits: SubjectLimits) -> Self {
        Self { limits, begun: Instant::now(), open: Mutex::default() }
    }

    /// Lets a request of `subject` pass, over the connection that `charge` belongs to.
    ///
    /// # Errors
    /// [`Denial::Limit`] when the subject has too many connections, or asks too often.
    pub(crate) fn admit(&self, subject: &Subject, charge: &Charge) -> Result<(), Denial> {
        let mut charged = charge.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = charged.take_if(|account| account.subject != *subject);
        // A proxy sends requests of many subjects over one connection.
        if let Some(before) = known {
            before.connections.fetch_sub(1, Ordering::Relaxed);
        }
        let account = match &mut *charged {
            Some(account) => account,
            none => none.insert(self.connect(subject)?),
        };
        match self.limits.requests {
            0 => Ok(()),
            rate => account.ask(rate, self.begun.elapsed()),
        }
    }

    /// What the request that was let pass last over this connection sends.
    pub(crate) fn sending(&self, charge: &Charge) -> Arc<Sending> {
        let charged = charge.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Without an account nobody was let pass.
        let all = charged.as_ref().map(|account| account.sending.clone()).unwrap_or_default();
        Sending::new(all, self.limits.bodies)
    }

    /// Closes accounts that nobody uses.
    pub(crate) fn review(&self) {
        let now = nanos(self.begun.elapsed());
        self.open().retain(|_, account| {
            Arc::strong_count(account) > 1
                || Arc::strong_count(&account.sending) > 1
                || account.asked.load(Ordering::Relaxed) > now
        });
    }

    /// Counts a connection for the subject.
    fn connect(&self, subject: &Subject) -> Result<Arc<Account>, Denial> {
        let account = self.of(subject);
        let (before, limit) = (account.connections.fetch_add(1, Ordering::Relaxed), self.limits.connections);
        if before >= limit {
            account.connections.fetch_sub(1, Ordering::Relaxed);
            return Err(Denial::Limit(Limit::Connections(limit)));
        }
        Ok(account)
    }

    fn of(&self, subject: &Subject) -> Arc<Account> {
        let mut open = self.open();
        if let Some(account) = open.get(subject) {
            return account.clone();
        }
        let account = Arc::new(Account {
            subject: subject.clone(),
            connections: AtomicUsize::new(0),
            sending: Arc::default(),
            asked: AtomicU64::new(0),
        });
        open.insert(subject.clone(), account.clone());
        account
    }

    fn open(&self) -> MutexGuard<'_, HashMap<Subject, Arc<Account>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Account {
    /// One more request, `now` after the accounts were opened.
    fn ask(&self, rate: u32, now: Duration) -> Result<(), Denial> {
        let (now, each) = (nanos(now), 1_000_000_000 / u64::from(rate.max(1)));
        let allowed = now + nanos(BURST);
        let asked = self.asked.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |asked| {
            let next = asked.max(now) + each;
            (next <= allowed).then_some(next)
        });
        asked.map(drop).map_err(|asked| {
            let wait = Duration::from_nanos((asked + each).saturating_sub(allowed));
            Denial::Limit(Limit::Requests { per_second: rate, wait })
        })
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        if let Some(account) = self.0.lock().unwrap_or_else(PoisonError::into_inner).take() {
            account.connections.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accounts(requests: u32, connections: usize) -> Accounts {
        Accounts::new(SubjectLimits { requests, connections, ..SubjectLimits::default() })
    }

    #[tokio::test(start_paused = true)]
    async fn a_subject_may_ask_at_its_rate_and_says_nothing_about_others() {
        let (accounts, charge, other) = (accounts(10, 9), Charge::default(), Charge::default());
        let (me, them) = (Subject::new("me"), Subject::new("them"));
        let ask = || accounts.admit(&me, &charge);
        assert_eq!((0..20).filter(|_| ask().is_ok()).count(), 10, "a second's worth at once");
        let refused = ask().unwrap_err();
        let wait = Duration::from_millis(100);
        assert_eq!(refused, Denial::Limit(Limit::Requests { per_second: 10, wait }));
        assert_eq!(accounts.admit(&them, &other), Ok(()));
        tokio::time::advance(wait).await;
        assert!(ask().is_ok() && ask().is_err(), "one for each tenth of a second");
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert_eq!((0..20).filter(|_| ask().is_ok()).count(), 10, "a long rest saves up no more");
    }

    #[tokio::test(start_paused = true)]
    async fn connections_count_for_who_uses_them_and_only_while_they_last() {
        let accounts = accounts(0, 2);
        let (me, them) = (Subject::new("me"), Subject::new("them"));
        let [first, second, third] = [Charge::default(), Charge::default(), Charge::default()];
        assert!(accounts.admit(&me, &first).is_ok() && accounts.admit(&me, &second).is_ok());
        assert!((0..9).all(|_| accounts.admit(&me, &first).is_ok()), "one connection counts once");
        assert_eq!(accounts.admit(&me, &third), Err(Denial::Limit(Limit::Connections(2))));
        assert_eq!(accounts.admit(&them, &second), Ok(()), "a proxy's connection passes on");
        assert_eq!(accounts.admit(&me, &third), Ok(()));
        drop(first);
        assert_eq!(accounts.admit(&me, &second), Ok(()));
        drop((second, third));
        accounts.review();
        assert!(accounts.open().is_empty());
    }
}
