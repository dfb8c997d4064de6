//! Why a configuration cannot be used: what is wrong, where it stands, and what to do.

use std::borrow::Cow;
use std::path::PathBuf;

use culvert_protocol::address::BadAddress;
use culvert_protocol::name::BadName;
use culvert_protocol::{BadLabels, Explain, text};
use culvert_tunnel::{BadHeader, BadUrl};
use thiserror::Error;

use crate::command::BadCommand;
use crate::foreign::Open;
use crate::key::Key;
use crate::origin::{Origin, Place, shown};
use crate::placeholder::BadPlaceholder;
use crate::value::BadValue;

/// Why a configuration cannot be used. No text of it repeats a secret.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// The file is not there, is no file, may not be read, or is no text.
    #[error("the configuration {} cannot be read: {detail}", shown(file))]
    Unreadable {
        /// The file as the user named it.
        file: PathBuf,
        /// What the system said, or what is wrong with its content.
        detail: String,
    },
    /// The file is no YAML or JSON.
    #[error("{at}: {detail}")]
    Syntax {
        /// Where.
        at: Place,
        /// What the parser said.
        detail: String,
    },
    /// A key that Culvert does not know.
    #[error("{at}: the key {key:?} is not known")]
    UnknownKey {
        /// Where.
        at: Place,
        /// The key, fit to be shown.
        key: String,
        /// The key that was probably meant.
        nearest: Option<&'static str>,
    },
    /// A key that is known, in a place where it means nothing, or a part of the format that is not supported yet.
    #[error("{at}: {what}")]
    Unsupported {
        /// Where.
        at: Place,
        /// What is not possible.
        what: Unsupported,
    },
    /// A value that its key cannot have.
    #[error("{origin}{}{}: {problem}", of_file(origin, *key), quoted(shown))]
    Value {
        /// Who gave it.
        origin: Origin,
        /// Whose value it is.
        key: Key,
        /// The value, fit to be shown, unless it may be a secret.
        shown: Option<String>,
        /// What is wrong with it.
        problem: BadValue,
    },
    /// A name that gateways refuse.
    #[error("{origin}{}: {problem}", of_file(origin, Key::ServerName))]
    Name {
        /// Who gave it.
        origin: Origin,
        /// Which rule it breaks.
        problem: BadName,
    },
    /// Labels that gateways would not take.
    #[error("{origin}{}: {problem}", of_file(origin, Key::Labels))]
    Labels {
        /// Who gave them.
        origin: Origin,
        /// Which rule they break.
        problem: BadLabels,
    },
    /// A placeholder that cannot be filled in.
    #[error("{origin}{}: {problem}", of_file(origin, *key))]
    Placeholder {
        /// Who gave it.
        origin: Origin,
        /// Whose value it is.
        key: Key,
        /// What is missing.
        problem: BadPlaceholder,
    },
    /// Nothing says what must be said.
    #[error("{}", missing(*key))]
    Missing {
        /// What is missing.
        key: Key,
    },
    /// A header for a local server that cannot be sent.
    #[error("{origin}{}: {problem}", of_file(origin, *key))]
    Header {
        /// Who gave it.
        origin: Origin,
        /// Which list of headers it is in.
        key: Key,
        /// What is wrong with it.
        problem: BadHeader,
    },
    /// A local server's address that is none.
    #[error("{origin}{}: {problem}", of_file(origin, *key))]
    BadServerUrl {
        /// Who gave it.
        origin: Origin,
        /// Which kind of server it is for.
        key: Key,
        /// What is wrong with it.
        problem: BadUrl,
    },
    /// A local server elsewhere without TLS.
    #[error("{origin}{}: {url} is not encrypted and is not on this machine", of_file(origin, *key))]
    PlaintextServer {
        /// Who gave it.
        origin: Origin,
        /// Which kind of server it is.
        key: Key,
        /// Where it is.
        url: String,
    },
    /// Two keys that do not go together.
    #[error("{origin}{} does not go together with {other}", of_file(origin, *key))]
    Conflict {
        /// Who gave the first.
        origin: Origin,
        /// The first.
        key: Key,
        /// The other.
        other: Key,
    },
    /// A gateway's address that is none.
    #[error("{origin}{}: {problem}", of_file(origin, Key::Gateway))]
    BadUrl {
        /// Who gave it.
        origin: Origin,
        /// What is wrong with it.
        problem: BadAddress,
    },
    /// A gateway elsewhere without TLS: whoever is on the way reads the token and every message.
    #[error("{origin}{}: {gateway} is not encrypted and is not on this machine", of_file(origin, Key::Gateway))]
    Plaintext {
        /// Who gave it.
        origin: Origin,
        /// The gateway.
        gateway: String,
    },
    /// An entry that another one stands in the way of.
    #[error("{at}: {what}")]
    Duplicate {
        /// Where.
        at: Place,
        /// What both have.
        what: Duplicate,
    },
    /// An entry of another client's file leaves something open.
    #[error("{at}: {}", open(what))]
    NeedsValue {
        /// Where.
        at: Place,
        /// What is open.
        what: Open,
    },
    /// A folder of profiles without any.
    #[error("the folder {} holds no profile", shown(folder))]
    EmptyFolder {
        /// The folder as the user named it.
        folder: PathBuf,
    },
    /// A command that cannot be split into words.
    #[error("{origin}{}: the command cannot be read: {problem}", of_file(origin, Key::LocalStdio))]
    Command {
        /// Who gave it.
        origin: Origin,
        /// What is wrong with it.
        problem: BadCommand,
    },
}

