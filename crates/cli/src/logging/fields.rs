//! What an event tells besides its words, on the one line that the event has: whatever a peer, a token or a server put
//! into it, it can neither begin a line of its own nor steer the terminal.

use culvert_protocol::text;
use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::debug_fn;

/// The most characters of one value.
const MOST: usize = 4000;

/// Writes `name=value`, and the event's words without their name.
pub(super) fn fields() -> impl for<'w> FormatFields<'w> + Send + Sync + 'static {
    let one = debug_fn(|writer, field, value| {
        let value = text::clean(&format!("{value:?}"), MOST);
        match field.name() {
            "message" => write!(writer, "{value}"),
            name => write!(writer, "{name}={value}"),
        }
    });
    one.delimited(" ")
}
