//! A profile as the editor holds it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
#[cfg(test)]
use ts_rs::TS;

use super::{OptionKey, Pair, PairValue, ProfileId, SecretField};

/// The local server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(TS))]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum LocalServer {
    /// As one would type it.
    CommandLine {
        /// The line.
        line: String,
        /// Variables beyond what it inherits.
        environment: Vec<Pair>,
        /// The folder that it runs in; may be empty.
        folder: String,
    },
    /// A program and its arguments, literally.
    Command {
        /// The program.
        program: String,
        /// Its arguments.
        arguments: Vec<String>,
        /// Variables beyond what it inherits.
        environment: Vec<Pair>,
        /// The folder that it runs in; may be empty.
        folder: String,
    },
    /// By address.
    StreamableHttp {
        /// The address.
        url: String,
        /// What every request carries besides.
        headers: Vec<Pair>,
        /// What of callers it may be handed.
        forward_auth: ForwardAuth,
    },
    /// By address, of the older HTTP with SSE.
    Sse {
        /// The address.
        url: String,
        /// What every request carries besides.
        headers: Vec<Pair>,
        /// What of callers it may be handed.
        forward_auth: ForwardAuth,
    },
}

/// Which headers of callers the local server may be handed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(TS))]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum ForwardAuth {
    /// None.
    None,
    /// Those of these names.
    Headers {
        /// The names.
        names: Vec<String>,
    },
}

/// A gateway of a profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(TS))]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum GatewayField {
    /// The app's own.
    BuiltIn,
    /// Without a token of its own it gets the profile's.
    Url {
        /// Its address.
        url: String,
        /// Its own token.
        own_token: Option<SecretField>,
    },
}

/// Whether it starts with Culvert: as it was when last seen, always, never.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(TS))]
#[serde(rename_all = "camelCase")]
pub enum Start {
    /// As it was when last seen.
    Last,
    /// In any case.
    Always,
    /// Only when asked for.
    Never,
}

/// What tells a profile from others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(TS))]
pub struct Label {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// Which tools pass, by names or patterns.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(TS))]
pub struct ToolsField {
    /// Only these; null: all.
    pub only: Option<Vec<String>>,
    /// Not these, be they among the others or not.
    pub never: Vec<String>,
}

/// A profile as the editor holds it: text as typed, right or wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(TS))]
#[serde(rename_all = "camelCase")]
pub struct Draft {
    /// null: not saved yet.
    pub id: Option<ProfileId>,
    /// The name, with placeholders as typed.
    pub name: String,
    /// The local server.
    pub server: LocalServer,
    /// Where it is shared.
    pub gateways: Vec<GatewayField>,
    /// For gateways without one of their own.
    pub token: SecretField,
    /// Whether it starts with Culvert.
    pub start: Start,
    /// What tells it from others.
    pub labels: Vec<Label>,
    /// Which tools pass, by their names.
    pub tools: ToolsField,
    /// The proxy's address. One with a password in it is a secret, and goes to the keychain with Save even from here.
    pub proxy: PairValue,
    /// What the client certificate's key is encrypted with.
    pub client_key_passphrase: SecretField,
    /// Options that are not at their defaults.
    pub options: BTreeMap<OptionKey, String>,
}
