//! Why a secret cannot be had, and what about one had better be otherwise. No text here repeats a secret.

use std::borrow::Cow;
use std::time::Duration;

use culvert_protocol::Explain;
use thiserror::Error;

/// The largest secret that is taken, in bytes: 64 KiB. Tokens have a few hundred, the longest a few thousand.
pub(crate) const LARGEST: usize = 64 << 10;

/// Why a secret cannot be had now. Each may pass: the user can set, unlock or repair what is missing while Culvert
/// runs.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SecretError {
    /// The variable of an `env:` is unset or empty.
    #[error("the environment variable {0} is not set")]
    Unset(String),
    /// The file of a `file:` or `credential:` cannot be read.
    #[error("the file {file} cannot be read: {detail}")]
    File {
        /// Its path, fit to be shown.
        file: String,
        /// What the system said.
        detail: String,
    },
    /// A `credential:` without a folder for it.
    #[error("there is no credential {0}: CREDENTIALS_DIRECTORY is not set")]
    NoCredentials(String),
    /// The program of a `command:` is not there or may not be run.
    #[error("the command {program} cannot be started: {detail}")]
    CommandRefused {
        /// The program, fit to be shown.
        program: String,
        /// What the system said.
        detail: String,
    },
    /// It ended, and not well.
    #[error("the command {program} {how}{}", last_words(words))]
    CommandFailed {
        /// The program, fit to be shown.
        program: String,
        /// `exited with code 1`, `was killed by signal 9`.
        how: String,
        /// Its last line on stderr, fit to be shown; may be empty.
        words: String,
    },
    /// It did not come to an end and was ended.
    #[error("the command {program} gave no answer within {} s{}", limit.as_secs(), last_words(words))]
    CommandSilent {
        /// The program, fit to be shown.
        program: String,
        /// How long it was waited for.
        limit: Duration,
        /// Its last line on stderr, fit to be shown; may be empty.
        words: String,
    },
    /// The keychain does not give it.
    #[error(transparent)]
    Keychain(#[from] KeychainError),
    /// There is a place, and nothing in it.
    #[error("{0} holds nothing")]
    Empty(String),
    /// More than any secret has.
    #[error("{0} holds more than {LARGEST} bytes, which no token has")]
    TooLarge(String),
    /// Line breaks, bytes that are no text.
    #[error("{0} holds line breaks or other characters that no token has")]
    NotText(String),
    /// Text that no `Authorization` header can carry.
    #[error("{0} holds no bearer token: one is made of visible ASCII characters, without blanks")]
    NotAToken(String),
    /// What was asked is not answered: a file system that hangs.
    #[error("{0} gave no answer in time")]
    NoAnswer(String),
}

fn last_words(words: &str) -> String {
    if words.is_empty() { String::new() } else { format!("; its last words: {words}") }
}

impl Explain for SecretError {
    fn code(&self) -> &'static str {
        match self {
            Self::Unset(_) => "secret.unset",
            Self::File { .. } => "secret.file",
            Self::NoCredentials(_) => "secret.no_credentials",
            Self::CommandRefused { .. } => "secret.command_refused",
            Self::CommandFailed { .. } => "secret.command_failed",
            Self::CommandSilent { .. } => "secret.command_silent",
            Self::Keychain(error) => error.code(),
            Self::Empty(_) => "secret.empty",
            Self::TooLarge(_) | Self::NotText(_) | Self::NotAToken(_) => "secret.not_a_token",
            Self::NoAnswer(_) => "secret.no_answer",
        }
    }

    fn action(&self) -> Cow<'static, str> {
        match self {
            Self::Unset(name) => format!("Set {name} and start Culvert anew.").into(),
            Self::File { .. } => "Check the path, and that this user may read the file.".into(),
            Self::NoCredentials(name) => {
                format!("Name it in the systemd unit: LoadCredential={name}:/path/to/the/file.").into()
            }
            Self::CommandRefused { .. } => "Check the spelling, or give the program's full path.".into(),
            Self::CommandFailed { .. } => "Run the same command by hand to see what it wants.".into(),
            Self::CommandSilent { program, .. } => {
                format!("It may be waiting for a passphrase. Run {program} once by hand, so that its agent knows it.")
                    .into()
            }
            Self::Keychain(error) => error.action(),
            Self::Empty(_) => "Put the secret there.".into(),
            Self::TooLarge(_) | Self::NotText(_) | Self::NotAToken(_) => {
                "Check where the token was copied from.".into()
            }
            Self::NoAnswer(_) => "Check that what it lies on, such as a network drive, is there.".into(),
        }
    }
}

