//! What the tests drive the built `culvert` with: the process itself, a scriptable local server, and a gateway that
//! behaves as the real ones were seen to behave. Nothing here uses Culvert's own crates, [`herd`] aside: both ends
//! are outsiders.

#![allow(clippy::expect_used, clippy::print_stderr, reason = "in a test, a panic is how a failure is told")]

pub mod authority;
pub mod base_client;
pub mod built;
pub mod contextforge;
pub mod culvert;
pub mod cutter;
pub mod desktop;
pub mod faults;
pub mod fixture;
pub mod further;
pub mod gateway;
pub mod herd;
pub mod home;
pub mod http;
pub mod json_text;
pub mod listing;
pub mod mcp;
pub mod network;
pub mod own_gateway;
pub mod peers;
pub mod processes;
#[cfg(test)]
mod promises;
pub mod proxy;
pub mod raw_json;
pub mod seed;
pub mod sleep;
pub mod tap;
pub mod watched;

pub use authority::Authority;
pub use culvert::{Culvert, CulvertCommand};
pub use fixture::Fixture;
pub use gateway::{FakeGateway, Link, Manner};
