//! A profile and its tunnels, as they are.

use serde::{Deserialize, Serialize};
#[cfg(test)]
use ts_rs::TS;

use super::{Explained, Mark, ProfileId, Status, Switch, Time};

/// A process of a local server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(TS))]
#[serde(rename_all = "camelCase")]
pub struct Process {
    /// Its id.
    pub pid: u32,
    /// What it and its descendants hold of the machine's memory.
    #[cfg_attr(test, ts(type = "number"))]
    pub memory_bytes: u64,
    /// Whose session it serves, where that is known.
    pub session: Option<String>,
}

/// One profile's way to one gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(TS))]
#[serde(rename_all = "camelCase")]
pub struct Tunnel {
    /// Host and port, for people.
    pub gateway: String,
    /// The address as configured, without anything secret.
    pub url: String,
    /// Whether it is the app's own gateway.
    pub built_in: bool,
    /// How it is.
    pub status: Status,
    /// The local server's processes that belong to it.
    pub processes: Vec<Process>,
    /// Its own; null: the profile's.
    pub own_token: Option<Token>,
}

/// Where a token is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(TS))]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum TokenPlace {
    /// There is none.
    None,
    /// The app's own gateway takes the app's own token.
    BuiltIn,
    /// In the system's keychain.
    Keychain,
    /// In a variable.
    Environment {
        /// Its name.
        variable: String,
    },
    /// In a file.
    File {
        /// Its path.
        path: String,
    },
    /// A program prints it.
    Command {
        /// The program, without its arguments.
        command: String,
    },
    /// One of systemd's credentials.
    Credential {
        /// Its name.
        name: String,
    },
    /// Written out in the file.
    Literal,
}

/// What is known of a token without showing it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(TS))]
#[serde(rename_all = "camelCase")]
pub struct Token {
    /// Where it is kept.
    pub place: TokenPlace,
    /// When it ends, if it does and that is known.
    pub expires: Option<Time>,
}

/// A command in full, as it would run: shown before anybody agrees to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(TS))]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum WholeCommand {
    /// A program on this machine.
    Command {
        /// The words as a shell would quote them.
        line: String,
        /// The folder that it runs in.
        folder: Option<String>,
        /// Its variables, beyond what it inherits.
        environment: Vec<ShownPair>,
        /// What runs besides, to print its secrets.
        #[serde(default)]
        programs: Vec<String>,
    },
    /// A server by address.
    Url {
        /// The address.
        url: String,
        /// What every request carries besides.
        headers: Vec<ShownPair>,
        /// What runs besides, to print its secrets.
        #[serde(default)]
        programs: Vec<String>,
    },
}

/// A variable or a header. A secret's value is left out: null.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(TS))]
pub struct ShownPair {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: Option<String>,
}

/// What needs the user, most urgent first; the window shows it in place of the second line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(TS))]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Problem {
    /// A token has to be replaced.
    Token {
        /// What is wrong with it.
        why: Explained,
        /// The URL of the gateway whose own token it is; null: the profile's.
        gateway: Option<String>,
    },
    /// The keychain waits for its password.
    KeychainLocked {
        /// In words.
        why: Explained,
    },
    /// There is no keychain.
    KeychainMissing {
        /// In words.
        why: Explained,
    },
    /// The command is another one than the user agreed to.
    CommandChanged {
        /// What the user agreed to.
        before: WholeCommand,
        /// What the file says now.
        now: WholeCommand,
        /// What agreeing to the new one takes.
        fingerprint: String,
    },
    /// The file cannot be read.
    BrokenFile {
        /// Which.
        path: String,
        /// Counted from 1; 0 when unknown.
        line: u32,
        /// Counted from 1; 0 when unknown.
        column: u32,
        /// In words.
        why: Explained,
    },
    /// Tools are new or have changed, and wait for a decision.
    ToolsHeld {
        /// In words.
        why: Explained,
    },
    /// Anything else.
    Other {
        /// In words.
        why: Explained,
    },
}

/// How often a profile was called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(TS))]
#[serde(rename_all = "camelCase")]
pub struct Calls {
    /// In the last 24 hours.
    pub today: u32,
    /// How many of them ended with an error.
    pub errors: u32,
    /// By hour, the oldest first.
    pub by_hour: Vec<u32>,
}

/// One profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(TS))]
#[serde(rename_all = "camelCase")]
pub struct Profile {
    /// What it is known by.
    pub id: ProfileId,
    /// The name that it registers.
    pub name: String,
    /// What the user asked for.
    pub wanted: Switch,
    /// How it is, as a shape.
    pub mark: Mark,
    /// The tray's words: "online, 12 ms", "token rejected".
    pub words: String,
    /// The same without figures: said aloud when it changes.
    pub said: String,
    /// Its worst wanted tunnel's.
    pub status: Status,
    /// What needs the user.
    pub problem: Option<Problem>,
    /// The local server as one line: its command or URL.
    pub server: String,
    /// One for each gateway.
    pub tunnels: Vec<Tunnel>,
    /// The profile's own.
    pub token: Token,
    /// How often it was called.
    pub calls: Calls,
    /// Shared for a while: when that ends.
    pub shared_until: Option<Time>,
    /// Where it is saved.
    pub file: ProfileFile,
}

/// Whether the app may write the file that a profile is in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(TS))]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum ProfileFile {
    /// It may.
    Own,
    /// Written by hand for several servers, or another program's: only its author changes it.
    Foreign {
        /// Which.
        path: String,
    },
}
