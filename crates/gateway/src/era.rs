//! Which revisions of MCP a server speaks, as far as it is known: found out once per tunnel, then remembered.
//!
//! A child speaks either of the two eras, and some servers let its first words decide. So a child that was initialised
//! tells nothing about the other era; the first modern request asks a fresh one (`server/discover`).

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use culvert_protocol::message::Message;
use culvert_protocol::revision::NEWEST_LEGACY;
use memchr::memmem;
use tokio::time::Instant;

/// For how long a server that ended or kept silent when it was asked counts as legacy. It may have had another reason.
const DOUBT: Duration = Duration::from_secs(5 * 60);

/// How a server is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Era {
    /// Sessions that begin with `initialize` (revisions up to 2025-11-25).
    Legacy,
    /// Requests that stand alone (2026-07-28 and later).
    Modern,
}

/// Whether a text looks like a modern revision: a date after the last legacy one.
pub(crate) fn is_modern_revision(text: &str) -> bool {
    let bytes = text.as_bytes();
    let is_date = bytes.len() == 10
        && bytes
            .iter()
            .enumerate()
            .all(|(at, byte)| if matches!(at, 4 | 7) { *byte == b'-' } else { byte.is_ascii_digit() });
    is_date && text > NEWEST_LEGACY
}

/// Whether a member of this name may be in `message`: only an escape could spell it otherwise, and a full scan costs as
/// much as the parse did.
pub(crate) fn may_have(message: &Message<'_>, name: &str) -> bool {
    let text = message.text().as_bytes();
    memmem::find(text, name.as_bytes()).is_some() || memmem::find(text, b"\\u").is_some()
}

/// What is known of a server that is reached by channels.
#[derive(Debug, Default)]
pub struct Eras {
    known: Mutex<Known>,
    /// Held by the one who asks a fresh child, so that many at once ask one.
    pub(crate) asking: tokio::sync::Mutex<()>,
}

#[derive(Debug, Clone, Copy, Default)]
enum Known {
    #[default]
    Nothing,
    Modern,
    Legacy {
        until: Option<Instant>,
    },
}

impl Eras {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it takes modern requests; `None` when nobody has asked it yet.
    pub(crate) fn takes_modern(&self) -> Option<bool> {
        match *self.known() {
            Known::Modern => Some(true),
            Known::Legacy { until } if until.is_none_or(|until| Instant::now() < until) => Some(false),
            Known::Legacy { .. } | Known::Nothing => None,
        }
    }

    /// It has answered as a modern server does.
    pub(crate) fn is_modern(&self) {
        *self.known() = Known::Modern;
    }

    /// It has answered as a legacy server does.
    pub(crate) fn is_legacy(&self) {
        *self.known() = Known::Legacy { until: None };
    }

    /// It did not answer. One that was modern stays so.
    pub(crate) fn did_not_answer(&self) {
        let mut known = self.known();
        if !matches!(*known, Known::Modern) {
            *known = Known::Legacy { until: Some(Instant::now() + DOUBT) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn revisions_are_dates_and_modern_ones_are_later() {
        assert!(is_modern_revision("2026-07-28") && is_modern_revision("2030-01-01"));
        for other in ["2025-11-25", "2024-11-05", "", "nonsense", "2026-07-280", "v999.0.0"] {
            assert!(!is_modern_revision(other), "{other}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_doubted_after_a_while_and_an_answer_is_not() {
        let eras = Eras::default();
        assert_eq!(eras.takes_modern(), None);
        eras.did_not_answer();
        assert_eq!(eras.takes_modern(), Some(false));
        tokio::time::advance(DOUBT).await;
        assert_eq!(eras.takes_modern(), None);
        eras.is_legacy();
        tokio::time::advance(DOUBT * 10).await;
        assert_eq!(eras.takes_modern(), Some(false));
        eras.is_modern();
        eras.did_not_answer();
        assert_eq!(eras.takes_modern(), Some(true));
    }
}
