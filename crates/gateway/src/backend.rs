//! What the HTTP front talks to, and on whose behalf: all that it knows of the house behind it.

use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use culvert_link::channels::Opener;
use culvert_protocol::channels::control::{Header, User};
use culvert_protocol::rpc_error::RpcError;

use crate::conversation::Conversation;
use crate::era::Eras;
use crate::shared::Shared;

/// Who calls. Never a token: that one was checked before the front and goes no further.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Caller {
    /// The principal. An MCP session belongs to the one that opened it.
    pub subject: String,
    /// The server as it was addressed, where calls are told to an audit log.
    pub server: Option<Arc<str>>,
}

impl Caller {
    /// As the owner of a server is told of it. `client` is what its program calls itself.
    pub(crate) fn user(&self, client: Option<String>) -> User {
        User { subject: Some(self.subject.clone()), client }
    }
}

/// One server as the front reaches it now.
#[derive(Debug, Clone)]
pub enum Backend {
    /// A base tunnel: one child that all clients share.
    Shared(Arc<Shared>),
    /// A tunnel of the channels dialect: each session has a child of its own.
    Channels(Channels),
    /// The server is known, and no tunnel brings it at present.
    Offline {
        /// When asking again makes sense.
        retry_after: Duration,
    },
    /// A conversation of its own for each session, with a test at its other end.
    #[cfg(test)]
    Scripted {
        /// Where the test gets the other ends.
        ends: tokio::sync::mpsc::UnboundedSender<crate::conversation::ServerEnd>,
        /// What is known of the server.
        eras: Arc<Eras>,
    },
}

/// Why no conversation could be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpenError {
    /// There is no tunnel.
    Offline {
        /// When asking again makes sense.
        retry_after: Duration,
    },
    /// The tunnel has just ended, for this reason.
    Ended(RpcError),
}

impl Backend {
    /// Opens a conversation of one MCP session. `client` is what the client calls itself.
    ///
    /// # Errors
    /// [`OpenError`] when the server cannot be reached now.
    pub async fn open(&self, caller: &Caller, client: Option<String>) -> Result<Conversation, OpenError> {
        match self {
            Self::Shared(shared) => shared.attach(caller.user(client)).map_err(OpenError::Ended),
            Self::Channels(channels) => {
                let header = Header { subject: Some(caller.subject.clone()), client, ..Header::default() };
                let channel = channels.opener.open(header).await.map(Conversation::from);
                channel.ok_or_else(|| OpenError::Ended(RpcError::tunnel("tunnel.closed", "the tunnel has just ended")))
            }
            Self::Offline { retry_after } => Err(OpenError::Offline { retry_after: *retry_after }),
            #[cfg(test)]
            Self::Scripted { ends, .. } => {
                let (conversation, end) = crate::conversation::conversation();
                let _ = ends.send(end);
                Ok(conversation)
            }
        }
    }

    /// Bytes of the longest message that its tunnel takes.
    pub(crate) fn takes(&self) -> usize {
        match self {
            Self::Shared(shared) => shared.takes(),
            Self::Channels(channels) => channels.max_message,
            Self::Offline { .. } => usize::MAX,
            #[cfg(test)]
            Self::Scripted { .. } => usize::MAX,
        }
    }

    /// So many calls of clients come for it.
    pub(crate) fn called(&self, calls: usize) {
        match self {
            Self::Shared(shared) => shared.called(calls),
            Self::Channels(channels) => _ = channels.calls.fetch_add(calls as u64, Ordering::Relaxed),
            Self::Offline { .. } => {}
            #[cfg(test)]
            Self::Scripted { .. } => {}
        }
    }

    /// What is known of a server whose every conversation has a child of its own.
    pub(crate) fn eras(&self) -> Option<Arc<Eras>> {
        match self {
            Self::Channels(channels) => Some(channels.eras.clone()),
            Self::Shared(_) | Self::Offline { .. } => None,
            #[cfg(test)]
            Self::Scripted { eras, .. } => Some(eras.clone()),
        }
    }

    /// What tells this very tunnel from any other, one that takes its place later included.
    pub(crate) fn identity(&self) -> Identity {
        match self {
            Self::Shared(shared) => Identity::Shared(Arc::downgrade(shared)),
            Self::Channels(channels) => Identity::Channels(Arc::downgrade(&channels.eras)),
            Self::Offline { .. } => Identity::Nothing,
            #[cfg(test)]
            Self::Scripted { eras, .. } => Identity::Channels(Arc::downgrade(eras)),
        }
    }

    /// Whether `identity` was taken from this tunnel.
    pub(crate) fn is(&self, identity: &Identity) -> bool {
        match (self, identity) {
            (Self::Shared(shared), Identity::Shared(known)) => std::ptr::eq(Arc::as_ptr(shared), known.as_ptr()),
            (Self::Channels(channels), Identity::Channels(known)) => {
                std::ptr::eq(Arc::as_ptr(&channels.eras), known.as_ptr())
            }
            #[cfg(test)]
            (Self::Scripted { eras, .. }, Identity::Channels(known)) => std::ptr::eq(Arc::as_ptr(eras), known.as_ptr()),
            _ => false,
        }
    }
}

/// The way to children over a tunnel of the channels dialect.
#[derive(Debug, Clone)]
pub struct Channels {
    opener: Opener,
    /// What is known of the server; and what tells this tunnel from any other.
    eras: Arc<Eras>,
    calls: Arc<AtomicU64>,
    /// Bytes of the longest message that the tunnel takes.
    max_message: usize,
}

impl Channels {
    /// Over the session that `opener` opens channels on, whose other end takes messages of up to `max_message` bytes.
    pub fn new(opener: Opener, max_message: usize) -> Self {
        Self { opener, eras: Arc::default(), calls: Arc::default(), max_message }
    }

    /// How many calls of clients have come for it.
    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }
}

/// Which tunnel a session was opened on. It keeps the address from being used again, but not the tunnel alive.
#[derive(Debug, Clone)]
pub(crate) enum Identity {
    Shared(Weak<Shared>),
    Channels(Weak<Eras>),
    Nothing,
}

impl Identity {
    fn address(&self) -> usize {
        match self {
            Self::Shared(shared) => shared.as_ptr() as usize,
            Self::Channels(eras) => eras.as_ptr() as usize,
            Self::Nothing => 0,
        }
    }
}

impl PartialEq for Identity {
    fn eq(&self, other: &Self) -> bool {
        self.address() == other.address()
    }
}

impl Eq for Identity {}

impl Hash for Identity {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.address().hash(state);
    }
}
