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
mod family;
pub mod figures;
#[doc(hidden)]
pub mod fuzzing;
mod handshake;
mod http;
mod ledger;
mod lines;
mod local;
mod local_answer;
mod moderation;
mod output;
mod outside;
mod own_environment;
mod pending;
mod policy;
mod probe;
mod processes;
mod pulse;
#[cfg(unix)]
pub mod reaper;
#[cfg(windows)]
#[path = "own_job.rs"]
pub mod reaper;
mod register;
mod registration;
mod report;
pub mod ring;
pub mod server_log;
mod standby;
pub mod status;
pub mod trial;

pub use config::{Children, LocalServer, Retry, StdioCommand, Transport, TunnelConfig};
pub use culvert_link::Carriage;
pub use engine::run;
pub use http::headers::{BadHeader, ForwardAuth, Headers};
pub use http::url::{BadUrl, ServerUrl};
pub use ledger::Ledger;
pub use moderation::Moderation;
pub use outside::{Bearer, Outside, Renew, Turnstile};
pub use own_environment::keep_from_local_servers;
pub use policy::{LivePolicy, Passing};
pub use processes::Process;
pub use status::{Notice, Online, Server, Status};
