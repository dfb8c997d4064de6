//! The gateways that a configuration names, and the bearer for each.

use culvert_protocol::{GatewayAddress, Secret};

use super::warn;
use crate::error::ConfigError;
use crate::gateway::GivenGateway;
use crate::key::Key;
use crate::origin::{Origin, Sourced};
use crate::secret::SecretRef;
use crate::settings::Settings;
use crate::surroundings::Surroundings;
use crate::value::BadValue;
use crate::warning::Warning;

/// A gateway with the token for it.
type Shared = (GatewayAddress, Option<Sourced<SecretRef>>);

/// Every gateway, once, in the order given; never none. A gateway's own token wins over the one for all.
pub(super) fn gateways(
    settings: &Settings,
    surroundings: &Surroundings<'_>,
    warnings: &mut Vec<Warning>,
) -> Result<Vec<Shared>, ConfigError> {
    let Sourced { value: given, origin } =
        settings.gateway.as_ref().ok_or(ConfigError::Missing { key: Key::Gateway })?;
    let for_all = settings.token.as_ref().map(|token| reference(&token.value, &token.origin, surroundings));
    let for_all = for_all.transpose()?;
    let mut gateways: Vec<Shared> = Vec::with_capacity(given.len());
    let mut for_all_is_used = false;
    for GivenGateway { address, token } in given {
        let gateway = gateway(address, origin, settings, warnings)?;
        // Two tunnels of one name to one gateway would displace each other for ever.
        if gateways.iter().any(|(known, _)| known.to_string() == gateway.to_string()) {
            warn(warnings, Warning::GatewayTwice(gateway.to_string()));
            continue;
        }
        let own = token.as_ref().map(|token| reference(token, origin, surroundings)).transpose()?;
        for_all_is_used |= own.is_none();
        warn_of_literal(own.as_ref(), warnings);
        let token = own.or_else(|| for_all.clone());
        if let (None, Some(withheld)) = (&token, &settings.withheld_token) {
            warn(warnings, Warning::TokenNotForIt { gateway: gateway.to_string(), token: withheld.clone() });
        }
        gateways.push((gateway, token));
    }
    if gateways.is_empty() {
        let (origin, problem) = (origin.clone(), BadValue::Empty);
        return Err(ConfigError::Value { origin, key: Key::Gateway, shown: None, problem });
    }
    warn_of_literal(for_all.as_ref().filter(|_| for_all_is_used), warnings);
    Ok(gateways)
}

fn gateway(
    text: &str,
    origin: &Origin,
    settings: &Settings,
    warnings: &mut Vec<Warning>,
) -> Result<GatewayAddress, ConfigError> {
    let gateway =
        GatewayAddress::parse(text).map_err(|problem| ConfigError::BadUrl { origin: origin.clone(), problem })?;
    if gateway.is_encrypted() || gateway.is_loopback() {
        return Ok(gateway);
    }
    if settings.allow_plaintext.as_ref().is_some_and(|allowed| allowed.value) {
        warn(warnings, Warning::Plaintext(gateway.to_string()));
        return Ok(gateway);
    }
    Err(ConfigError::Plaintext { origin: origin.clone(), gateway: gateway.to_string() })
}

/// A token as written, told apart from a reference to one.
fn reference(
    token: &Secret,
    origin: &Origin,
    surroundings: &Surroundings<'_>,
) -> Result<Sourced<SecretRef>, ConfigError> {
    let bad = |problem| ConfigError::Value { origin: origin.clone(), key: Key::Token, shown: None, problem };
    let reference = SecretRef::parse(token.expose(), surroundings.platform).map_err(|problem| bad(problem.into()))?;
    match &reference {
        SecretRef::Literal(token) if !token.expose().bytes().all(|byte| byte.is_ascii_graphic()) => {
            Err(bad(BadValue::NotAToken))
        }
        _ => Ok(Sourced::new(reference, origin.clone())),
    }
}

fn warn_of_literal(token: Option<&Sourced<SecretRef>>, warnings: &mut Vec<Warning>) {
    let Some(Sourced { value: SecretRef::Literal(_), origin }) = token else { return };
    match origin {
        Origin::Flag("--token") => warn(warnings, Warning::TokenInArguments),
        Origin::File(place) => warn(warnings, Warning::TokenInFile(place.clone())),
        Origin::Flag(_) | Origin::Variable(_) => {}
    }
}
