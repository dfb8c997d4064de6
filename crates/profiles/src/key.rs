//! The keys of a configuration: what each is called as key, flag and variable, and what holds without it. Reading,
//! error messages and the documentation are all checked against this one list.

use std::fmt;

/// Something that can be configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// The command of the local server.
    LocalStdio,
    /// Its arguments, literally; the command is then literal as well.
    Args,
    /// Its environment, beyond what it inherits.
    Env,
    /// The same for values that are secrets: references to them.
    SecretEnv,
    /// The folder that it runs in.
    Cwd,
    /// The address of a local server that speaks Streamable HTTP.
    LocalStreamableHttp,
    /// The address of a local server that speaks the older HTTP with SSE.
    LocalSse,
    /// Headers for a local server by address.
    LocalHeaders,
    /// Headers of callers that a local server by address may be handed.
    ForwardAuth,
    /// The name to register.
    ServerName,
    /// What the gateway's catalog says about it.
    ServerDescription,
    /// What tells this server from others.
    Labels,
    /// Where to register.
    Gateway,
    /// The bearer for the gateway.
    Token,
    /// The authorities that a gateway's certificate is checked against.
    CaCert,
    /// Our certificate, for gateways that ask for one.
    ClientCert,
    /// Its private key.
    ClientKey,
    /// What that key is encrypted with.
    ClientKeyPassphrase,
    /// What stands between this machine and its gateways.
    Proxy,
    /// The only tools that may pass.
    ToolsAllow,
    /// Tools that may not.
    ToolsDeny,
    /// What tools may do.
    ToolPreset,
    /// Whether prompts may pass.
    Prompts,
    /// Whether resources may pass.
    Resources,
    /// Whether tools that have changed are held back.
    HoldChangedTools,
    /// Where a line is written for each call.
    AuditLog,
    /// What carries the link.
    Transport,
    /// The ceiling of the first wait between tries.
    ReconnectDelay,
    /// How many tries may fail in a row.
    MaxRetries,
    /// The heartbeat's interval.
    Keepalive,
    /// How long a call may stay unanswered.
    RequestTimeout,
    /// How long the local server may go without an answer until it is asked for one.
    ProbeInterval,
    /// How long calls in flight may take to their end once the tunnel is to stop.
    Drain,
    /// Whether all clients share one process of the local server.
    SingleChild,
    /// How many clients' sessions may be open at once.
    MaxSessions,
    /// Whether a process is kept ready for the next session.
    WarmSpare,
    /// The largest whole frame.
    MaxMessageSize,
    /// How long the local server may take to its first answer.
    StartTimeout,
    /// Whether a gateway elsewhere may be reached without TLS.
    AllowPlaintext,
    /// How much the log tells.
    LogLevel,
    /// Whether a saved profile is started by itself.
    Start,
    /// What a saved profile is known by, whatever its name.
    Id,
}

/// What a key's value looks like in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One text, number or truth value.
    Text,
    /// An address, a mapping of `url` and `token`, or a list of either.
    Gateways,
    /// A list of texts.
    List,
    /// A mapping from text to text.
    Map,
}

/// A key as people meet it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct About {
    /// Its name in a file.
    pub name: &'static str,
    /// Another name that a file may use for it.
    pub alias: Option<&'static str>,
    /// Its flag on the command line.
    pub flag: Option<&'static str>,
    /// Its environment variable.
    pub variable: Option<&'static str>,
    /// What holds without it; `None` where nothing does.
    pub default: Option<&'static str>,
    /// The unit of a number.
    pub unit: Option<&'static str>,
    /// What its value looks like in a file.
    pub shape: Shape,
}

/// Most keys: a flag of their own, text, nothing else.
const fn plain(name: &'static str, flag: &'static str) -> About {
    About { name, alias: None, flag: Some(flag), variable: None, default: None, unit: None, shape: Shape::Text }
}

/// Keys that only a file has.
const fn only_in_files(name: &'static str, shape: Shape) -> About {
    About { name, alias: None, flag: None, variable: None, default: None, unit: None, shape }
}

