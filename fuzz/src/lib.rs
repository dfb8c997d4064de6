//! What is fuzzed: one function for each kind of foreign bytes that Culvert reads. Each panics where a promise does not
//! hold; the fuzzer adds hangs and memory.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a panic is how a finding is told")]

mod cut;
mod targets;

/// A function to be fuzzed.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name, which is its folder's in the corpus too.
    pub name: &'static str,
    /// Takes any bytes.
    pub run: fn(&[u8]),
}

/// All of them.
pub const TARGETS: [Target; 9] = [
    Target { name: "config", run: targets::config::run },
    Target { name: "control", run: targets::control::run },
    Target { name: "import", run: targets::import::run },
    Target { name: "json", run: targets::json::run },
    Target { name: "jwt", run: targets::jwt::run },
    Target { name: "lines", run: targets::lines::run },
    Target { name: "policy", run: targets::policy::run },
    Target { name: "sse", run: targets::sse::run },
    Target { name: "stream", run: targets::stream::run },
];

/// The target of this name.
pub fn target(name: &str) -> Option<Target> {
    TARGETS.into_iter().find(|target| target.name == name)
}

#[cfg(test)]
mod interleavings;
#[cfg(test)]
mod tests;
