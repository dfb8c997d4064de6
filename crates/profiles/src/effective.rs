//! All layers together: merged, checked, and turned into what the engine takes.

mod gateways;
mod local_server;

use culvert_protocol::{ServerName, limits, text};
use culvert_tunnel::{Children, LocalServer, Notice, Retry, Transport, TunnelConfig};

use self::gateways::{bearer, gateways};
use self::local_server::{apart, forward_auth, local_server};
use crate::environment;
use crate::error::{ConfigError, Unsupported};
use crate::file::ConfigFile;
use crate::key::Key;
use crate::level::LogLevel;
use crate::naming::made_name;
use crate::origin::{Origin, Place, Sourced};
use crate::placeholder::filled;
use crate::secret;
use crate::settings::Settings;
use crate::surroundings::Surroundings;
use crate::warning::Warning;

/// The longest description that is sent, in characters: catalogs show a line or two.
const LONGEST_DESCRIPTION: usize = 1024;

/// What is to be done, complete and checked.
#[derive(Debug, Clone)]
pub struct Effective {
    /// The tunnels to run; never none.
    pub tunnels: Vec<TunnelConfig>,
    /// How much the log tells.
    pub log_level: LogLevel,
    /// What deserves a word.
    pub warnings: Vec<Warning>,
    /// How many servers there are, and where the second one stands, in a file that lists several.
    pub several: Option<(usize, Place)>,
}

impl Effective {
    /// The same, if its tunnels are all of one local server.
    ///
    /// # Errors
    /// [`ConfigError::Unsupported`] when there are several.
    pub fn of_one_server(self) -> Result<Self, ConfigError> {
        match self.several {
            Some((servers, at)) => Err(ConfigError::Unsupported { at, what: Unsupported::SeveralServers(servers) }),
            None => Ok(self),
        }
    }
}

/// Lays flags over the environment over the file over the defaults, and checks what comes out. A key inside a
/// `servers:` entry wins for that entry.
///
/// # Errors
/// The first [`ConfigError`] met.
pub fn effective(
    flags: Settings,
    file: Option<ConfigFile>,
    surroundings: &Surroundings<'_>,
) -> Result<Effective, ConfigError> {
    let environment = environment::settings(&flags, surroundings)?;
    let ConfigFile { top, servers } = file.unwrap_or_default();
    let shared = flags.over(environment).over(top);
    let log_level = shared.log_level.as_ref().map_or_else(LogLevel::default, |level| level.value);
    let several = servers.as_ref().and_then(|all| all.get(1).map(|(_, place)| (all.len(), place.clone())));
    let entries = match servers {
        Some(servers) if !servers.is_empty() => {
            nothing_beside_servers(&shared, &servers)?;
            servers.into_iter().map(|(entry, _)| entry_over(entry, shared.clone())).collect()
        }
        _ => vec![shared],
    };
    let mut warnings = Vec::new();
    let mut tunnels = Vec::with_capacity(entries.len());
    for entry in entries {
        tunnels.extend(tunnels_of(entry, surroundings, &mut warnings)?);
    }
    Ok(Effective { tunnels, log_level, warnings, several })
}

/// Adds a warning that is not there yet.
fn warn(warnings: &mut Vec<Warning>, warning: Warning) {
    if !warnings.contains(&warning) {
        warnings.push(warning);
    }
}

/// A command or name for one server says nothing where the file lists its servers.
fn nothing_beside_servers(shared: &Settings, servers: &[(Settings, Place)]) -> Result<(), ConfigError> {
    const OF_ONE_SERVER: [Key; 10] = [
        Key::LocalStdio,
        Key::Args,
        Key::Env,
        Key::Cwd,
        Key::LocalStreamableHttp,
        Key::LocalSse,
        Key::LocalHeaders,
        Key::ForwardAuth,
        Key::ServerName,
        Key::ServerDescription,
    ];
    for key in OF_ONE_SERVER {
        match (shared.origin(key), servers) {
            (None, _) | (_, []) => {}
            (Some(Origin::File(at)), _) => {
                return Err(ConfigError::Unsupported { at: at.clone(), what: Unsupported::BesideServers(key) });
            }
            (Some(Origin::Flag(name) | Origin::Variable(name)), [(_, at), ..]) => {
                return Err(ConfigError::Unsupported { at: at.clone(), what: Unsupported::FlagBesideServers(name) });
            }
        }
    }
    Ok(())
}

