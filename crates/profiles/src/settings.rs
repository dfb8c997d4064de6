//! One layer of configuration: typed values, each with where it came from, any of them missing.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use culvert_protocol::tool_policy::{Pattern, Tools};
use culvert_protocol::{Secret, text};
use culvert_tunnel::Transport;

use crate::document::Raw;
use crate::error::ConfigError;
use crate::gateway::GivenGateway;
use crate::headers::LocalHeaders;
use crate::key::Key;
use crate::labels::GivenLabels;
use crate::level::LogLevel;
use crate::origin::{Origin, Sourced};
use crate::profile::{ProfileId, Start};
use crate::value::{self, BadValue};

/// What one layer says, each key as in [`Key`]. Laid over each other, the higher layer's values win one by one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "each field is the key of its name, described there and in docs/configuration.md")]
pub struct Settings {
    pub local_stdio: Option<Sourced<String>>,
    pub args: Option<Sourced<Vec<String>>>,
    pub env: Option<Sourced<ChildEnvironment>>,
    pub secret_env: Option<Sourced<SecretEnvironment>>,
    pub cwd: Option<Sourced<PathBuf>>,
    pub local_streamable_http: Option<Sourced<String>>,
    pub local_sse: Option<Sourced<String>>,
    pub local_headers: Option<Sourced<LocalHeaders>>,
    pub forward_auth: Option<Sourced<Vec<String>>>,
    pub server_name: Option<Sourced<String>>,
    pub server_description: Option<Sourced<String>>,
    pub labels: Option<Sourced<GivenLabels>>,
    pub gateway: Option<Sourced<Vec<GivenGateway>>>,
    pub token: Option<Sourced<Secret>>,
    /// No key: where a token is from that was not given for this server's own gateway, and so is kept from it.
    pub withheld_token: Option<Origin>,
    pub ca_cert: Option<Sourced<PathBuf>>,
    pub client_cert: Option<Sourced<PathBuf>>,
    pub client_key: Option<Sourced<PathBuf>>,
    pub client_key_passphrase: Option<Sourced<Secret>>,
    pub proxy: Option<Sourced<Secret>>,
    pub tools_allow: Option<Sourced<Vec<Pattern>>>,
    pub tools_deny: Option<Sourced<Vec<Pattern>>>,
    pub tool_preset: Option<Sourced<Tools>>,
    pub prompts: Option<Sourced<bool>>,
    pub resources: Option<Sourced<bool>>,
    pub hold_changed_tools: Option<Sourced<bool>>,
    pub audit_log: Option<Sourced<PathBuf>>,
    pub transport: Option<Sourced<Transport>>,
    pub reconnect_delay: Option<Sourced<Duration>>,
    pub max_retries: Option<Sourced<u32>>,
    pub keepalive: Option<Sourced<Duration>>,
    pub request_timeout: Option<Sourced<Duration>>,
    /// How long the local server may go without an answer until it is asked for one.
    pub probe_interval: Option<Sourced<Duration>>,
    /// How long calls in flight may take to their end once the tunnel is to stop.
    pub drain: Option<Sourced<Duration>>,
    pub single_child: Option<Sourced<bool>>,
    pub max_sessions: Option<Sourced<usize>>,
    pub warm_spare: Option<Sourced<bool>>,
    pub max_message_size: Option<Sourced<usize>>,
    pub start_timeout: Option<Sourced<Duration>>,
    pub allow_plaintext: Option<Sourced<bool>>,
    pub log_level: Option<Sourced<LogLevel>>,
    pub start: Option<Sourced<Start>>,
    pub id: Option<Sourced<ProfileId>>,
}

/// Variables for a child process. Servers are handed their own secrets in these, so `Debug` shows names only.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ChildEnvironment(pub BTreeMap<String, String>);

impl fmt::Debug for ChildEnvironment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Variables for a child process, each with a reference to its value. `Debug` shows names only.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SecretEnvironment(pub BTreeMap<String, Secret>);

