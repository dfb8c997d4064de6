//! What the programs in `clients` print: what came of a plan.

use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Findings {
    pub(crate) sessions: Vec<Session>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Session {
    /// What the server calls itself.
    pub(crate) server: Option<String>,
    /// The revision that was agreed on.
    pub(crate) protocol: Option<String>,
    /// Names, sorted.
    pub(crate) tools: Vec<String>,
    pub(crate) calls: Vec<Call>,
    /// Why the session could not be had.
    pub(crate) refused: Option<String>,
    /// What went wrong when it was closed, all calls being done.
    pub(crate) closed_by: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Call {
    /// The tool's own `isError`.
    pub(crate) failed: bool,
    /// How its text begins.
    pub(crate) text: String,
    /// How long it is.
    pub(crate) bytes: usize,
    pub sha256: String,
    /// How far, of how much, in the order in which the client was told.
    pub(crate) progress: Vec<(f64, Option<f64>)>,
    /// An error instead of a result.
    pub(crate) raised: Option<String>,
    /// The client gave the call up.
    pub(crate) cancelled: bool,
}
