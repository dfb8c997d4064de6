//! Where tokens are, as far as that may be seen.

use std::collections::BTreeMap;

use culvert_instance::ProfileView;
use culvert_profiles::{Content, Key, Platform, Saved, SecretRef};
use culvert_protocol::GatewayAddress;
use culvert_protocol::text::clean;

use crate::shown::{Token, TokenPlace, Tunnel};

/// The tokens that a saved profile gives to single gateways, by address.
pub(super) fn own_tokens(saved: Option<&Saved>) -> BTreeMap<String, Option<SecretRef>> {
    let Some(Content::Profile(draft)) = saved.map(|saved| &saved.content) else { return BTreeMap::new() };
    let known = |gateway: culvert_profiles::DraftGateway| {
        let address = GatewayAddress::parse(&gateway.address).ok()?.to_string();
        Some((address, gateway.token.and_then(|token| SecretRef::parse(token.expose(), Platform::here()).ok())))
    };
    draft.gateways().into_iter().filter_map(known).collect()
}

/// The profile's own token.
pub(super) fn profile_token(saved: Option<&Saved>, view: &ProfileView, tunnels: &[Tunnel]) -> Token {
    let shared = tunnels.iter().zip(&view.tunnels).find(|(tunnel, _)| tunnel.own_token.is_none() && !tunnel.built_in);
    let expires = shared.and_then(|(_, view)| view.token.borrow().expiry).map(|expiry| expiry.at.into());
    let reference = match saved.map(|saved| &saved.content) {
        Some(Content::Profile(draft)) => {
            draft.text(Key::Token).and_then(|text| SecretRef::parse(text, Platform::here()).ok())
        }
        _ => view
            .profile
            .tunnels
            .first()
            .and_then(|tunnel| tunnel.secrets.token.as_ref())
            .map(|token| token.value.clone()),
    };
    match reference {
        Some(reference) => Token { place: place(&reference), expires },
        None if !tunnels.is_empty() && tunnels.iter().all(|tunnel| tunnel.built_in) => {
            Token { place: TokenPlace::BuiltIn, expires: None }
        }
        None => Token { place: TokenPlace::None, expires: None },
    }
}

/// Where a reference leads, without what it leads to.
pub(crate) fn place(reference: &SecretRef) -> TokenPlace {
    match reference {
        SecretRef::Literal(_) => TokenPlace::Literal,
        SecretRef::Env(variable) => TokenPlace::Environment { variable: clean(variable, 100) },
        SecretRef::File(path) => TokenPlace::File { path: clean(&path.to_string_lossy(), 300) },
        // Its arguments may be secrets.
        SecretRef::Command(words) => {
            TokenPlace::Command { command: clean(words.first().map_or("", String::as_str), 100) }
        }
        SecretRef::Keychain(_) => TokenPlace::Keychain,
        SecretRef::Credential(name) => TokenPlace::Credential { name: clean(name, 100) },
    }
}
