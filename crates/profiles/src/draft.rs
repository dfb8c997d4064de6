//! A flat profile as text: keys with values as written, to be shown, changed and saved.

mod edit;
mod tools;
mod yaml;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use culvert_link::Proxy;
use culvert_protocol::Secret;
use serde_json::json;

use crate::command::Platform;
use crate::document::{Document, Language, Raw, RawGateway};
use crate::effective::profile;
use crate::error::ConfigError;
use crate::key::{Key, Shape};
use crate::origin::{Origin, Place};
use crate::profile::{Profile, ProfileId};
use crate::secret::SecretRef;
use crate::settings::Settings;
use crate::surroundings::Surroundings;

pub(crate) use self::edit::edited;

/// A gateway of a draft.
#[derive(Clone, PartialEq, Eq)]
pub struct DraftGateway {
    /// Its address.
    pub address: String,
    /// A token of its own, best a reference.
    pub token: Option<Secret>,
}

/// A profile as it is or would be written, one server with its keys. Nothing of it is checked until it is asked for.
/// `Debug` shows keys only, because values may be secrets.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Draft(BTreeMap<Key, Raw>);

impl fmt::Debug for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Draft {
    /// Reads a flat file. `Ok(None)` for one that lists its servers.
    ///
    /// # Errors
    /// [`ConfigError`] with line and column.
    pub(crate) fn read(content: &str, path: &Path) -> Result<Option<Self>, ConfigError> {
        let is_json = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
        let language = if is_json { Language::Json } else { Language::Yaml };
        let document = Document::read(content, language, &Arc::from(path))?;
        if document.servers.is_some() {
            return Ok(None);
        }
        Ok(Some(Self(document.top.into_iter().map(|member| (member.key, member.value)).collect())))
    }

