//! The base dialect from outside: the built `culvert run` against a gateway that behaves as ContextForge does.
//!
//! What other clients stumble over has a test by its own name: acknowledgements, liveness and eviction in `heartbeat`;
//! requests of the server, untidy answers, batches and notifications in `payloads`; frame limits, long lines and text
//! frames in `sizes`; reconnects, second and many registrations and displacement in `links`; tokens and registrations
//! that are refused, and the released gateway's silence, in `refusals`; servers that exit in `servers`; stable names in
//! `options`.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is how a failure is told")]

mod commands;
mod configuration;
mod doctor;
mod failing;
mod floods;
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
mod status;
mod tokens;
