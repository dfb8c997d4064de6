//! A JSON-RPC message that was read along with what it came in.

use serde_json::value::RawValue;

use super::members::{Members, Plain};
use super::{Malformed, Message};

/// A JSON-RPC message, or what should be one, within a larger text.
#[derive(Debug, Clone)]
pub struct Carried<'a> {
    text: &'a str,
    members: Option<Members<'a>>,
}

impl<'a> Carried<'a> {
    /// From what was read of `whole`. `None`: nothing of it lies there.
    pub(crate) fn within(whole: &'a str, plain: Plain<'a>) -> Option<Self> {
        let at = |part: &str| (part.as_ptr() as usize).checked_sub(whole.as_ptr() as usize);
        let start = whole.get(..at(plain.first)?)?.rfind('{')?;
        let last = at(plain.last)? + plain.last.len();
        let end = last + whole.get(last..)?.find('}')? + 1;
        Some(Self { text: whole.get(start..end)?, members: Some(plain.members) })
    }

    /// A text by itself.
    pub fn of(text: &'a str) -> Self {
        Self { text, members: None }
    }

    /// The text as it came.
    pub fn text(&self) -> &'a str {
        self.text
    }

    /// The head of the message.
    ///
    /// # Errors
    /// As [`Message::parse`].
    pub fn message(&self) -> Result<Message<'a>, Malformed> {
        match &self.members {
            Some(members) => Message::from_members(self.text, members.clone()),
            None => Message::parse(self.text),
        }
    }
}

impl<'a> From<&'a RawValue> for Carried<'a> {
    fn from(raw: &'a RawValue) -> Self {
        Self { text: raw.get(), members: None }
    }
}