impl fmt::Debug for SecretEnvironment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Settings {
    /// This layer, with `lower` showing through where it says nothing.
    ///
    /// What belongs to one local server, such as a command's arguments or the headers with its secrets, stays with it:
    /// a layer that names another one does not inherit them.
    #[must_use]
    pub fn over(self, lower: Self) -> Self {
        let by_address = self.local_streamable_http.is_some() || self.local_sse.is_some();
        let lower = match (by_address, self.local_stdio.is_some()) {
            (true, _) => Self { env: None, secret_env: None, cwd: None, ..lower.without_local_server() },
            (false, true) => lower.without_local_server(),
            (false, false) => lower,
        };
        Self {
            local_stdio: self.local_stdio.or(lower.local_stdio),
            args: self.args.or(lower.args),
            env: self.env.or(lower.env),
            secret_env: self.secret_env.or(lower.secret_env),
            cwd: self.cwd.or(lower.cwd),
            local_streamable_http: self.local_streamable_http.or(lower.local_streamable_http),
            local_sse: self.local_sse.or(lower.local_sse),
            local_headers: self.local_headers.or(lower.local_headers),
            forward_auth: self.forward_auth.or(lower.forward_auth),
            server_name: self.server_name.or(lower.server_name),
            server_description: self.server_description.or(lower.server_description),
            labels: GivenLabels::merged(self.labels, lower.labels),
            gateway: self.gateway.or(lower.gateway),
            token: self.token.or(lower.token),
            withheld_token: self.withheld_token.or(lower.withheld_token),
            ca_cert: self.ca_cert.or(lower.ca_cert),
            client_cert: self.client_cert.or(lower.client_cert),
            client_key: self.client_key.or(lower.client_key),
            client_key_passphrase: self.client_key_passphrase.or(lower.client_key_passphrase),
            proxy: self.proxy.or(lower.proxy),
            tools_allow: self.tools_allow.or(lower.tools_allow),
            tools_deny: self.tools_deny.or(lower.tools_deny),
            tool_preset: self.tool_preset.or(lower.tool_preset),
            prompts: self.prompts.or(lower.prompts),
            resources: self.resources.or(lower.resources),
            hold_changed_tools: self.hold_changed_tools.or(lower.hold_changed_tools),
            audit_log: self.audit_log.or(lower.audit_log),
            transport: self.transport.or(lower.transport),
            reconnect_delay: self.reconnect_delay.or(lower.reconnect_delay),
            max_retries: self.max_retries.or(lower.max_retries),
            keepalive: self.keepalive.or(lower.keepalive),
            request_timeout: self.request_timeout.or(lower.request_timeout),
            probe_interval: self.probe_interval.or(lower.probe_interval),
            drain: self.drain.or(lower.drain),
            single_child: self.single_child.or(lower.single_child),
            max_sessions: self.max_sessions.or(lower.max_sessions),
            warm_spare: self.warm_spare.or(lower.warm_spare),
            max_message_size: self.max_message_size.or(lower.max_message_size),
            start_timeout: self.start_timeout.or(lower.start_timeout),
            allow_plaintext: self.allow_plaintext.or(lower.allow_plaintext),
            log_level: self.log_level.or(lower.log_level),
            start: self.start.or(lower.start),
            id: self.id.or(lower.id),
        }
    }

    /// The rest, where another local server is named: neither this layer's own nor what belongs to it. Variables and
    /// folder stay, because commands are often tried out one after another in the same.
    fn without_local_server(self) -> Self {
        Self {
            local_stdio: None,
            args: None,
            local_streamable_http: None,
            local_sse: None,
            local_headers: None,
            forward_auth: None,
            ..self
        }
    }

    /// Where the value of `key` came from, if there is one.
    pub fn origin(&self, key: Key) -> Option<&Origin> {
        fn of<T>(value: &Option<Sourced<T>>) -> Option<&Origin> {
            value.as_ref().map(|sourced| &sourced.origin)
        }
        match key {
            Key::LocalStdio => of(&self.local_stdio),
            Key::Args => of(&self.args),
            Key::Env => of(&self.env),
            Key::SecretEnv => of(&self.secret_env),
            Key::Cwd => of(&self.cwd),
            Key::LocalStreamableHttp => of(&self.local_streamable_http),
            Key::LocalSse => of(&self.local_sse),
            Key::LocalHeaders => of(&self.local_headers),
            Key::ForwardAuth => of(&self.forward_auth),
            Key::ServerName => of(&self.server_name),
            Key::ServerDescription => of(&self.server_description),
            Key::Labels => of(&self.labels),
            Key::Gateway => of(&self.gateway),
            Key::Token => of(&self.token),
            Key::CaCert => of(&self.ca_cert),
            Key::ClientCert => of(&self.client_cert),
            Key::ClientKey => of(&self.client_key),
            Key::ClientKeyPassphrase => of(&self.client_key_passphrase),
            Key::Proxy => of(&self.proxy),
            Key::ToolsAllow => of(&self.tools_allow),
            Key::ToolsDeny => of(&self.tools_deny),
            Key::ToolPreset => of(&self.tool_preset),
            Key::Prompts => of(&self.prompts),
            Key::Resources => of(&self.resources),
            Key::HoldChangedTools => of(&self.hold_changed_tools),
            Key::AuditLog => of(&self.audit_log),
            Key::Transport => of(&self.transport),
            Key::ReconnectDelay => of(&self.reconnect_delay),
            Key::MaxRetries => of(&self.max_retries),
            Key::Keepalive => of(&self.keepalive),
            Key::RequestTimeout => of(&self.request_timeout),
            Key::ProbeInterval => of(&self.probe_interval),
            Key::Drain => of(&self.drain),
            Key::SingleChild => of(&self.single_child),
            Key::MaxSessions => of(&self.max_sessions),
            Key::WarmSpare => of(&self.warm_spare),
            Key::MaxMessageSize => of(&self.max_message_size),
            Key::StartTimeout => of(&self.start_timeout),
            Key::AllowPlaintext => of(&self.allow_plaintext),
            Key::LogLevel => of(&self.log_level),
            Key::Start => of(&self.start),
            Key::Id => of(&self.id),
        }
    }

