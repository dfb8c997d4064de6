//! One server's settings, all layers together, checked and turned into a profile.

mod gateways;
mod local_server;
mod way;

use std::collections::BTreeMap;

use culvert_protocol::tool_policy::{ChangedTools, Feature, Tools};
use culvert_protocol::{Labels, ServerName, ToolPolicy, limits, text};
use culvert_tunnel::{Children, Notice, Retry, Transport, TunnelConfig};

use self::gateways::gateways;
use self::local_server::{apart, forward_auth, local_server};
pub use self::way::proxy_of_environment;
use self::way::way;
use crate::error::ConfigError;
use crate::key::Key;
use crate::labels::GivenLabels;
use crate::naming::made_name;
use crate::origin::{Place, Sourced};
use crate::placeholder::filled;
use crate::profile::{Profile, ProfileKey, ProfileTunnel, Secrets};
use crate::settings::Settings;
use crate::surroundings::Surroundings;
use crate::warning::Warning;

/// The longest description that is sent, in characters: catalogs show a line or two.
const LONGEST_DESCRIPTION: usize = 1024;

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
    let policy = policy(settings);
    let tunnel = |(gateway, token)| {
        let way = way(settings, &gateway, surroundings, &mut warnings)?;
        Ok(ProfileTunnel {
            config: TunnelConfig {
                name: name.clone(),
                description: description.clone(),
                server: server.server.clone(),
                forward_auth: forward_auth.clone(),
                gateway,
                outbound: way.outbound,
                retry: Retry {
                    first,
                    cap: default.cap.max(first),
                    max: settings.max_retries.as_ref().map(|given| given.value).filter(|tries| *tries > 0),
                    ..default
                },
                keepalive,
                request_timeout: value(&settings.request_timeout, limits::REQUEST_TIMEOUT_DEFAULT),
                policy: policy.clone(),
                transport: value(&settings.transport, Transport::default()),
                children,
                max_message: value(&settings.max_message_size, limits::MAX_MESSAGE_DEFAULT),
                start_timeout: value(&settings.start_timeout, limits::START_TIMEOUT_DEFAULT),
                labels: labels.clone(),
                host: host.clone(),
                probe_interval: value(&settings.probe_interval, limits::PROBE_INTERVAL_DEFAULT),
                drain: value(&settings.drain, limits::DRAIN_DEFAULT),
            },
            secrets: Secrets {
                token,
                env: server.env.clone(),
                headers: server.headers.clone(),
                passphrase: way.passphrase,
                proxy: way.proxy,
            },
        })
    };
    let id = settings.id.as_ref().map(|id| id.value);
    let tunnels = gateways.into_iter().map(tunnel).collect::<Result<_, ConfigError>>()?;
    let start = value(&settings.start, Default::default());
    let audit_log = settings.audit_log.as_ref().map(|given| given.value.clone());
    Ok(Profile { key: ProfileKey::new(id, &name), id, name, place, start, labels, audit_log, tunnels, warnings })
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

fn policy(settings: &Settings) -> ToolPolicy {
    let feature = |given: &Option<Sourced<bool>>| if value(given, true) { Feature::On } else { Feature::Off };
    ToolPolicy {
        allow: settings.tools_allow.as_ref().map(|given| given.value.clone()),
        deny: settings.tools_deny.as_ref().map(|given| given.value.clone()).unwrap_or_default(),
        tools: value(&settings.tool_preset, Tools::default()),
        prompts: feature(&settings.prompts),
        resources: feature(&settings.resources),
        changed: match value(&settings.hold_changed_tools, false) {
            true => ChangedTools::Held,
            false => ChangedTools::Pass,
        },
    }
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
