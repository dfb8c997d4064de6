//! What an error tells beside its sentence, and what each cause tells so: its stable code, and what to do about it.

use std::borrow::Cow;

use super::Cause;

/// What every error that a user may see can tell beside its sentence (`Display`).
pub trait Explain: std::fmt::Display {
    /// A stable code such as `auth.rejected`: for scripts, documentation and searches.
    fn code(&self) -> &'static str;

    /// What the user can do about it, in a sentence.
    fn action(&self) -> Cow<'static, str>;
}

impl Explain for Cause {
    fn code(&self) -> &'static str {
        match self {
            Self::Refused { .. } => "gateway.refused",
            Self::Lookup { .. } => "gateway.lookup",
            Self::Unreachable { .. } => "gateway.unreachable",
            Self::Tls { .. } => "gateway.tls",
            Self::Certificate { .. } => "tls.files",
            Self::Proxy { .. } => "proxy.failed",
            Self::ProxyRejected { .. } => "proxy.rejected",
            Self::Upgrade { .. } => "gateway.upgrade",
            Self::NoEndpoint { .. } => "gateway.no_endpoint",
            Self::NoSse { .. } => "gateway.no_sse",
            Self::Unavailable { .. } => "gateway.unavailable",
            Self::TokenRejected { .. } => "auth.rejected",
            Self::Secret { code, .. } => code,
            Self::TokenMissing { .. } => "auth.missing",
            Self::Forbidden { .. } => "auth.forbidden",
            Self::TokenExpired { .. } => "auth.expired",
            Self::RegisterRefused { .. } => "register.refused",
            Self::RegisterFailed { .. } => "register.failed",
            Self::RegisterTimeout { .. } => "register.timeout",
            Self::Displaced { .. } => "register.displaced",
            Self::Removed { .. } => "register.removed",
            Self::LinkLost { .. } => "link.lost",
            Self::LinkSilent { .. } => "link.silent",
            Self::FrameTooLarge => "link.too_large",
            Self::RetriesExhausted { .. } => "link.retries_exhausted",
            Self::CommandNotFound { .. } => "command.not_found",
            Self::CommandInvalid { .. } => "command.invalid",
            Self::CommandRefused { .. } => "command.refused",
            Self::CommandChanged => "command.changed",
            Self::ServerExited { .. } => "server.exited",
            Self::ServerFailedToStart { .. } => "server.failed_to_start",
            Self::ServerSilent { .. } => "server.silent",
            Self::ServerHandshake { .. } => "server.handshake",
            Self::ServerUnreachable { .. } => "server.unreachable",
            Self::ServerRedirect { .. } => "server.redirect",
            Self::ServerRefused { .. } => "server.refused",
            Self::ServerForeignEndpoint { .. } => "server.foreign_endpoint",
            Self::ServerLost { .. } => "server.lost",
            Self::Internal { .. } => "internal",
        }
    }

    fn action(&self) -> Cow<'static, str> {
        let fixed = match self {
            Self::Refused { .. } | Self::Unreachable { .. } => "Check the gateway's URL and the network.",
            Self::Lookup { .. } => "Check the host name in the gateway's URL, and that this machine is online.",
            Self::Tls { .. } => {
                "If the gateway has a certificate of a private CA, name that CA's file with --ca-cert (or in SSL_CERT_FILE). If \
                 it asks for a client certificate, give --client-cert. Check the host name and this machine's clock."
            }
            Self::Certificate { .. } => {
                "Give --ca-cert, --client-cert and --client-key as PEM files that this user may read, and the passphrase \
                 of an encrypted key with --client-key-passphrase."
            }
            Self::Proxy { .. } => {
                "Check --proxy, or HTTPS_PROXY and ALL_PROXY in the environment, and that the proxy allows CONNECT to the \
                 gateway's port. NO_PROXY names hosts that are reached without it."
            }
            Self::ProxyRejected { .. } => {
                "Put user and password into the proxy's URL, and keep that in a secret: --proxy env:NAME or file:PATH."
            }
            Self::Upgrade { .. } => {
                "Check that outbound port 443 is open and that proxies on the way let WebSocket upgrades pass."
            }
            Self::NoEndpoint { .. } => {
                "Check the URL and its path prefix. On ContextForge, switch the feature on: \
                 MCPGATEWAY_REVERSE_PROXY_ENABLED=true."
            }
            Self::NoSse { .. } => {
                "Use --transport auto. Only Culvert's own gateway takes links over SSE; in front of it, a proxy must not \
                 hold event streams back."
            }
            Self::Unavailable { .. } => "Nothing to do: the next try follows by itself.",
            Self::TokenRejected { .. } => "Make a new token with the gateway's own signing secret.",
            Self::TokenMissing { .. } => "Set REVERSE_PROXY_TOKEN, or give --token.",
            Self::Forbidden { .. } => {
                "Check that the token may register servers under this name. ContextForge 1.0.7 says 403 for any \
                 token that it does not accept."
            }
            Self::TokenExpired { .. } => "Make a new token.",
            Self::Secret { action, .. } => return Cow::Owned(action.clone()),
            Self::RegisterRefused { .. } => "Change what the gateway names, or ask whoever runs it.",
            Self::RegisterFailed { .. } | Self::RegisterTimeout { .. } => {
                "The next try follows by itself. If it goes on, the gateway's log tells why."
            }
            Self::Displaced { .. } => "Give one of the two another name with --server-name.",
            Self::Removed { .. } => "If this was not meant to be, look who else may end sessions on the gateway.",
            Self::LinkLost { .. } | Self::LinkSilent { .. } => "Nothing to do: the next try follows by itself.",
            Self::FrameTooLarge => "Set --max-message-size to what the gateway takes.",
            Self::RetriesExhausted { .. } => {
                "Check network stability and the gateway, then start again; --max-retries 0 never gives up."
            }
            Self::CommandNotFound { remedy: Some(remedy), .. } => return Cow::Owned(remedy.clone()),
            Self::CommandNotFound { .. } => "Check the spelling, install it, or give its full path.",
            Self::CommandInvalid { .. } => "Write it as you would type it in a shell, with matching quotes.",
            Self::CommandRefused { .. } => "Check that the file may be executed and fits this machine.",
            Self::CommandChanged => "Open Culvert's window, look at what changed, and agree to it there.",
            Self::ServerExited { .. } => "It is started again by itself. Check the server's command and its log.",
            Self::ServerFailedToStart { .. } => "Run the same command by hand to see what it wants.",
            Self::ServerSilent { .. } => {
                "Check that the command starts an MCP server on stdio; a slow first download may need a larger \
                 --start-timeout."
            }
            Self::ServerHandshake { .. } => {
                "Check that the command starts an MCP server on stdio, or that the URL is an MCP server's."
            }
            Self::ServerUnreachable { .. } => "Start the server, and check its URL.",
            Self::ServerRedirect { .. } => "If you trust that place, give its URL instead.",
            Self::ServerRefused { status: 401 | 403, .. } => "Give the credentials that it wants with --local-header.",
            Self::ServerRefused { .. } => {
                "Check the URL. Streamable HTTP is for --local-streamable-http, the older HTTP+SSE for --local-sse."
            }
            Self::ServerForeignEndpoint { .. } => {
                "Give the URL under which the server knows itself, or correct the address in its settings."
            }
            Self::ServerLost { .. } => "A new session is begun by itself. Check that the server runs, and its log.",
            Self::Internal { .. } => "Please report this with the log.",
        };
        Cow::Borrowed(fixed)
    }
}
