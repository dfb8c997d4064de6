//! The base dialect from outside: the built `culvert run` against a gateway that behaves as ContextForge does.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is how a failure is told")]

mod commands;
mod configuration;
mod failing;
mod flow;
mod gateway_itself;
mod heartbeat;
mod links;
mod options;
mod payloads;
mod reference;
mod refusals;
mod servers;
mod sizes;
