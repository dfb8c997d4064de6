//! Profiles: what is to be shared with which gateways, checked, with secrets left as references.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use culvert_link::{Outbound, Proxy};
use culvert_protocol::{Labels, Secret, ServerName, text};
use culvert_tunnel::{Headers, LocalServer, TunnelConfig};
use uuid::Uuid;

use crate::error::ConfigError;
use crate::key::Key;
use crate::origin::{Origin, Place, Sourced};
use crate::secret::SecretRef;
use crate::value::BadValue;
use crate::warning::Warning;

/// What a saved profile is known by, whatever its name and file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProfileId(Uuid);

impl ProfileId {
    /// The id that 128 random bits make.
    pub fn of_random(bits: [u8; 16]) -> Self {
        Self(uuid::Builder::from_random_bytes(bits).into_uuid())
    }
}

impl FromStr for ProfileId {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        Uuid::try_parse(text.trim()).map(Self).map_err(|_| BadValue::Id)
    }
}

impl fmt::Display for ProfileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Whether a saved profile is started when the one who runs the saved profiles starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Start {
    /// As it was when last seen.
    #[default]
    Last,
    /// In any case.
    Always,
    /// Only when asked for.
    Never,
}

impl Start {
    /// Every way.
    pub const ALL: [Self; 3] = [Self::Last, Self::Always, Self::Never];

    /// Its name in a file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Last => "last",
            Self::Always => "always",
            Self::Never => "never",
        }
    }
}

impl FromStr for Start {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        let name = text.trim().to_ascii_lowercase();
        Self::ALL.into_iter().find(|start| start.name() == name).ok_or(BadValue::Start)
    }
}

/// What a profile is known by among those of one configuration: its id, else its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProfileKey(String);

impl ProfileKey {
    /// The key of a profile with this id or, without one, this name.
    pub fn new(id: Option<ProfileId>, name: &ServerName) -> Self {
        Self(id.map_or_else(|| name.to_string(), |id| id.to_string()))
    }

    /// The same for the `nth` profile of one name, each for gateways of its own; the first is 1.
    pub(crate) fn nth(self, nth: usize) -> Self {
        // No name has a '#'.
        if nth > 1 { Self(format!("{}#{nth}", self.0)) } else { self }
    }

    /// The key as text, as it is kept in files.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ProfileKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which tunnel: a profile and a gateway's address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TunnelKey {
    /// Whose tunnel.
    pub profile: ProfileKey,
    /// Where to.
    pub gateway: String,
}

/// A local server, and the gateways that it is shared with.
#[derive(Debug, Clone)]
pub struct Profile {
    /// What it is known by.
    pub key: ProfileKey,
    /// Its lasting id, if it has one.
    pub id: Option<ProfileId>,
    /// The name that it registers.
    pub name: ServerName,
    /// Where it stands; `None` when flags and environment made it.
    pub place: Option<Place>,
    /// Whether it is started by itself, where it is a saved one.
    pub start: Start,
    /// What tells it from others, placeholders filled in.
    pub labels: Labels,
    /// The file in which each call leaves a line, if any does.
    pub audit_log: Option<PathBuf>,
    /// One for each gateway; never none.
    pub tunnels: Vec<ProfileTunnel>,
    /// What deserves a word.
    pub warnings: Vec<Warning>,
}

impl Profile {
    /// Its tunnels, each with what it is known by.
    pub fn tunnel_keys(&self) -> impl Iterator<Item = (TunnelKey, &ProfileTunnel)> {
        let key = |tunnel: &ProfileTunnel| TunnelKey {
            profile: self.key.clone(),
            gateway: tunnel.config.gateway.to_string(),
        };
        self.tunnels.iter().map(move |tunnel| (key(tunnel), tunnel))
    }
}

/// A profile's way to one gateway.
#[derive(Debug, Clone)]
pub struct ProfileTunnel {
    /// Everything but secrets: no token, no headers with values, none of the variables below.
    pub config: TunnelConfig,
    /// What belongs to it besides.
    pub secrets: Secrets,
}

/// References by the name of a variable.
pub type SecretEnv = BTreeMap<String, SecretRef>;

/// References by the name of a header, in the order given.
pub type SecretHeaders = Vec<(String, SecretRef)>;

/// References to the secrets of one tunnel, each with where it stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Secrets {
    /// The bearer for the gateway.
    pub token: Option<Sourced<SecretRef>>,
    /// Variables of the local server.
    pub env: Option<Sourced<SecretEnv>>,
    /// Headers for a local server by address, in the order given.
    pub headers: Option<Sourced<SecretHeaders>>,
    /// What the key of our own certificate is encrypted with.
    pub passphrase: Option<Sourced<SecretRef>>,
    /// The address of the proxy, which may hold a password.
    pub proxy: Option<Sourced<SecretRef>>,
}

impl Secrets {
    /// Every reference.
    pub fn all(&self) -> impl Iterator<Item = &SecretRef> {
        self.token.iter().map(|token| &token.value).chain(self.of_local_server()).chain(self.of_way())
    }

    /// Those that the way to the gateway needs.
    pub fn of_way(&self) -> impl Iterator<Item = &SecretRef> {
        self.passphrase.iter().chain(&self.proxy).map(|reference| &reference.value)
    }

    /// Those that the local server needs.
    pub fn of_local_server(&self) -> impl Iterator<Item = &SecretRef> {
        let env = self.env.iter().flat_map(|env| env.value.values());
        let headers = self.headers.iter().flat_map(|headers| headers.value.iter().map(|(_, reference)| reference));
        env.chain(headers)
    }
}

