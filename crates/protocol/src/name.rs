//! The name under which a local server is registered.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A server's name: 1 to 128 letters, digits, `_`, `.`, `-` and spaces, with no space at either end.
///
/// ContextForge refuses any other (its `GatewayCreate`), so a name that passes here can be registered everywhere.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ServerName(String);

/// Why a text is no server name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BadName {
    /// Nothing, or only blanks.
    #[error("a server name cannot be empty")]
    Empty,
    /// More than 128 characters.
    #[error("a server name has at most 128 characters, this one has {0}")]
    TooLong(usize),
    /// A character that gateways refuse.
    #[error("a server name is made of letters, digits, '_', '.', '-' and spaces; {0:?} is not one of them")]
    Character(char),
}

impl ServerName {
    /// The most characters a name may have.
    pub const MAX: usize = 128;

    /// Checks a name. Blanks around it are dropped.
    ///
    /// # Errors
    /// [`BadName`] tells which rule it breaks.
    pub fn new(name: impl AsRef<str>) -> Result<Self, BadName> {
        let name = name.as_ref().trim_matches(' ');
        if name.is_empty() {
            return Err(BadName::Empty);
        }
        if let Some(c) = name.chars().find(|c| !is_allowed(*c)) {
            return Err(BadName::Character(c));
        }
        match name.len() {
            len if len > Self::MAX => Err(BadName::TooLong(len)),
            _ => Ok(Self(name.to_owned())),
        }
    }

    /// Makes a name of any text: what is not allowed becomes `-`, the rest is cut to fit. `None` when nothing is left.
    pub fn from_lossy(text: &str) -> Option<Self> {
        let mut name = String::new();
        for c in text.chars().map(|c| if is_allowed(c) { c } else { '-' }) {
            if name.len() == Self::MAX {
                break;
            }
            if c != '-' || !name.ends_with('-') {
                name.push(c);
            }
        }
        let name = name.trim_matches(['-', ' ']);
        (!name.is_empty()).then(|| Self(name.to_owned()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_allowed(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | ' ')
}

impl fmt::Display for ServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for ServerName {
    type Error = BadName;

    fn try_from(name: String) -> Result<Self, BadName> {
        Self::new(name)
    }
}

impl From<ServerName> for String {
    fn from(name: ServerName) -> Self {
        name.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_contextforge_refuses_are_refused_here() {
        assert!(ServerName::new("git-laptop_7.b c").is_ok());
        assert_eq!(ServerName::new("a@b"), Err(BadName::Character('@')));
        assert_eq!(ServerName::new("  "), Err(BadName::Empty));
        assert_eq!(ServerName::new("x".repeat(129)), Err(BadName::TooLong(129)));
        assert_eq!(ServerName::new("é"), Err(BadName::Character('é')));
    }

    #[test]
    fn any_text_gives_a_name_that_passes() {
        let name = ServerName::from_lossy("@scope/server-files@1.2!").unwrap();
        assert_eq!(name.as_str(), "scope-server-files-1.2");
        assert_eq!(ServerName::from_lossy("///"), None);
        assert_eq!(ServerName::from_lossy(&"é".repeat(300)), None);
        assert_eq!(ServerName::from_lossy(&"ab".repeat(300)).unwrap().as_str().len(), 128);
    }
}
