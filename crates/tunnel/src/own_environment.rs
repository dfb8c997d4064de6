//! What this program has set in its own environment for itself alone.

use std::sync::OnceLock;

static OWN: OnceLock<Vec<&'static str>> = OnceLock::new();

/// Names variables that this program has set for itself: no local server inherits them, unless its configuration sets
/// them. The first call counts.
pub fn keep_from_local_servers(names: Vec<&'static str>) {
    let _ = OWN.set(names);
}

/// Those variables.
pub(crate) fn own() -> &'static [&'static str] {
    OWN.get().map_or(&[], Vec::as_slice)
}
