//! Real peers, pinned and installed by `make setup`: servers, clients and gateways that nobody here wrote.

use std::path::PathBuf;

/// The program of a peer: `TIME`, `MCP2_PYTHON`, `CONTEXTFORGE_PYTHON` …
///
/// # Panics
/// When it is not installed, with how to install it.
pub fn peer(name: &str) -> PathBuf {
    listed(name).unwrap_or_else(|| panic!("the peer {name} is not in {}; run `make setup`", list().display()))
}

/// The same for what not every distribution or machine has; where it is missing, that is told.
///
/// # Panics
/// When nothing was installed at all.
pub fn if_any(name: &str) -> Option<PathBuf> {
    let found = listed(name);
    if found.is_none() {
        eprintln!("{name} is not to be had on this machine: what it would check stays unchecked");
    }
    found
}

fn listed(name: &str) -> Option<PathBuf> {
    let list = list();
    let text = std::fs::read_to_string(&list)
        .unwrap_or_else(|error| panic!("{}: {error}: the peers are missing; run `make setup`", list.display()));
    let prefix = format!("CULVERT_PEER_{name}=");
    text.lines().find_map(|line| line.strip_prefix(&prefix)).map(PathBuf::from)
}

/// The file that lists the peers, one `CULVERT_PEER_NAME=PATH` a line.
pub fn list() -> PathBuf {
    cache().join("culvert/peers/env")
}

fn cache() -> PathBuf {
    match std::env::var_os("XDG_CACHE_HOME") {
        Some(cache) if !cache.is_empty() => cache.into(),
        _ => PathBuf::from(std::env::var_os("HOME").expect("a home")).join(".cache"),
    }
}
