//! The engine: it keeps one local server reachable through one gateway. It knows no screen and no file format.

pub mod config;
pub mod status;

pub use config::{LocalServer, Retry, StdioCommand, TunnelConfig};
pub use status::{Notice, Online, Status};
