//! The way to a gateway: whom to trust, who we are, and the proxy, which the environment may name too.

use culvert_link::{Identity, Outbound, Proxy};
use culvert_protocol::{GatewayAddress, Secret};

use super::warn;
use crate::error::ConfigError;
use crate::key::Key;
use crate::no_proxy;
use crate::origin::{Origin, Sourced};
use crate::secret::SecretRef;
use crate::settings::Settings;
use crate::surroundings::Surroundings;
use crate::value::BadValue;
use crate::warning::Warning;

/// What is known of it before secrets are read.
pub(super) struct GivenWay {
    pub(super) outbound: Outbound,
    pub(super) passphrase: Option<Sourced<SecretRef>>,
    pub(super) proxy: Option<Sourced<SecretRef>>,
}

pub(super) fn way(
    settings: &Settings,
    gateway: &GatewayAddress,
    surroundings: &Surroundings<'_>,
    warnings: &mut Vec<Warning>,
) -> Result<GivenWay, ConfigError> {
    let path = |given: &Option<Sourced<std::path::PathBuf>>| {
        given.as_ref().map(|given| surroundings.folder.join(&given.value))
    };
    let key = path(&settings.client_key);
    let identity = path(&settings.client_cert).map(|certificate| Identity { certificate, key, passphrase: None });
    for (key, other) in [(Key::ClientKey, Key::ClientCert), (Key::ClientKeyPassphrase, Key::ClientCert)] {
        if let (Some(origin), None) = (settings.origin(key), settings.origin(other)) {
            let (origin, problem) = (origin.clone(), BadValue::WithoutCertificate);
            return Err(ConfigError::Value { origin, key, shown: None, problem });
        }
    }
    let passphrase = settings.client_key_passphrase.as_ref().map(|given| passphrase(given, surroundings, warnings));
    let proxy = match &settings.proxy {
        Some(given) => Some(given_proxy(given, surroundings, warnings)?),
        None => of_environment(gateway, surroundings)?,
    };
    let outbound = Outbound { ca_cert: path(&settings.ca_cert), identity, proxy: None };
    Ok(GivenWay { outbound, passphrase: passphrase.transpose()?, proxy })
}

fn passphrase(
    Sourced { value, origin }: &Sourced<Secret>,
    surroundings: &Surroundings<'_>,
    warnings: &mut Vec<Warning>,
) -> Result<Sourced<SecretRef>, ConfigError> {
    let reference = reference(Key::ClientKeyPassphrase, value, origin, surroundings)?;
    judge_literal(Key::ClientKeyPassphrase, &reference, origin, warnings)?;
    Ok(Sourced::new(reference, origin.clone()))
}

fn given_proxy(
    Sourced { value, origin }: &Sourced<Secret>,
    surroundings: &Surroundings<'_>,
    warnings: &mut Vec<Warning>,
) -> Result<Sourced<SecretRef>, ConfigError> {
    let reference = reference(Key::Proxy, value, origin, surroundings)?;
    if let SecretRef::Literal(text) = &reference {
        let bad = |problem| ConfigError::Value { origin: origin.clone(), key: Key::Proxy, shown: None, problem };
        if Proxy::parse(text.expose()).map_err(|problem| bad(problem.into()))?.has_credentials() {
            judge_literal(Key::Proxy, &reference, origin, warnings)?;
        }
    }
    Ok(Sourced::new(reference, origin.clone()))
}

/// The proxy that the environment names for this gateway. By reference, so that a password in it stays where it is
/// until it is needed.
fn of_environment(
    gateway: &GatewayAddress,
    surroundings: &Surroundings<'_>,
) -> Result<Option<Sourced<SecretRef>>, ConfigError> {
    let named = named(gateway, surroundings)?;
    Ok(named.map(|(name, _)| Sourced::new(SecretRef::Env(name.to_owned()), Origin::Variable(name))))
}

/// The proxy that the environment names for connections to this address, as for the link of a tunnel.
///
/// # Errors
/// [`ConfigError::Value`], when the variable holds no proxy's address.
pub fn proxy_of_environment(
    to: &GatewayAddress,
    surroundings: &Surroundings<'_>,
) -> Result<Option<Proxy>, ConfigError> {
    Ok(named(to, surroundings)?.map(|(_, proxy)| proxy))
}

/// The proxy of the environment, and the variable that names it. Lower case wins, as with curl. A gateway on this
/// machine is never reached through one: it would be another machine's.
fn named(
    gateway: &GatewayAddress,
    surroundings: &Surroundings<'_>,
) -> Result<Option<(&'static str, Proxy)>, ConfigError> {
    let names: [&'static str; 4] = match gateway.is_encrypted() {
        true => ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"],
        false => ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"],
    };
    let found = names.into_iter().find_map(|name| Some((name, surroundings.variable(name)?)));
    let Some((name, value)) = found.filter(|_| !gateway.is_loopback()) else { return Ok(None) };
    let exceptions = surroundings.variable("no_proxy").or_else(|| surroundings.variable("NO_PROXY"));
    if exceptions.is_some_and(|list| no_proxy::names(&list, &gateway.host(), gateway.port())) {
        return Ok(None);
    }
    match Proxy::parse(&value) {
        Ok(proxy) => Ok(Some((name, proxy))),
        Err(problem) => {
            let (origin, problem) = (Origin::Variable(name), problem.into());
            Err(ConfigError::Value { origin, key: Key::Proxy, shown: None, problem })
        }
    }
}

fn reference(
    key: Key,
    text: &Secret,
    origin: &Origin,
    surroundings: &Surroundings<'_>,
) -> Result<SecretRef, ConfigError> {
    SecretRef::parse(text.expose(), surroundings.platform).map_err(|problem| ConfigError::Value {
        origin: origin.clone(),
        key,
        shown: None,
        problem: problem.into(),
    })
}

/// A secret as it is: refused where every user of the machine sees it, warned of in a file.
fn judge_literal(
    key: Key,
    reference: &SecretRef,
    origin: &Origin,
    warnings: &mut Vec<Warning>,
) -> Result<(), ConfigError> {
    match (reference, origin) {
        (SecretRef::Literal(_), Origin::Flag(_)) => {
            let (origin, problem) = (origin.clone(), BadValue::LiteralSecret);
            Err(ConfigError::Value { origin, key, shown: None, problem })
        }
        (SecretRef::Literal(_), Origin::File(place)) => {
            warn(warnings, Warning::SecretInFile(place.clone()));
            Ok(())
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
