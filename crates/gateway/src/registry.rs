//! What is known and what is online: the catalog and the registered links under one lock, and every question about
//! them with the asker's rights applied.

mod figures;
#[cfg(test)]
mod tests;
mod views;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use culvert_protocol::{Labels, ServerName};

use self::figures::Passed;
pub(crate) use self::figures::RegistryFigures;
use crate::backend::Backend;
use crate::catalog::{Catalog, Entry, ServerId};
use crate::catalog_file::Changes;
use crate::clock::UnixTime;
use crate::config::SubjectLimits;
use crate::denial::{Denial, Limit};
use crate::publish::Offered;
use crate::rights::{Bearer, Subject};
use crate::session::{Ending, Session, SessionId, Visitor};
use crate::trust::Trust;

/// The longest wait that a client of an offline server is told.
const MAX_RETRY_AFTER: u64 = 30;

/// The catalog and the registered links.
#[derive(Debug)]
pub(crate) struct Registry {
    rooms: RwLock<Rooms>,
    changes: Changes,
    per_subject: SubjectLimits,
    /// What passed over all links, as far as it was told.
    passed: Mutex<Passed>,
}

#[derive(Debug, Default)]
struct Rooms {
    catalog: Catalog,
    sessions: HashMap<SessionId, Arc<Session>>,
    online: HashMap<ServerId, Arc<Session>>,
}

impl Registry {
    /// Begins with what the catalog remembers; nothing is online.
    pub(crate) fn new(catalog: Catalog, per_subject: SubjectLimits) -> Self {
        let rooms = RwLock::new(Rooms { catalog, ..Rooms::default() });
        Self { rooms, changes: Changes::default(), per_subject, passed: Mutex::default() }
    }

    /// Whether `subject` may have another tunnel. One that waits for a connection leaves its place to it.
    ///
    /// # Errors
    /// [`Denial::Limit`].
    pub(crate) fn room_for(&self, subject: &Subject) -> Result<(), Denial> {
        let rooms = self.read();
        let theirs = rooms.sessions.values().filter(|session| session.is_of(subject) && !session.is_waiting());
        match theirs.count() < self.per_subject.tunnels {
            true => Ok(()),
            false => Err(Denial::Limit(Limit::Tunnels(self.per_subject.tunnels))),
        }
    }

    /// Whether `subject` may have a tunnel for this server beside those that it has for others.
    ///
    /// # Errors
    /// [`Denial::Limit`].
    pub(crate) fn room_for_server(&self, subject: &Subject, server: &ServerId) -> Result<(), Denial> {
        self.has_room(&self.read(), subject, server)
    }

    fn has_room(&self, rooms: &Rooms, subject: &Subject, server: &ServerId) -> Result<(), Denial> {
        let others = rooms.sessions.values().filter(|session| session.is_of(subject) && session.server != *server);
        match others.count() < self.per_subject.tunnels {
            true => Ok(()),
            false => Err(Denial::Limit(Limit::Tunnels(self.per_subject.tunnels))),
        }
    }

    /// Takes a link in whose registration is complete. A link of the same owner and name is ended. Returns once the
    /// catalog is on disk, and only then is the server online: a client that began before would lose its calls with the
    /// link, for nobody can resume a session that is not registered yet.
    ///
    /// # Errors
    /// [`Denial::Limit`], when others of the same subject were quicker.
    pub(crate) async fn admit(&self, session: Arc<Session>, entry: Entry) -> Result<(), Denial> {
        let is_new = {
            let mut rooms = self.write();
            let Rooms { catalog, online, .. } = &mut *rooms;
            let is_new = catalog.get(&session.server).is_none();
            if !entry.is_trial
                && is_new
                && let Some(gone) =
                    catalog.make_room(&entry.owner, self.per_subject.servers, |id| !online.contains_key(id))
            {
                tracing::warn!(owner = %gone.owner, name = %gone.name, "forgot a server to make room for another");
            }
            catalog.put(entry.clone());
            is_new
        };
        self.changes.note();
        self.changes.written().await;
        let mut rooms = self.write();
        if let Err(denial) = self.has_room(&rooms, &entry.owner, &session.server) {
            if is_new && !rooms.online.contains_key(&session.server) {
                rooms.catalog.forget(&session.server);
                self.changes.note();
            }
            return Err(denial);
        }
        let Rooms { catalog, sessions, online } = &mut *rooms;
        if catalog.get(&session.server).is_none() {
            // Somebody has forgotten it meanwhile.
            catalog.put(entry);
            self.changes.note();
        }
        if let Some(before) = online.insert(session.server.clone(), session.clone()) {
            sessions.remove(&before.id);
            before.leash.end(Ending::Displaced);
        }
        sessions.insert(session.id.clone(), session);
        Ok(())
    }

    /// A link is over. The server goes offline, unless another link has taken over.
    pub(crate) fn leave(&self, session: &Session, now: UnixTime) {
        self.passed.lock().unwrap_or_else(PoisonError::into_inner).add(&session.traffic);
        {
            let mut rooms = self.write();
            rooms.sessions.remove(&session.id);
            if rooms.online.get(&session.server).is_none_or(|current| current.id != session.id) {
                return;
            }
            rooms.online.remove(&session.server);
            if rooms.catalog.get(&session.server).is_some_and(|entry| entry.is_trial) {
                rooms.catalog.forget(&session.server);
            } else {
                rooms.catalog.seen(&session.server, now);
            }
        }
        self.changes.note();
    }

