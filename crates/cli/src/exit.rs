//! Exit codes, and the lines that tell why a command ends.

use culvert_gateway::GatewayError;
use culvert_profiles::ConfigError;
use culvert_protocol::{Cause, Explain};

use crate::terminal::{Mood, Terminal};

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Exit {
    /// As asked.
    Asked = 0,
    /// A fault of our own.
    Internal = 1,
    /// The command line cannot be understood. Most of these are said by the flag parser itself. Of `doctor`: a check
    /// failed.
    Usage = 2,
    /// A configuration that cannot be used.
    Configuration = 3,
    /// The local server's command cannot be started.
    Command = 4,
    /// The local server never worked.
    Server = 5,
    /// The token is refused.
    Token = 6,
    /// The gateway was not reached in as many tries as allowed.
    Unreached = 7,
    /// The gateway does not register the server.
    Registration = 8,
    /// The gateway's address, or an unprotected way to it.
    Gateway = 9,
    /// Ended at once by a second Ctrl-C, as a shell tells it.
    Interrupted = 130,
}

impl Exit {
    /// The number for the operating system.
    pub(crate) const fn code(self) -> u8 {
        self as u8
    }
}

impl From<&Cause> for Exit {
    fn from(cause: &Cause) -> Self {
        match cause {
            Cause::TokenRejected { .. }
            | Cause::TokenMissing { .. }
            | Cause::Forbidden { .. }
            | Cause::TokenExpired { .. }
            | Cause::Secret { .. } => Self::Token,
            Cause::RegisterRefused { .. }
            | Cause::RegisterFailed { .. }
            | Cause::RegisterTimeout { .. }
            | Cause::Displaced { .. }
            | Cause::Removed { .. } => Self::Registration,
            Cause::CommandNotFound { .. }
            | Cause::CommandInvalid { .. }
            | Cause::CommandRefused { .. }
            | Cause::CommandChanged => Self::Command,
            Cause::ServerExited { .. }
            | Cause::ServerFailedToStart { .. }
            | Cause::ServerSilent { .. }
            | Cause::ServerHandshake { .. }
            | Cause::ServerUnreachable { .. }
            | Cause::ServerRedirect { .. }
            | Cause::ServerRefused { .. }
            | Cause::ServerForeignEndpoint { .. }
            | Cause::ServerLost { .. } => Self::Server,
            Cause::RetriesExhausted { .. }
            | Cause::Refused { .. }
            | Cause::Lookup { .. }
            | Cause::Unreachable { .. }
            | Cause::Tls { .. }
            | Cause::Certificate { .. }
            | Cause::Proxy { .. }
            | Cause::ProxyRejected { .. }
            | Cause::Upgrade { .. }
            | Cause::NoEndpoint { .. }
            | Cause::NoSse { .. }
            | Cause::Unavailable { .. }
            | Cause::LinkLost { .. }
            | Cause::LinkSilent { .. }
            | Cause::FrameTooLarge => Self::Unreached,
            Cause::Internal { .. } => Self::Internal,
        }
    }
}

impl From<&ConfigError> for Exit {
    fn from(error: &ConfigError) -> Self {
        match error {
            ConfigError::Unreadable { .. }
            | ConfigError::Conflict { .. }
            | ConfigError::Header { .. }
            | ConfigError::BadServerUrl { .. }
            | ConfigError::PlaintextServer { .. }
            | ConfigError::Syntax { .. }
            | ConfigError::UnknownKey { .. }
            | ConfigError::Unsupported { .. }
            | ConfigError::Value { .. }
            | ConfigError::Name { .. }
            | ConfigError::Labels { .. }
            | ConfigError::Duplicate { .. }
            | ConfigError::NeedsValue { .. }
            | ConfigError::EmptyFolder { .. }
            | ConfigError::Placeholder { .. }
            | ConfigError::Missing { .. } => Self::Configuration,
            ConfigError::BadUrl { .. } | ConfigError::Plaintext { .. } => Self::Gateway,
            ConfigError::Command { .. } => Self::Command,
        }
    }
}

impl From<&GatewayError> for Exit {
    fn from(_: &GatewayError) -> Self {
        Self::Gateway
    }
}

/// Says what happened and what to do, and what that means for the operating system.
pub(crate) fn fail<E: Explain>(terminal: &Terminal, error: &E) -> Exit
where
    for<'a> Exit: From<&'a E>,
{
    say(terminal, error);
    Exit::from(error)
}

/// The two lines of an error.
pub(crate) fn say(terminal: &Terminal, error: &dyn Explain) {
    terminal.say(Mood::Error, &explained(error, "  "));
}

/// What happened, its code, and what to do about it in a line of its own behind `indent`.
pub(crate) fn explained(error: &dyn Explain, indent: &str) -> String {
    format!("{error} [{}]\n{indent}→ {}", error.code(), error.action())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Codes and exit codes go together: scripts may look at either.
    #[test]
    fn exit_codes_follow_the_codes_of_the_causes() {
        let text = String::new;
        let gateway = text;
        let causes = [
            Cause::TokenRejected { gateway: gateway(), detail: text() },
            Cause::TokenMissing { gateway: gateway() },
            Cause::Forbidden { gateway: gateway(), detail: text() },
            Cause::TokenExpired { gateway: gateway() },
            Cause::RegisterRefused { reason: text() },
            Cause::Displaced { name: text() },
            Cause::RetriesExhausted { tries: 1, last: Box::new(Cause::FrameTooLarge) },
            Cause::CommandNotFound { program: text(), searched: text(), remedy: None },
            Cause::CommandInvalid { detail: text() },
            Cause::ServerFailedToStart { status: text(), stderr: text() },
            Cause::ServerHandshake { detail: text() },
            Cause::Internal { detail: text() },
        ];
        for cause in causes {
            let class = cause.code().split('.').next().unwrap();
            let expected = match class {
                "auth" => Exit::Token,
                "register" => Exit::Registration,
                "link" => Exit::Unreached,
                "command" => Exit::Command,
                "server" => Exit::Server,
                _ => Exit::Internal,
            };
            assert_eq!(Exit::from(&cause), expected, "{}", cause.code());
        }
    }

    #[test]
    fn an_error_is_told_in_two_lines() {
        let error = ConfigError::Missing { key: culvert_profiles::Key::Gateway };
        assert_eq!(
            explained(&error, "  "),
            "no gateway: nothing says where to register [config.missing]\n  → Give --gateway URL, set \
             REVERSE_PROXY_GATEWAY, or write gateway into the file named by --config."
        );
        assert_eq!(Exit::from(&error).code(), 3);
    }
}
