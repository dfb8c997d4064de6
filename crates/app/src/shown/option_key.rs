//! The options of a profile that are one text each, by the configuration's keys.

use culvert_profiles::{Draft as Kept, Key};
use serde::{Deserialize, Serialize};
#[cfg(test)]
use ts_rs::TS;

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
    ToolPreset,
    Prompts,
    Resources,
    HoldChangedTools,
    AuditLog,
}

impl OptionKey {
    /// Every option.
    pub const ALL: [Self; 22] = [
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
        Self::ToolPreset,
        Self::Prompts,
        Self::Resources,
        Self::HoldChangedTools,
        Self::AuditLog,
    ];

    /// What a saved profile has for it.
    pub fn shown(self, kept: &Kept) -> Option<String> {
        kept.text(self.key()).map(str::to_owned)
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
            Self::ToolPreset => Key::ToolPreset,
            Self::Prompts => Key::Prompts,
            Self::Resources => Key::Resources,
            Self::HoldChangedTools => Key::HoldChangedTools,
            Self::AuditLog => Key::AuditLog,
        }
    }
}
