//! How often each of a few codes occurred. For what goes wrong only: it takes a lock.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Counts by code. Codes are words of our own, so there are few, whatever a peer does.
#[derive(Debug, Default)]
pub(crate) struct ByCode(Mutex<BTreeMap<&'static str, u64>>);

impl ByCode {
    /// It occurred once more.
    pub(crate) fn count(&self, code: &'static str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(code).or_default() += 1;
    }

    /// All counts.
    pub(crate) fn all(&self) -> BTreeMap<&'static str, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
