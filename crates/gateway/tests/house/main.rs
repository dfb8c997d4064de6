//! The gateway's house over real sockets: tunnels come in as base clients, everybody else over HTTP.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by a panic")]

mod audit;
mod base_client;
mod call_limits;
mod denial_table;
mod denials;
mod event_links;
mod gateway;
mod http;
mod ledger;
mod left_behind;
mod limits;
mod links;
mod mcp_client;
mod metrics;
mod narrow_proxy;
mod sessions;
mod smuggling;
mod tls;
mod tokens;
mod tunnel;
mod without_websocket;
