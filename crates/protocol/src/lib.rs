//! The wire between Culvert, its gateways and MCP, as pure code: no I/O, no clock, no async runtime.
//!
//! Everything that both ends must agree on lives here, so that it can be tested without a socket: what a message
//! looks like ([`message`]), how the base dialect wraps it ([`envelope`]), what may go wrong and in which words
//! ([`cause`]), and the numbers that bound it all ([`limits`]).

mod about;
pub mod address;
pub mod backoff;
pub mod cause;
pub mod channels;
pub mod claims;
#[cfg(test)]
mod doc_page;
pub mod envelope;
pub mod glance;
pub mod introduction;
pub mod limits;
pub mod message;
pub mod name;
pub mod revision;
pub mod room;
pub mod rpc_error;
pub mod secret;
pub mod skim;
pub mod splice;
pub mod sse;
pub mod tally;
pub mod text;
pub mod tool_policy;

pub use about::about;
pub use address::GatewayAddress;
pub use cause::{Cause, Explain, Remedy};
pub use introduction::{BadLabels, ClientInfo, Labels};
pub use name::ServerName;
pub use secret::Secret;
pub use tool_policy::ToolPolicy;
