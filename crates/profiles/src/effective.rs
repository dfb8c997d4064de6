//! One server's settings, checked and turned into a profile, and all of a configuration made ready at once.

mod gateways;
mod local_server;

use std::collections::BTreeMap;

use culvert_protocol::{Labels, ServerName, limits, text};
use culvert_tunnel::{Children, Notice, Retry, Transport, TunnelConfig};

use self::gateways::gateways;
use self::local_server::{apart, forward_auth, local_server};
use crate::error::{ConfigError, Unsupported};
use crate::file::ConfigFile;
use crate::key::Key;
use crate::labels::GivenLabels;
use crate::level::LogLevel;
use crate::load::{Loaded, loaded};
use crate::naming::made_name;
use crate::origin::{Place, Sourced};
use crate::placeholder::filled;
use crate::profile::{Profile, ProfileKey, ProfileTunnel, Secrets};
use crate::secret::follow;
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

/// Everything of a configuration at once, for those to whom one wrong entry is as bad as all: secrets are read too, as
/// far as that takes no time.
///
/// # Errors
/// The first [`ConfigError`] met.
pub fn effective(
    flags: Settings,
    file: Option<ConfigFile>,
    surroundings: &Surroundings<'_>,
) -> Result<Effective, ConfigError> {
    let Loaded { profiles, broken, log_level, mut warnings, hidden } = loaded(flags, file, surroundings)?;
    if let Some(broken) = broken.into_iter().next() {
        return Err(broken.error);
    }
    let second = profiles.get(1).and_then(|profile| profile.place.clone());
    let several = second.map(|place| (profiles.len(), place));
    let mut tunnels = Vec::new();
    for profile in profiles {
        for warning in profile.warnings {
            warn(&mut warnings, warning);
        }
        for tunnel in &profile.tunnels {
            tunnels.push(tunnel.complete(&hidden, &mut |reference| follow(reference, surroundings))?);
        }
    }
    Ok(Effective { tunnels, log_level, warnings, several })
}

/// Adds a warning that is not there yet.
pub(crate) fn warn(warnings: &mut Vec<Warning>, warning: Warning) {
    if !warnings.contains(&warning) {
        warnings.push(warning);
    }
}

/// The profile that one server's settings, all layers together, come to.
pub(crate) fn profile(
    settings: &Settings,
    place: Option<Place>,
    surroundings: &Surroundings<'_>,
) -> Result<Profile, ConfigError> {
    let mut warnings = Vec::new();
    let server = local_server(settings, surroundings, &mut warnings)?;
    let gateways = gateways(settings, surroundings, &mut warnings)?;
    let name = match &settings.server_name {
        Some(given) => given_name(given, surroundings)?,
        None => made_name(&server.server, surroundings),
    };
    let description = description(settings.server_description.as_ref(), surroundings)?;
    let labels = labels(settings.labels.as_ref(), surroundings)?;
    let host = Some(text::clean(&surroundings.host, 255)).filter(|host| !host.is_empty());
    let keepalive = value(&settings.keepalive, limits::KEEPALIVE_DEFAULT);
    if keepalive > limits::KEEPALIVE_WARN {
        warn(&mut warnings, Warning::Notice(Notice::SlowKeepalive(keepalive)));
    }
    let default = Retry::default();
    let first = value(&settings.reconnect_delay, default.first);
    let children = children(settings)?;
    let forward_auth = forward_auth(settings)?;
    let tunnel = |(gateway, token)| ProfileTunnel {
        config: TunnelConfig {
            name: name.clone(),
            description: description.clone(),
            server: server.server.clone(),
            forward_auth: forward_auth.clone(),
            gateway,
            token: None,
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
            labels: labels.clone(),
            host: host.clone(),
            probe_interval: limits::PROBE_INTERVAL_DEFAULT,
            drain: limits::DRAIN_DEFAULT,
        },
        secrets: Secrets { token, env: server.env.clone(), headers: server.headers.clone() },
    };
    let id = settings.id.as_ref().map(|id| id.value);
    let tunnels = gateways.into_iter().map(tunnel).collect();
    let start = value(&settings.start, Default::default());
    Ok(Profile { key: ProfileKey::new(id, &name), id, name, place, start, labels, tunnels, warnings })
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

fn labels(given: Option<&Sourced<GivenLabels>>, surroundings: &Surroundings<'_>) -> Result<Labels, ConfigError> {
    let Some(Sourced { value, origin }) = given else { return Ok(Labels::default()) };
    let filled = |(name, text): (&String, &String)| Ok((name.clone(), filled(text, surroundings)?.trim().to_owned()));
    let all = value.0.iter().map(filled).collect::<Result<BTreeMap<_, _>, _>>();
    let all = all.map_err(|problem| {
        let (origin, key) = (origin.clone(), Key::Labels);
        ConfigError::Placeholder { origin, key, problem }
    })?;
    Labels::new(all).map_err(|problem| ConfigError::Labels { origin: origin.clone(), problem })
}

#[cfg(test)]
mod tests;
