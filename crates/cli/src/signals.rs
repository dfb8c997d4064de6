//! What the system asks of the program: to end, or to read its configuration again.

#[cfg(windows)]
mod console;
#[cfg(unix)]
mod unix;

#[cfg(windows)]
pub(crate) use self::console::Signals;
#[cfg(unix)]
pub(crate) use self::unix::Signals;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    /// To end.
    End,
    /// To read the configuration again.
    Reload,
}
