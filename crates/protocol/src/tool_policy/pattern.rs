//! Patterns for names: `*` stands for any characters, `?` for one, all else for itself.

use std::fmt;

use thiserror::Error;

/// The longest pattern, in bytes. Names of tools have at most 128 characters.
const LONGEST: usize = 256;

/// A pattern for the whole name of a tool. Letters count as they are: MCP's names are case sensitive.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pattern(String);

/// Why a text is no pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BadPattern {
    /// Nothing.
    #[error("a pattern for tools is a name, in which * stands for any characters and ? for one")]
    Empty,
    /// Longer than names are.
    #[error("a pattern for tools has at most {LONGEST} bytes")]
    TooLong,
    /// A control character, which no name has.
    #[error("a pattern for tools has no control characters")]
    Control,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// [`BadPattern`].
    pub fn new(text: &str) -> Result<Self, BadPattern> {
        match text {
            "" => Err(BadPattern::Empty),
            _ if text.len() > LONGEST => Err(BadPattern::TooLong),
            _ if text.contains(char::is_control) => Err(BadPattern::Control),
            _ => Ok(Self(text.to_owned())),
        }
    }

    /// The pattern as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it stands for `name`, the whole of it. Takes time in the product of both lengths at most.
    pub fn matches(&self, name: &str) -> bool {
        let (pattern, name): (Vec<char>, Vec<char>) = (self.0.chars().collect(), name.chars().collect());
        let (mut at, mut seen) = (0, 0);
        // Where the last `*` stands, and how much of the name it has taken so far.
        let mut star: Option<(usize, usize)> = None;
        while seen < name.len() {
            match pattern.get(at) {
                Some('*') => {
                    star = Some((at, seen));
                    at += 1;
                }
                Some(one) if *one == '?' || *one == name[seen] => {
                    at += 1;
                    seen += 1;
                }
                _ => {
                    let Some((star_at, taken)) = star else { return false };
                    star = Some((star_at, taken + 1));
                    at = star_at + 1;
                    seen = taken + 1;
                }
            }
        }
        pattern[at..].iter().all(|rest| *rest == '*')
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}
