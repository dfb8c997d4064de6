//! One registered link as the rest of the house sees it: who, what, since when, and the way to end it.

use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use culvert_link::Carriage;
use culvert_protocol::{ClientInfo, Labels, ServerName};
use tokio_util::sync::CancellationToken;

use crate::backend::{Backend, Channels};
use crate::catalog::ServerId;
use crate::clock::UnixTime;
use crate::hs256::BadToken;
use crate::publish::Edition;
use crate::rights::{Bearer, Subject};
use crate::shared::Shared;
use crate::traffic::Traffic;

/// A session's id: random, made by the gateway.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct SessionId(pub String);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why the gateway ends a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Its owner registered the same name on another link.
    Displaced,
    /// Somebody deleted the session.
    Deleted,
    /// Its bearer is no longer good.
    Token(TokenEnd),
    /// The gateway stops.
    Stopping,
}

/// Why a bearer that was good is so no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenEnd {
    /// Its time is over.
    Expired,
    /// It was taken back.
    Revoked,
    /// Its secret is no longer one of the gateway's.
    Rejected,
}

/// The close code of a link whose bearer is no longer good: 4000 and up are free for applications (RFC 6455 §7.4.2),
/// and the last digits are HTTP's.
const CLOSE_TOKEN: u16 = 4401;

impl Ending {
    /// The close code and reason on the wire. A bare 1000 is what ContextForge's gateway sends to a displaced client.
    pub(crate) fn close(self) -> (u16, &'static str) {
        match self {
            Self::Displaced => (1000, ""),
            Self::Deleted => (1000, "session.deleted"),
            Self::Token(TokenEnd::Expired) => (CLOSE_TOKEN, "auth.expired"),
            Self::Token(TokenEnd::Revoked) => (CLOSE_TOKEN, "auth.revoked"),
            Self::Token(TokenEnd::Rejected) => (CLOSE_TOKEN, "auth.rejected"),
            Self::Stopping => (1001, "gateway.stopping"),
        }
    }
}

impl Ending {
    /// The cause code for clients of the channels dialect, which need not guess from a bare close.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Displaced => "register.displaced",
            other => other.close().1,
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Displaced => "its owner registered the same name anew",
            Self::Deleted => "the session was deleted",
            Self::Token(TokenEnd::Expired) => "its token has expired",
            Self::Token(TokenEnd::Revoked) => "its token was revoked",
            Self::Token(TokenEnd::Rejected) => "its token's secret is no longer trusted",
            Self::Stopping => "the gateway stops",
        })
    }
}

impl From<BadToken> for Ending {
    fn from(why: BadToken) -> Self {
        Self::Token(match why {
            BadToken::Expired => TokenEnd::Expired,
            BadToken::Revoked => TokenEnd::Revoked,
            _ => TokenEnd::Rejected,
        })
    }
}

/// Where an order to end waits for the link's task. The first order counts.
#[derive(Debug, Default)]
pub(crate) struct Leash {
    order: OnceLock<Ending>,
    given: CancellationToken,
}

impl Leash {
    /// Orders the end.
    pub(crate) fn end(&self, why: Ending) {
        let _ = self.order.set(why);
        self.given.cancel();
    }

    /// Completes when the end is ordered.
    pub(crate) async fn ordered(&self) -> Ending {
        self.given.cancelled().await;
        // `end` sets the order before it tells of it.
        self.order.get().copied().unwrap_or(Ending::Stopping)
    }
}

/// Who is at the other end of a link.
#[derive(Debug, Clone)]
pub(crate) struct Visitor {
    /// On whose behalf.
    pub bearer: Bearer,
    /// From where.
    pub peer: SocketAddr,
    /// Which program, in its own words, cleaned.
    pub agent: Option<String>,
    /// What carries the link.
    pub carriage: Carriage,
}

/// What a client has registered, and as what.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Introduction {
    /// What its owner calls the server.
    pub name: ServerName,
    /// The client's program.
    pub client: ClientInfo,
    /// The owner's labels.
    pub labels: Labels,
}

/// A registered link.
#[derive(Debug)]
pub(crate) struct Session {
    /// Its id.
    pub id: SessionId,
    /// The server that it brings.
    pub server: ServerId,
    /// What its owner, the bearer's subject, calls the server.
    pub name: ServerName,
    /// The client's program.
    pub client: ClientInfo,
    /// The owner's labels; may be told anew.
    labels: RwLock<Labels>,
    /// Who is at the other end; changes when the session goes on over a new connection.
    visitor: RwLock<Visitor>,
    /// Whether its connection broke and none has taken its place yet.
    is_waiting: AtomicBool,
    /// Since when it is registered.
    pub since: UnixTime,
    /// What passed over it.
    pub traffic: Arc<Traffic>,
    /// The way to end it.
    pub leash: Leash,
    /// The ways to its children.
    ways: Ways,
}