/// Why the keychain does not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum KeychainError {
    /// It waits for its password.
    #[error("the keychain is locked")]
    Locked,
    /// There is none on this machine, or none that this process reaches.
    #[error("there is no keychain here: {0}")]
    Absent(String),
    /// It has no entry of this name.
    #[error("the keychain has no entry {0}")]
    NoEntry(String),
    /// It has several, and which is meant nobody knows.
    #[error("the keychain has more than one entry {0}")]
    Ambiguous(String),
    /// It takes too long. What was asked may still be done.
    #[error("the keychain gave no answer within {} s", .0.as_secs())]
    Silent(Duration),
    /// Too much was asked of it that it has not answered yet.
    #[error("the keychain is busy with what it was asked before")]
    Busy,
    /// It said no, in its own words.
    #[error("the keychain refused: {0}")]
    Refused(String),
}

impl Explain for KeychainError {
    fn code(&self) -> &'static str {
        match self {
            Self::Locked => "keychain.locked",
            Self::Absent(_) => "keychain.absent",
            Self::NoEntry(_) => "keychain.no_entry",
            Self::Ambiguous(_) => "keychain.ambiguous",
            Self::Silent(_) | Self::Busy => "keychain.silent",
            Self::Refused(_) => "keychain.refused",
        }
    }

    fn action(&self) -> Cow<'static, str> {
        match self {
            Self::Locked => "Unlock it; Culvert notices by itself.".into(),
            Self::Absent(_) => {
                "Start one, such as GNOME Keyring or KWallet. Where there is none, as on a server, use file:PATH."
                    .into()
            }
            Self::NoEntry(name) => {
                format!("Save it under the service culvert and the account {name}, or name another entry.").into()
            }
            Self::Ambiguous(_) => "Remove all but one in the keychain's own program.".into(),
            Self::Silent(_) | Self::Busy => "See whether it waits for you, at a window of its own.".into(),
            Self::Refused(_) => "See what the keychain's own program says.".into(),
        }
    }
}

/// Something about where a secret lies that works and deserves a word.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SecretNotice {
    /// Other users of this machine can read the file.
    #[error("others on this machine can read {file} (its mode is {mode:03o})")]
    ReadableByOthers {
        /// Its path, fit to be shown.
        file: String,
        /// Its permission bits.
        mode: u32,
        /// Whether it is part of a Kubernetes volume, where nobody can chmod.
        volume: Volume,
    },
    /// It is another user's, who is not root: the token is whatever that user says.
    #[error("{file} belongs to another user (id {owner}), who can read and change it")]
    ForeignOwner {
        /// Its path, fit to be shown.
        file: String,
        /// The user's id.
        owner: u32,
    },
}

/// What kind of folder a file lies in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Volume {
    /// An ordinary one.
    Ordinary,
    /// A mounted Secret or ConfigMap.
    Kubernetes,
}

impl Explain for SecretNotice {
    fn code(&self) -> &'static str {
        match self {
            Self::ReadableByOthers { .. } => "secret.readable",
            Self::ForeignOwner { .. } => "secret.foreign",
        }
    }

    fn action(&self) -> Cow<'static, str> {
        match self {
            Self::ReadableByOthers { volume: Volume::Kubernetes, .. } => {
                "Set defaultMode: 0400 for the Secret's volume.".into()
            }
            Self::ReadableByOthers { file, .. } => format!("chmod 600 {}", shell_words::quote(file)).into(),
            Self::ForeignOwner { file, .. } => format!(
                "If that is not meant: chown it to the user that runs Culvert, and chmod 600 {}",
                shell_words::quote(file)
            )
            .into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_is_told_with_its_last_words_and_a_way_out() {
        let failed = SecretError::CommandFailed {
            program: "pass".to_owned(),
            how: "exited with code 2".to_owned(),
            words: "gpg: no secret key".to_owned(),
        };
        assert_eq!(failed.to_string(), "the command pass exited with code 2; its last words: gpg: no secret key");
        let silent = SecretError::CommandSilent {
            program: "op".to_owned(),
            limit: Duration::from_secs(30),
            words: String::new(),
        };
        assert_eq!(silent.to_string(), "the command op gave no answer within 30 s");
        assert!(silent.action().contains("passphrase"));
        let locked = SecretError::from(KeychainError::Locked);
        assert_eq!((locked.code(), locked.to_string().as_str()), ("keychain.locked", "the keychain is locked"));
    }

    #[test]
    fn a_readable_file_says_chmod_where_that_can_help() {
        let readable = |volume| SecretNotice::ReadableByOthers { file: "/my files/t".to_owned(), mode: 0o644, volume };
        assert_eq!(readable(Volume::Ordinary).action(), "chmod 600 '/my files/t'");
        assert!(readable(Volume::Ordinary).to_string().ends_with("(its mode is 644)"));
        assert!(readable(Volume::Kubernetes).action().contains("defaultMode: 0400"));
    }
}
