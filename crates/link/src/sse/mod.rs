//! SSE + POST as the carriage of a link, for networks that let no WebSocket pass. The gateway's frames come as events
//! of one answer that never ends ([`gateway`]), the client's go in numbered POSTs on connections beside it ([`posts`]).
//!
//! Both directions show every 8 s that they live: the stream by a comment, the client by an empty POST. A direction
//! without a byte for 28 s is dead, and so is the link.

mod client;
mod dial;
pub mod gateway;
mod head;
mod http_connection;
mod posts;

use std::time::Duration;

use culvert_protocol::limits;

pub use gateway::{Accepted, EventStream, Intake, Rejected, accept};

#[cfg(test)]
mod tests;

/// A direction that says nothing for so long shows that it lives.
const IDLE: Duration = limits::SILENCE_BEFORE_PING;

/// A direction without a byte for so long is dead.
const DEAD: Duration =
    Duration::from_secs(limits::SILENCE_BEFORE_PING.as_secs() + limits::SILENCE_AFTER_PING.as_secs());
