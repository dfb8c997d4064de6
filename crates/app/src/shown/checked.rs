//! What is said about a profile in the editor, and what came of saving it.

use serde::{Deserialize, Serialize};
#[cfg(test)]
use ts_rs::TS;

use super::{Explained, OptionKey, ProfileId};

/// Where a finding belongs; `index` counts rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(TS))]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[allow(missing_docs)] // They are the form's fields.
pub enum Field {
    Name,
    Server,
    Argument { index: u32 },
    Pair { index: u32 },
    Folder,
    Gateway { index: u32 },
    GatewayToken { index: u32 },
    Token,
    Label { index: u32 },
    ForwardAuth { index: u32 },
    ToolAllowed { index: u32 },
    ToolDenied { index: u32 },
    Proxy,
    ClientKeyPassphrase,
    Option { key: OptionKey },
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(TS))]
#[serde(rename_all = "camelCase")]
pub enum Severity {
    /// It cannot be saved so.
    Error,
    /// It can, and had better be otherwise.
    Warning,
}

/// Something about a field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(TS))]
pub struct Finding {
    /// Which.
    pub field: Field,
    /// How bad.
    pub severity: Severity,
    /// In words.
    pub why: Explained,
}

/// How one came to look where a program was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(TS))]
#[serde(rename_all = "camelCase")]
pub enum FoundBy {
    /// The app's own `PATH`, or the path that was given.
    Path,
    /// The `PATH` of the user's login shell.
    LoginShell,
}

/// Where a command was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(TS))]
pub struct FoundProgram {
    /// Its file.
    pub path: String,
    /// How one came to look there.
    pub from: FoundBy,
}

/// What the engine's rules say of a draft.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(TS))]
#[serde(rename_all = "camelCase")]
pub struct Checked {
    /// What is wrong, or had better be otherwise.
    pub findings: Vec<Finding>,
    /// The name as it would be registered, placeholders filled in.
    pub registered_name: Option<String>,
    /// A command line as it is split, for the form with a command and its arguments.
    pub words: Option<Vec<String>>,
    /// Where the command was found, and how one came to look there.
    pub program: Option<FoundProgram>,
}

/// What becomes of a file that cannot be read when a profile is saved over it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(TS))]
#[serde(rename_all = "camelCase")]
pub enum OnBroken {
    /// Nothing is written.
    Refuse,
    /// It is kept beside the new one.
    KeepAside,
}

/// What came of saving.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(TS))]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Saved {
    /// It is saved.
    Saved {
        /// Under this id.
        id: ProfileId,
    },
    /// It is not.
    Refused {
        /// Why.
        findings: Vec<Finding>,
    },
}
