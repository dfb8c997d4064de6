//! The ways in which the command line names the bearer token, and the one line of stdin that may be it.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, BufRead as _, BufReader, IsTerminal as _, Read};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use clap::Args;
use culvert_profiles::{Key, Origin, Platform, SecretRef, Sourced};
use culvert_protocol::{Explain, Secret};

use crate::args::{TokenText, about};

/// The longest line that is read from stdin, in bytes: as much as any secret has.
const LONGEST: u64 = 64 << 10;

/// How long whoever writes to stdin may take: a password store may ask for a touch or a passphrase first.
const PATIENCE: Duration = Duration::from_secs(120);

/// The token, at most one of these.
#[derive(Debug, Clone, Default, Args)]
#[group(multiple = false)]
pub(crate) struct TokenFlags {
    #[arg(long, value_name = "TOKEN", allow_hyphen_values = false, help_heading = "Gateway", help = about(
        Key::Token,
        "The bearer token for the gateway; better env:NAME, file:PATH, keychain:NAME, command:…, credential:NAME, or - for stdin"
    ))]
    token: Option<TokenText>,

    /// Read the token from this file, and again when it changes
    #[arg(long, value_name = "FILE", help_heading = "Gateway")]
    token_file: Option<String>,

    /// Read the token from the first line of stdin
    #[arg(long, help_heading = "Gateway")]
    token_stdin: bool,

    /// The same for a token that stood after --token when this process began: see `handover`
    #[arg(long = HANDED_OVER, hide = true)]
    handed_over: bool,

    /// What stdin held.
    #[arg(skip)]
    read: Option<Secret>,
}

/// The flag by which a process tells itself that its token is on stdin now.
pub(crate) const HANDED_OVER: &str = "token-handed-over";

/// Why stdin gives no token.
#[derive(Debug)]
pub(crate) enum NoToken {
    /// Somebody would type it in plain sight.
    Terminal,
    /// Nothing came.
    Silent,
    /// It has no first line, or one of blanks.
    Empty,
    /// The line is no token.
    NotAToken,
    /// Reading failed.
    Unreadable(io::Error),
}

impl fmt::Display for NoToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Terminal => f.write_str("the token would be typed on the terminal, in plain sight"),
            Self::Silent => write!(f, "no token came on stdin within {} s", PATIENCE.as_secs()),
            Self::Empty => f.write_str("there is no token on stdin"),
            Self::NotAToken => {
                f.write_str("the first line on stdin is no token: one is made of visible ASCII characters")
            }
            Self::Unreadable(error) => write!(f, "stdin cannot be read: {error}"),
        }
    }
}

impl Explain for NoToken {
    fn code(&self) -> &'static str {
        "token.stdin"
    }

    fn action(&self) -> Cow<'static, str> {
        match self {
            Self::NotAToken => "Check what is written to stdin.",
            _ => "Pipe it in, as in: pass show gateway | culvert run --token-stdin …, or use --token-file.",
        }
        .into()
    }
}

impl TokenFlags {
    /// The token, if it stands in the arguments as it is.
    pub(crate) fn literal(&self) -> Option<&Secret> {
        let token = &self.token.as_ref()?.0;
        let parsed = SecretRef::parse(token.expose(), Platform::here());
        (matches!(parsed, Ok(SecretRef::Literal(_))) && !self.wants_stdin()).then_some(token)
    }

    fn wants_stdin(&self) -> bool {
        self.token_stdin || self.handed_over || self.token.as_ref().is_some_and(|token| token.0.expose() == "-")
    }

    /// Reads stdin, if the token is there.
    ///
    /// # Errors
    /// [`NoToken`], after two minutes at the latest.
    pub(crate) fn settle(&mut self) -> Result<(), NoToken> {
        if self.wants_stdin() {
            self.read = Some(from_stdin()?);
        }
        Ok(())
    }

    /// What it comes to as a setting.
    pub(crate) fn setting(&self) -> Option<Sourced<Secret>> {
        let from = |secret, flag| Some(Sourced::new(secret, Origin::Flag(flag)));
        match (&self.read, &self.token_file, &self.token) {
            (Some(read), ..) if self.token_stdin => from(read.clone(), "--token-stdin"),
            (Some(read), ..) if !self.handed_over => from(read.clone(), "--token -"),
            (Some(read), ..) => from(read.clone(), "--token"),
            (None, Some(file), _) => from(Secret::new(format!("file:{file}")), "--token-file"),
            (None, None, Some(token)) => from(token.0.clone(), "--token"),
            (None, None, None) => None,
        }
    }
}

/// The first line of stdin, which must be a token.
///
/// # Errors
/// [`NoToken`], after two minutes at the latest.
pub(crate) fn from_stdin() -> Result<Secret, NoToken> {
    if io::stdin().is_terminal() {
        return Err(NoToken::Terminal);
    }
    // Reading cannot be given up, waiting for it can; the thread ends with the process.
    let (sender, line) = mpsc::sync_channel(1);
    let reading = thread::Builder::new().name("stdin".to_owned()).spawn(move || {
        let _ = sender.send(first_line(io::stdin()));
    });
    reading.map_err(NoToken::Unreadable)?;
    line.recv_timeout(PATIENCE).unwrap_or(Err(NoToken::Silent))
}

/// The first line, which must be a token and no reference to one.
fn first_line(input: impl Read) -> Result<Secret, NoToken> {
    let mut line = String::new();
    let mut input = BufReader::new(input.take(LONGEST));
    input.read_line(&mut line).map_err(|error| match error.kind() {
        io::ErrorKind::InvalidData => NoToken::NotAToken,
        _ => NoToken::Unreadable(error),
    })?;
    let token = Secret::new(line);
    match SecretRef::parse(token.expose(), Platform::here()) {
        _ if token.is_empty() => Err(NoToken::Empty),
        Ok(SecretRef::Literal(_)) if token.expose().bytes().all(|byte| byte.is_ascii_graphic()) => Ok(token),
        _ => Err(NoToken::NotAToken),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_is_the_token_and_nothing_else_is() {
        let read = |text: &str| first_line(text.as_bytes()).map(|token| token.expose().to_owned());
        assert_eq!(read("hunter2\nmore\n").unwrap(), "hunter2");
        assert_eq!(read("  hunter2\r\n").unwrap(), "hunter2");
        assert_eq!(read("hunter2").unwrap(), "hunter2");
        for text in ["", "\n", "  \nhunter2\n"] {
            assert!(matches!(read(text), Err(NoToken::Empty)), "{text:?}");
        }
        for text in ["Bearer hunter2\n", "file:/etc/passwd\n", "hünter\n"] {
            assert!(matches!(read(text), Err(NoToken::NotAToken)), "{text:?}");
        }
        assert!(matches!(first_line(&b"\xff\xfe\n"[..]), Err(NoToken::NotAToken)));
        assert_eq!(first_line(io::repeat(b'x')).unwrap().expose().len(), 64 << 10);
    }

    #[test]
    fn only_a_literal_must_leave_the_arguments() {
        let given = |text: &str| TokenFlags { token: Some(text.to_owned().into()), ..TokenFlags::default() };
        assert_eq!(given("hunter2").literal(), Some(&Secret::new("hunter2")));
        for text in ["-", "env:T", "file:/t", "keychain:t", "command:pass t", "credential:t", ""] {
            assert_eq!(given(text).literal(), None, "{text}");
        }
        let over = TokenFlags { handed_over: true, read: Some(Secret::new("t")), ..TokenFlags::default() };
        assert_eq!(over.setting().map(|token| token.origin), Some(Origin::Flag("--token")));
    }
}
