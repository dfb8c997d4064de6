//! The engine: it keeps one local server reachable through one gateway. It knows no screen and no file format.

pub mod activity;
mod base;
mod channels;
mod child;
mod choice;
mod command;
pub mod config;
mod door;
mod end;
mod engine;
pub mod figures;
mod group;
mod handshake;
mod http;
mod ledger;
mod lines;
mod local;
mod local_answer;
mod output;
mod pending;
mod probe;
mod pulse;
mod register;
mod registration;
mod report;
pub mod ring;
pub mod server_log;
mod standby;
pub mod status;

pub use config::{Children, LocalServer, Retry, StdioCommand, Transport, TunnelConfig};
pub use culvert_link::Carriage;
pub use engine::run;
pub use http::headers::{BadHeader, ForwardAuth, Headers};
pub use http::url::{BadUrl, ServerUrl};
pub use ledger::Ledger;
pub use status::{Notice, Online, Server, Status};