/// A token goes only to gateways that were given where it was: one entry's own gateway does not get everyone's token.
fn entry_over(entry: Settings, mut shared: Settings) -> Settings {
    if entry.gateway.is_some() {
        shared.token = None;
    }
    entry.over(shared)
}

/// One tunnel to each gateway that `settings` name.
fn tunnels_of(
    settings: Settings,
    surroundings: &Surroundings<'_>,
    warnings: &mut Vec<Warning>,
) -> Result<Vec<TunnelConfig>, ConfigError> {
    let mut server = local_server(&settings, surroundings, warnings)?;
    let gateways = gateways(&settings, warnings)?;
    let variable = settings.token.as_ref().and_then(|token| secret::variable(&token.value));
    if let (LocalServer::Stdio(command), Some(name)) = (&mut server, variable) {
        // The child inherits the environment, and the token is not its business.
        command.env.entry(name.to_owned()).or_default();
    }
    let token = settings.token.as_ref().map(|token| bearer(token, surroundings, warnings)).transpose()?;
    let name = match &settings.server_name {
        Some(given) => given_name(given, surroundings)?,
        None => made_name(&server, surroundings),
    };
    let description = description(settings.server_description.as_ref(), surroundings)?;
    let keepalive = value(&settings.keepalive, limits::KEEPALIVE_DEFAULT);
    if keepalive > limits::KEEPALIVE_WARN {
        warn(warnings, Warning::Notice(Notice::SlowKeepalive(keepalive)));
    }
    let default = Retry::default();
    let first = value(&settings.reconnect_delay, default.first);
    let children = children(&settings)?;
    let forward_auth = forward_auth(&settings)?;
    let tunnel = |gateway| TunnelConfig {
        name: name.clone(),
        description: description.clone(),
        server: server.clone(),
        forward_auth: forward_auth.clone(),
        gateway,
        token: token.clone(),
        retry: Retry {
            first,
            cap: default.cap.max(first),
            max: settings.max_retries.as_ref().map(|given| given.value).filter(|tries| *tries > 0),
            ..default
        },
        keepalive,
        request_timeout: value(&settings.request_timeout, limits::REQUEST_TIMEOUT_DEFAULT),
        transport: value(&settings.transport, Transport::default()),
        children,
        max_message: value(&settings.max_message_size, limits::MAX_MESSAGE_DEFAULT),
        start_timeout: value(&settings.start_timeout, limits::START_TIMEOUT_DEFAULT),
        labels: Default::default(),
        host: Some(surroundings.host.to_owned()).filter(|host| !host.is_empty()),
        probe_interval: limits::PROBE_INTERVAL_DEFAULT,
        drain: limits::DRAIN_DEFAULT,
    };
    Ok(gateways.into_iter().map(tunnel).collect())
}

fn value<T: Copy>(given: &Option<Sourced<T>>, default: T) -> T {
    given.as_ref().map_or(default, |given| given.value)
}

fn children(settings: &Settings) -> Result<Children, ConfigError> {
    let default = Children::default();
    let children = Children {
        single: value(&settings.single_child, default.single),
        max_sessions: value(&settings.max_sessions, default.max_sessions),
        warm_spare: value(&settings.warm_spare, default.warm_spare),
    };
    if children.single && children.warm_spare {
        // The spare would be the second process that must not be.
        apart(settings, Key::WarmSpare, Key::SingleChild)?;
    }
    Ok(children)
}

fn given_name(given: &Sourced<String>, surroundings: &Surroundings<'_>) -> Result<ServerName, ConfigError> {
    let filled = filled(&given.value, surroundings).map_err(|problem| ConfigError::Placeholder {
        origin: given.origin.clone(),
        key: Key::ServerName,
        problem,
    })?;
    ServerName::new(filled.trim()).map_err(|problem| ConfigError::Name { origin: given.origin.clone(), problem })
}

fn description(
    given: Option<&Sourced<String>>,
    surroundings: &Surroundings<'_>,
) -> Result<Option<String>, ConfigError> {
    let Some(Sourced { value, origin }) = given else { return Ok(None) };
    let filled = filled(value, surroundings).map_err(|problem| ConfigError::Placeholder {
        origin: origin.clone(),
        key: Key::ServerDescription,
        problem,
    })?;
    let cleaned = text::clean(&filled, LONGEST_DESCRIPTION);
    Ok((!cleaned.is_empty()).then_some(cleaned))
}

#[cfg(test)]
mod tests;
