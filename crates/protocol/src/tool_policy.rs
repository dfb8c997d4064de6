//! A tool policy: which of a local server's tools, prompts and resources a gateway may see and use. Pure: [`Desk`]
//! keeps what one child has listed and says what becomes of each message.

pub(crate) mod akin;
mod approved;
mod definition;
mod desk;
mod listing;
mod pattern;
mod questions;
mod refusals;

pub use approved::{Approved, Attention, Rules, Verdict};
pub use definition::{Definition, Digest};
pub use desk::{Desk, ToClient, ToServer};
pub use listing::read_list;
pub use pattern::{BadPattern, Pattern};
pub use questions::is_ours;

/// What may pass. The default lets everything pass.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ToolPolicy {
    /// Only tools with such a name may pass; `None`: any.
    pub allow: Option<Vec<Pattern>>,
    /// Tools with such a name may not, allowed or not.
    pub deny: Vec<Pattern>,
    /// What tools may do.
    pub tools: Tools,
    /// Whether prompts may pass.
    pub prompts: Feature,
    /// Whether resources may pass.
    pub resources: Feature,
    /// What becomes of tools that are not as they were approved.
    pub changed: ChangedTools,
}

/// What becomes of tools that are not as they were approved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ChangedTools {
    /// They pass like any other: nobody compares.
    #[default]
    Pass,
    /// They are held back until they are approved.
    Held,
}

/// What tools may do, by what they say of themselves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Tools {
    /// Anything.
    #[default]
    All,
    /// Only those with the annotation `readOnlyHint: true` pass.
    ReadOnly,
}

/// Whether something may pass.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Feature {
    /// It may.
    #[default]
    On,
    /// It may not.
    Off,
}

/// Why a tool may not pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denied {
    /// By its name.
    Name,
    /// It does not say that it only reads.
    Writes,
    /// The server does not list it.
    Unlisted,
    /// It is not as it was approved, or is new.
    Held,
}

impl ToolPolicy {
    /// Whether everything passes.
    pub fn is_open(&self) -> bool {
        *self == Self::default()
    }

    /// Judges a tool by its name, unescaped.
    ///
    /// # Errors
    /// [`Denied::Name`].
    pub fn judge_name(&self, name: &str) -> Result<(), Denied> {
        let matches = |patterns: &[Pattern]| patterns.iter().any(|pattern| pattern.matches(name));
        let allowed = self.allow.as_deref().is_none_or(matches);
        if allowed && !matches(&self.deny) { Ok(()) } else { Err(Denied::Name) }
    }

    /// Judges a tool that the server lists.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn judge(&self, name: &str, hint: Hint) -> Result<(), Denied> {
        self.judge_name(name)?;
        match (self.tools, hint) {
            (Tools::ReadOnly, Hint::None) => Err(Denied::Writes),
            (Tools::All, _) | (Tools::ReadOnly, Hint::ReadOnly) => Ok(()),
        }
    }
}

/// What a tool's annotations say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hint {
    /// `readOnlyHint: true`.
    ReadOnly,
    /// Anything else.
    None,
}

#[cfg(test)]
mod held_tests;
#[cfg(test)]
mod tests;
