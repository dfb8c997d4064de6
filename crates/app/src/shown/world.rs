//! What is so: profiles, tunnels, and the app around them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
#[cfg(test)]
use ts_rs::TS;

use super::{Explained, OptionKey, ProfileId, Switch, Time};

/// The icon's four shapes; also a profile's state in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(TS))]
#[serde(rename_all = "camelCase")]
pub enum Mark {
    /// Not wanted.
    Off,
    /// On its way up, or down for now.
    Connecting,
    /// All is well.
    Online,
    /// Something needs the user.
    Attention,
}

/// How the local server behind a tunnel is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(TS))]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum ServerState {
    /// It has answered within the last minute.
    Ready,
    /// It was not asked yet.
    Unprobed,
    /// It ended by itself and is being started again.
    Restarting {
        /// Why it ended.
        cause: Explained,
    },
    /// It runs and does not answer.
    Silent {
        /// What to know about that.
        cause: Explained,
    },
}

/// What carries a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(TS))]
#[serde(rename_all = "camelCase")]
pub enum Transport {
    /// WebSocket.
    Ws,
    /// SSE and POST.
    Sse,
}

/// The state of one profile's tunnel to one gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(TS))]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Status {
    /// Not wanted.
    Off,
    /// The local server is being started.
    Starting {
        /// Since when.
        since: Time,
    },
    /// The gateway is being dialled.
    Connecting,
    /// The gateway registers the server.
    Registering,
    /// Registered.
    Online {
        /// Since when.
        since: Time,
        /// What carries the link.
        transport: Transport,
        /// Rounded by the back end to steps that matter.
        round_trip_ms: Option<u32>,
        /// Whether the local server answers.
        server: ServerState,
        /// How many tools it listed.
        tools: Option<u32>,
        /// One entry a session; empty on gateways that do not tell.
        in_use_by: Vec<String>,
        /// What needs attention although it is online.
        notices: Vec<Explained>,
        /// Where MCP clients find it; null where the gateway routes no calls.
        url: Option<String>,
    },
    /// A try failed; another follows.
    Waiting {
        /// How many have failed in a row.
        attempt: u32,
        /// When the next one begins.
        retry_at: Time,
        /// Why the last one failed.
        cause: Explained,
    },
    /// On its way to its end.
    Stopping,
    /// Ended; only the user can change it.
    Stopped {
        /// Why, unless the user asked for it.
        cause: Option<Explained>,
    },
}

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
    },
    /// A server by address.
    Url {
        /// The address.
        url: String,
        /// What every request carries besides.
        headers: Vec<ShownPair>,
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

/// The app's own gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(TS))]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Gateway {
    /// Switched off.
    Off,
    /// On its way up.
    Starting,
    /// It listens.
    On {
        /// Where.
        address: String,
    },
    /// Switched on, and it does not run.
    Failed {
        /// Why.
        cause: Explained,
    },
}

/// How it stands with the keychain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(TS))]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Keychain {
    /// It gives what it is asked for, or was asked for nothing yet.
    Ready,
    /// It waits for its password.
    Locked,
    /// Its user is being asked.
    Unlocking,
    /// There is none.
    Missing {
        /// In words.
        why: Explained,
    },
}

/// Whether the icon is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(TS))]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Tray {
    /// It is.
    Shown,
    /// It is not.
    Absent {
        /// Why.
        why: Explained,
    },
}

/// What the user chose for the app.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(TS))]
#[serde(rename_all = "camelCase")]
pub struct Settings {
    /// Whether the app is started, hidden, when its user logs in.
    pub launch_at_login: Switch,
    /// Whether the desktop is told what needs the user.
    pub notifications: Switch,
}

/// All that can change while the window is open; sent whole, at most every 100 ms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(TS))]
#[serde(rename_all = "camelCase")]
pub struct World {
    /// By name.
    pub profiles: Vec<Profile>,
    /// The app's own gateway.
    pub gateway: Gateway,
    /// Where it listens, or would.
    pub gateway_port: u16,
    /// How it stands with the keychain.
    pub keychain: Keychain,
    /// Whether the icon is there.
    pub tray: Tray,
    /// What the user chose.
    pub settings: Settings,
}

/// The systems that differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(TS))]
#[serde(rename_all = "camelCase")]
pub enum Platform {
    /// Linux, and what else follows freedesktop.org.
    Linux,
    /// macOS.
    Macos,
    /// Windows.
    Windows,
}

impl Platform {
    /// The one that this was built for.
    pub const fn here() -> Self {
        if cfg!(windows) {
            Self::Windows
        } else if cfg!(target_os = "macos") {
            Self::Macos
        } else {
            Self::Linux
        }
    }
}

/// What stays the same while the app runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(TS))]
#[serde(rename_all = "camelCase")]
pub struct Facts {
    /// The app's.
    pub version: String,
    /// The system.
    pub platform: Platform,
    /// The options' defaults, as text.
    pub defaults: BTreeMap<OptionKey, String>,
    /// The command of "Try it".
    pub try_command: String,
}
