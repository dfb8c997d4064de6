//! Where a value came from, so that a message about it can say so.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// A spot in a configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file as the user named it.
    pub file: Arc<Path>,
    /// Counted from 1; 0 when unknown.
    pub line: u64,
    /// Counted from 1, in characters; 0 when unknown.
    pub column: u64,
}

impl Place {
    /// A spot in `file`.
    pub fn new(file: &Arc<Path>, line: u64, column: u64) -> Self {
        Self { file: Arc::clone(file), line, column }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", shown(&self.file))?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        Ok(())
    }
}

/// A path fit for a message.
pub(crate) fn shown(path: &Path) -> String {
    culvert_protocol::text::clean(&path.to_string_lossy(), 300)
}

/// Which layer gave a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A flag on the command line, with its hyphens.
    Flag(&'static str),
    /// An environment variable.
    Variable(&'static str),
    /// A configuration file.
    File(Place),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) | Self::Variable(name) => f.write_str(name),
            Self::File(place) => place.fmt(f),
        }
    }
}

/// A value and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sourced<T> {
    /// The value.
    pub value: T,
    /// Who gave it.
    pub origin: Origin,
}

impl<T> Sourced<T> {
    /// A value with its origin.
    pub fn new(value: T, origin: Origin) -> Self {
        Self { value, origin }
    }
}
