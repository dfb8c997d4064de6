//! The gateway to host oneself: it takes tunnels in and serves what they bring to MCP clients.
//!
//! Two halves. The *house* knows HTTP, bearers, the catalog and the links; the *front* speaks MCP's Streamable HTTP
//! with whatever conversation it is handed, and never sees a token or a link.

pub mod conversation;
pub mod reply;
