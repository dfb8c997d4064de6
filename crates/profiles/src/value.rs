//! Texts of flags, variables and files, read as the numbers that they stand for.

use std::time::Duration;

use culvert_link::BadProxy;
use culvert_protocol::limits;
use culvert_protocol::tool_policy::{BadPattern, Pattern, Tools};
use culvert_tunnel::Transport;
use thiserror::Error;

use crate::secret::{BadReference, unreadable};

/// The longest time that may be configured: a day. Longer ones are typing errors, and would overflow clocks.
const LONGEST: f64 = 86_400.0;

/// The shortest time that may be configured, in seconds: below it a wait is none.
const SHORTEST: f64 = 0.001;

/// The largest whole frame that may be configured, in bytes: 1 GiB. A frame is held in memory.
const LARGEST_MESSAGE: usize = 1 << 30;

/// The most sessions that may be allowed at once: each is a process.
const MOST_SESSIONS: usize = 1000;

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
    /// No number of sessions.
    #[error("expected a whole number of sessions, from 1 to {MOST_SESSIONS}")]
    NotSessions,
    /// No transport.
    #[error("expected one of auto, ws, sse")]
    Transport,
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
    #[error("this kind of reference to a secret is not supported; use env:NAME or file:PATH")]
    Reference,
    /// A reference that cannot be one.
    #[error(transparent)]
    BadReference(#[from] BadReference),
    /// No address of a proxy.
    #[error(transparent)]
    Proxy(#[from] BadProxy),
    /// No pattern for tools.
    #[error(transparent)]
    Pattern(#[from] BadPattern),
    /// No preset.
    #[error("expected one of all, read-only")]
    Preset,
    /// A key or passphrase without the certificate that it is for.
    #[error("it says nothing without a client certificate")]
    WithoutCertificate,
    /// A passphrase on the command line.
    #[error("a secret on the command line can be seen by every user of this machine; use env:NAME or file:PATH")]
    LiteralSecret,
    /// No way to start.
    #[error("expected one of last, always, never")]
    Start,
    /// No id.
    #[error("expected a UUID, such as 6f6b2c1e-0d5c-4a3e-9d2f-3a1b5c7d9e0f")]
    Id,
    /// A reference to a file that cannot be read.
    #[error("it refers to a file that cannot be read: {}", unreadable(*.0))]
    UnreadableFile(std::io::ErrorKind),
    /// A reference to a variable that is unset or empty.
    #[error("it refers to an environment variable that is not set")]
    UnsetVariable,
    /// A header that is written in no form known here.
    #[error("expected NAME=env:VARIABLE or NAME=file:PATH")]
    NotHeader,
    /// A header's value on the command line.
    #[error("a value on the command line can be seen by every user of this machine")]
    LiteralHeader,
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

/// A time in seconds, as [`seconds`], or 0 for none at all.
///
/// # Errors
/// [`BadValue`].
pub fn seconds_or_none(text: &str) -> Result<Duration, BadValue> {
    match text.trim().parse::<f64>() {
        Ok(0.0) => Ok(Duration::ZERO),
        _ => seconds(text),
    }
}

/// A number of tries; 0 stands for no limit.
///
/// # Errors
/// [`BadValue::NotRetries`].
pub fn retries(text: &str) -> Result<u32, BadValue> {
    text.trim().parse().map_err(|_| BadValue::NotRetries)
}

/// A number of sessions: from 1 to 1000.
///
/// # Errors
/// [`BadValue::NotSessions`].
pub fn sessions(text: &str) -> Result<usize, BadValue> {
    let sessions = text.trim().parse().ok();
    sessions.filter(|count| (1..=MOST_SESSIONS).contains(count)).ok_or(BadValue::NotSessions)
}

/// What carries a link: `auto`, `ws` or `sse`, in any case.
///
/// # Errors
/// [`BadValue::Transport`].
pub fn transport(text: &str) -> Result<Transport, BadValue> {
    match text.trim().to_ascii_lowercase().as_str() {
        "auto" => Ok(Transport::Auto),
        "ws" => Ok(Transport::WebSocket),
        "sse" => Ok(Transport::Sse),
        _ => Err(BadValue::Transport),
    }
}

/// The addresses in a text: one, or several with blanks or commas between them. A comma counts only where another
/// address follows it, because paths may have commas of their own.
pub fn addresses(text: &str) -> Vec<String> {
    let mut addresses: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        for (index, piece) in word.trim_matches(',').split(',').enumerate() {
            match addresses.last_mut() {
                Some(last) if index > 0 && !piece.contains("://") => {
                    last.push(',');
                    last.push_str(piece);
                }
                _ if piece.is_empty() => {}
                _ => addresses.push(piece.to_owned()),
            }
        }
    }
    addresses
}

/// The size of a whole frame in bytes.
///
/// # Errors
/// [`BadValue::NotBytes`], or [`BadValue::Size`] outside of the sizes that work.
pub fn bytes(text: &str) -> Result<usize, BadValue> {
    let bytes: usize = text.trim().parse().map_err(|_| BadValue::NotBytes)?;
    if (limits::MAX_MESSAGE_FLOOR..=LARGEST_MESSAGE).contains(&bytes) { Ok(bytes) } else { Err(BadValue::Size) }
}

/// Patterns for names of tools.
pub(crate) fn patterns(list: &[String]) -> Result<Vec<Pattern>, BadValue> {
    list.iter().map(|text| Ok(Pattern::new(text.trim())?)).collect()
}

/// What tools may do: `all` or `read-only`.
pub(crate) fn preset(text: &str) -> Result<Tools, BadValue> {
    match text.trim().to_ascii_lowercase().as_str() {
        "all" => Ok(Tools::All),
        "read-only" => Ok(Tools::ReadOnly),
        _ => Err(BadValue::Preset),
    }
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
        assert_eq!(sessions("1"), Ok(1));
        assert_eq!(sessions("1000"), Ok(1000));
        for text in ["0", "1001", "-1", "1.5", "many"] {
            assert_eq!(sessions(text), Err(BadValue::NotSessions), "{text}");
        }
        assert_eq!(transport("WS"), Ok(Transport::WebSocket));
        assert_eq!(transport("sse"), Ok(Transport::Sse));
        assert_eq!(transport("Auto"), Ok(Transport::Auto));
        assert_eq!(transport("websocket"), Err(BadValue::Transport));
        assert_eq!(boolean("Yes"), Ok(true));
        assert_eq!(boolean("off"), Ok(false));
        assert_eq!(boolean("1"), Err(BadValue::NotBoolean));
    }

    #[test]
    fn several_addresses_are_told_from_commas_in_one() {
        for (text, several) in [
            ("https://a", &["https://a"][..]),
            (" https://a  https://b\n", &["https://a", "https://b"]),
            ("https://a,https://b", &["https://a", "https://b"]),
            ("https://a, https://b,", &["https://a", "https://b"]),
            ("https://a/x,y,wss://b", &["https://a/x,y", "wss://b"]),
            ("gw", &["gw"]),
            (" , ", &[]),
        ] {
            assert_eq!(addresses(text), several, "{text:?}");
        }
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
