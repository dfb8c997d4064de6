//! The channels dialect: many conversations over one link, and a link that survives its connections.
//!
//! Two layers, both pure. [`Mux`] cuts the conversations into [`frame`]s and gathers whole frames into messages;
//! [`Outbox`] and [`Inbox`] number those messages by bytes, so that a new connection goes on exactly where the old one
//! broke. [`control`] holds the JSON messages beside that stream. `docs/protocol.md` describes it all for others.

pub mod control;
#[cfg(test)]
mod doc_tests;
pub mod frame;
mod lane;
pub mod mux;
pub mod resume;

pub use frame::{ChannelId, ResetReason};
pub use mux::{Event, Mux, Side, Violation};
pub use resume::{Inbox, Outbox};

/// The largest binary message, in bytes: what one connection has to carry before another conversation gets a turn.
pub const MAX_MESSAGE: usize = 64 * 1024;

/// What one channel may put into a message before the next one's turn, in bytes.
pub const TURN: usize = 16 * 1024;

/// The credit that each side of a channel has unless the gateway grants more, in bytes.
pub const WINDOW: u32 = 256 * 1024;

/// The bytes that may be sent and not yet acknowledged on one link.
pub const OUTBOX: usize = 4 * 1024 * 1024;
