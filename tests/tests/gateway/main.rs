//! `culvert gateway` from outside: how it starts, what it serves, and to whom. What its HTTP front promises in detail
//! is tested in its crate.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is how a failure is told")]

mod base_clients;
mod bytes;
mod canary;
mod children;
mod cuts;
mod deploy;
mod existing_clients;
mod faults;
mod held;
mod policy;
mod saved;
mod serving;
mod sessions;
mod several;
mod starting;
mod surroundings;
mod tokens;
mod twice;
mod waits;
mod waking;
mod ways;
