//! All sessions of the front, by their ids.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use culvert_protocol::rpc_error::RpcError;
use tokio::time::Instant;

use super::Limits;
use super::counts::Counts;
use super::session::{Form, Session};
use crate::backend::{Backend, Caller, OpenError};

/// An `Mcp-Session-Id`: 128 random bits, as 32 hexadecimal digits. Knowing one is not enough to use the session: it
/// answers only to the caller that opened it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct SessionId(u128);

impl SessionId {
    fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes)?;
        Ok(Self(u128::from_ne_bytes(bytes)))
    }

    /// Reads an id in exactly the form in which it is given out.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let digits = text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        digits.then(|| u128::from_str_radix(text, 16).ok().map(Self)).flatten()
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for SessionId {
    /// Says nothing: a session's id is half of what it takes to use it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionId(…)")
    }
}

/// Why no session began.
#[derive(Debug)]
pub(super) enum NotBegun {
    /// There are as many as there may be.
    TooMany,
    /// The subject has as many as it may: so many.
    TooManyOfOne(usize),
    /// The server cannot be reached.
    Closed(OpenError),
    /// The system gives no random numbers.
    NoRandomness,
}

/// See the head of this file.
#[derive(Debug)]
pub(super) struct Sessions {
    pub(super) limits: Limits,
    pub(super) counts: Arc<Counts>,
    by_id: Mutex<HashMap<SessionId, Arc<Session>>>,
}

impl Sessions {
    pub(super) fn new(limits: Limits, counts: Arc<Counts>) -> Self {
        Self { limits, counts, by_id: Mutex::default() }
    }

    fn by_id(&self) -> MutexGuard<'_, HashMap<SessionId, Arc<Session>>> {
        self.by_id.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a session.
    pub(super) async fn begin(
        self: &Arc<Self>,
        backend: &Backend,
        caller: Caller,
        client: Option<String>,
        form: Form,
    ) -> Result<Arc<Session>, NotBegun> {
        let id = SessionId::random().map_err(|_| NotBegun::NoRandomness)?;
        self.room_for(&caller.subject, &self.by_id())?;
        let conversation = backend.open(&caller, client).await.map_err(NotBegun::Closed)?;
        let mut by_id = self.by_id();
        // Others may have begun meanwhile.
        self.room_for(&caller.subject, &by_id)?;
        let tunnel = backend.identity();
        let session = Session::start(id, form, caller, tunnel, conversation, self.clone());
        by_id.insert(id, session.clone());
        Ok(session)
    }

    fn room_for(&self, subject: &str, open: &HashMap<SessionId, Arc<Session>>) -> Result<(), NotBegun> {
        if open.len() >= self.limits.max_sessions {
            return Err(NotBegun::TooMany);
        }
        let limit = self.limits.subject_sessions;
        // Nobody has too many while all together have fewer.
        if open.len() >= limit && open.values().filter(|session| session.is_of(subject)).count() >= limit {
            return Err(NotBegun::TooManyOfOne(limit));
        }
        Ok(())
    }

    /// The session with this id, if it is this caller's, of this form, and was opened on this very tunnel.
    pub(super) fn find(&self, id: SessionId, caller: &Caller, backend: &Backend, form: Form) -> Option<Arc<Session>> {
        self.by_id().get(&id).filter(|session| session.form == form && session.belongs(caller, backend)).cloned()
    }

    /// Ends the session of this caller on this tunnel that was used longest ago, if it seems to be left behind: unused for
    /// a while, no call in flight, no stream open. Whether there was one.
    pub(super) async fn make_room(&self, caller: &Caller, backend: &Backend) -> bool {
        let now = Instant::now();
        let left = |session: &Arc<Session>| {
            let since = session.unused_since().filter(|since| now.duration_since(*since) >= self.limits.abandoned)?;
            session.belongs(caller, backend).then(|| (since, session.clone()))
        };
        let oldest = self.by_id().values().filter_map(left).min_by_key(|(since, _)| *since);
        let Some((since, session)) = oldest else { return false };
        tracing::info!(unused_s = now.duration_since(since).as_secs(), "a session that was left behind makes room");
        session.end(RpcError::tunnel(
            "session.replaced",
            "the session ended: it was left unused, and another needed its place",
        ));
        session.ended().await;
        true
    }

    /// The session is over.
    pub(super) fn remove(&self, id: SessionId) {
        self.by_id().remove(&id);
    }

    /// The sessions that are open.
    pub(super) fn all(&self) -> Vec<Arc<Session>> {
        self.by_id().values().cloned().collect()
    }

    /// Ends all sessions.
    pub(super) fn end_all(&self, why: &RpcError) {
        for session in self.by_id().values() {
            session.end(why.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_32_visible_digits_and_reads_back_only_as_given_out() {
        let id = SessionId::random().unwrap();
        assert_eq!(id.to_string().len(), 32);
        assert_eq!(SessionId::parse(&id.to_string()), Some(id));
        assert_eq!(SessionId::parse(&SessionId(7).to_string()), Some(SessionId(7)));
        for bad in ["", "7", "+0000000000000000000000000000007", "0000000000000000000000000000000A"] {
            assert_eq!(SessionId::parse(bad), None, "{bad}");
        }
        assert_eq!(format!("{id:?}"), "SessionId(…)");
    }
}
