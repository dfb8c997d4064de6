//! The tools of a profile's local server, and what its user decides about them.

use serde::{Deserialize, Serialize};
#[cfg(test)]
use ts_rs::TS;

use super::Switch;

/// What passes of a profile's local server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(TS))]
#[serde(rename_all = "camelCase")]
pub struct Tools {
    /// Whether the local server has listed them since it was started.
    pub known: bool,
    /// By name; 2000 at most.
    pub tools: Vec<Tool>,
    /// How many more there are.
    pub more: u32,
    /// What tools may do.
    pub preset: Preset,
    /// Whether some pass by name, or do not.
    pub named: bool,
    /// Whether prompts pass.
    pub prompts: Switch,
    /// Whether resources pass.
    pub resources: Switch,
    /// Whether tools that are new or have changed wait for a decision.
    pub hold_changed: Switch,
}

/// What tools may do, by their own word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(TS))]
#[serde(rename_all = "camelCase")]
pub enum Preset {
    /// Anything.
    Anything,
    /// Only those pass that say that they only read.
    OnlyRead,
}

/// A tool of a local server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(TS))]
#[serde(rename_all = "camelCase")]
pub struct Tool {
    /// What a decision names; not to be shown.
    pub name: String,
    /// Its name, fit to be shown.
    pub shown: String,
    /// What people call it.
    pub title: Option<String>,
    /// What it says that it does.
    pub description: Option<String>,
    /// What it says of its effects.
    pub effect: Effect,
    /// What a decision about it as it is now refers to.
    pub digest: String,
    /// Whether it passes.
    pub state: ToolState,
}

/// What a tool says of its effects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(TS))]
#[serde(rename_all = "camelCase")]
pub enum Effect {
    /// It only reads.
    Reads,
    /// It changes something.
    Writes,
    /// It may destroy something.
    Destroys,
    /// Nothing.
    Unsaid,
}

/// Whether a tool passes, and by which rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(TS))]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum ToolState {
    /// It does.
    Passes,
    /// Only others do.
    NotAmong,
    /// It is switched off by its name, or by a pattern.
    Off {
        /// The pattern, where that is not its name.
        pattern: Option<String>,
    },
    /// Only those pass that say that they only read, and it does not.
    NotReading,
    /// It is new or has changed, and waits for a decision.
    Held {
        /// Whether there is a decision: to keep it blocked.
        decided: Decided,
        /// Whether nothing was approved under its name.
        is_new: bool,
        /// What has changed; of a new one, all that it says.
        changes: Vec<ToolChange>,
    },
}

/// Whether a held tool still needs its user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(TS))]
#[serde(rename_all = "camelCase")]
pub enum Decided {
    /// It does.
    NotYet,
    /// It stays blocked for as long as it is as now.
    KeptBlocked,
}

/// A part of a tool that has changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(TS))]
pub struct ToolChange {
    /// Which.
    pub part: ToolPart,
    /// What was approved; null: there was nothing.
    pub old: Option<String>,
    /// What it says now.
    pub new: Option<String>,
}

/// A part of what a tool says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(TS))]
#[serde(rename_all = "camelCase")]
pub enum ToolPart {
    /// What people call it.
    Title,
    /// What it says that it does.
    Description,
    /// What it takes.
    Takes,
    /// What it gives.
    Gives,
    /// What it says of its effects.
    Effects,
    /// All of it.
    Whole,
}

/// What a profile's user wants of its tools.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(TS))]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum ToolsWish {
    /// One tool to pass, or not.
    Tool {
        /// Which.
        name: String,
        /// Whether.
        wanted: Switch,
    },
    /// All to pass, whatever their names.
    AllNames,
    /// Tools to do no more than this.
    Preset {
        /// This.
        preset: Preset,
    },
    /// Prompts to pass, or not.
    Prompts {
        /// Whether.
        wanted: Switch,
    },
    /// Resources to pass, or not.
    Resources {
        /// Whether.
        wanted: Switch,
    },
    /// Tools that change to wait for a decision, or not.
    HoldChanged {
        /// Whether.
        wanted: Switch,
    },
}

/// A decision about a held tool as it was shown, and about no other.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(TS))]
pub struct ToolDecision {
    /// The tool's name.
    pub name: String,
    /// What it was shown with.
    pub digest: String,
    /// What is to become of it.
    pub decision: Decision,
}

/// What becomes of a held tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(TS))]
#[serde(rename_all = "camelCase")]
pub enum Decision {
    /// It passes as it is now.
    Approve,
    /// It stays blocked for as long as it is as now.
    KeepBlocked,
}
