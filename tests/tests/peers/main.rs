//! Against peers that nobody here wrote: the released ContextForge, real MCP servers, real MCP clients.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is how a failure is told")]

mod conformance;
mod contextforge;
mod federation;
mod matrix;
mod own_gateway;
mod pairs;