    /// Reads the value of a key from its text.
    pub(crate) fn set(&mut self, key: Key, raw: Raw, origin: Origin) -> Result<(), ConfigError> {
        let shown = match &raw {
            Raw::Text(value) if !key.is_secret() => Some(text::clean(value, 60)),
            _ => None,
        };
        let bad = |problem| ConfigError::Value { origin: origin.clone(), key, shown: shown.clone(), problem };
        let to = || origin.clone();
        match (key, raw) {
            (Key::Args, Raw::List(args)) => {
                if args.iter().any(|arg| arg.contains('\0')) {
                    return Err(bad(BadValue::NotForProcesses));
                }
                self.args = Some(Sourced::new(args, to()));
            }
            (Key::Env, Raw::Map(env)) => {
                check_environment(&env).map_err(bad)?;
                self.env = Some(Sourced::new(ChildEnvironment(env), to()));
            }
            (Key::SecretEnv, Raw::Map(env)) => {
                check_environment(&env).map_err(bad)?;
                let env = env.into_iter().map(|(name, value)| (name, Secret::new(value))).collect();
                self.secret_env = Some(Sourced::new(SecretEnvironment(env), to()));
            }
            (Key::Labels, Raw::Map(labels)) => self.labels = Some(Sourced::new(GivenLabels(labels), to())),
            (Key::LocalStdio, Raw::Text(text)) => self.local_stdio = Some(Sourced::new(text, to())),
            (Key::Cwd, Raw::Text(text)) => {
                let problem = match text.trim() {
                    "" => Some(BadValue::Empty),
                    path => path.contains('\0').then_some(BadValue::NotForProcesses),
                };
                if let Some(problem) = problem {
                    return Err(bad(problem));
                }
                self.cwd = Some(Sourced::new(text.trim().into(), to()));
            }
            (Key::LocalStreamableHttp, Raw::Text(text)) => self.local_streamable_http = Some(Sourced::new(text, to())),
            (Key::LocalSse, Raw::Text(text)) => self.local_sse = Some(Sourced::new(text, to())),
            (Key::LocalHeaders, Raw::Map(headers)) => {
                let headers = headers.into_iter().map(|(name, value)| (name, Secret::new(value))).collect();
                self.local_headers = Some(Sourced::new(LocalHeaders(headers), to()));
            }
            (Key::ForwardAuth, Raw::List(names)) => self.forward_auth = Some(Sourced::new(names, to())),
            (Key::ServerName, Raw::Text(text)) => self.server_name = Some(Sourced::new(text, to())),
            (Key::ServerDescription, Raw::Text(text)) => self.server_description = Some(Sourced::new(text, to())),
            (Key::Gateway, Raw::Text(text)) => self.gateway = Some(Sourced::new(GivenGateway::all_in(&text), to())),
            (Key::Gateway, Raw::Gateways(all)) => {
                let all = all.into_iter().map(GivenGateway::of).collect::<Result<Vec<_>, _>>().map_err(bad)?;
                self.gateway = Some(Sourced::new(all.into_iter().flatten().collect(), to()));
            }
            (Key::Token, Raw::Text(text)) => self.token = Some(Sourced::new(Secret::new(text), to())),
            (Key::CaCert, Raw::Text(text)) => self.ca_cert = Some(Sourced::new(file(&text).map_err(bad)?, to())),
            (Key::ClientCert, Raw::Text(text)) => {
                self.client_cert = Some(Sourced::new(file(&text).map_err(bad)?, to()));
            }
            (Key::ClientKey, Raw::Text(text)) => self.client_key = Some(Sourced::new(file(&text).map_err(bad)?, to())),
            (Key::ClientKeyPassphrase, Raw::Text(text)) => {
                self.client_key_passphrase = Some(Sourced::new(Secret::new(text), to()));
            }
            (Key::Proxy, Raw::Text(text)) => self.proxy = Some(Sourced::new(Secret::new(text), to())),
            (Key::ToolsAllow, Raw::List(list)) => {
                self.tools_allow = Some(Sourced::new(value::patterns(&list).map_err(bad)?, to()));
            }
            (Key::ToolsDeny, Raw::List(list)) => {
                self.tools_deny = Some(Sourced::new(value::patterns(&list).map_err(bad)?, to()));
            }
            (Key::ToolPreset, Raw::Text(text)) => {
                self.tool_preset = Some(Sourced::new(value::preset(&text).map_err(bad)?, to()));
            }
            (Key::Prompts, Raw::Text(text)) => {
                self.prompts = Some(Sourced::new(value::boolean(&text).map_err(bad)?, to()));
            }
            (Key::Resources, Raw::Text(text)) => {
                self.resources = Some(Sourced::new(value::boolean(&text).map_err(bad)?, to()));
            }
            (Key::HoldChangedTools, Raw::Text(text)) => {
                self.hold_changed_tools = Some(Sourced::new(value::boolean(&text).map_err(bad)?, to()));
            }
            (Key::AuditLog, Raw::Text(text)) => self.audit_log = Some(Sourced::new(file(&text).map_err(bad)?, to())),
            (Key::Transport, Raw::Text(text)) => {
                self.transport = Some(Sourced::new(value::transport(&text).map_err(bad)?, to()));
            }
            (Key::ReconnectDelay, Raw::Text(text)) => {
                self.reconnect_delay = Some(Sourced::new(value::seconds(&text).map_err(bad)?, to()));
            }
            (Key::MaxRetries, Raw::Text(text)) => {
                self.max_retries = Some(Sourced::new(value::retries(&text).map_err(bad)?, to()));
            }
            (Key::Keepalive, Raw::Text(text)) => {
                self.keepalive = Some(Sourced::new(value::seconds(&text).map_err(bad)?, to()));
            }
            (Key::RequestTimeout, Raw::Text(text)) => {
                self.request_timeout = Some(Sourced::new(value::seconds(&text).map_err(bad)?, to()));
            }
            (Key::ProbeInterval, Raw::Text(text)) => {
                self.probe_interval = Some(Sourced::new(value::seconds(&text).map_err(bad)?, to()));
            }
            (Key::Drain, Raw::Text(text)) => {
                self.drain = Some(Sourced::new(value::seconds_or_none(&text).map_err(bad)?, to()));
            }
            (Key::SingleChild, Raw::Text(text)) => {
                self.single_child = Some(Sourced::new(value::boolean(&text).map_err(bad)?, to()));
            }
            (Key::MaxSessions, Raw::Text(text)) => {
                self.max_sessions = Some(Sourced::new(value::sessions(&text).map_err(bad)?, to()));
            }
            (Key::WarmSpare, Raw::Text(text)) => {
                self.warm_spare = Some(Sourced::new(value::boolean(&text).map_err(bad)?, to()));
            }
            (Key::MaxMessageSize, Raw::Text(text)) => {
                self.max_message_size = Some(Sourced::new(value::bytes(&text).map_err(bad)?, to()));
            }
            (Key::StartTimeout, Raw::Text(text)) => {
                self.start_timeout = Some(Sourced::new(value::seconds(&text).map_err(bad)?, to()));
            }
            (Key::AllowPlaintext, Raw::Text(text)) => {
                self.allow_plaintext = Some(Sourced::new(value::boolean(&text).map_err(bad)?, to()));
            }
            (Key::LogLevel, Raw::Text(text)) => {
                self.log_level = Some(Sourced::new(text.parse().map_err(bad)?, to()));
            }
            (Key::Start, Raw::Text(text)) => self.start = Some(Sourced::new(text.parse().map_err(bad)?, to())),
            (Key::Id, Raw::Text(text)) => self.id = Some(Sourced::new(text.parse().map_err(bad)?, to())),
            (_, Raw::Text(_) | Raw::List(_) | Raw::Map(_) | Raw::Gateways(_)) => {
                unreachable!("the reader gives each key's value in the key's own shape")
            }
        }
        Ok(())
    }
}

fn file(text: &str) -> Result<PathBuf, BadValue> {
    match text.trim() {
        "" => Err(BadValue::Empty),
        path if path.contains('\0') => Err(BadValue::NotForProcesses),
        path => Ok(path.into()),
    }
}

fn check_environment(env: &BTreeMap<String, String>) -> Result<(), BadValue> {
    if env.keys().any(|name| name.is_empty() || name.contains(['=', '\0'])) {
        return Err(BadValue::VariableName);
    }
    if env.values().any(|value| value.contains('\0')) { Err(BadValue::NotForProcesses) } else { Ok(()) }
}
