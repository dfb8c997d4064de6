//! The gateways that a configuration names, and the bearer for them.

use culvert_protocol::{GatewayAddress, Secret};

use super::warn;
use crate::error::ConfigError;
use crate::key::Key;
use crate::origin::{Origin, Sourced};
use crate::secret::{Meant, meant};
use crate::settings::Settings;
use crate::surroundings::Surroundings;
use crate::value::BadValue;
use crate::warning::Warning;

/// Every gateway, once, in the order given; never none.
pub(super) fn gateways(settings: &Settings, warnings: &mut Vec<Warning>) -> Result<Vec<GatewayAddress>, ConfigError> {
    let Sourced { value: texts, origin } =
        settings.gateway.as_ref().ok_or(ConfigError::Missing { key: Key::Gateway })?;
    let mut gateways: Vec<GatewayAddress> = Vec::with_capacity(texts.len());
    for text in texts {
        let gateway = gateway(text, origin, settings, warnings)?;
        // Two tunnels of one name to one gateway would displace each other for ever.
        match gateways.iter().any(|known| known.to_string() == gateway.to_string()) {
            true => warn(warnings, Warning::GatewayTwice(gateway.to_string())),
            false => gateways.push(gateway),
        }
    }
    if gateways.is_empty() {
        let (origin, problem) = (origin.clone(), BadValue::Empty);
        return Err(ConfigError::Value { origin, key: Key::Gateway, shown: None, problem });
    }
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

/// The token, whatever it is that was written for it.
pub(super) fn bearer(
    token: &Sourced<Secret>,
    surroundings: &Surroundings<'_>,
    warnings: &mut Vec<Warning>,
) -> Result<Secret, ConfigError> {
    let Sourced { value, origin } = token;
    let bad = |problem| ConfigError::Value { origin: origin.clone(), key: Key::Token, shown: None, problem };
    let token = match meant(value, surroundings).map_err(bad)? {
        Meant::Referred(token) => token,
        Meant::Literal => {
            match origin {
                Origin::Flag(_) => warn(warnings, Warning::TokenInArguments),
                Origin::File(place) => warn(warnings, Warning::TokenInFile(place.clone())),
                Origin::Variable(_) => {}
            }
            value.clone()
        }
    };
    if token.expose().bytes().all(|byte| byte.is_ascii_graphic()) { Ok(token) } else { Err(bad(BadValue::NotAToken)) }
}