impl Key {
    /// Every key, in the order of the documentation.
    pub const ALL: [Self; 42] = [
        Self::LocalStdio,
        Self::Args,
        Self::Env,
        Self::SecretEnv,
        Self::Cwd,
        Self::LocalStreamableHttp,
        Self::LocalSse,
        Self::LocalHeaders,
        Self::ForwardAuth,
        Self::ServerName,
        Self::ServerDescription,
        Self::Labels,
        Self::Gateway,
        Self::Token,
        Self::CaCert,
        Self::ClientCert,
        Self::ClientKey,
        Self::ClientKeyPassphrase,
        Self::Proxy,
        Self::ToolsAllow,
        Self::ToolsDeny,
        Self::ToolPreset,
        Self::Prompts,
        Self::Resources,
        Self::HoldChangedTools,
        Self::AuditLog,
        Self::Transport,
        Self::ReconnectDelay,
        Self::MaxRetries,
        Self::Keepalive,
        Self::RequestTimeout,
        Self::ProbeInterval,
        Self::Drain,
        Self::SingleChild,
        Self::MaxSessions,
        Self::WarmSpare,
        Self::MaxMessageSize,
        Self::StartTimeout,
        Self::AllowPlaintext,
        Self::LogLevel,
        Self::Start,
        Self::Id,
    ];

    /// What there is to know about it.
    pub const fn about(self) -> About {
        let seconds = Some("seconds");
        match self {
            Self::LocalStdio => About { alias: Some("command"), ..plain("local_stdio", "--local-stdio") },
            Self::Args => only_in_files("args", Shape::List),
            Self::Env => only_in_files("env", Shape::Map),
            Self::SecretEnv => only_in_files("secret_env", Shape::Map),
            Self::Cwd => only_in_files("cwd", Shape::Text),
            Self::LocalStreamableHttp => plain("local_streamable_http", "--local-streamable-http"),
            Self::LocalSse => plain("local_sse", "--local-sse"),
            Self::LocalHeaders => About { shape: Shape::Map, ..plain("local_headers", "--local-header") },
            Self::ForwardAuth => only_in_files("forward_auth", Shape::List),
            Self::ServerName => About { alias: Some("name"), ..plain("server_name", "--server-name") },
            Self::ServerDescription => {
                About { alias: Some("description"), ..plain("server_description", "--server-description") }
            }
            Self::Labels => only_in_files("labels", Shape::Map),
            Self::Gateway => About {
                variable: Some("REVERSE_PROXY_GATEWAY"),
                alias: Some("gateways"),
                shape: Shape::Gateways,
                ..plain("gateway", "--gateway")
            },
            Self::Token => About { variable: Some("REVERSE_PROXY_TOKEN"), ..plain("token", "--token") },
            Self::CaCert => About { variable: Some("REVERSE_PROXY_CA_CERT"), ..plain("ca_cert", "--ca-cert") },
            Self::ClientCert => {
                About { variable: Some("REVERSE_PROXY_CLIENT_CERT"), ..plain("client_cert", "--client-cert") }
            }
            Self::ClientKey => {
                About { variable: Some("REVERSE_PROXY_CLIENT_KEY"), ..plain("client_key", "--client-key") }
            }
            Self::ClientKeyPassphrase => About {
                variable: Some("REVERSE_PROXY_CLIENT_KEY_PASSPHRASE"),
                ..plain("client_key_passphrase", "--client-key-passphrase")
            },
            Self::Proxy => plain("proxy", "--proxy"),
            Self::ToolsAllow => only_in_files("tools_allow", Shape::List),
            Self::ToolsDeny => only_in_files("tools_deny", Shape::List),
            Self::ToolPreset => About { default: Some("all"), ..only_in_files("tool_preset", Shape::Text) },
            Self::Prompts => About { default: Some("true"), ..only_in_files("prompts", Shape::Text) },
            Self::Resources => About { default: Some("true"), ..only_in_files("resources", Shape::Text) },
            Self::HoldChangedTools => {
                About { default: Some("false"), ..only_in_files("hold_changed_tools", Shape::Text) }
            }
            Self::AuditLog => plain("audit_log", "--audit-log"),
            Self::Transport => About { default: Some("auto"), ..plain("transport", "--transport") },
            Self::ReconnectDelay => About {
                variable: Some("REVERSE_PROXY_RECONNECT_DELAY"),
                default: Some("1"),
                unit: seconds,
                ..plain("reconnect_delay", "--reconnect-delay")
            },
            Self::MaxRetries => About {
                variable: Some("REVERSE_PROXY_MAX_RETRIES"),
                default: Some("0"),
                unit: Some("tries"),
                ..plain("max_retries", "--max-retries")
            },
            Self::Keepalive => About { default: Some("30"), unit: seconds, ..plain("keepalive", "--keepalive") },
            Self::RequestTimeout => {
                About { default: Some("300"), unit: seconds, ..plain("request_timeout", "--request-timeout") }
            }
            Self::ProbeInterval => {
                About { default: Some("30"), unit: seconds, ..plain("probe_interval", "--probe-interval") }
            }
            Self::Drain => About { default: Some("5"), unit: seconds, ..plain("drain", "--drain") },
            Self::SingleChild => About { default: Some("false"), ..plain("single_child", "--single-child") },
            Self::MaxSessions => {
                About { default: Some("8"), unit: Some("sessions"), ..plain("max_sessions", "--max-sessions") }
            }
            Self::WarmSpare => About { default: Some("false"), ..plain("warm_spare", "--warm-spare") },
            Self::MaxMessageSize => About {
                default: Some("16777216"),
                unit: Some("bytes"),
                ..plain("max_message_size", "--max-message-size")
            },
            Self::StartTimeout => {
                About { default: Some("120"), unit: seconds, ..plain("start_timeout", "--start-timeout") }
            }
            Self::AllowPlaintext => About { default: Some("false"), ..plain("allow_plaintext", "--allow-plaintext") },
            Self::LogLevel => About {
                variable: Some("REVERSE_PROXY_LOG_LEVEL"),
                default: Some("INFO"),
                ..plain("log_level", "--log-level")
            },
            Self::Start => About { default: Some("last"), ..only_in_files("start", Shape::Text) },
            Self::Id => only_in_files("id", Shape::Text),
        }
    }

