//! The flags that make a profile, which several commands share, and what they come to as a layer of settings.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use culvert_profiles::{ConfigError, GivenGateway, Key, LocalHeaders, Origin, Settings, Sourced};
use culvert_tunnel::Transport;

use crate::args::{TokenText, about};
use crate::token_flags::TokenFlags;
use crate::way_args::WayArgs;

/// A local server and a gateway.
#[derive(Debug, Args)]
pub(crate) struct ProfileArgs {
    /// The command of the local MCP server, as typed in a shell
    #[arg(long, value_name = "COMMAND", group = "local", help_heading = "Local server")]
    local_stdio: Option<String>,

    /// Instead of a command: the URL of a server that runs already and speaks Streamable HTTP
    #[arg(long, value_name = "URL", group = "local", help_heading = "Local server")]
    local_streamable_http: Option<String>,

    /// The same for the older HTTP with SSE
    #[arg(long, value_name = "URL", group = "local", help_heading = "Local server")]
    local_sse: Option<String>,

    /// A header for that URL, as NAME=env:VARIABLE or NAME=file:PATH; may be repeated
    #[arg(long, value_name = "HEADER", conflicts_with = "local_stdio", help_heading = "Local server")]
    local_header: Vec<TokenText>,

    #[arg(long, value_name = "NAME", help_heading = "Local server", help = about(
        Key::ServerName, "The name to register; {hostname} and {env:NAME} are filled in [default: from command and host]"
    ))]
    server_name: Option<String>,

    /// What the gateway's catalog says about the server
    #[arg(long, value_name = "TEXT", help_heading = "Local server")]
    server_description: Option<String>,

    #[arg(long, value_name = "SECONDS", value_parser = culvert_profiles::seconds, allow_negative_numbers = true,
        help_heading = "Local server", help = about(Key::StartTimeout, "How long the server may take to its first answer"))]
    start_timeout: Option<Duration>,

    /// All clients share one process, for a server that must not run twice
    #[arg(long, help_heading = "Local server")]
    single_child: bool,

    #[arg(long, value_name = "N", value_parser = culvert_profiles::sessions, allow_negative_numbers = true,
        help_heading = "Local server",
        help = about(Key::MaxSessions, "How many clients may have a process of their own at once"))]
    max_sessions: Option<usize>,

    /// Keep one more process started, so that the next client need not wait
    #[arg(long, conflicts_with = "single_child", help_heading = "Local server")]
    warm_spare: bool,

    #[arg(long, value_name = "URL", help_heading = "Gateway", help = about(
        Key::Gateway,
        "The gateway's address: https://gateway.example.com, or its whole wss://…/reverse-proxy/ws; may be repeated"
    ))]
    gateway: Vec<String>,

    #[command(flatten)]
    pub(crate) token: TokenFlags,

    #[command(flatten)]
    way: WayArgs,

    /// Allow a gateway, or a local server by URL, that is not on this machine and has no TLS
    #[arg(long, help_heading = "Gateway")]
    allow_plaintext: bool,

    #[arg(long, value_name = "SECONDS", value_parser = culvert_profiles::seconds, allow_negative_numbers = true,
        help_heading = "Connection", help = about(Key::ReconnectDelay, "The first wait before trying again; it grows"))]
    reconnect_delay: Option<Duration>,

    #[arg(long, value_name = "N", value_parser = culvert_profiles::retries, allow_negative_numbers = true,
        help_heading = "Connection", help = about(Key::MaxRetries, "How many tries may fail in a row; 0: any number"))]
    max_retries: Option<u32>,

    #[arg(long, value_name = "SECONDS", value_parser = culvert_profiles::seconds, allow_negative_numbers = true,
        help_heading = "Connection", help = about(Key::Keepalive, "The heartbeat's interval"))]
    keepalive: Option<Duration>,

    #[arg(long, value_name = "SECONDS", value_parser = culvert_profiles::seconds, allow_negative_numbers = true,
        help_heading = "Connection", help = about(Key::RequestTimeout, "How long a call may stay unanswered"))]
    request_timeout: Option<Duration>,

    #[arg(long, value_name = "SECONDS", value_parser = culvert_profiles::seconds, allow_negative_numbers = true,
        help_heading = "Connection",
        help = about(Key::ProbeInterval, "After how long without an answer the local server is asked for one"))]
    probe_interval: Option<Duration>,

    #[arg(long, value_name = "SECONDS", value_parser = culvert_profiles::seconds_or_none,
        allow_negative_numbers = true, help_heading = "Connection",
        help = about(Key::Drain, "How long calls in flight may take to their end once it is to stop; 0: cut off"))]
    drain: Option<Duration>,

    #[arg(long, value_name = "HOW", value_parser = culvert_profiles::transport, help_heading = "Connection",
        help = about(Key::Transport, "What carries the link: ws, sse, or auto: sse where ws does not get through"))]
    transport: Option<Transport>,

    #[arg(long, value_name = "BYTES", value_parser = culvert_profiles::bytes, allow_negative_numbers = true,
        help_heading = "Connection", help = about(Key::MaxMessageSize, "The largest whole message frame"))]
    max_message_size: Option<usize>,

    #[arg(long, value_name = "FILE", help = about(
        Key::AuditLog, "Write a JSON line for each call to this file: who called what, and how it ended"
    ))]
    audit_log: Option<PathBuf>,

    /// Read settings from this file (YAML or JSON), or profiles from this folder; changes are taken up as they come
    #[arg(long, value_name = "PATH")]
    pub(crate) config: Option<PathBuf>,
}

