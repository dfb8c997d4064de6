//! All that is so: the profiles, and the app around them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
#[cfg(test)]
use ts_rs::TS;

use super::{Explained, OptionKey, Profile, Switch};

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
