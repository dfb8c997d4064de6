//! A request id, as JSON-RPC spells it and as it is compared.

use std::fmt;

use serde_json::value::RawValue;

use super::Malformed;
use super::members::plain;
use crate::limits::MAX_ID;

/// A request id, comparable across the spellings that JSON allows for it: a server may answer `"\u00e9"` to `"é"`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Id {
    /// An integer that fits.
    Integer(i64),
    /// Any other number, as spelled. MCP forbids fractions, other peers send them all the same.
    Number(Box<str>),
    /// A text, unescaped.
    Text(Box<str>),
    /// `null`: only in an answer to what could not be read.
    Null,
}

impl Id {
    /// Reads an id, or a progress token, which has the same form.
    ///
    /// # Errors
    /// [`Malformed::Id`] when it is neither text nor number nor `null`, or longer than [`MAX_ID`].
    pub fn of(raw: &RawValue) -> Result<Self, Malformed> {
        let text = raw.get();
        if text.len() > MAX_ID {
            return Err(Malformed::Id);
        }
        match text.as_bytes().first() {
            Some(b'"') => match plain(raw) {
                Some(id) => Ok(Self::Text(id.into())),
                None => serde_json::from_str::<String>(text).map(|id| Self::Text(id.into())).map_err(|_| Malformed::Id),
            },
            Some(b'-' | b'0'..=b'9') => Ok(text.parse().map_or_else(|_| Self::Number(text.into()), Self::Integer)),
            Some(b'n') => Ok(Self::Null),
            _ => Err(Malformed::Id),
        }
    }

    /// Reads an id that stands alone, as JSON text. `None`: it is none.
    pub fn from_json(text: &str) -> Option<Self> {
        Self::of(serde_json::from_str(text).ok()?).ok()
    }

    /// The id as JSON text.
    pub fn to_json(&self) -> String {
        match self {
            Self::Integer(number) => number.to_string(),
            Self::Number(number) => number.to_string(),
            Self::Text(text) => serde_json::Value::from(&**text).to_string(),
            Self::Null => "null".to_owned(),
        }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_json())
    }
}
