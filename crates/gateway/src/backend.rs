//! What the HTTP front talks to, and on whose behalf: all that it knows of the house behind it.

use std::sync::{Arc, Weak};
use std::time::Duration;

use culvert_protocol::rpc_error::RpcError;

use crate::conversation::Conversation;
use crate::shared::Shared;

/// Who calls. Never a token: that one was checked before the front and goes no further.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Caller {
    /// The principal. An MCP session belongs to the one that opened it.
    pub subject: String,
}

/// One server as the front reaches it now.
#[derive(Debug, Clone)]
pub enum Backend {
    /// A base tunnel: one child that all clients share.
    Shared(Arc<Shared>),
    /// The server is known, and no tunnel brings it at present.
    Offline {
        /// When asking again makes sense.
        retry_after: Duration,
    },
    /// A conversation of its own for each session, with a test at its other end.
    #[cfg(test)]
    Scripted(tokio::sync::mpsc::UnboundedSender<crate::conversation::ServerEnd>),
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
    /// Opens a conversation of one MCP session.
    ///
    /// # Errors
    /// [`OpenError`] when the server cannot be reached now.
    pub fn open(&self, _caller: &Caller) -> Result<Conversation, OpenError> {
        match self {
            Self::Shared(shared) => shared.attach().map_err(OpenError::Ended),
            Self::Offline { retry_after } => Err(OpenError::Offline { retry_after: *retry_after }),
            #[cfg(test)]
            Self::Scripted(ends) => {
                let (conversation, end) = crate::conversation::conversation();
                let _ = ends.send(end);
                Ok(conversation)
            }
        }
    }

    /// What tells this very tunnel from any other, one that takes its place later included.
    pub(crate) fn identity(&self) -> Identity {
        match self {
            Self::Shared(shared) => Identity(Arc::downgrade(shared)),
            Self::Offline { .. } => Identity(Weak::new()),
            #[cfg(test)]
            Self::Scripted(_) => Identity(Weak::new()),
        }
    }

    /// Whether `identity` was taken from this tunnel.
    pub(crate) fn is(&self, identity: &Identity) -> bool {
        match self {
            Self::Shared(shared) => std::ptr::eq(Arc::as_ptr(shared), identity.0.as_ptr()),
            Self::Offline { .. } => false,
            #[cfg(test)]
            Self::Scripted(_) => true,
        }
    }
}

/// Which tunnel a session was opened on. It keeps the address from being used again, but not the tunnel alive.
#[derive(Debug, Clone)]
pub(crate) struct Identity(Weak<Shared>);
