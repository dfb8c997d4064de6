//! The gateway to host oneself: it takes tunnels in and serves what they bring to MCP clients.
//!
//! Two halves. The *house* knows HTTP, bearers, the catalog and the links; the *front* speaks MCP's Streamable HTTP
//! with whatever conversation it is handed, and never sees a token or a link.

pub mod backend;
mod catalog;
mod clock;
pub mod config;
pub mod conversation;
mod denial;
pub mod error;
pub mod front;
mod hosts;
mod hs256;
mod progress;
mod random;
pub mod reply;
mod revoked;
mod rights;
mod secret_file;
pub mod shared;
mod state_dir;
pub mod tokens;
mod trust;

pub use config::GatewayConfig;
pub use error::GatewayError;
