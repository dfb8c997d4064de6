//! The gateway to host oneself: it takes tunnels in and serves what they bring to MCP clients.
//!
//! Two halves. The *house* knows HTTP, bearers, the catalog and the links; the *front* speaks MCP's Streamable HTTP
//! with whatever conversation it is handed, and never sees a token or a link.

mod accounts;
mod audit;
pub mod backend;
mod body;
mod by_code;
mod catalog;
mod catalog_file;
mod clock;
pub mod config;
pub mod conversation;
mod counts;
mod denial;
pub mod era;
pub mod error;
mod event_link;
mod figures;
pub mod front;
mod half_open;
mod hosts;
mod house;
mod hs256;
mod metrics;
mod path;
mod patient;
mod progress;
mod proxies;
pub mod publish;
mod random;
mod ready;
mod registry;
pub mod reply;
mod resumable;
mod revoked;
mod rights;
mod routes;
mod secret_file;
mod sending;
mod server;
mod session;
pub mod shared;
mod state_dir;
mod tls;
pub mod tokens;
mod traffic;
mod trust;
mod tunnel_link;
mod users;
mod watched_stream;
mod websocket;

pub use config::GatewayConfig;
pub use error::GatewayError;
pub use server::Gateway;
