//! The channels dialect in motion: a task that carries many conversations over one link, and keeps them while the
//! link's connection is being replaced.
//!
//! The [`carrier`] owns the state ([`Mux`](culvert_protocol::channels::Mux), outbox, inbox) and whatever connection
//! there is. Whoever owns the session holds its [`Carrier`] and is told [`Happening`]s; whoever owns a conversation
//! holds a [`Channel`].

mod assembler;
pub mod carrier;
pub mod channel;

pub use carrier::{Carrier, Ended, Happening, Held, Opener, Tap, Terms};
pub use channel::{Channel, ChannelEnd, LineReceiver, LineSender};

#[cfg(test)]
mod tests;
