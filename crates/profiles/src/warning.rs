//! What is allowed and had better be otherwise.

use std::borrow::Cow;
use std::fmt;

use culvert_protocol::Explain;
use culvert_tunnel::Notice;

use crate::origin::Place;

/// Something about a configuration that works and deserves a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Warning {
    /// The token is part of the command line.
    TokenInArguments,
    /// The token stands in a file as it is.
    TokenInFile(Place),
    /// The value of a header for the local server stands in a file as it is.
    HeaderInFile(Place),
    /// One gateway is named twice.
    GatewayTwice(String),
    /// The gateway is reached without TLS, as asked.
    Plaintext(String),
    /// The command has a word in it that only a shell would understand.
    ShellSyntax(String),
    /// The same that the engine has to say.
    Notice(Notice),
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TokenInArguments => {
                f.write_str("the token is on the command line, where every user of this machine can see it")
            }
            Self::TokenInFile(place) => write!(f, "{place}: the token stands in the file as it is"),
            Self::HeaderInFile(place) => {
                write!(f, "{place}: the value of a header stands in the file as it is")
            }
            Self::GatewayTwice(gateway) => write!(f, "{gateway} is named twice as a gateway"),
            Self::Plaintext(gateway) => {
                write!(f, "the way to {gateway} is not encrypted: others on the network can read token and messages")
            }
            Self::ShellSyntax(word) => {
                write!(f, "the command runs without a shell: {word:?} is passed on as it is")
            }
            Self::Notice(notice) => notice.fmt(f),
        }
    }
}

impl Explain for Warning {
    fn code(&self) -> &'static str {
        match self {
            Self::TokenInArguments => "token.in_arguments",
            Self::TokenInFile(_) => "token.in_file",
            Self::HeaderInFile(_) => "header.in_file",
            Self::GatewayTwice(_) => "gateway.twice",
            Self::Plaintext(_) => "gateway.plaintext",
            Self::ShellSyntax(_) => "command.shell",
            Self::Notice(notice) => notice.code(),
        }
    }

    fn action(&self) -> Cow<'static, str> {
        match self {
            Self::TokenInArguments => "Set REVERSE_PROXY_TOKEN instead.".into(),
            Self::TokenInFile(_) => "Set REVERSE_PROXY_TOKEN, or write token: \"env:NAME\" or \"file:PATH\".".into(),
            Self::HeaderInFile(_) => "If it is a secret, write \"env:NAME\" or \"file:PATH\" in its place.".into(),
            Self::GatewayTwice(_) => "Name each gateway once; this one gets one tunnel.".into(),
            Self::Plaintext(_) => "Use https:// where the gateway has it.".into(),
            Self::ShellSyntax(_) => "If a shell is wanted, write: sh -c '…'.".into(),
            Self::Notice(notice) => notice.action(),
        }
    }
}