/// What of an entry another one has already.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Duplicate {
    /// Both would displace each other there for ever.
    #[error("{name:?} is registered at {gateway} already by {first}")]
    Name {
        /// The name.
        name: String,
        /// The gateway.
        gateway: String,
        /// The other entry.
        first: Place,
    },
    /// Two profiles cannot be told apart.
    #[error("the id is that of {first} already")]
    Id {
        /// The other entry.
        first: Place,
    },
}

/// What a configuration file asks for in vain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Unsupported {
    /// The file of another program.
    #[error("a file with mcpServers is JSON")]
    McpServers,
    /// A key for the whole process inside a `servers:` entry.
    #[error("the key {0} belongs at the top level of the file, not to one server")]
    InEntry(Key),
    /// A key for one server beside a list of servers.
    #[error("the key {0} belongs to one server, and the file lists its servers")]
    BesideServers(Key),
    /// A flag for one server beside a list of servers.
    #[error("the file lists its servers, so {0} has no server that it belongs to")]
    FlagBesideServers(&'static str),
}

impl Explain for ConfigError {
    fn code(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "config.unreadable",
            Self::Syntax { .. } => "config.syntax",
            Self::UnknownKey { .. } => "config.unknown_key",
            Self::Unsupported { .. } => "config.unsupported",
            Self::Value { .. }
            | Self::Name { .. }
            | Self::Labels { .. }
            | Self::Placeholder { .. }
            | Self::Header { .. }
            | Self::BadServerUrl { .. } => "config.value",
            Self::PlaintextServer { .. } => "config.plaintext",
            Self::Missing { .. } => "config.missing",
            Self::Conflict { .. } => "config.conflict",
            Self::Duplicate { .. } => "config.duplicate",
            Self::EmptyFolder { .. } => "config.empty",
            Self::NeedsValue { .. } => "config.needs_value",
            Self::BadUrl { .. } => "gateway.bad_url",
            Self::Plaintext { .. } => "gateway.plaintext",
            Self::Command { .. } => "command.invalid",
        }
    }

    fn action(&self) -> Cow<'static, str> {
        let fixed = match self {
            Self::Unreadable { .. } => "Check the path after --config, and that this user may read the file.",
            Self::Syntax { .. } => "Correct the file at that line and column.",
            Self::UnknownKey { nearest: Some(nearest), .. } => {
                return Cow::Owned(format!("Did you mean {nearest}?"));
            }
            Self::UnknownKey { nearest: None, .. } => return Cow::Owned(format!("Known keys: {}.", known_keys())),
            Self::Unsupported { what: Unsupported::McpServers, .. } => {
                "Write it as JSON, or list the servers with servers."
            }
            Self::Unsupported { what: Unsupported::InEntry(_), .. } => "Move it to the top level.",
            Self::Unsupported { .. } => "Write it into the server's entry.",
            Self::Value { key: Key::Token, problem: BadValue::NotAToken, .. } => {
                "Check where the token was copied from."
            }
            Self::Value { problem: BadValue::LiteralHeader | BadValue::NotHeader, .. } => {
                "Put the value into a variable or a file: --local-header NAME=env:VARIABLE, --local-header NAME=file:PATH."
            }
            Self::Conflict { .. } => "Leave one of the two out.",
            Self::Duplicate { what: Duplicate::Name { .. }, .. } => {
                "Give one of the two another name, or another gateway."
            }
            Self::Duplicate { what: Duplicate::Id { .. }, .. } => {
                "Remove the line with the id from the file that was copied."
            }
            Self::NeedsValue { what: Open::Variable(_), .. } => "Set the variable, or write its value out.",
            Self::NeedsValue { .. } => "Write the value out.",
            Self::EmptyFolder { .. } => "Put profiles into it, in files that end in .yaml, .yml or .json.",
            Self::Value { origin, .. }
            | Self::Name { origin, .. }
            | Self::Labels { origin, .. }
            | Self::Header { origin, .. } => {
                return Cow::Owned(format!("Correct the value of {}.", where_to(origin)));
            }
            Self::Placeholder { .. } => "Set the variable, or write the text out.",
            Self::Missing { key: Key::LocalStdio } => {
                "Give --local-stdio \"COMMAND\" (or --local-streamable-http URL), or write local_stdio into the file named by --config."
            }
            Self::Missing { key: Key::Gateway } => {
                "Give --gateway URL, set REVERSE_PROXY_GATEWAY, or write gateway into the file named by --config."
            }
            Self::Missing { .. } => "Give it as a flag or in a file named by --config.",
            Self::BadUrl { problem: BadAddress::Credentials | BadAddress::Query, .. } => {
                "Give the bare URL, and the token with REVERSE_PROXY_TOKEN."
            }
            Self::BadUrl { .. } => "Write it as https://gateway.example.com, with a port or a path if it has one.",
            Self::BadServerUrl { problem: BadUrl::Credentials, .. } => {
                "Give the bare URL, and credentials with --local-header (local_headers)."
            }
            Self::BadServerUrl { .. } => "Write it as http://127.0.0.1:8000/mcp.",
            Self::Plaintext { .. } | Self::PlaintextServer { .. } => {
                "Use https://. Only where the network itself is trusted: --allow-plaintext (allow_plaintext: true)."
            }
            Self::Command { .. } => "Write it as you would type it in a shell, with matching quotes.",
        };
        Cow::Borrowed(fixed)
    }
}

