//! The targets, a file each.

pub(crate) mod config;
pub(crate) mod control;
pub(crate) mod import;
pub(crate) mod json;
pub(crate) mod jwt;
pub(crate) mod lines;
pub(crate) mod policy;
pub(crate) mod sse;
pub(crate) mod stream;
