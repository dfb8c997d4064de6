//! How publishing stands, for whoever looks from outside.

/// How publishing stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Publishing {
    /// Where ContextForge is.
    pub(crate) standing: Standing,
    /// Entries of this gateway's that are in use there.
    pub(crate) enabled: usize,
    /// Entries of this gateway's that are disabled there.
    pub(crate) disabled: usize,
    /// Servers whose last step failed.
    pub(crate) troubled: usize,
}

/// How ContextForge takes what it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Standing {
    /// Nothing came back yet.
    #[default]
    Beginning,
    /// It answers.
    Well,
    /// It does not answer, or wants to be left alone.
    Away,
    /// It does not take the token.
    Refused,
}