    /// Whether its text may be a secret, so that it is never shown.
    pub const fn is_secret(self) -> bool {
        matches!(self, Self::Token | Self::ClientKeyPassphrase | Self::Proxy)
    }

    /// Its name in a file.
    pub const fn name(self) -> &'static str {
        self.about().name
    }

    /// The key that a file names so.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|key| key.name() == name || key.about().alias == Some(name))
    }

    /// The key's name that was probably meant by `name`, if any is close.
    pub fn nearest(name: &str) -> Option<&'static str> {
        let plain = |text: &str| text.to_ascii_lowercase().replace(['-', '_', ' '], "");
        let wanted = plain(name);
        let names = Self::ALL.into_iter().flat_map(|key| [Some(key.name()), key.about().alias]).flatten();
        names
            .map(|known| (strsim::damerau_levenshtein(&wanted, &plain(known)), known))
            // A third of the letters may be wrong: more is another word.
            .filter(|(distance, known)| distance * 3 <= known.len().max(wanted.len()))
            .min_by_key(|(distance, _)| *distance)
            .map(|(_, known)| known)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_name_stands_for_two_keys() {
        let names: Vec<_> =
            Key::ALL.into_iter().flat_map(|key| [Some(key.name()), key.about().alias]).flatten().collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
        assert!(names.iter().all(|name| Key::named(name).is_some()));
        assert_eq!(Key::ALL.into_iter().collect::<BTreeSet<_>>().len(), Key::ALL.len());
    }

    #[test]
    fn flags_are_the_keys_with_hyphens() {
        for key in Key::ALL {
            if let Some(flag) = key.about().flag {
                // A flag that is repeated gives one at a time.
                let plural = if key == Key::LocalHeaders { "s" } else { "" };
                assert_eq!(flag.trim_start_matches("--").replace('-', "_") + plural, key.name());
            }
        }
    }

    #[test]
    fn the_nearest_key_is_found_through_typing_errors() {
        for (typed, meant) in [
            ("keep_alive", Some("keepalive")),
            ("reconnect-delay", Some("reconnect_delay")),
            ("recconect_delay", Some("reconnect_delay")),
            ("gatway", Some("gateway")),
            ("tokne", Some("token")),
            ("logLevel", Some("log_level")),
            ("local-stdio", Some("local_stdio")),
            ("local_header", Some("local_headers")),
            ("gatewys", Some("gateways")),
            ("maxSessions", Some("max_sessions")),
            ("arguments", None),
            ("colour", None),
        ] {
            assert_eq!(Key::nearest(typed), meant, "{typed}");
        }
    }
}
