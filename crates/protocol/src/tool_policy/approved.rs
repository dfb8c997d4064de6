//! What the user has approved of a server's tools, and what is to be said of those that are otherwise now.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::definition::{Definition, Digest};
use super::{ChangedTools, Denied, Hint, Pattern, ToolPolicy, Tools};

/// What was approved of one server's tools.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Approved {
    tools: BTreeMap<Arc<str>, Definition>,
    /// Changed tools that the user wants to stay back: they need no more attention as long as they are the same.
    kept_back: BTreeMap<Arc<str>, Digest>,
}

/// What becomes of messages at a [`Desk`](super::Desk): the policy, and what was approved.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    /// The policy.
    pub policy: ToolPolicy,
    /// What was approved; `None`: nothing yet, and the first whole list is.
    pub approved: Option<Approved>,
}

/// What becomes of a tool, and by which rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// It passes.
    Allowed,
    /// Only others are allowed.
    NotAllowed,
    /// This pattern denies it.
    Denied(&'a Pattern),
    /// Only tools pass that say of themselves that they only read.
    Writes,
    /// It is held back until it is approved.
    Held {
        /// What was approved under its name; `None`: it is new.
        old: Option<&'a Definition>,
        /// Whether the user wants it to stay back.
        attention: Attention,
    },
}

/// Whether a held tool needs the user's attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attention {
    /// It does.
    Needed,
    /// The user has decided to keep it back.
    Settled,
}

impl Approved {
    /// Approves all of these, and nothing else.
    pub fn all(tools: impl IntoIterator<Item = Definition>) -> Self {
        let mut approved = Self::default();
        tools.into_iter().for_each(|tool| approved.approve(tool));
        approved
    }

    /// Approves a tool as it is now.
    pub fn approve(&mut self, tool: Definition) {
        self.kept_back.remove(tool.name());
        self.tools.insert(tool.name().into(), tool);
    }

    /// Keeps a tool back for as long as it stays the same; one that was approved so is no more.
    pub fn keep_back(&mut self, name: &str, digest: Digest) {
        if self.tools.get(name).is_some_and(|tool| tool.digest() == digest) {
            self.tools.remove(name);
        }
        self.kept_back.insert(name.into(), digest);
    }

    /// The tools, each as it was approved.
    pub fn tools(&self) -> impl Iterator<Item = &Definition> {
        self.tools.values()
    }

    /// What is kept back, by name.
    pub fn kept_back(&self) -> impl Iterator<Item = (&str, Digest)> {
        self.kept_back.iter().map(|(name, digest)| (&**name, *digest))
    }

    fn has(&self, name: &str, digest: Digest) -> bool {
        self.tools.get(name).is_some_and(|tool| tool.digest() == digest)
    }
}

impl From<ToolPolicy> for Rules {
    fn from(policy: ToolPolicy) -> Self {
        Self { policy, approved: None }
    }
}

impl Rules {
    /// Whether lists must be read for what tools say, not only for their names.
    pub fn holds(&self) -> bool {
        self.policy.changed == ChangedTools::Held
    }

    /// Whether nothing can be judged before the server has listed all its tools.
    pub fn awaits_first_list(&self) -> bool {
        self.holds() && self.approved.is_none()
    }

    /// Judges a tool that the server lists; `digest` is that of its definition, where it was read and is the only one
    /// of its name.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn judge(&self, name: &str, hint: Hint, digest: Option<Digest>) -> Result<(), Denied> {
        self.policy.judge(name, hint)?;
        let is_approved = |approved: &Approved| digest.is_some_and(|digest| approved.has(name, digest));
        match !self.holds() || self.approved.as_ref().is_some_and(is_approved) {
            true => Ok(()),
            false => Err(Denied::Held),
        }
    }

    /// What becomes of a tool, and why.
    pub fn verdict(&self, tool: &Definition) -> Verdict<'_> {
        let ToolPolicy { allow, deny, tools, .. } = &self.policy;
        let name = tool.name();
        if let Some(pattern) = deny.iter().find(|pattern| pattern.matches(name)) {
            return Verdict::Denied(pattern);
        }
        if allow.as_ref().is_some_and(|allow| !allow.iter().any(|pattern| pattern.matches(name))) {
            return Verdict::NotAllowed;
        }
        if (*tools, tool.hint()) == (Tools::ReadOnly, Hint::None) {
            return Verdict::Writes;
        }
        match &self.approved {
            Some(approved) if self.holds() && !approved.has(name, tool.digest()) => Verdict::Held {
                old: approved.tools.get(name),
                attention: match approved.kept_back.get(name) == Some(&tool.digest()) {
                    true => Attention::Settled,
                    false => Attention::Needed,
                },
            },
            _ => Verdict::Allowed,
        }
    }

    /// How many of these tools are held back and need the user's attention.
    pub fn needing_attention(&self, tools: &[Definition]) -> usize {
        let needs =
            |tool: &&Definition| matches!(self.verdict(tool), Verdict::Held { attention: Attention::Needed, .. });
        tools.iter().filter(needs).count()
    }
}
