//! A secret as a configuration names it: by reference, or as it is. Only read and shown here, never followed.

use std::fmt;
use std::path::PathBuf;

use culvert_protocol::{Secret, text};
use thiserror::Error;

use crate::command::{BadCommand, Platform, split};

/// Where a secret is to be had. Neither `Debug` nor `Display` shows a literal, nor a command's arguments.
#[derive(Clone, PartialEq, Eq)]
pub enum SecretRef {
    /// The secret itself.
    Literal(Secret),
    /// `env:NAME`: an environment variable of this process.
    Env(String),
    /// `file:PATH`: a file's text. A relative path begins at the folder that Culvert was started in.
    File(PathBuf),
    /// `command:PROGRAM ARGS…`: what a program prints. The words are split already; there is no shell.
    Command(Vec<String>),
    /// `keychain:NAME`: an entry of the system's keychain.
    Keychain(String),
    /// `credential:NAME`: a file in systemd's `$CREDENTIALS_DIRECTORY`.
    Credential(String),
}

/// Why a text refers to no secret. The text itself is never repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BadReference {
    /// Nothing at all.
    #[error("expected a value, found nothing; leave it out where none is meant")]
    Empty,
    /// Nothing behind the colon.
    #[error("nothing stands behind {0}:")]
    Nameless(&'static str),
    /// A credential's name that would lead out of its folder.
    #[error("the name of a credential is a plain file name")]
    CredentialName,
    /// A NUL, or what else no name can have.
    #[error("it holds a character that no name has")]
    Character,
    /// The words of a command cannot be told apart.
    #[error("the command behind command: cannot be read: {0}")]
    Command(BadCommand),
}

impl SecretRef {
    /// Reads a text: `env:`, `file:`, `command:`, `keychain:` or `credential:` and what it names; anything else is the
    /// secret itself. `platform` tells whose quoting rules a command follows.
    ///
    /// # Errors
    /// [`BadReference`].
    pub fn parse(text: &str, platform: Platform) -> Result<Self, BadReference> {
        let text = text.trim();
        let Some((kind, named)) = text.split_once(':').and_then(|(kind, named)| Some((known(kind)?, named.trim())))
        else {
            return if text.is_empty() { Err(BadReference::Empty) } else { Ok(Self::Literal(Secret::new(text))) };
        };
        if named.is_empty() {
            return Err(BadReference::Nameless(kind));
        }
        if named.contains(char::is_control) {
            return Err(BadReference::Character);
        }
        Ok(match kind {
            "env" => Self::Env(named.to_owned()),
            "file" => Self::File(named.into()),
            "command" => Self::Command(split(named, platform).map_err(BadReference::Command)?),
            "keychain" => Self::Keychain(named.to_owned()),
            _ if named.contains(['/', '\\']) || named.starts_with('.') => return Err(BadReference::CredentialName),
            _ => Self::Credential(named.to_owned()),
        })
    }

    /// What stands before the colon; `None` for a literal.
    pub const fn kind(&self) -> Option<&'static str> {
        match self {
            Self::Literal(_) => None,
            Self::Env(_) => Some("env"),
            Self::File(_) => Some("file"),
            Self::Command(_) => Some("command"),
            Self::Keychain(_) => Some("keychain"),
            Self::Credential(_) => Some("credential"),
        }
    }
}

fn known(kind: &str) -> Option<&'static str> {
    ["env", "file", "command", "keychain", "credential"].into_iter().find(|known| *known == kind)
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = match self {
            Self::Literal(_) => return f.write_str("(hidden)"),
            Self::Env(name) | Self::Keychain(name) | Self::Credential(name) => text::clean(name, 100),
            Self::File(path) => crate::origin::shown(path),
            // Arguments may hold secrets of their own.
            Self::Command(words) => {
                let program = words.first().map_or("", String::as_str);
                text::clean(program, 100) + if words.len() > 1 { " …" } else { "" }
            }
        };
        write!(f, "{}:{named}", self.kind().unwrap_or_default())
    }
}

impl fmt::Debug for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretRef({self})")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<SecretRef, BadReference> {
        SecretRef::parse(text, Platform::Unix)
    }

    #[test]
    fn each_kind_is_read() {
        for (text, meant, shown) in [
            ("env:GW_TOKEN", SecretRef::Env("GW_TOKEN".to_owned()), "env:GW_TOKEN"),
            (" file: /run/secrets/t ", SecretRef::File("/run/secrets/t".into()), "file:/run/secrets/t"),
            (
                "command:op read 'op://Work/gw token'",
                SecretRef::Command(["op", "read", "op://Work/gw token"].map(str::to_owned).into()),
                "command:op …",
            ),
            ("keychain:culvert/git", SecretRef::Keychain("culvert/git".to_owned()), "keychain:culvert/git"),
            ("credential:token", SecretRef::Credential("token".to_owned()), "credential:token"),
            ("environment:x", SecretRef::Literal(Secret::new("environment:x")), "(hidden)"),
            ("hunter2", SecretRef::Literal(Secret::new("hunter2")), "(hidden)"),
        ] {
            assert_eq!(parse(text), Ok(meant.clone()), "{text}");
            assert_eq!(meant.to_string(), shown);
            assert_eq!(format!("{meant:?}"), format!("SecretRef({shown})"));
        }
    }

    #[test]
    fn what_names_nothing_is_refused() {
        for (text, problem) in [
            (" ", BadReference::Empty),
            ("env:", BadReference::Nameless("env")),
            ("keychain: ", BadReference::Nameless("keychain")),
            ("credential:../shadow", BadReference::CredentialName),
            ("credential:.", BadReference::CredentialName),
            ("file:a\0b", BadReference::Character),
            ("command:pass 'gw", BadReference::Command(BadCommand::Unclosed)),
            ("command:''", BadReference::Command(BadCommand::Empty)),
        ] {
            assert_eq!(parse(text), Err(problem), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_too_odd_and_no_literal_is_shown(text in "\\PC{0,40}") {
            if let Ok(SecretRef::Literal(secret)) = parse(&text) {
                prop_assert_eq!(secret.expose(), text.trim());
                prop_assert_eq!(SecretRef::Literal(secret).to_string(), "(hidden)");
            }
        }
    }
}