/// How a session's children are reached.
#[derive(Debug)]
pub(crate) struct Ways {
    /// The child that the gateway itself talks to, and that all clients share where there is no other way.
    shared: RwLock<Arc<Shared>>,
    /// Opens a channel to a child of the client's own.
    channels: Option<Channels>,
    /// Calls that went to shared children before the one there is now.
    earlier_calls: AtomicU64,
    /// Changes of what the server offers, as its shared children before the one there is now announced them. Another
    /// child may offer something else, and counts as one.
    earlier_changes: AtomicU64,
}

impl Ways {
    /// The gateway's own conversation, and channels for clients where the link has them.
    pub(crate) fn new(shared: Arc<Shared>, channels: Option<Channels>) -> Self {
        let (earlier_calls, earlier_changes) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { shared: RwLock::new(shared), channels, earlier_calls, earlier_changes }
    }
}

impl Session {
    /// A session that has just been registered.
    pub(crate) fn new(
        id: SessionId,
        server: ServerId,
        introduction: Introduction,
        visitor: Visitor,
        traffic: Arc<Traffic>,
        ways: Ways,
        since: UnixTime,
    ) -> Self {
        let Introduction { name, client, labels } = introduction;
        let (visitor, leash) = (RwLock::new(visitor), Leash::default());
        let (labels, is_waiting) = (RwLock::new(labels), AtomicBool::new(false));
        Self { id, server, name, client, labels, visitor, is_waiting, since, traffic, leash, ways }
    }

    /// The owner's labels now.
    pub(crate) fn labels(&self) -> Labels {
        self.labels.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// They are these now.
    pub(crate) fn relabel(&self, labels: Labels) {
        *self.labels.write().unwrap_or_else(PoisonError::into_inner) = labels;
    }

    /// Who is at the other end now.
    pub(crate) fn visitor(&self) -> Visitor {
        self.visitor.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The session goes on over a connection of this visitor's.
    pub(crate) fn taken_over(&self, visitor: Visitor) {
        *self.visitor.write().unwrap_or_else(PoisonError::into_inner) = visitor;
        self.is_waiting.store(false, Ordering::Relaxed);
    }

    /// Whether it is on this subject's behalf.
    pub(crate) fn is_of(&self, subject: &Subject) -> bool {
        self.visitor.read().unwrap_or_else(PoisonError::into_inner).bearer.subject() == subject
    }

    /// Its connection broke; the session waits for another.
    pub(crate) fn waits(&self) {
        self.is_waiting.store(true, Ordering::Relaxed);
    }

    /// Whether it waits for another connection.
    pub(crate) fn is_waiting(&self) -> bool {
        self.is_waiting.load(Ordering::Relaxed)
    }

    /// The child that the gateway itself talks to.
    pub(crate) fn shared(&self) -> Arc<Shared> {
        self.ways.shared.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// That child is another one now.
    pub(crate) fn share(&self, shared: Arc<Shared>) {
        let mut ours = self.ways.shared.write().unwrap_or_else(PoisonError::into_inner);
        let before = ours.counts();
        self.ways.earlier_calls.fetch_add(before.called, Ordering::Relaxed);
        self.ways.earlier_changes.fetch_add(before.list_changes + 1, Ordering::Relaxed);
        *ours = shared;
    }

    /// How many calls of clients have come for it.
    pub(crate) fn calls(&self) -> u64 {
        let shared = self.ways.shared.read().unwrap_or_else(PoisonError::into_inner);
        let to_shared = self.ways.earlier_calls.load(Ordering::Relaxed) + shared.counts().called;
        to_shared + self.ways.channels.as_ref().map_or(0, Channels::calls)
    }

    /// What the server offers now, told apart from what it offered at other times.
    pub(crate) fn edition(&self) -> Edition {
        let shared = self.ways.shared.read().unwrap_or_else(PoisonError::into_inner);
        let changes = self.ways.earlier_changes.load(Ordering::Relaxed) + shared.counts().list_changes;
        Edition { session: self.id.clone(), changes }
    }

    /// How the front reaches the server.
    pub(crate) fn backend(&self) -> Backend {
        match &self.ways.channels {
            Some(channels) => Backend::Channels(channels.clone()),
            None => Backend::Shared(self.shared()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_order_counts() {
        let leash = Leash::default();
        leash.end(Ending::Deleted);
        leash.end(Ending::Displaced);
        assert_eq!(leash.ordered().await, Ending::Deleted);
    }

    #[test]
    fn a_displaced_link_gets_the_bare_close_that_clients_know() {
        assert_eq!(Ending::Displaced.close(), (1000, ""));
        assert_eq!(Ending::Displaced.code(), "register.displaced", "and the word for who understands it");
        assert_eq!(Ending::Stopping.code(), "gateway.stopping");
        assert_eq!(Ending::from(BadToken::Expired).close(), (4401, "auth.expired"));
        assert_eq!(Ending::from(BadToken::Signature).close(), (4401, "auth.rejected"));
    }
}
