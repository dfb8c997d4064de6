//! The gateway's house over real sockets: tunnels come in as base clients, everybody else over HTTP.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by a panic")]

mod base_client;
mod denials;
mod gateway;
mod http;
mod links;
mod sessions;
mod tokens;
