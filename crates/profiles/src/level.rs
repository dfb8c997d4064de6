//! How much the log tells.

use std::fmt;
use std::str::FromStr;

use crate::value::BadValue;

/// The levels of the log, the quietest first: Python's, with TRACE below them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum LogLevel {
    /// Nothing but the error that ends the program.
    Critical,
    /// What failed.
    Error,
    /// And what may go wrong.
    Warning,
    /// And what happens.
    #[default]
    Info,
    /// And how it happens.
    Debug,
    /// And each message's way, never its content.
    Trace,
}

impl LogLevel {
    /// Every level, the quietest first.
    pub const ALL: [Self; 6] = [Self::Critical, Self::Error, Self::Warning, Self::Info, Self::Debug, Self::Trace];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Critical => "CRITICAL",
            Self::Error => "ERROR",
            Self::Warning => "WARNING",
            Self::Info => "INFO",
            Self::Debug => "DEBUG",
            Self::Trace => "TRACE",
        }
    }
}

impl FromStr for LogLevel {
    type Err = BadValue;

    /// Reads a name in any case; Python's `WARN` and `FATAL` are known too.
    fn from_str(text: &str) -> Result<Self, BadValue> {
        let name = text.trim().to_ascii_uppercase();
        match name.as_str() {
            "WARN" => Ok(Self::Warning),
            "FATAL" => Ok(Self::Critical),
            _ => Self::ALL.into_iter().find(|level| level.name() == name).ok_or(BadValue::Level),
        }
    }
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_read_in_any_case_and_are_ordered() {
        assert_eq!("debug".parse(), Ok(LogLevel::Debug));
        assert_eq!("Warning".parse(), Ok(LogLevel::Warning));
        assert_eq!("WARN".parse(), Ok(LogLevel::Warning));
        assert_eq!("fatal".parse(), Ok(LogLevel::Critical));
        assert_eq!("loud".parse::<LogLevel>(), Err(BadValue::Level));
        assert!(LogLevel::Trace > LogLevel::Debug && LogLevel::Debug > LogLevel::Critical);
        for level in LogLevel::ALL {
            assert_eq!(level.name().parse(), Ok(level));
        }
    }
}