impl ProfileArgs {
    /// What the flags say.
    ///
    /// # Errors
    /// A header that does not refer to its value. The flag parser must not say so: it would repeat the secret.
    pub(crate) fn settings(&self) -> Result<Settings, ConfigError> {
        fn given<T: Clone>(value: &Option<T>, key: Key) -> Option<Sourced<T>> {
            let flag = key.about().flag?;
            value.clone().map(|value| Sourced::new(value, Origin::Flag(flag)))
        }
        let gateways: Vec<_> = self.gateway.iter().flat_map(|text| GivenGateway::all_in(text)).collect();
        let headers = self.local_header.iter().map(|header| header.0.expose());
        let headers = LocalHeaders::from_flags(headers).map_err(|problem| {
            let (key, origin) = (Key::LocalHeaders, Origin::Flag("--local-header"));
            ConfigError::Value { origin, key, shown: None, problem }
        })?;
        Ok(self.way.over(Settings {
            local_stdio: given(&self.local_stdio, Key::LocalStdio),
            local_streamable_http: given(&self.local_streamable_http, Key::LocalStreamableHttp),
            local_sse: given(&self.local_sse, Key::LocalSse),
            local_headers: given(&(!self.local_header.is_empty()).then_some(headers), Key::LocalHeaders),
            server_name: given(&self.server_name, Key::ServerName),
            server_description: given(&self.server_description, Key::ServerDescription),
            gateway: given(&(!self.gateway.is_empty()).then_some(gateways), Key::Gateway),
            token: self.token.setting(),
            transport: given(&self.transport, Key::Transport),
            reconnect_delay: given(&self.reconnect_delay, Key::ReconnectDelay),
            max_retries: given(&self.max_retries, Key::MaxRetries),
            keepalive: given(&self.keepalive, Key::Keepalive),
            request_timeout: given(&self.request_timeout, Key::RequestTimeout),
            probe_interval: given(&self.probe_interval, Key::ProbeInterval),
            drain: given(&self.drain, Key::Drain),
            single_child: given(&self.single_child.then_some(true), Key::SingleChild),
            max_sessions: given(&self.max_sessions, Key::MaxSessions),
            warm_spare: given(&self.warm_spare.then_some(true), Key::WarmSpare),
            max_message_size: given(&self.max_message_size, Key::MaxMessageSize),
            start_timeout: given(&self.start_timeout, Key::StartTimeout),
            audit_log: given(&self.audit_log, Key::AuditLog),
            allow_plaintext: given(&self.allow_plaintext.then_some(true), Key::AllowPlaintext),
            ..Settings::default()
        }))
    }
}
