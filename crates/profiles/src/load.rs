//! A whole configuration: flags, environment and files together, each server by itself good or broken.

use std::collections::BTreeSet;
use std::path::Path;

use culvert_protocol::{Secret, text};

use crate::effective::{profile, warn};
use crate::environment;
use crate::error::{ConfigError, Duplicate, Unsupported};
use crate::file::{ConfigFile, Entry, Written};
use crate::folder;
use crate::key::Key;
use crate::level::LogLevel;
use crate::origin::{Origin, Place};
use crate::profile::{Broken, Profile};
use crate::secret::{SecretRef, follow};
use crate::settings::Settings;
use crate::surroundings::Surroundings;
use crate::value::BadValue;
use crate::warning::Warning;

/// Every profile of a configuration.
#[derive(Debug, Clone, Default)]
pub struct Loaded {
    /// Those that can run, in the order of the configuration.
    pub profiles: Vec<Profile>,
    /// Those that cannot.
    pub broken: Vec<Broken>,
    /// How much the log tells.
    pub log_level: LogLevel,
    /// What deserves a word and belongs to no profile.
    pub warnings: Vec<Warning>,
    /// Variables that hold secrets: no local server may inherit their values.
    pub hidden: BTreeSet<String>,
}

impl Loaded {
    /// Reads what `config` names, a file or a folder of profiles, and lays it under the flags and the environment.
    ///
    /// # Errors
    /// [`ConfigError`] about a file as a whole, a flag or a variable. In a folder a broken file is no more than a
    /// broken profile.
    pub fn read(flags: Settings, config: Option<&Path>, surroundings: &Surroundings<'_>) -> Result<Self, ConfigError> {
        match config {
            Some(path) if path.is_dir() => folder::read(flags, path, surroundings),
            Some(path) => loaded(flags, Some(ConfigFile::read(path)?), surroundings),
            None => loaded(flags, None, surroundings),
        }
    }

    /// The first reference of `profile` that leads nowhere, as far as that shows at once: keychains and commands take time.
    pub fn dead_reference(&self, profile: &Profile, surroundings: &Surroundings<'_>) -> Option<ConfigError> {
        let mut look = |reference: &SecretRef| match follow(reference, surroundings) {
            Err(BadValue::Reference) => Ok(Secret::new("later")),
            found => found,
        };
        profile.tunnels.iter().find_map(|tunnel| {
            let token = tunnel.token(&mut look).err();
            token.or_else(|| tunnel.complete(&self.hidden, &mut look).err())
        })
    }

    /// Takes one server in, broken or good.
    pub(crate) fn take(&mut self, entry: Entry, shared: &Settings, surroundings: &Surroundings<'_>) {
        let Entry { name, place, settings, mut warnings } = entry;
        let settings = match settings {
            Ok(Written::Foreign(entry)) if entry.is_switched_off() => return self.warnings.extend(warnings),
            Ok(Written::Foreign(entry)) => entry.settings(&place, surroundings, &mut warnings),
            Ok(Written::Own(settings)) => Ok(*settings),
            Err(error) => Err(error),
        };
        let settings = settings.map(|settings| settings.with_shared(shared.clone()));
        self.take_settings(settings, name, Some(place), warnings, surroundings);
    }

    fn take_settings(
        &mut self,
        settings: Result<Settings, ConfigError>,
        name: Option<String>,
        place: Option<Place>,
        warnings: Vec<Warning>,
        surroundings: &Surroundings<'_>,
    ) {
        let id = settings.as_ref().ok().and_then(|settings| settings.id.as_ref()).map(|id| id.value);
        if let Ok(settings) = &settings {
            self.hide(settings, surroundings);
        }
        let made = settings
            .and_then(|settings| profile(&settings, place.clone(), surroundings))
            .and_then(|profile| self.unlike_others(profile));
        match made {
            Ok(mut profile) => {
                for warning in warnings {
                    warn(&mut profile.warnings, warning);
                }
                self.profiles.push(profile);
            }
            Err(error) => self.broken.push(Broken { id, name, place, error }),
        }
    }

    /// The variables that hold this server's secrets are no other server's business. Its own it is given by name.
    fn hide(&mut self, settings: &Settings, surroundings: &Surroundings<'_>) {
        let of_gateways = settings.gateway.iter().flat_map(|given| &given.value).filter_map(|one| one.token.as_ref());
        let ways = [&settings.token, &settings.client_key_passphrase, &settings.proxy];
        let of_child = settings.secret_env.iter().flat_map(|given| given.value.0.values());
        let headers = settings.local_headers.iter().flat_map(|given| given.value.0.iter().map(|(_, value)| value));
        let ways = ways.into_iter().flatten().map(|given| &given.value);
        for secret in ways.chain(of_gateways).chain(of_child).chain(headers) {
            if let Ok(SecretRef::Env(name)) = SecretRef::parse(secret.expose(), surroundings.platform)
                && !is_everybodys(&name)
            {
                self.hidden.insert(name);
            }
        }
    }

