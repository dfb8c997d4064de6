//! What happened, what was found, and what the window is told besides the world.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
#[cfg(test)]
use ts_rs::TS;

use super::{Explained, ProfileId, Time, Typed, WholeCommand, World};

/// A page of the window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(TS))]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Place {
    /// A profile's.
    Profile {
        /// Which.
        id: ProfileId,
    },
    /// Settings.
    Settings,
    /// About Culvert.
    About,
    /// Import.
    Import,
}

/// What a close that was held back is told with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(TS))]
#[serde(rename_all = "camelCase")]
pub enum Say {
    /// The first time: tunnels go on without a window.
    TunnelsStay,
    /// Only that something is unsaved.
    Nothing,
}

/// What a window is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(TS))]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Event {
    /// How everything is.
    World {
        /// All of it.
        world: Box<World>,
    },
    /// The tray or a second launch asks for a page.
    Show {
        /// Which.
        place: Place,
    },
    /// A close was held back: for what is unsaved, or, the first time, to say that tunnels stay. Then `closeWindow('now')`.
    Closing {
        /// What to say.
        say: Say,
    },
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(TS))]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Outcome {
    /// It has not.
    Running,
    /// With a result.
    Ok,
    /// Its caller did not want it any more.
    Cancelled,
    /// The profile's tool policy did not let it pass.
    Refused,
    /// With an error.
    Error {
        /// Which.
        message: String,
    },
}

/// A call of the local server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(TS))]
#[serde(rename_all = "camelCase")]
pub struct Call {
    /// Stays the same while it goes from running to its end.
    #[cfg_attr(test, ts(type = "number"))]
    pub id: u64,
    /// When it began.
    pub at: Time,
    /// Who called.
    pub caller: String,
    /// The method.
    pub method: String,
    /// The tool's or prompt's name, or the resource's URI.
    pub tool: Option<String>,
    /// How long it took.
    pub ms: Option<u32>,
    /// How it ended.
    pub outcome: Outcome,
    /// Of its request.
    #[cfg_attr(test, ts(type = "number"))]
    pub request_bytes: u64,
    /// Of its answer.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub answer_bytes: Option<u64>,
}

/// A line of the local server's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(TS))]
pub struct LogLine {
    /// Grows by one with each line.
    #[cfg_attr(test, ts(type = "number"))]
    pub seq: u64,
    /// When it was read.
    pub at: Time,
    /// What it says.
    pub text: String,
}

/// How a check stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(TS))]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum StepState {
    /// Its turn comes.
    Pending,
    /// It is under way.
    Running,
    /// All is well.
    Passed {
        /// What was seen.
        summary: String,
    },
    /// It works, and had better be otherwise.
    Warned {
        /// In words.
        why: Explained,
    },
    /// It does not work.
    Failed {
        /// In words.
        why: Explained,
    },
    /// It was not tried.
    Skipped {
        /// Why.
        because: String,
    },
}

/// One of doctor's checks. The first message lists all as pending; later ones replace by id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(TS))]
pub struct TestStep {
    /// Stays the same.
    pub id: String,
    /// What is checked.
    pub title: String,
    /// How it stands.
    pub state: StepState,
}

/// Whether an answer is shown while it is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(TS))]
#[serde(rename_all = "camelCase")]
pub enum Visibility {
    /// It is.
    Shown,
    /// It is a secret.
    Hidden,
}

/// Something a found command lacks, such as an API key that the file left as a placeholder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(TS))]
pub struct Need {
    /// What an answer names.
    pub id: String,
    /// What its app would ask, else the name of the variable.
    pub label: String,
    /// Whether the answer is a secret.
    pub visibility: Visibility,
    /// What its app would propose.
    pub proposed: Option<String>,
    /// What to choose from; any text where empty.
    pub options: Vec<String>,
}

/// Whether a found server is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(TS))]
#[serde(rename_all = "camelCase")]
pub enum Presence {
    /// It is not.
    New,
    /// A profile has its name or its command.
    Known,
}

/// A server of another app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(TS))]
pub struct FoundServer {
    /// What a choice names.
    pub key: String,
    /// Its name.
    pub name: String,
    /// The project that its app uses it in, if only one.
    pub project: Option<String>,
    /// All of it.
    pub command: WholeCommand,
    /// What it lacks.
    pub needs: Vec<Need>,
    /// Whether it is there already.
    pub presence: Presence,
    /// What is worth a word.
    pub warnings: Vec<String>,
}

/// A file of another app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(TS))]
pub struct FoundSource {
    /// Whose.
    pub app: String,
    /// Which.
    pub path: String,
    /// The servers in it.
    pub servers: Vec<FoundServer>,
    /// Why the file, or an entry of it, cannot be read.
    pub troubles: Vec<Explained>,
}

/// A choice; `values` answers its needs by their ids.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(TS))]
pub struct Pick {
    /// The file.
    pub path: String,
    /// The server's key in it.
    pub key: String,
    /// Answers; some are secrets.
    #[cfg_attr(test, ts(type = "Record<string, string>"))]
    pub values: BTreeMap<String, Typed>,
}

/// A server that was not imported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(TS))]
pub struct Refusal {
    /// Its name.
    pub name: String,
    /// Why.
    pub why: Explained,
}

/// What came of an import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(TS))]
pub struct Imported {
    /// The new profiles.
    pub ids: Vec<ProfileId>,
    /// What was not imported.
    pub refused: Vec<Refusal>,
}

/// Where an entry is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(TS))]
#[serde(rename_all = "camelCase")]
pub enum Client {
    /// A command for its command line.
    ClaudeCode,
    /// An entry of its `mcp.json`.
    Cursor,
    /// An entry of its `mcp.json`, which is another one.
    VsCode,
    /// An entry as most clients read it.
    McpJson,
    /// A command that calls it.
    Curl,
}

/// All that the page hears of what is on the clipboard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(TS))]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Copied {
    /// A call-only token is in it.
    WithToken {
        /// Its end.
        until: Time,
    },
    /// A marked place for one is in it.
    WithPlaceholder {
        /// Why.
        why: Explained,
    },
}
