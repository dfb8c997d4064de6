//! Texts of flags, variables and files, read as the numbers that they stand for.

use std::time::Duration;

use culvert_protocol::limits;
use thiserror::Error;

/// The longest time that may be configured: a day. Longer ones are typing errors, and would overflow clocks.
const LONGEST: f64 = 86_400.0;

/// The shortest time that may be configured, in seconds: below it a wait is none.
const SHORTEST: f64 = 0.001;

/// The largest whole frame that may be configured, in bytes: 1 GiB. A frame is held in memory.
const LARGEST_MESSAGE: usize = 1 << 30;

/// Why a text is no value for its key. The text itself is never repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BadValue {
    /// No number of seconds.
    #[error("expected a number of seconds, such as 30 or 0.5")]
    NotSeconds,
    /// Zero, negative or next to nothing.
    #[error("a time is at least {SHORTEST} seconds")]
    TooShort,
    /// More than a day.
    #[error("a time is at most {LONGEST} seconds (a day)")]
    TooLong,
    /// No number of retries.
    #[error("expected a whole number of tries; 0 stands for no limit")]
    NotRetries,
    /// No number of bytes.
    #[error("expected a whole number of bytes, such as 16777216")]
    NotBytes,
    /// Outside of what a frame may be.
    #[error("a message size is at least {} and at most {LARGEST_MESSAGE} bytes", limits::MAX_MESSAGE_FLOOR)]
    Size,
    /// No log level.
    #[error("expected one of TRACE, DEBUG, INFO, WARNING, ERROR, CRITICAL")]
    Level,
    /// No truth value.
    #[error("expected true or false")]
    NotBoolean,
    /// Nothing where something must be.
    #[error("expected a value, found nothing; leave it out where none is meant")]
    Empty,
    /// A NUL, or what else no process can be given.
    #[error("it holds a character that cannot be handed to a process")]
    NotForProcesses,
    /// A name that no environment can have.
    #[error("an environment variable has a name without '=' in it")]
    VariableName,
    /// The key and its other name stand side by side.
    #[error("it is given twice, under both of its names")]
    Twice,
    /// A token that no header can carry.
    #[error("a token is made of visible ASCII characters, without blanks and without \"Bearer\" before it")]
    NotAToken,
    /// A kind of secret reference that is not read here.
    #[error("this kind of reference to a secret is not supported; use env:NAME, or REVERSE_PROXY_TOKEN")]
    Reference,
    /// A reference to a variable that is unset or empty.
    #[error("it refers to an environment variable that is not set")]
    UnsetVariable,
}

/// A time in seconds, fractions allowed: from a thousandth to a day.
///
/// # Errors
/// [`BadValue`] says what it should have been.
pub fn seconds(text: &str) -> Result<Duration, BadValue> {
    let seconds: f64 = text.trim().parse().map_err(|_| BadValue::NotSeconds)?;
    match seconds {
        _ if seconds.is_nan() => Err(BadValue::NotSeconds),
        _ if seconds < SHORTEST => Err(BadValue::TooShort),
        _ if seconds > LONGEST => Err(BadValue::TooLong),
        _ => Duration::try_from_secs_f64(seconds).map_err(|_| BadValue::NotSeconds),
    }
}

/// A number of tries; 0 stands for no limit.
///
/// # Errors
/// [`BadValue::NotRetries`].
pub fn retries(text: &str) -> Result<u32, BadValue> {
    text.trim().parse().map_err(|_| BadValue::NotRetries)
}

/// The size of a whole frame in bytes.
///
/// # Errors
/// [`BadValue::NotBytes`], or [`BadValue::Size`] outside of the sizes that work.
pub fn bytes(text: &str) -> Result<usize, BadValue> {
    let bytes: usize = text.trim().parse().map_err(|_| BadValue::NotBytes)?;
    if (limits::MAX_MESSAGE_FLOOR..=LARGEST_MESSAGE).contains(&bytes) { Ok(bytes) } else { Err(BadValue::Size) }
}

/// A truth value as YAML files write them.
pub(crate) fn boolean(text: &str) -> Result<bool, BadValue> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" => Ok(true),
        "false" | "no" | "off" => Ok(false),
        _ => Err(BadValue::NotBoolean),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn times_may_have_fractions_and_have_bounds() {
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        assert_eq!(seconds(" 30 "), Ok(Duration::from_secs(30)));
        assert_eq!(seconds("86400"), Ok(Duration::from_secs(86_400)));
        for (text, error) in [
            ("0", BadValue::TooShort),
            ("-1", BadValue::TooShort),
            ("1e-300", BadValue::TooShort),
            ("86401", BadValue::TooLong),
            ("inf", BadValue::TooLong),
            ("NaN", BadValue::NotSeconds),
            ("", BadValue::NotSeconds),
            ("5s", BadValue::NotSeconds),
        ] {
            assert_eq!(seconds(text), Err(error), "{text}");
        }
    }

    #[test]
    fn sizes_and_counts_have_bounds() {
        assert_eq!(bytes("4096"), Ok(4096));
        assert_eq!(bytes("4095"), Err(BadValue::Size));
        assert_eq!(bytes("1073741825"), Err(BadValue::Size));
        assert_eq!(bytes("16MiB"), Err(BadValue::NotBytes));
        assert_eq!(retries("0"), Ok(0));
        assert_eq!(retries("4294967295"), Ok(u32::MAX));
        assert_eq!(retries("-1"), Err(BadValue::NotRetries));
        assert_eq!(retries("4294967296"), Err(BadValue::NotRetries));
        assert_eq!(boolean("Yes"), Ok(true));
        assert_eq!(boolean("off"), Ok(false));
        assert_eq!(boolean("1"), Err(BadValue::NotBoolean));
    }

    proptest! {
        #[test]
        fn any_time_that_is_taken_can_be_waited_for(text in "[-+]?[0-9]{0,12}(\\.[0-9]{0,12})?(e[-+]?[0-9]{1,3})?") {
            if let Ok(time) = seconds(&text) {
                prop_assert!(time >= Duration::from_millis(1) && time <= Duration::from_secs(86_400));
            }
        }
    }
}
