//! Tokens on their way in, and the keychain that they go to.

use std::time::Duration;

use culvert_profiles::{Content, Key, KeychainError, OnBroken, Platform, Prompt, SecretRef};
use culvert_protocol::{GatewayAddress, Secret};
use tokio::time::sleep;

use crate::around::change;
use crate::culvert::Culvert;
use crate::shown::{Explained, Keychain, ProfileId};

/// How long the keychain's user may take to type a password, before the window stops waiting.
const UNLOCKING: u32 = 24;

/// How long to wait before the keychain is asked again while its user is at it.
const AGAIN: Duration = Duration::from_millis(500);

impl Culvert {
    /// Puts a profile's token, or that of one of its gateways, into the keychain. A tunnel that runs takes it up at once.
    ///
    /// # Errors
    /// The keychain refuses, or the file is not the app's to change.
    pub async fn set_token(&self, id: &ProfileId, gateway: Option<&str>, token: Secret) -> Result<(), Explained> {
        if token.is_empty() {
            return Err(Explained::new("secret.empty", "There is nothing in it.", "Paste the token."));
        }
        let _turn = self.0.writing.lock().await;
        let saved = self.saved(id)?;
        let Content::Profile(before) = &saved.content else {
            return Err(Explained::new(
                "profile.hand_made",
                "this file is not changed by Culvert",
                "Put the token into it there.",
            ));
        };
        let owner = saved.id().map_or_else(|| id.0.clone(), |id| id.to_string());
        let mut draft = before.clone();
        let address = gateway
            .map(GatewayAddress::parse)
            .transpose()
            .map_err(|error| Explained::new("gateway.bad_url", error.to_string(), "Look at the list again."))?;
        let entry = match &address {
            None => {
                let entry = entry_of(draft.text(Key::Token)).unwrap_or_else(|| format!("{owner}/token"));
                draft.set_text(Key::Token, &format!("keychain:{entry}"));
                entry
            }
            Some(address) => {
                let mut gateways = draft.gateways();
                let found =
                    gateways.iter_mut().find(|known| GatewayAddress::parse(&known.address).as_ref() == Ok(address));
                let found = found.ok_or_else(crate::wants::unknown)?;
                let kept = found.token.as_ref().and_then(|token| entry_of(Some(token.expose())));
                let entry = kept.unwrap_or_else(|| format!("{owner}/gateway/{}", crate::world::host_and_port(address)));
                found.token = Some(Secret::new(format!("keychain:{entry}")));
                draft.set_gateways(&gateways);
                entry
            }
        };
        self.keep_secret(&entry, token).await?;
        if draft != *before {
            self.0.store.replace(&saved, draft, OnBroken::Refuse)?;
        }
        // The same entry holds another token now: whoever uses it takes it up.
        self.0.sources.refresh(&SecretRef::Keychain(entry)).await;
        self.reload().await
    }

    /// Asks the keychain's user for its password, then has every tunnel try again. Returns once that is decided, within
    /// two minutes.
    ///
    /// # Errors
    /// It stays locked, or there is none.
    pub async fn unlock_keychain(&self) -> Result<(), Explained> {
        change(&self.0.around, |around| around.keychain = Keychain::Unlocking);
        let mut last = None;
        for _ in 0..UNLOCKING {
            // An entry that is there: only what is to be had can be locked.
            let entry = self.wanted_entry().unwrap_or_else(|| "unlock".to_owned());
            match self.keychain().get(&entry, Prompt::Allowed).await {
                Ok(_) | Err(KeychainError::NoEntry(_) | KeychainError::Ambiguous(_)) => {
                    last = None;
                    break;
                }
                Err(error @ (KeychainError::Locked | KeychainError::Silent(_) | KeychainError::Busy)) => {
                    last = Some(error);
                    sleep(AGAIN).await;
                }
                Err(error) => {
                    last = Some(error);
                    break;
                }
            }
        }
        self.note_keychain(last.as_ref());
        match last {
            Some(error) => Err(error.into()),
            None => self.reconnect(None).await,
        }
    }

    /// Notes how it stands with the keychain after it was asked.
    pub(crate) fn note_keychain(&self, error: Option<&KeychainError>) {
        let now = match error {
            Some(KeychainError::Locked) => Keychain::Locked,
            Some(error @ KeychainError::Absent(_)) => Keychain::Missing { why: Explained::of(error) },
            _ => Keychain::Ready,
        };
        change(&self.0.around, |around| around.keychain = now);
    }

    /// An entry that some profile refers to.
    fn wanted_entry(&self) -> Option<String> {
        let all = self.0.store.list().ok()?;
        all.iter().find_map(|saved| match &saved.content {
            Content::Profile(draft) => draft.keychain_entries().into_iter().next(),
            _ => None,
        })
    }
}

/// The entry that a reference names.
fn entry_of(reference: Option<&str>) -> Option<String> {
    match SecretRef::parse(reference?, Platform::here()) {
        Ok(SecretRef::Keychain(entry)) => Some(entry),
        _ => None,
    }
}