    /// Ends every link whose bearer is no longer good.
    pub(crate) fn review(&self, trust: &Trust, now: UnixTime) {
        for session in self.read().sessions.values() {
            if let Err(why) = trust.confirm(&session.visitor().bearer, now) {
                session.leash.end(why.into());
            }
        }
    }

    /// A session's owner calls it by other labels.
    pub(crate) fn relabel(&self, id: &SessionId, labels: Labels) {
        if let Some(session) = self.read().sessions.get(id) {
            session.relabel(labels);
        }
    }

    /// A session goes on over a connection of `visitor`'s.
    pub(crate) fn take_over(&self, id: &SessionId, visitor: Visitor) {
        if let Some(session) = self.read().sessions.get(id) {
            session.taken_over(visitor);
        }
    }

    /// A session's connection broke; it waits for another.
    pub(crate) fn waits(&self, id: &SessionId) {
        if let Some(session) = self.read().sessions.get(id) {
            session.waits();
        }
    }

    /// Whether the catalog was written when it changed last.
    pub(crate) fn is_written(&self) -> bool {
        self.changes.are_written()
    }

    /// Ends every link.
    pub(crate) fn end_all(&self, why: Ending) {
        self.read().sessions.values().for_each(|session| session.leash.end(why));
    }

    /// How the front reaches the server that somebody calls `text`: its id, or its name among their own.
    ///
    /// # Errors
    /// [`Denial::UnknownServer`], whether there is none or it is not theirs to know; [`Denial::Ambiguous`].
    pub(crate) fn backend(&self, bearer: &Bearer, text: &str, now: UnixTime) -> Result<Backend, Denial> {
        let rooms = self.read();
        let (id, entry) = rooms.resolve(bearer, text)?;
        Ok(match rooms.online.get(id) {
            Some(session) => session.backend(),
            // Who has just gone may be back at once; who is gone for long hardly in the next seconds.
            None => {
                let gone = now.since(UnixTime(entry.last_seen)).clamp(1, MAX_RETRY_AFTER);
                Backend::Offline { retry_after: Duration::from_secs(gone) }
            }
        })
    }

    /// One session.
    ///
    /// # Errors
    /// [`Denial::UnknownSession`], whether there is none or it is not theirs to know.
    pub(crate) fn session(&self, bearer: &Bearer, id: &str) -> Result<Arc<Session>, Denial> {
        let session = self.read().sessions.get(&SessionId(id.to_owned())).cloned();
        session.filter(|session| sees(bearer, session)).ok_or_else(|| Denial::UnknownSession(id.to_owned()))
    }

    /// Forgets a server that is offline.
    ///
    /// # Errors
    /// As [`backend`](Self::backend), and [`Denial::Online`].
    pub(crate) fn forget(&self, bearer: &Bearer, text: &str) -> Result<ServerId, Denial> {
        let mut rooms = self.write();
        let id = rooms.resolve(bearer, text)?.0.clone();
        if rooms.online.contains_key(&id) {
            return Err(Denial::Online);
        }
        rooms.catalog.forget(&id);
        self.changes.note();
        Ok(id)
    }

    /// All servers, as they are to be offered elsewhere.
    pub(crate) fn offered(&self) -> Vec<Offered> {
        let rooms = self.read();
        let offered = |(id, entry): (&ServerId, &Entry)| Offered {
            id: id.clone(),
            owner: entry.owner.clone(),
            name: entry.name.clone(),
            description: entry.description.clone(),
            edition: rooms.online.get(id).map(|session| session.edition()),
        };
        rooms.catalog.iter().filter(|(_, entry)| !entry.is_trial).map(offered).collect()
    }

    /// Writes the catalog whenever it changes, for ever.
    pub(crate) async fn keep_writing(&self, path: PathBuf) {
        self.changes.keep_writing(path, || self.read().catalog.to_json()).await;
    }

    /// Writes what the last change left unwritten.
    pub(crate) async fn write_rest(&self, path: PathBuf) {
        self.changes.write_rest(path, || self.read().catalog.to_json()).await;
    }

    /// Waits until the changes of this moment are on disk.
    pub(crate) async fn written(&self) {
        self.changes.written().await;
    }

    fn read(&self) -> RwLockReadGuard<'_, Rooms> {
        self.rooms.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Rooms> {
        self.rooms.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn sees(bearer: &Bearer, session: &Session) -> bool {
    bearer.reaches(session.visitor().bearer.subject(), &session.name)
}

impl Rooms {
    fn resolve(&self, bearer: &Bearer, text: &str) -> Result<(&ServerId, &Entry), Denial> {
        let visible = |(_, entry): &(&ServerId, &Entry)| bearer.reaches(&entry.owner, &entry.name);
        if let Some(found) = self.catalog.find(text).filter(visible) {
            return Ok(found);
        }
        let unknown = || Denial::UnknownServer(text.to_owned());
        let name = ServerName::new(text).map_err(|_| unknown())?;
        // Somebody may have called a server like the id of another one, which its owner has forgotten meanwhile.
        let may_be_anybodys = bearer.sees_everyone() && ServerId::parse(text).is_none();
        let own = ServerId::of(bearer.subject(), &name);
        if let Some(found) = self.catalog.find(&own.to_string()).filter(visible) {
            return Ok(found);
        }
        if !may_be_anybodys {
            return Err(unknown());
        }
        let mut named = self.catalog.iter().filter(|(_, entry)| entry.name == name);
        match (named.next(), named.count()) {
            (Some(found), 0) => Ok(found),
            (Some(_), more) => Err(Denial::Ambiguous { name: name.to_string(), count: more + 1 }),
            (None, _) => Err(unknown()),
        }
    }
}
