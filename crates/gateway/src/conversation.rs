//! One conversation with a local server as the HTTP front sees it: JSON-RPC messages as lines, both ways, bounded.
//!
//! Where it comes from is not the front's business: a share of the one child behind a base tunnel, or a channel of its
//! own. MCP's stdio framing without the newlines: each item is exactly one message.

use bytes::Bytes;
use culvert_link::queue;

/// Bytes that may wait in each direction of one conversation.
pub const CONVERSATION_QUEUE: usize = 256 * 1024;

/// The front's end. Dropping it ends the conversation.
#[derive(Debug)]
pub struct Conversation {
    /// Messages for the server. [`queue::Gone`]: the conversation is over.
    pub to_server: queue::Sender<Bytes>,
    /// Messages of the server. `None`: the conversation is over.
    pub from_server: queue::Receiver<Bytes>,
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
    (Conversation { to_server, from_server }, ServerEnd { from_client, to_client })
}