    /// The text of a key, if its value is one.
    pub fn text(&self, key: Key) -> Option<&str> {
        match self.0.get(&key) {
            Some(Raw::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The texts of a list; none where there is no such key.
    pub fn list(&self, key: Key) -> &[String] {
        match self.0.get(&key) {
            Some(Raw::List(list)) => list,
            _ => &[],
        }
    }

    /// The members of a mapping; none where there is no such key.
    pub fn map(&self, key: Key) -> BTreeMap<String, Secret> {
        match self.0.get(&key) {
            Some(Raw::Map(map)) => {
                map.iter().map(|(name, value)| (name.clone(), Secret::new(value.as_str()))).collect()
            }
            _ => BTreeMap::new(),
        }
    }

    /// Its gateways.
    pub fn gateways(&self) -> Vec<DraftGateway> {
        match self.0.get(&Key::Gateway) {
            Some(Raw::Gateways(all)) => {
                let gateway = |raw: &RawGateway| DraftGateway {
                    address: raw.address.clone(),
                    token: raw.token.as_deref().map(Secret::new),
                };
                all.iter().map(gateway).collect()
            }
            Some(Raw::Text(text)) => {
                let addresses = crate::value::addresses(text).into_iter();
                addresses.map(|address| DraftGateway { address, token: None }).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Its id.
    pub fn id(&self) -> Option<ProfileId> {
        self.text(Key::Id)?.parse().ok()
    }

    /// Whether it says anything about a key.
    pub fn has(&self, key: Key) -> bool {
        self.0.contains_key(&key)
    }

    /// Sets a key to a text; a blank one takes the key out. A key of another shape is left alone.
    pub fn set_text(&mut self, key: Key, text: &str) {
        match (key.about().shape, text.trim()) {
            (Shape::Text | Shape::Gateways, "") => self.remove(key),
            (Shape::Text | Shape::Gateways, _) => _ = self.0.insert(key, Raw::Text(text.to_owned())),
            (Shape::List | Shape::Map, _) => {}
        }
    }

    /// Sets a key to a list. Arguments stay even where there are none: without them the command would be split.
    pub fn set_list(&mut self, key: Key, list: Vec<String>) {
        if key.about().shape == Shape::List {
            self.0.insert(key, Raw::List(list));
        }
    }

    /// Sets a key to a mapping; an empty one takes the key out.
    pub fn set_map(&mut self, key: Key, map: &BTreeMap<String, Secret>) {
        match (key.about().shape, map.is_empty()) {
            (Shape::Map, true) => self.remove(key),
            (Shape::Map, false) => {
                let map = map.iter().map(|(name, value)| (name.clone(), value.expose().to_owned()));
                self.0.insert(key, Raw::Map(map.collect()));
            }
            (Shape::Text | Shape::Gateways | Shape::List, _) => {}
        }
    }

    /// Sets the gateways.
    pub fn set_gateways(&mut self, gateways: &[DraftGateway]) {
        match gateways {
            [] => self.remove(Key::Gateway),
            [DraftGateway { address, token: None }] => self.set_text(Key::Gateway, address),
            several => {
                let raw = |gateway: &DraftGateway| RawGateway {
                    address: gateway.address.clone(),
                    token: gateway.token.as_ref().map(|token| token.expose().to_owned()),
                };
                self.0.insert(Key::Gateway, Raw::Gateways(several.iter().map(raw).collect()));
            }
        }
    }

    /// Gives it an id.
    pub fn set_id(&mut self, id: ProfileId) {
        self.0.insert(Key::Id, Raw::Text(id.to_string()));
    }

    /// Takes a key out.
    pub fn remove(&mut self, key: Key) {
        self.0.remove(&key);
    }

    /// The entries of the keychain that it refers to.
    pub fn keychain_entries(&self) -> BTreeSet<String> {
        let texts = self.0.iter().flat_map(|(key, raw)| match (key, raw) {
            (key, Raw::Text(text)) if key.is_secret() => vec![text.as_str()],
            (Key::LocalHeaders | Key::SecretEnv, Raw::Map(map)) => map.values().map(String::as_str).collect(),
            (Key::Gateway, Raw::Gateways(all)) => all.iter().filter_map(|gateway| gateway.token.as_deref()).collect(),
            _ => Vec::new(),
        });
        let entry = |text: &str| match SecretRef::parse(text, Platform::here()) {
            Ok(SecretRef::Keychain(name)) => Some(name),
            _ => None,
        };
        texts.filter_map(entry).collect()
    }

    /// Takes out every secret that is written out, so that the rest can be shown or passed on; references stay. Which
    /// keys lost something is told.
    pub fn take_out_secrets(&mut self) -> Vec<Key> {
        // What can be no reference may be a secret all the same.
        let is_kept = |text: &str| {
            SecretRef::parse(text, Platform::here()).is_ok_and(|reference| !matches!(reference, SecretRef::Literal(_)))
        };
        let mut lost = Vec::new();
        for (key, raw) in &mut self.0 {
            let before = raw.clone();
            match (key, &mut *raw) {
                // An address without a password in it is none.
                (Key::Proxy, Raw::Text(text)) if Proxy::parse(text).is_ok_and(|proxy| !proxy.has_credentials()) => {}
                (key, Raw::Text(text)) if key.is_secret() && !is_kept(text) => text.clear(),
                // A key in a query is one; what is before it tells the server.
                (Key::LocalStreamableHttp | Key::LocalSse, Raw::Text(text)) => {
                    if let Some(query) = text.find('?') {
                        text.truncate(query);
                    }
                }
                (Key::LocalHeaders | Key::SecretEnv, Raw::Map(map)) => map.retain(|_, value| is_kept(value)),
                (Key::Gateway, Raw::Gateways(all)) => {
                    for gateway in all {
                        gateway.token = gateway.token.take().filter(|token| is_kept(token));
                    }
                }
                _ => {}
            }
            if *raw != before {
                lost.push(*key);
            }
        }
        self.0.retain(|key, raw| !key.is_secret() || !matches!(raw, Raw::Text(text) if text.is_empty()));
        lost
    }

    /// Its keys as settings; errors name `path`.
    ///
    /// # Errors
    /// The first value that its key cannot have.
    pub fn settings(&self, path: &Path) -> Result<Settings, ConfigError> {
        let place = Place::new(&Arc::from(path), 0, 0);
        let mut settings = Settings::default();
        for (key, raw) in &self.0 {
            settings.set(*key, raw.clone(), Origin::File(place.clone()))?;
        }
        Ok(settings)
    }

    /// The profile that it makes by itself, as a check before it is saved.
    ///
    /// # Errors
    /// What a face should show instead of saving it.
    pub fn profile(&self, path: &Path, surroundings: &Surroundings<'_>) -> Result<Profile, ConfigError> {
        profile(&self.settings(path)?, Some(Place::new(&Arc::from(path), 0, 0)), surroundings)
    }

    /// The whole as JSON, which is a file of its own kind.
    pub fn to_json(&self) -> String {
        let value = |raw: &Raw| match raw {
            Raw::Text(text) => json!(text),
            Raw::List(list) => json!(list),
            Raw::Map(map) => json!(map),
            Raw::Gateways(all) => {
                let gateway = |gateway: &RawGateway| match &gateway.token {
                    Some(token) => json!({ "url": gateway.address, "token": token }),
                    None => json!(gateway.address),
                };
                all.iter().map(gateway).collect()
            }
        };
        let members = self.0.iter().map(|(key, raw)| (key.name().to_owned(), value(raw)));
        serde_json::Value::Object(members.collect()).to_string()
    }

    /// The whole as a file.
    pub fn to_yaml(&self) -> String {
        self.0.iter().map(|(key, raw)| yaml::member(*key, raw)).collect()
    }
}

#[cfg(test)]
mod tests;
