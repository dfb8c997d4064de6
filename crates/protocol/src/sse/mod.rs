//! A link over SSE + POST, for networks that let no WebSocket pass: an event stream from the gateway ([`event`]), and
//! numbered POSTs from the client ([`record`]), which [`order`] puts back in their order.

#[cfg(test)]
mod doc_tests;
pub mod event;
pub mod order;
pub mod record;

pub use event::{Event, EventReader};
pub use order::Order;
pub use record::Record;

/// The largest message that such a link carries, in bytes. Those of the channels dialect are smaller.
pub const MAX_MESSAGE: usize = 128 * 1024;

/// The largest body of a POST, in bytes.
pub const MAX_BODY: usize = 256 * 1024;

/// How many POSTs may be under way at once. A POST's number is below the smallest unanswered one plus this.
pub const AHEAD: u64 = 4;

/// The header of a POST that proves that it belongs to the connection.
pub const KEY_HEADER: &str = "x-culvert-key";

/// The header of a POST with its number, counted from 0.
pub const NUMBER_HEADER: &str = "x-culvert-number";

/// The media type of a POST's body.
pub const BODY_TYPE: &str = "application/octet-stream";

/// The media type of the event stream.
pub const STREAM_TYPE: &str = "text/event-stream";