/// The key, where the origin does not name it already.
fn of_file(origin: &Origin, key: Key) -> String {
    match origin {
        Origin::File(_) => format!(": {key}"),
        Origin::Flag(_) | Origin::Variable(_) => String::new(),
    }
}

fn quoted(shown: &Option<String>) -> String {
    shown.as_ref().map_or_else(String::new, |shown| format!(" {shown:?}"))
}

fn where_to(origin: &Origin) -> String {
    match origin {
        Origin::Flag(name) => (*name).to_owned(),
        Origin::Variable(name) => format!("the environment variable {name}"),
        Origin::File(place) => format!("the key at {place}"),
    }
}

fn missing(key: Key) -> &'static str {
    match key {
        Key::LocalStdio => "no local server: nothing says which command to run",
        Key::Gateway => "no gateway: nothing says where to register",
        _ => "a needed value is missing",
    }
}

fn open(what: &Open) -> String {
    match what {
        Open::Variable(name) => format!("the environment variable {} is not set", text::clean(name, 80)),
        Open::Input(name) => {
            let name = text::clean(name, 80);
            format!("${{input:{name}}} stands for something that only its own client knows")
        }
        Open::Place(name) => {
            format!("${{{}}} stands for something that only its own client knows", text::clean(name, 80))
        }
    }
}

fn known_keys() -> String {
    Key::ALL.map(Key::name).join(", ")
}
