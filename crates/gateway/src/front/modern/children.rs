//! The children of modern clients: one for each principal on each tunnel, opened on demand and ended when idle.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use culvert_protocol::channels::control::User;
use culvert_protocol::rpc_error::RpcError;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::super::Limits;
use super::super::counts::Counts;
use super::super::sessions::NotBegun;
use super::params::Repeated;
use crate::backend::{Backend, Caller, Identity, OpenError};
use crate::era::{Era, Eras};
use crate::shared::{DISCOVER_LIMIT, LEGACY, SILENT, Shared, Terms};

/// How long a client waits for a server that has yet to say what it speaks; then it is told to fall back. Some clients
/// give up after 30 s.
const PATIENCE: Duration = Duration::from_secs(25);

/// Who shares a child: one subject, on one tunnel.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Principal {
    tunnel: Identity,
    subject: String,
}

/// Where a principal's child is, while there is one.
#[derive(Debug)]
struct Place {
    child: Mutex<Option<Arc<Shared>>>,
    used: Mutex<Instant>,
    /// Held by the one who opens the next child.
    opening: tokio::sync::Mutex<()>,
    /// What the server's list of tools asks of this principal's headers.
    repeated: Repeated,
    counts: Arc<Counts>,
}

/// A child in use. While there is one of these, it does not count as idle.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) child: Arc<Shared>,
    /// Who uses it.
    pub(super) user: User,
    place: Arc<Place>,
}

/// Why there is no child.
#[derive(Debug)]
pub(super) enum NoChild {
    /// The server does not take modern requests.
    Legacy,
    /// None was opened.
    NotBegun(NotBegun),
    /// One was opened and ended.
    Ended(RpcError),
}

/// See the head of this file.
#[derive(Debug)]
pub(in crate::front) struct Children {
    limits: Limits,
    counts: Arc<Counts>,
    places: Mutex<HashMap<Principal, Arc<Place>>>,
}

impl Children {
    pub(in crate::front) fn new(limits: Limits, counts: Arc<Counts>) -> Arc<Self> {
        Arc::new(Self { limits, counts, places: Mutex::default() })
    }

    fn places(&self) -> MutexGuard<'_, HashMap<Principal, Arc<Place>>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Principals that have a child, or had one a short while ago.
    pub(in crate::front) fn len(&self) -> usize {
        self.places().len()
    }

    /// Calls that are not over: each holds its place.
    pub(in crate::front) fn in_use(&self) -> usize {
        self.places().values().map(|place| Arc::strong_count(place) - 1).sum()
    }

    /// Late answers of the children that are there; those of others are counted already.
    pub(in crate::front) fn late(&self) -> u64 {
        self.places().values().filter_map(|place| Some(place.current()?.counts().late)).sum()
    }

    /// Ends them all; their calls in flight are answered with `why`.
    pub(in crate::front) fn end_all(&self, why: &RpcError) {
        for child in self.places().values().filter_map(|place| place.current()) {
            child.end(why.clone());
        }
    }

    /// The caller's child. `client` is what the client that needs it calls itself.
    pub(super) async fn of(
        self: &Arc<Self>,
        backend: &Backend,
        caller: &Caller,
        client: Option<String>,
    ) -> Result<Lease, NoChild> {
        match (backend, backend.eras()) {
            (Backend::Shared(shared), _) => match shared.ready().await {
                Ok(answer) if answer.era() == Era::Modern => {
                    let (child, user) = (shared.clone(), caller.user(client));
                    Ok(Lease { child, user, place: self.place(backend, caller)? })
                }
                Ok(_) => Err(NoChild::Legacy),
                Err(why) => Err(NoChild::Ended(why)),
            },
            (Backend::Offline { retry_after }, _) => {
                Err(NoChild::NotBegun(NotBegun::Closed(OpenError::Offline { retry_after: *retry_after })))
            }
            (_, Some(eras)) => {
                let place = self.place(backend, caller)?;
                if let Some(child) = place.current() {
                    return Ok(Lease { child, user: caller.user(client), place });
                }
                let patience = if eras.takes_modern().is_none() { PATIENCE } else { DISCOVER_LIMIT };
                let deadline = Instant::now() + patience;
                let (backend, caller, known) = (backend.clone(), caller.clone(), eras.clone());
                let terms = self.limits.terms();
                // On a task of its own: a client that loses patience must not undo what it waited for. A server that is
                // only slow has an answer for whoever comes next.
                let opened =
                    tokio::spawn(async move { open(place, &eras, &backend, &caller, client, deadline, terms).await });
                match timeout_at(deadline, opened).await {
                    Ok(opened) => opened.unwrap_or_else(|_| {
                        Err(NoChild::Ended(RpcError::tunnel("tunnel.closed", "the tunnel to the local server closed")))
                    }),
                    Err(_) => Err(not_yet(&known)),
                }
            }
            (_, None) => Err(NoChild::Legacy),
        }
    }

