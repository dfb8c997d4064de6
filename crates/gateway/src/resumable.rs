//! Sessions whose connection may be replaced: who may take one up again, and the way to its task.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use culvert_link::{FrameReceiver, FrameSender};
use culvert_protocol::{Secret, ServerName};
use ring::digest::{SHA256, digest};
use tokio::sync::mpsc;

use crate::rights::Subject;
use crate::session::{SessionId, Visitor};

/// Connections that may wait to take one session up. A client tries them one after another.
const WAITING: usize = 4;

/// Every session of the channels dialect, until it ends for good.
#[derive(Debug, Default)]
pub(crate) struct Resumables {
    berths: Mutex<HashMap<SessionId, Berth>>,
}

/// What it takes to take a session up.
#[derive(Debug)]
struct Berth {
    key: [u8; 32],
    subject: Subject,
    name: ServerName,
    takeovers: ToSession,
    /// The client's latest try.
    attempt: u64,
}

/// A new connection for a session.
#[derive(Debug)]
pub(crate) struct Takeover {
    /// Frames to the client.
    pub(crate) sender: FrameSender,
    /// Frames from it.
    pub(crate) receiver: FrameReceiver,
    /// What it has received of the gateway's stream.
    pub(crate) received: u64,
    /// Who is at its other end now.
    pub(crate) visitor: Visitor,
}

/// The way to a session's task. Boxed, for a queue has room for 32 of what it carries from the beginning, and this one is
/// there for every session.
pub(crate) type ToSession = mpsc::Sender<Box<Takeover>>;

/// A session's place among the resumable ones; given up when dropped.
#[derive(Debug)]
pub(crate) struct Moored<'r> {
    resumables: &'r Resumables,
    id: SessionId,
    /// New connections for it.
    pub(crate) takeovers: mpsc::Receiver<Box<Takeover>>,
}

/// Why a session is not taken up; the text is on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotResumed {
    /// There is none, or the key is not its own: who asks is not told which.
    #[error("{}", self.word())]
    Unknown,
    /// A later try of the same client came first.
    #[error("{}", self.word())]
    Stale,
    /// The bearer is another's, or may not have the server.
    #[error("{}", self.word())]
    Subject,
}

impl NotResumed {
    /// Its word on the wire.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Stale => "stale",
            Self::Subject => "subject",
        }
    }
}

impl Resumables {
    /// Enters a session.
    pub(crate) fn moor(&self, id: &SessionId, key: &Secret, subject: &Subject, name: &ServerName) -> Moored<'_> {
        let (sender, takeovers) = mpsc::channel(WAITING);
        let (key, subject, name) = (hash(key), subject.clone(), name.clone());
        self.berths().insert(id.clone(), Berth { key, subject, name, takeovers: sender, attempt: 0 });
        Moored { resumables: self, id: id.clone(), takeovers }
    }

    /// The way to the task of the session that `visitor` wants to take up.
    ///
    /// # Errors
    /// [`NotResumed`].
    pub(crate) fn find(
        &self,
        id: &str,
        key: &Secret,
        attempt: u64,
        visitor: &Visitor,
    ) -> Result<ToSession, NotResumed> {
        let mut berths = self.berths();
        // Hashes are compared, so how long that takes tells nothing about the key.
        let berth = berths.get_mut(&SessionId(id.to_owned())).filter(|berth| berth.key == hash(key));
        let berth = berth.ok_or(NotResumed::Unknown)?;
        if *visitor.bearer.subject() != berth.subject || !visitor.bearer.may_register(&berth.name) {
            return Err(NotResumed::Subject);
        }
        if attempt <= berth.attempt {
            return Err(NotResumed::Stale);
        }
        berth.attempt = attempt;
        Ok(berth.takeovers.clone())
    }

    fn berths(&self) -> MutexGuard<'_, HashMap<SessionId, Berth>> {
        self.berths.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Moored<'_> {
    fn drop(&mut self) {
        self.resumables.berths().remove(&self.id);
    }
}

fn hash(key: &Secret) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, key.expose().as_bytes()).as_ref());
    hash
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hs256::Key;
    use crate::rights::Bearer;
    use culvert_link::Carriage;
    use culvert_protocol::claims::Claims;

    fn visitor(subject: &str, servers: Option<&[&str]>) -> Visitor {
        let servers = servers.map(|names| names.iter().map(ToString::to_string).collect());
        let claims = Claims { sub: Some(subject.to_owned()), servers, ..Claims::default() };
        let bearer = Bearer::of(claims, Key::new(&Secret::new("s")).number());
        Visitor { bearer, peer: ([127, 0, 0, 1], 1).into(), agent: None, carriage: Carriage::WebSocket }
    }

    #[test]
    fn a_session_is_resumed_by_its_key_and_its_subject_alone() {
        let resumables = Resumables::default();
        let (id, key) = (SessionId("one".to_owned()), Secret::new("key"));
        let moored = resumables.moor(&id, &key, &Subject::new("me"), &ServerName::new("git").unwrap());
        let find = |id: &str, key: &str, attempt, visitor: &Visitor| {
            resumables.find(id, &Secret::new(key), attempt, visitor).map(drop)
        };
        let me = visitor("me", None);
        assert_eq!(find("two", "key", 1, &me), Err(NotResumed::Unknown));
        assert_eq!(find("one", "kez", 1, &me), Err(NotResumed::Unknown), "a wrong key looks like no session");
        assert_eq!(find("one", "", 1, &me), Err(NotResumed::Unknown));
        assert_eq!(find("one", "key", 1, &visitor("them", None)), Err(NotResumed::Subject));
        assert_eq!(find("one", "key", 1, &visitor("me", Some(&["time"]))), Err(NotResumed::Subject));
        assert_eq!(find("one", "key", 1, &me), Ok(()));
        assert_eq!(find("one", "key", 1, &me), Err(NotResumed::Stale), "a try counts once");
        assert_eq!(find("one", "key", 2, &visitor("me", Some(&["git"]))), Ok(()));
        drop(moored);
        assert_eq!(find("one", "key", 3, &me), Err(NotResumed::Unknown));
    }
}