    /// The profile, unless one before it has the same id, or its name at one of its gateways.
    fn unlike_others(&self, profile: Profile) -> Result<Profile, ConfigError> {
        let Some(at) = profile.place.clone() else { return Ok(profile) };
        let gateways = |profile: &Profile| -> Vec<String> {
            profile.tunnels.iter().map(|tunnel| tunnel.config.gateway.to_string()).collect()
        };
        let mine = gateways(&profile);
        let mut namesakes = 0;
        for other in &self.profiles {
            let Some(first) = other.place.clone() else { continue };
            if profile.id.is_some() && other.id == profile.id {
                return Err(ConfigError::Duplicate { at, what: Duplicate::Id { first } });
            }
            if other.name == profile.name {
                if let Some(gateway) = gateways(other).into_iter().find(|gateway| mine.contains(gateway)) {
                    let name = profile.name.to_string();
                    return Err(ConfigError::Duplicate { at, what: Duplicate::Name { name, gateway, first } });
                }
                namesakes += usize::from(other.id.is_none());
            }
        }
        let key = if profile.id.is_none() { profile.key.nth(namesakes + 1) } else { profile.key };
        Ok(Profile { key, ..profile })
    }
}

/// Lays flags over the environment over the file over the defaults, and checks each server. A key inside a `servers:`
/// entry wins for that entry.
///
/// # Errors
/// [`ConfigError`] about what belongs to no single server: a variable, or a key beside the list of servers. Without
/// such a list, there is one server, and what is wrong with it is the error.
pub fn loaded(
    flags: Settings,
    file: Option<ConfigFile>,
    surroundings: &Surroundings<'_>,
) -> Result<Loaded, ConfigError> {
    let environment = environment::settings(&flags, surroundings)?;
    let ConfigFile { top, servers, warnings } = file.unwrap_or_default();
    let shared = flags.over(environment).over(top);
    let log_level = shared.log_level.as_ref().map_or_else(LogLevel::default, |level| level.value);
    let mut loaded = Loaded { log_level, warnings, ..Loaded::default() };
    match servers {
        Some(servers) if !servers.is_empty() => {
            nothing_beside_servers(&shared, &servers)?;
            for entry in servers {
                loaded.take(entry, &shared, surroundings);
            }
        }
        _ => {
            let (place, name) = (shared.place(), shared.shown_name());
            loaded.take_settings(Ok(shared), name, place, Vec::new(), surroundings);
            if let Some(only) = loaded.broken.pop() {
                return Err(only.error);
            }
        }
    }
    Ok(loaded)
}

/// A command or name for one server says nothing where the file lists its servers.
pub(crate) fn nothing_beside_servers(shared: &Settings, servers: &[Entry]) -> Result<(), ConfigError> {
    const OF_ONE_SERVER: [Key; 12] = [
        Key::LocalStdio,
        Key::Args,
        Key::Env,
        Key::SecretEnv,
        Key::Cwd,
        Key::LocalStreamableHttp,
        Key::LocalSse,
        Key::LocalHeaders,
        Key::ForwardAuth,
        Key::ServerName,
        Key::ServerDescription,
        Key::Id,
    ];
    for key in OF_ONE_SERVER {
        match (shared.origin(key), servers) {
            (None, _) | (_, []) => {}
            (Some(Origin::File(at)), _) => {
                return Err(ConfigError::Unsupported { at: at.clone(), what: Unsupported::BesideServers(key) });
            }
            (Some(Origin::Flag(name) | Origin::Variable(name)), [first, ..]) => {
                let (at, what) = (first.place.clone(), Unsupported::FlagBesideServers(name));
                return Err(ConfigError::Unsupported { at, what });
            }
        }
    }
    Ok(())
}

/// Whether a variable is for every program, so that local servers have it too, whatever is in it.
pub(crate) fn is_everybodys(name: &str) -> bool {
    ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"].iter().any(|known| name.eq_ignore_ascii_case(known))
}

impl Settings {
    /// This server's own keys over those for all. A token goes only to gateways that were given where it was: one
    /// entry's own gateway does not get everyone's token.
    pub(crate) fn with_shared(self, mut shared: Self) -> Self {
        if self.gateway.is_some() {
            shared.withheld_token = shared.token.take().map(|token| token.origin).or(shared.withheld_token);
        }
        self.over(shared)
    }

    /// Where the server's own keys begin: the first place of a file that says anything about it.
    pub(crate) fn place(&self) -> Option<Place> {
        let places = Key::ALL.into_iter().filter_map(|key| match self.origin(key) {
            Some(Origin::File(place)) => Some(place.clone()),
            _ => None,
        });
        places.min_by_key(|place| (place.line, place.column))
    }

    /// The name as it is written, fit to be shown.
    pub(crate) fn shown_name(&self) -> Option<String> {
        self.server_name.as_ref().map(|name| text::clean(&name.value, 128))
    }
}
