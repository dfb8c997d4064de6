//! A profile as the editor holds it, and what is said about it.

use std::collections::BTreeMap;
use std::fmt;

use culvert_profiles::{Draft as Kept, Key, Shape};
use culvert_protocol::Secret;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
#[cfg(test)]
use ts_rs::TS;

use super::{Explained, ProfileId};

/// What was typed and must not be seen again: it is read, and written as nothing.
#[derive(Clone, PartialEq, Eq, Default)]
#[cfg_attr(test, derive(TS))]
pub struct Typed(#[cfg_attr(test, ts(type = "string"))] pub Secret);

impl fmt::Debug for Typed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Typed(…)")
    }
}

impl<'de> Deserialize<'de> for Typed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Secret::new(text)))
    }
}

impl Serialize for Typed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("")
    }
}

/// A secret in a form. What is saved shows only where it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(TS))]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum SecretField {
    /// There is none.
    None,
    /// In the keychain; stays as it is.
    Saved,
    /// Typed now; goes to the keychain with Save. Never sent by the back end.
    Typed {
        /// The secret.
        text: Typed,
    },
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
        /// As one would type it.
        command: String,
    },
    /// systemd's, on servers; shown where a file has it.
    Credential {
        /// Its name.
        name: String,
    },
    /// Written out in a file by hand; stays as it is. Never sent by either side.
    Literal,
}

/// The value of a variable or header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(TS))]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum PairValue {
    /// Anybody may see it.
    Plain {
        /// The value.
        text: String,
    },
    /// Nobody may.
    Secret {
        /// Where it is.
        secret: SecretField,
    },
}

/// A variable or a header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(TS))]
pub struct Pair {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: PairValue,
}

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

/// The options that are one text each; an absent one has its default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(TS))]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)] // They are the configuration's keys of the same names.
pub enum OptionKey {
    ServerDescription,
    Transport,
    ReconnectDelay,
    MaxRetries,
    Keepalive,
    RequestTimeout,
    SingleChild,
    MaxSessions,
    WarmSpare,
    MaxMessageSize,
    StartTimeout,
    ProbeInterval,
    Drain,
    AllowPlaintext,
    CaCert,
    ClientCert,
    ClientKey,
    Proxy,
    ToolsAllow,
    ToolsDeny,
    ToolPreset,
    Prompts,
    Resources,
}

impl OptionKey {
    /// Every option.
    pub const ALL: [Self; 23] = [
        Self::ServerDescription,
        Self::Transport,
        Self::ReconnectDelay,
        Self::MaxRetries,
        Self::Keepalive,
        Self::RequestTimeout,
        Self::SingleChild,
        Self::MaxSessions,
        Self::WarmSpare,
        Self::MaxMessageSize,
        Self::StartTimeout,
        Self::ProbeInterval,
        Self::Drain,
        Self::AllowPlaintext,
        Self::CaCert,
        Self::ClientCert,
        Self::ClientKey,
        Self::Proxy,
        Self::ToolsAllow,
        Self::ToolsDeny,
        Self::ToolPreset,
        Self::Prompts,
        Self::Resources,
    ];

    /// What a saved profile has for it, if that may be seen: the address of a proxy may have a password in it. A list is
    /// its items with commas between them; one without any, which means another thing than no list, is not shown.
    pub fn shown(self, kept: &Kept) -> Option<String> {
        match self.key().about().shape {
            Shape::List => Some(kept.list(self.key()).join(", ")).filter(|list| !list.is_empty()),
            _ => kept.text(self.key()).filter(|text| self != Self::Proxy || !text.contains('@')).map(str::to_owned),
        }
    }

    /// Writes what was typed for it; nothing takes it out.
    pub fn write(self, kept: &mut Kept, text: &str) {
        if self.key().about().shape != Shape::List {
            return kept.set_text(self.key(), text);
        }
        let items = text.split([',', '\n']).map(str::trim).filter(|item| !item.is_empty());
        let items: Vec<String> = items.map(str::to_owned).collect();
        match items.is_empty() {
            true => kept.remove(self.key()),
            false => kept.set_list(self.key(), items),
        }
    }

    /// The configuration's key.
    pub const fn key(self) -> Key {
        match self {
            Self::ServerDescription => Key::ServerDescription,
            Self::Transport => Key::Transport,
            Self::ReconnectDelay => Key::ReconnectDelay,
            Self::MaxRetries => Key::MaxRetries,
            Self::Keepalive => Key::Keepalive,
            Self::RequestTimeout => Key::RequestTimeout,
            Self::SingleChild => Key::SingleChild,
            Self::MaxSessions => Key::MaxSessions,
            Self::WarmSpare => Key::WarmSpare,
            Self::MaxMessageSize => Key::MaxMessageSize,
            Self::StartTimeout => Key::StartTimeout,
            Self::ProbeInterval => Key::ProbeInterval,
            Self::Drain => Key::Drain,
            Self::AllowPlaintext => Key::AllowPlaintext,
            Self::CaCert => Key::CaCert,
            Self::ClientCert => Key::ClientCert,
            Self::ClientKey => Key::ClientKey,
            Self::Proxy => Key::Proxy,
            Self::ToolsAllow => Key::ToolsAllow,
            Self::ToolsDeny => Key::ToolsDeny,
            Self::ToolPreset => Key::ToolPreset,
            Self::Prompts => Key::Prompts,
            Self::Resources => Key::Resources,
        }
    }
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
    /// Options that are not at their defaults.
    pub options: BTreeMap<OptionKey, String>,
}

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
