//! The local server that a configuration names: a command, or an address with headers for it.

use culvert_protocol::{Secret, text};
use culvert_tunnel::{ForwardAuth, Headers, LocalServer, ServerUrl, StdioCommand};

use super::warn;
use crate::command::{BadCommand, shell_word, split};
use crate::error::ConfigError;
use crate::key::Key;
use crate::origin::{Origin, Sourced};
use crate::profile::{SecretEnv, SecretHeaders};
use crate::secret::SecretRef;
use crate::settings::Settings;
use crate::surroundings::Surroundings;
use crate::warning::Warning;

/// A local server without its secrets, and where these are to be had.
pub(super) struct Given {
    pub(super) server: LocalServer,
    pub(super) env: Option<Sourced<SecretEnv>>,
    pub(super) headers: Option<Sourced<SecretHeaders>>,
}

/// The one local server that `settings` name.
pub(super) fn local_server(
    settings: &Settings,
    surroundings: &Surroundings<'_>,
    warnings: &mut Vec<Warning>,
) -> Result<Given, ConfigError> {
    const SERVERS: [Key; 3] = [Key::LocalStdio, Key::LocalStreamableHttp, Key::LocalSse];
    const OF_COMMANDS: [Key; 4] = [Key::Args, Key::Env, Key::SecretEnv, Key::Cwd];
    const OF_ADDRESSES: [Key; 2] = [Key::LocalHeaders, Key::ForwardAuth];
    let mut named = SERVERS.into_iter().filter(|key| settings.origin(*key).is_some());
    let key = named.next().ok_or(ConfigError::Missing { key: Key::LocalStdio })?;
    let strangers = if key == Key::LocalStdio { &OF_ADDRESSES[..] } else { &OF_COMMANDS[..] };
    for stranger in named.chain(strangers.iter().copied()) {
        apart(settings, stranger, key)?;
    }
    let headers = headers(settings, surroundings, warnings)?;
    let server = match key {
        Key::LocalStdio => LocalServer::Stdio(command(settings, surroundings, warnings)?),
        Key::LocalSse => {
            LocalServer::Sse { url: url(settings, &settings.local_sse, key, warnings)?, headers: Headers::default() }
        }
        _ => {
            let url = url(settings, &settings.local_streamable_http, key, warnings)?;
            LocalServer::StreamableHttp { url, headers: Headers::default() }
        }
    };
    Ok(Given { server, env: secret_env(settings, surroundings, warnings)?, headers })
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

/// The headers' names and where their values are to be had.
fn headers(
    settings: &Settings,
    surroundings: &Surroundings<'_>,
    warnings: &mut Vec<Warning>,
) -> Result<Option<Sourced<SecretHeaders>>, ConfigError> {
    let key = Key::LocalHeaders;
    let Some(Sourced { value: given, origin }) = &settings.local_headers else { return Ok(None) };
    let mut read = Vec::with_capacity(given.0.len());
    for (name, text) in &given.0 {
        let reference = reference(name, text, key, origin, surroundings)?;
        if let (SecretRef::Literal(_), Origin::File(place)) = (&reference, origin) {
            warn(warnings, Warning::HeaderInFile(place.clone()));
        }
        read.push((name.clone(), reference));
    }
    // What is not read yet may be anything; the names and what is written out are judged now.
    let as_far_as_known = read.iter().map(|(name, reference)| match reference {
        SecretRef::Literal(value) => (name, value.clone()),
        _ => (name, Secret::new("x")),
    });
    Headers::new(as_far_as_known).map_err(|problem| ConfigError::Header { origin: origin.clone(), key, problem })?;
    Ok(Some(Sourced::new(read, origin.clone())))
}

/// The variables whose values are secrets.
fn secret_env(
    settings: &Settings,
    surroundings: &Surroundings<'_>,
    warnings: &mut Vec<Warning>,
) -> Result<Option<Sourced<SecretEnv>>, ConfigError> {
    let key = Key::SecretEnv;
    let Some(Sourced { value: given, origin }) = &settings.secret_env else { return Ok(None) };
    let mut read = SecretEnv::new();
    for (name, text) in &given.0 {
        let reference = reference(name, text, key, origin, surroundings)?;
        if let (SecretRef::Literal(_), Origin::File(place)) = (&reference, origin) {
            warn(warnings, Warning::VariableInFile(place.clone()));
        }
        read.insert(name.clone(), reference);
    }
    Ok(Some(Sourced::new(read, origin.clone())))
}

fn reference(
    name: &str,
    text: &Secret,
    key: Key,
    origin: &Origin,
    surroundings: &Surroundings<'_>,
) -> Result<SecretRef, ConfigError> {
    SecretRef::parse(text.expose(), surroundings.platform).map_err(|problem| {
        let (origin, shown) = (origin.clone(), Some(text::clean(name, 60)));
        ConfigError::Value { origin, key, shown, problem: problem.into() }
    })
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
