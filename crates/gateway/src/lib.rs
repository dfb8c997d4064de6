//! The gateway to host oneself: it takes tunnels in and serves what they bring to MCP clients.

pub mod conversation;
