//! All layers together: merged, checked, and turned into what the engine takes.

use std::time::Duration;

use culvert_protocol::{GatewayAddress, Secret, ServerName, limits, text};
use culvert_tunnel::{LocalServer, Notice, Retry, StdioCommand, Transport, TunnelConfig};

use crate::command::{BadCommand, shell_word, split};
use crate::environment;
use crate::error::{ConfigError, Unsupported};
use crate::file::ConfigFile;
use crate::key::Key;
use crate::level::LogLevel;
use crate::naming::made_name;
use crate::origin::{Origin, Place, Sourced};
use crate::placeholder::filled;
use crate::settings::Settings;
use crate::surroundings::Surroundings;
use crate::value::BadValue;
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
    /// Where the second server stands, in a file that lists several.
    pub second_server: Option<Place>,
}

impl Effective {
    /// The only tunnel.
    ///
    /// # Errors
    /// [`ConfigError::Unsupported`] when there are several.
    pub fn single(mut self) -> Result<(TunnelConfig, LogLevel, Vec<Warning>), ConfigError> {
        match (self.tunnels.pop(), self.second_server) {
            (Some(tunnel), None) => Ok((tunnel, self.log_level, self.warnings)),
            (None, None) => Err(ConfigError::Missing { key: Key::LocalStdio }),
            (_, Some(at)) => {
                let what = Unsupported::SeveralServers(self.tunnels.len() + 1);
                Err(ConfigError::Unsupported { at, what })
            }
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
    let second_server = servers.as_ref().and_then(|servers| servers.get(1)).map(|(_, place)| place.clone());
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
        tunnels.push(tunnel(entry, surroundings, &mut warnings)?);
    }
    Ok(Effective { tunnels, log_level, warnings, second_server })
}

/// Adds a warning that is not there yet.
fn warn(warnings: &mut Vec<Warning>, warning: Warning) {
    if !warnings.contains(&warning) {
        warnings.push(warning);
    }
}

/// A command or name for one server says nothing where the file lists its servers.
fn nothing_beside_servers(shared: &Settings, servers: &[(Settings, Place)]) -> Result<(), ConfigError> {
    for key in [Key::LocalStdio, Key::Args, Key::Cwd, Key::Env, Key::ServerName, Key::ServerDescription] {
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

fn tunnel(
    settings: Settings,
    surroundings: &Surroundings<'_>,
    warnings: &mut Vec<Warning>,
) -> Result<TunnelConfig, ConfigError> {
    let mut command = command(&settings, surroundings, warnings)?;
    let gateway = gateway(&settings, warnings)?;
    if let Some(name) = settings.token.as_ref().and_then(|token| token_variable(&token.value)) {
        // The child inherits the environment, and the token is not its business.
        command.env.entry(name.to_owned()).or_default();
    }
    let token = settings.token.map(|token| bearer(token, surroundings, warnings)).transpose()?;
    let name = match &settings.server_name {
        Some(given) => given_name(given, surroundings)?,
        None => made_name(&command, surroundings),
    };
    let description = description(settings.server_description, surroundings)?;
    let keepalive = settings.keepalive.map_or(limits::KEEPALIVE_DEFAULT, |given| given.value);
    if keepalive > limits::KEEPALIVE_WARN {
        warn(warnings, Warning::Notice(Notice::SlowKeepalive(keepalive)));
    }
    let default = Retry::default();
    let first: Duration = settings.reconnect_delay.map_or(default.first, |given| given.value);
    Ok(TunnelConfig {
        name,
        description,
        server: LocalServer::Stdio(command),
        gateway,
        token,
        retry: Retry {
            first,
            cap: default.cap.max(first),
            max: settings.max_retries.map(|given| given.value).filter(|tries| *tries > 0),
        },
        keepalive,
        request_timeout: limits::REQUEST_TIMEOUT_DEFAULT,
        transport: Transport::default(),
        children: culvert_tunnel::Children::default(),
        max_message: settings.max_message_size.map_or(limits::MAX_MESSAGE_DEFAULT, |given| given.value),
        start_timeout: settings.start_timeout.map_or(limits::START_TIMEOUT_DEFAULT, |given| given.value),
    })
}

fn command(
    settings: &Settings,
    surroundings: &Surroundings<'_>,
    warnings: &mut Vec<Warning>,
) -> Result<StdioCommand, ConfigError> {
    let given = settings.local_stdio.as_ref().ok_or(ConfigError::Missing { key: Key::LocalStdio })?;
    let bad = |problem| ConfigError::Command { origin: given.origin.clone(), problem };
    let (program, args) = match &settings.args {
        Some(args) => match given.value.trim() {
            "" => return Err(bad(BadCommand::Empty)),
            program if program.contains('\0') => return Err(bad(BadCommand::Nul)),
            program => (program.to_owned(), args.value.clone()),
        },
        None => {
            let words = split(&given.value, surroundings.platform).map_err(bad)?;
            if let Some(word) = shell_word(&words) {
                warn(warnings, Warning::ShellSyntax(text::clean(word, 60)));
            }
            let mut words = words.into_iter();
            (words.next().ok_or_else(|| bad(BadCommand::Empty))?, words.collect())
        }
    };
    let env = settings.env.iter().flat_map(|env| &env.value.0);
    Ok(StdioCommand {
        program,
        args,
        env: env.map(|(name, value)| (name.clone(), value.into())).collect(),
        cwd: settings.cwd.as_ref().map(|cwd| cwd.value.clone()),
    })
}

fn gateway(settings: &Settings, warnings: &mut Vec<Warning>) -> Result<GatewayAddress, ConfigError> {
    let given = settings.gateway.as_ref().ok_or(ConfigError::Missing { key: Key::Gateway })?;
    let gateway = GatewayAddress::parse(&given.value)
        .map_err(|problem| ConfigError::BadUrl { origin: given.origin.clone(), problem })?;
    if gateway.is_encrypted() || gateway.is_loopback() {
        return Ok(gateway);
    }
    if settings.allow_plaintext.as_ref().is_some_and(|allowed| allowed.value) {
        warn(warnings, Warning::Plaintext(gateway.to_string()));
        return Ok(gateway);
    }
    Err(ConfigError::Plaintext { origin: given.origin.clone(), gateway: gateway.to_string() })
}

/// The variable that a token refers to, as `env:NAME`.
fn token_variable(token: &Secret) -> Option<&str> {
    token.expose().strip_prefix("env:").map(str::trim)
}

fn bearer(
    token: Sourced<Secret>,
    surroundings: &Surroundings<'_>,
    warnings: &mut Vec<Warning>,
) -> Result<Secret, ConfigError> {
    let Sourced { value, origin } = token;
    let bad = |problem| ConfigError::Value { origin: origin.clone(), key: Key::Token, shown: None, problem };
    let kind = value.expose().split_once(':').map(|(kind, _)| kind);
    let value = match (token_variable(&value), kind) {
        (Some(name), _) => surroundings.variable(name).map(Secret::new).ok_or_else(|| bad(BadValue::UnsetVariable))?,
        (None, Some("keychain" | "file" | "command")) => return Err(bad(BadValue::Reference)),
        (None, _) => {
            match &origin {
                Origin::Flag(_) => warn(warnings, Warning::TokenInArguments),
                Origin::File(place) => warn(warnings, Warning::TokenInFile(place.clone())),
                Origin::Variable(_) => {}
            }
            value
        }
    };
    if value.is_empty() {
        return Err(bad(BadValue::Empty));
    }
    if !value.expose().bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(bad(BadValue::NotAToken));
    }
    Ok(value)
}

fn given_name(given: &Sourced<String>, surroundings: &Surroundings<'_>) -> Result<ServerName, ConfigError> {
    let filled = filled(&given.value, surroundings).map_err(|problem| ConfigError::Placeholder {
        origin: given.origin.clone(),
        key: Key::ServerName,
        problem,
    })?;
    ServerName::new(filled.trim()).map_err(|problem| ConfigError::Name { origin: given.origin.clone(), problem })
}

fn description(given: Option<Sourced<String>>, surroundings: &Surroundings<'_>) -> Result<Option<String>, ConfigError> {
    let Some(Sourced { value, origin }) = given else { return Ok(None) };
    let filled = filled(&value, surroundings).map_err(|problem| ConfigError::Placeholder {
        origin,
        key: Key::ServerDescription,
        problem,
    })?;
    let cleaned = text::clean(&filled, LONGEST_DESCRIPTION);
    Ok((!cleaned.is_empty()).then_some(cleaned))
}

#[cfg(test)]
mod tests;
