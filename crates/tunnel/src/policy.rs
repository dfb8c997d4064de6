//! The tool policy where messages pass: none costs one look at a flag, one that is set has each message judged at the
//! [`Desk`]. It may be another one from one moment to the next.

mod gate;
mod live;
mod lobby;

pub(crate) use gate::{Entry, Gate};
pub use live::{LivePolicy, Passing};
pub(crate) use lobby::Lobby;
