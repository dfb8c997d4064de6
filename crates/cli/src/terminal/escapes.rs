//! Whether a screen understands escape sequences.

/// It does.
#[cfg(unix)]
pub(super) const fn are_understood() -> bool {
    true
}

/// A console has to be asked to; one older than Windows 10 does not know them.
#[cfg(windows)]
pub(super) fn are_understood() -> bool {
    anstyle_query::windows::enable_ansi_colors().unwrap_or(false)
}