impl ProfileTunnel {
    /// The bearer for the gateway, if it has one.
    ///
    /// # Errors
    /// As [`complete`](Self::complete).
    pub fn token(
        &self,
        follow: &mut dyn FnMut(&SecretRef) -> Result<Secret, BadValue>,
    ) -> Result<Option<Secret>, ConfigError> {
        self.secrets.token.as_ref().map(|token| bearer(token, follow)).transpose()
    }

    /// The engine's configuration, with what `follow` finds behind each reference; it holds no token, which may change
    /// while the engine runs. `hidden` are variables that the
    /// local server must not inherit with their values: those that hold secrets.
    ///
    /// # Errors
    /// [`ConfigError`] for a reference that leads nowhere, or to something that cannot be used; it shows no secret.
    pub fn complete(
        &self,
        hidden: &BTreeSet<String>,
        follow: &mut dyn FnMut(&SecretRef) -> Result<Secret, BadValue>,
    ) -> Result<TunnelConfig, ConfigError> {
        let mut config = self.config.clone();
        config.outbound = self.outbound(follow)?;
        match &mut config.server {
            LocalServer::Stdio(command) => {
                if let Some(Sourced { value: env, origin }) = &self.secrets.env {
                    for (name, reference) in env {
                        let value = follow(reference).and_then(|value| match value.expose().contains('\0') {
                            true => Err(BadValue::NotForProcesses),
                            false => Ok(value),
                        });
                        let value = value.map_err(|problem| bad(origin, Key::SecretEnv, Some(name), problem))?;
                        command.env.insert(name.clone(), value.expose().into());
                    }
                }
                for name in hidden {
                    command.env.entry(name.clone()).or_default();
                }
            }
            LocalServer::StreamableHttp { headers, .. } | LocalServer::Sse { headers, .. } => {
                if let Some(Sourced { value: given, origin }) = &self.secrets.headers {
                    let mut read = Vec::with_capacity(given.len());
                    for (name, reference) in given {
                        let value = follow(reference);
                        read.push((
                            name,
                            value.map_err(|problem| bad(origin, Key::LocalHeaders, Some(name), problem))?,
                        ));
                    }
                    *headers = Headers::new(read).map_err(|problem| ConfigError::Header {
                        origin: origin.clone(),
                        key: Key::LocalHeaders,
                        problem,
                    })?;
                }
            }
        }
        Ok(config)
    }

    /// How connections to the gateway are made, with what `follow` finds behind each reference.
    ///
    /// # Errors
    /// As [`complete`](Self::complete).
    pub fn outbound(
        &self,
        follow: &mut dyn FnMut(&SecretRef) -> Result<Secret, BadValue>,
    ) -> Result<Outbound, ConfigError> {
        let mut outbound = self.config.outbound.clone();
        if let (Some(identity), Some(given)) = (&mut outbound.identity, &self.secrets.passphrase) {
            let found = follow(&given.value);
            let found = found.map_err(|problem| bad(&given.origin, Key::ClientKeyPassphrase, None, problem))?;
            identity.passphrase = Some(found);
        }
        if let Some(given) = &self.secrets.proxy {
            let found = follow(&given.value).and_then(|found| Ok(Proxy::parse(found.expose())?));
            outbound.proxy = Some(found.map_err(|problem| bad(&given.origin, Key::Proxy, None, problem))?);
        }
        Ok(outbound)
    }
}

fn bad(origin: &Origin, key: Key, name: Option<&str>, problem: BadValue) -> ConfigError {
    ConfigError::Value { origin: origin.clone(), key, shown: name.map(|name| text::clean(name, 60)), problem }
}

fn bearer(
    token: &Sourced<SecretRef>,
    follow: &mut dyn FnMut(&SecretRef) -> Result<Secret, BadValue>,
) -> Result<Secret, ConfigError> {
    let found = follow(&token.value).and_then(|found| {
        // Whatever else stands in it would end the header, or the connection.
        let fits = found.expose().bytes().all(|byte| byte.is_ascii_graphic());
        if fits { Ok(found) } else { Err(BadValue::NotAToken) }
    });
    found.map_err(|problem| bad(&token.origin, Key::Token, None, problem))
}

/// An entry that cannot be used. The others are not touched by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Its lasting id, if that can be read.
    pub id: Option<ProfileId>,
    /// What it calls itself, fit to be shown, if that can be read.
    pub name: Option<String>,
    /// Where it stands; `None` when flags and environment made it.
    pub place: Option<Place>,
    /// What is wrong.
    pub error: ConfigError,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_starts_are_read() {
        let id = ProfileId::of_random([7; 16]);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!("42".parse::<ProfileId>(), Err(BadValue::Id));
        for start in Start::ALL {
            assert_eq!(start.name().to_uppercase().parse(), Ok(start));
        }
        assert_eq!("sometimes".parse::<Start>(), Err(BadValue::Start));
        assert_eq!(Key::Start.about().default, Some(Start::default().name()));
    }

    #[test]
    fn a_key_is_the_id_or_the_name() {
        let (id, name) = (ProfileId::of_random([7; 16]), ServerName::new("git").unwrap());
        assert_eq!(ProfileKey::new(Some(id), &name).to_string(), id.to_string());
        assert_eq!(ProfileKey::new(None, &name).nth(1).as_str(), "git");
        assert_eq!(ProfileKey::new(None, &name).nth(2).as_str(), "git#2");
    }
}
