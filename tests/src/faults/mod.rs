//! Everything goes wrong at once, by a seed: networks, children, gateways. And every request gets exactly one answer.
//!
//! A [`House`] is one gateway with tunnels to it, each through a bad network of its own. A round sends calls through all
//! of them while things go wrong, and tells what became of each call.

mod base;
mod caller;
mod house;
mod mishaps;
mod remote;
mod round;
mod tally;

pub use base::base_round;
pub use house::{House, Tunnel};
pub use mishaps::Mishaps;
pub use remote::{Gateway, Remote, remote_round};
pub use round::round;
pub use tally::Tally;
