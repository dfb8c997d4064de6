//! The local server that a configuration names: a command, or an address with headers for it.

use culvert_protocol::text;
use culvert_tunnel::{ForwardAuth, Headers, LocalServer, ServerUrl, StdioCommand};

use super::warn;
use crate::command::{BadCommand, shell_word, split};
use crate::error::ConfigError;
use crate::key::Key;
use crate::origin::{Origin, Sourced};
use crate::secret::{Meant, meant};
use crate::settings::Settings;
use crate::surroundings::Surroundings;
use crate::warning::Warning;

/// The one local server that `settings` name.
pub(super) fn local_server(
    settings: &Settings,
    surroundings: &Surroundings<'_>,
    warnings: &mut Vec<Warning>,
) -> Result<LocalServer, ConfigError> {
    const SERVERS: [Key; 3] = [Key::LocalStdio, Key::LocalStreamableHttp, Key::LocalSse];
    const OF_COMMANDS: [Key; 3] = [Key::Args, Key::Env, Key::Cwd];
    const OF_ADDRESSES: [Key; 2] = [Key::LocalHeaders, Key::ForwardAuth];
    let mut named = SERVERS.into_iter().filter(|key| settings.origin(*key).is_some());
    let server = named.next().ok_or(ConfigError::Missing { key: Key::LocalStdio })?;
    let strangers = if server == Key::LocalStdio { &OF_ADDRESSES[..] } else { &OF_COMMANDS[..] };
    for key in named.chain(strangers.iter().copied()) {
        apart(settings, key, server)?;
    }
    match server {
        Key::LocalStdio => command(settings, surroundings, warnings).map(LocalServer::Stdio),
        Key::LocalSse => {
            let url = url(settings, &settings.local_sse, server, warnings)?;
            Ok(LocalServer::Sse { url, headers: headers(settings, surroundings, warnings)? })
        }
        _ => {
            let url = url(settings, &settings.local_streamable_http, server, warnings)?;
            Ok(LocalServer::StreamableHttp { url, headers: headers(settings, surroundings, warnings)? })
        }
    }
}

/// Refuses `key` beside `other`.
pub(super) fn apart(settings: &Settings, key: Key, other: Key) -> Result<(), ConfigError> {
    match settings.origin(key) {
        Some(origin) => Err(ConfigError::Conflict { origin: origin.clone(), key, other }),
        None => Ok(()),
    }
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

/// The address after `key`. Without TLS only this machine is reached, as with gateways.
fn url(
    settings: &Settings,
    given: &Option<Sourced<String>>,
    key: Key,
    warnings: &mut Vec<Warning>,
) -> Result<ServerUrl, ConfigError> {
    let Sourced { value, origin } = given.as_ref().ok_or(ConfigError::Missing { key })?;
    let url = ServerUrl::parse(value).map_err(|problem| ConfigError::BadServerUrl {
        origin: origin.clone(),
        key,
        problem,
    })?;
    if url.is_encrypted() || url.is_loopback() {
        return Ok(url);
    }
    if settings.allow_plaintext.as_ref().is_some_and(|allowed| allowed.value) {
        warn(warnings, Warning::Plaintext(url.to_string()));
        return Ok(url);
    }
    Err(ConfigError::PlaintextServer { origin: origin.clone(), key, url: url.to_string() })
}

/// The headers with their values.
fn headers(
    settings: &Settings,
    surroundings: &Surroundings<'_>,
    warnings: &mut Vec<Warning>,
) -> Result<Headers, ConfigError> {
    let key = Key::LocalHeaders;
    let Some(Sourced { value: given, origin }) = &settings.local_headers else { return Ok(Headers::default()) };
    let mut read = Vec::with_capacity(given.0.len());
    for (name, text) in &given.0 {
        let value = match meant(text, surroundings) {
            Ok(Meant::Referred(value)) => value,
            Ok(Meant::Literal) => {
                if let Origin::File(place) = origin {
                    warn(warnings, Warning::HeaderInFile(place.clone()));
                }
                text.clone()
            }
            Err(problem) => {
                let shown = Some(text::clean(name, 60));
                return Err(ConfigError::Value { origin: origin.clone(), key, shown, problem });
            }
        };
        read.push((name, value));
    }
    Headers::new(read).map_err(|problem| ConfigError::Header { origin: origin.clone(), key, problem })
}

/// What of a gateway's `authentication` the local server may see.
pub(super) fn forward_auth(settings: &Settings) -> Result<ForwardAuth, ConfigError> {
    let Some(Sourced { value, origin }) = &settings.forward_auth else { return Ok(ForwardAuth::default()) };
    ForwardAuth::allow(value).map_err(|problem| ConfigError::Header {
        origin: origin.clone(),
        key: Key::ForwardAuth,
        problem,
    })
}
