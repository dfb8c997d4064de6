//! A request id, as JSON-RPC spells it and as it is compared.

use std::fmt;

use serde_json::value::RawValue;

use super::Malformed;
use super::members::plain;
use crate::limits::MAX_ID;

/// Up to here every reader knows a whole number from its neighbours.
const EXACT: f64 = (1_u64 << 53) as f64;

/// A request id, comparable across the spellings that JSON allows for it: a server may answer `"\u00e9"` to `"é"`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Id {
    /// A whole number that fits, however it is spelled: whoever reads `8.0` may well answer to `8`.
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
            Some(b'-' | b'0'..=b'9') => Ok(Self::of_number(text)),
            Some(b'n') => Ok(Self::Null),
            _ => Err(Malformed::Id),
        }
    }

    fn of_number(text: &str) -> Self {
        if let Ok(whole) = text.parse() {
            return Self::Integer(whole);
        }
        match text.parse::<f64>() {
            Ok(number) if number.fract() == 0.0 && number.abs() <= EXACT => Self::Integer(number as i64),
            _ => Self::Number(text.into()),
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
