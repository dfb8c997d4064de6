//! What a cause calls for: another try, after which wait, or another token.

use std::time::Duration;

use super::Cause;

/// Whether trying again can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// It may pass by itself: try again after a wait.
    Retry,
    /// Only the user can change it: stop and say so.
    Stop,
}

impl Cause {
    /// Whether another token may be what it takes. The released ContextForge answers 403 to any that it does not take.
    pub fn is_about_token(&self) -> bool {
        matches!(
            self,
            Self::TokenRejected { .. } | Self::TokenMissing { .. } | Self::TokenExpired { .. } | Self::Forbidden { .. }
        )
    }

    /// Whether trying again can help.
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Refused { .. }
            | Self::Lookup { .. }
            | Self::Unreachable { .. }
            | Self::Tls { .. }
            | Self::Certificate { .. }
            | Self::Proxy { .. }
            | Self::Upgrade { .. }
            | Self::NoEndpoint { .. }
            | Self::NoSse { .. }
            | Self::Unavailable { .. }
            | Self::RegisterFailed { .. }
            | Self::RegisterTimeout { .. }
            | Self::Displaced { .. }
            | Self::Removed { .. }
            | Self::LinkLost { .. }
            | Self::LinkSilent { .. }
            | Self::FrameTooLarge
            | Self::ServerExited { .. }
            | Self::ServerLost { .. }
            | Self::Secret { .. } => Remedy::Retry,
            Self::TokenRejected { .. }
            | Self::TokenMissing { .. }
            | Self::Forbidden { .. }
            | Self::TokenExpired { .. }
            | Self::ProxyRejected { .. }
            | Self::RegisterRefused { .. }
            | Self::RetriesExhausted { .. }
            | Self::CommandNotFound { .. }
            | Self::CommandInvalid { .. }
            | Self::CommandRefused { .. }
            | Self::CommandChanged
            | Self::ServerFailedToStart { .. }
            | Self::ServerSilent { .. }
            | Self::ServerHandshake { .. }
            | Self::ServerUnreachable { .. }
            | Self::ServerRedirect { .. }
            | Self::ServerRefused { .. }
            | Self::ServerForeignEndpoint { .. }
            | Self::Internal { .. } => Remedy::Stop,
        }
    }

    /// How long the gateway asked to be left alone.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unavailable { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}