    fn place(self: &Arc<Self>, backend: &Backend, caller: &Caller) -> Result<Arc<Place>, NoChild> {
        let principal = Principal { tunnel: backend.identity(), subject: caller.subject.clone() };
        let mut places = self.places();
        let full = places.len() >= self.limits.max_sessions;
        let limit = self.limits.subject_sessions;
        let theirs = |places: &HashMap<Principal, Arc<Place>>| {
            places.keys().filter(|principal| principal.subject == caller.subject).count()
        };
        let is_over = !places.contains_key(&principal) && places.len() >= limit && theirs(&places) >= limit;
        match places.entry(principal) {
            Entry::Occupied(known) => Ok(known.get().clone()),
            Entry::Vacant(_) if is_over => Err(NoChild::NotBegun(NotBegun::TooManyOfOne(limit))),
            Entry::Vacant(_) if full => Err(NoChild::NotBegun(NotBegun::TooMany)),
            Entry::Vacant(fresh) => {
                let place = Arc::new(Place {
                    child: Mutex::default(),
                    used: Mutex::new(Instant::now()),
                    opening: tokio::sync::Mutex::default(),
                    repeated: Repeated::default(),
                    counts: self.counts.clone(),
                });
                tokio::spawn(clear(Arc::downgrade(self), fresh.key().clone(), Arc::downgrade(&place)));
                Ok(fresh.insert(place).clone())
            }
        }
    }
}

/// What a client is told whose patience is over.
fn not_yet(eras: &Eras) -> NoChild {
    match eras.takes_modern() {
        Some(true) => NoChild::Ended(RpcError::tunnel(SILENT, "the local server takes long to start; try again")),
        Some(false) | None => NoChild::Legacy,
    }
}

/// Opens the principal's next child, unless somebody else has just done so. Waits for others until `deadline`, so that
/// only what is really opened outlasts the client that wanted it.
async fn open(
    place: Arc<Place>,
    eras: &Eras,
    backend: &Backend,
    caller: &Caller,
    client: Option<String>,
    deadline: Instant,
    terms: Terms,
) -> Result<Lease, NoChild> {
    let opening = timeout_at(deadline, place.opening.lock()).await.map_err(|_| not_yet(eras))?;
    if let Some(child) = place.current() {
        drop(opening);
        return Ok(Lease { child, user: caller.user(client), place });
    }
    let _asking = match eras.takes_modern() {
        Some(_) => None,
        None => Some(timeout_at(deadline, eras.asking.lock()).await.map_err(|_| not_yet(eras))?),
    };
    if eras.takes_modern() == Some(false) {
        return Err(NoChild::Legacy);
    }
    let user = caller.user(client.clone());
    let conversation = backend.open(caller, client).await.map_err(|why| NoChild::NotBegun(NotBegun::Closed(why)))?;
    let child = Shared::start_modern(conversation, terms);
    match child.ready().await {
        Ok(_) => {
            eras.is_modern();
            place.take(child.clone());
            drop(opening);
            Ok(Lease { child, user, place })
        }
        Err(why) if why.code() == LEGACY => {
            eras.is_legacy();
            Err(NoChild::Legacy)
        }
        // One that is known to be modern has only failed this once.
        Err(why) if matches!(why.code(), SILENT | "server.exited") && eras.takes_modern().is_none() => {
            eras.did_not_answer();
            Err(NoChild::Legacy)
        }
        Err(why) => Err(NoChild::Ended(why)),
    }
}

/// Gives a principal's place up once nobody has used it for long.
async fn clear(children: Weak<Children>, principal: Principal, place: Weak<Place>) {
    loop {
        let due = {
            let (Some(all), Some(place)) = (children.upgrade(), place.upgrade()) else { return };
            let mut places = all.places();
            let now = Instant::now();
            // This one and the map's: whoever else has one got it under the same lock.
            if Arc::strong_count(&place) > 2 {
                *place.used() = now;
            }
            let due = *place.used() + all.limits.idle;
            if due <= now {
                places.remove(&principal);
                return;
            }
            due
        };
        sleep_until(due).await;
    }
}

impl Place {
    fn used(&self) -> MutexGuard<'_, Instant> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn child(&self) -> MutexGuard<'_, Option<Arc<Shared>>> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The child, if it lives.
    fn current(&self) -> Option<Arc<Shared>> {
        self.child().clone().filter(|child| child.why_closed().is_none())
    }

    /// The next child takes the place of the one before.
    fn take(&self, child: Arc<Shared>) {
        let before = self.child().replace(child);
        self.count(before.as_deref());
    }

    fn count(&self, over: Option<&Shared>) {
        self.counts.late.fetch_add(over.map_or(0, |child| child.counts().late), Ordering::Relaxed);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let last = self.child().take();
        self.count(last.as_deref());
    }
}

impl Lease {
    /// Where calls are counted.
    pub(super) fn counts(&self) -> &Counts {
        &self.place.counts
    }

    /// What is to be repeated in headers.
    pub(super) fn repeated(&self) -> &Repeated {
        &self.place.repeated
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        *self.place.used() = Instant::now();
    }
}
