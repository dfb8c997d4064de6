//! One conversation with a local server as the HTTP front sees it: JSON-RPC messages as lines, both ways, bounded.
//!
//! Where it comes from is not the front's business: a share of the one child behind a base tunnel, or a channel of its
//! own. MCP's stdio framing without the newlines: each item is exactly one message.

use bytes::Bytes;
use culvert_link::channels::{Channel, ChannelEnd, LineReceiver, LineSender};
use culvert_link::queue::{self, Gone, Refused};
use culvert_protocol::channels::ResetReason;
use culvert_protocol::rpc_error::RpcError;

/// Bytes that may wait in each direction of one conversation.
pub const CONVERSATION_QUEUE: usize = 256 * 1024;

/// The code of a conversation that was refused because the tunnel has as many as it takes.
pub const FULL: &str = "tunnel.full";

/// The code of a conversation whose child could not be started.
pub(crate) const NOT_STARTED: &str = "server.failed_to_start";

/// The front's end. Dropping it ends the conversation.
#[derive(Debug)]
pub struct Conversation {
    /// Messages for the server.
    pub to_server: ToServer,
    /// Messages of the server.
    pub from_server: FromServer,
}

/// Takes messages for a server; clones share the conversation's bounds.
#[derive(Debug, Clone)]
pub enum ToServer {
    /// To whoever shares a child out.
    Share(queue::Sender<Bytes>),
    /// Over a link of the channels dialect.
    Channel(LineSender),
}

/// Gives messages of a server.
#[derive(Debug)]
pub enum FromServer {
    /// From whoever shares a child out.
    Share(queue::Receiver<Bytes>),
    /// Over a link of the channels dialect.
    Channel(LineReceiver),
}

/// The server's end of the same conversation.
#[derive(Debug)]
pub struct ServerEnd {
    /// Messages of the front. `None`: the client is gone.
    pub from_client: queue::Receiver<Bytes>,
    /// Messages for the front. [`queue::Gone`]: the client is gone.
    pub to_client: queue::Sender<Bytes>,
}

/// A fresh conversation, both its ends.
pub fn conversation() -> (Conversation, ServerEnd) {
    let (to_server, from_client) = queue::bounded(CONVERSATION_QUEUE);
    let (to_client, from_server) = queue::bounded(CONVERSATION_QUEUE);
    (Conversation::shared(to_server, from_server), ServerEnd { from_client, to_client })
}

impl Conversation {
    /// With a share of a child.
    pub fn shared(to_server: queue::Sender<Bytes>, from_server: queue::Receiver<Bytes>) -> Self {
        Self { to_server: ToServer::Share(to_server), from_server: FromServer::Share(from_server) }
    }
}

impl From<Channel> for Conversation {
    fn from(channel: Channel) -> Self {
        Self { to_server: ToServer::Channel(channel.sender), from_server: FromServer::Channel(channel.receiver) }
    }
}

impl ToServer {
    /// Passes a message on; waits while too much waits already.
    ///
    /// # Errors
    /// [`Gone`]: the conversation is over.
    pub async fn send(&self, message: Bytes) -> Result<(), Gone> {
        match self {
            Self::Share(queue) => queue.send(message).await,
            Self::Channel(channel) => channel.send(message).await,
        }
    }

    /// Bytes that wait for the server, bookkeeping included.
    pub(crate) fn used(&self) -> usize {
        match self {
            Self::Share(queue) => queue.used(),
            Self::Channel(channel) => channel.gauge().used().unwrap_or_default(),
        }
    }

    /// Passes a message on if there is room now.
    ///
    /// # Errors
    /// [`Refused`] gives it back.
    pub fn try_send(&self, message: Bytes) -> Result<(), Refused<Bytes>> {
        match self {
            Self::Share(queue) => queue.try_send(message),
            Self::Channel(channel) => channel.try_send(message),
        }
    }
}

impl FromServer {
    /// The next message; `None` when the conversation is over. Cancel safe.
    pub async fn recv(&mut self) -> Option<Bytes> {
        match self {
            Self::Share(queue) => queue.recv().await.map(|queued| queued.item),
            Self::Channel(channel) => channel.recv().await,
        }
    }

    /// The next message if there is one already.
    #[cfg(test)]
    pub(crate) fn try_recv(&mut self) -> Option<Bytes> {
        match self {
            Self::Share(queue) => queue.try_recv().map(|queued| queued.item),
            Self::Channel(_) => unreachable!("no test listens to a channel without waiting"),
        }
    }

    /// Why it is over, for whoever still waits for an answer.
    pub fn why_ended(&self) -> RpcError {
        let ended = match self {
            Self::Share(_) => None,
            Self::Channel(channel) => channel.ended(),
        };
        let (code, words) = match ended {
            Some(ChannelEnd::Reset(reason, words)) if !words.is_empty() => (code(reason), words),
            Some(ChannelEnd::Reset(reason, _)) => (code(reason), "the tunnel's end ended this session".to_owned()),
            Some(ChannelEnd::LinkLost) => ("tunnel.closed", "the link to the local server was lost".to_owned()),
            Some(ChannelEnd::Finished) | None => ("tunnel.closed", "the tunnel to the local server closed".to_owned()),
        };
        RpcError::tunnel(code, words)
    }
}

fn code(reason: ResetReason) -> &'static str {
    match reason {
        ResetReason::TooMany => FULL,
        ResetReason::ServerExited => "server.exited",
        ResetReason::ServerFailed => NOT_STARTED,
        ResetReason::Idle => "session.idle",
        ResetReason::TooLarge => "message.too_large",
        ResetReason::Stopping => "tunnel.stopped",
        ResetReason::Cancelled | ResetReason::Other(_) => "tunnel.closed",
    }
}
