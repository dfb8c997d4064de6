//! Local servers that are reached by URL instead of being started.

pub(crate) mod headers;
pub(crate) mod url;
