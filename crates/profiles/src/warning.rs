//! What is allowed and had better be otherwise.

use std::borrow::Cow;
use std::fmt;

use culvert_protocol::Explain;
use culvert_tunnel::Notice;

use crate::origin::{Origin, Place};

/// Something about a configuration that works and deserves a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Warning {
    /// The token is part of the command line.
    TokenInArguments,
    /// The token stands in a file as it is.
    TokenInFile(Place),
    /// The value of a header for the local server stands in a file as it is.
    HeaderInFile(Place),
    /// The value of a variable that is called secret stands in a file as it is.
    VariableInFile(Place),
    /// The address of a proxy, with a password, or a passphrase stands in a file as it is.
    SecretInFile(Place),
    /// A key that says nothing there.
    Ignored {
        /// Where.
        at: Place,
        /// The key, fit to be shown.
        key: String,
    },
    /// Another program's file says that the server is switched off there.
    SwitchedOff(Place),
    /// A name that gateways would refuse, and what it became.
    Renamed {
        /// Where.
        at: Place,
        /// The name.
        name: String,
    },
    /// A gateway gets no token, because the one that there is was not given for it.
    TokenNotForIt {
        /// The gateway.
        gateway: String,
        /// Where that token is from.
        token: Origin,
    },
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
            Self::TokenInArguments => f.write_str(
                "the token was on the command line: others on this machine could see it, and shells remember it",
            ),
            Self::TokenInFile(place) => write!(f, "{place}: the token stands in the file as it is"),
            Self::HeaderInFile(place) => {
                write!(f, "{place}: the value of a header stands in the file as it is")
            }
            Self::VariableInFile(place) => {
                write!(f, "{place}: the value of a secret variable stands in the file as it is")
            }
            Self::SecretInFile(place) => write!(f, "{place}: a password or passphrase stands in the file as it is"),
            Self::Ignored { at, key } => write!(f, "{at}: the key {key:?} says nothing here"),
            Self::SwitchedOff(place) => write!(f, "{place}: the server is switched off in that file"),
            Self::Renamed { at, name } => {
                write!(f, "{at}: gateways would refuse the name; the server is registered as {name:?}")
            }
            Self::TokenNotForIt { gateway, token } => {
                write!(f, "the token of {token} is not sent to {gateway}, which the entry itself names")
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
            Self::VariableInFile(_) => "variable.in_file",
            Self::SecretInFile(_) => "secret.in_file",
            Self::Ignored { .. } => "config.ignored",
            Self::SwitchedOff(_) => "server.switched_off",
            Self::Renamed { .. } => "server.renamed",
            Self::TokenNotForIt { .. } => "token.not_for_it",
            Self::GatewayTwice(_) => "gateway.twice",
            Self::Plaintext(_) => "gateway.plaintext",
            Self::ShellSyntax(_) => "command.shell",
            Self::Notice(notice) => notice.code(),
        }
    }

    fn action(&self) -> Cow<'static, str> {
        match self {
            Self::TokenInArguments => "Set REVERSE_PROXY_TOKEN, or use --token-file instead.".into(),
            Self::TokenInFile(_) => "Set REVERSE_PROXY_TOKEN, or write token: \"env:NAME\" or \"file:PATH\".".into(),
            Self::VariableInFile(_) | Self::SecretInFile(_) => {
                "Write \"env:NAME\", \"file:PATH\" or \"keychain:NAME\" in its place.".into()
            }
            Self::Ignored { .. } => "Remove it, or write it where it is meant.".into(),
            Self::SwitchedOff(_) => "Switch it on there, or leave it as it is.".into(),
            Self::Renamed { .. } => "Give it a name of letters, digits, '_', '.', '-' and spaces.".into(),
            Self::HeaderInFile(_) => "If it is a secret, write \"env:NAME\" or \"file:PATH\" in its place.".into(),
            Self::TokenNotForIt { token: Origin::Variable(name), .. } => {
                format!("If that gateway may have it, write into the entry: token: env:{name}").into()
            }
            Self::TokenNotForIt { .. } => "If that gateway may have it, write token: into the entry.".into(),
            Self::GatewayTwice(_) => "Name each gateway once; this one gets one tunnel.".into(),
            Self::Plaintext(_) => "Use https:// where the gateway has it.".into(),
            Self::ShellSyntax(_) => "If a shell is wanted, write: sh -c '…'.".into(),
            Self::Notice(notice) => notice.action(),
        }
    }
}
