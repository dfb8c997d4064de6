//! The text of a configuration file, read into keys, raw values and the places where they stand. What the values mean
//! is not known here.
//!
//! The text is untrusted: its size, nesting and aliases are bounded, a key may stand only once, and no message repeats
//! a value, which might be a secret. Scalars are kept as the text that was written, so that YAML's guesses (`NO`,
//! `0123`, `1e3`) never come into play.

mod seen;
mod shapes;
mod trouble;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use culvert_protocol::text;
use serde::de::{DeserializeSeed, IgnoredAny};
use serde_saphyr::Location;

use self::seen::{Listed, Mapping, Seen};
use self::trouble::{Stage, json_syntax, yaml_error};
use crate::error::{ConfigError, Unsupported};
use crate::key::Key;
use crate::origin::Place;

/// How many entries of `servers:` may have values of a wrong shape before the whole file counts as wrong: each costs
/// another reading of the file.
const MOST_MISSHAPEN: usize = 32;

/// The language of a configuration file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    Yaml,
    Json,
}

/// A value as written.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Raw {
    Text(String),
    List(Vec<String>),
    Map(BTreeMap<String, String>),
    Gateways(Vec<RawGateway>),
}

/// A gateway as written: its address, and a token of its own.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct RawGateway {
    pub(crate) address: String,
    pub(crate) token: Option<String>,
}

/// A key with its value and the value's place.
pub(crate) struct Member {
    pub(crate) key: Key,
    pub(crate) value: Raw,
    pub(crate) place: Place,
}

/// An entry of `servers:`, by itself good or bad.
pub(crate) struct Section {
    /// What it calls itself, if that can be read.
    pub(crate) name: Option<String>,
    pub(crate) members: Result<Vec<Member>, ConfigError>,
    pub(crate) place: Place,
}

/// A whole file.
pub(crate) struct Document {
    pub(crate) top: Vec<Member>,
    pub(crate) servers: Option<Vec<Section>>,
}

impl Document {
    /// Reads `content`, the text of `file`.
    ///
    /// # Errors
    /// What is wrong with the file as a whole. What is wrong with one entry of `servers:` is that entry's own.
    pub(crate) fn read(content: &str, language: Language, file: &Arc<Path>) -> Result<Self, ConfigError> {
        let content = content.strip_prefix('\u{feff}').unwrap_or(content);
        if language == Language::Json {
            // JSON is read by the YAML reader below, which knows places; what is JSON, only this one judges.
            serde_json::from_str::<IgnoredAny>(content).map_err(|error| json_syntax(&error, file))?;
        }
        // Once for the syntax alone: after it, an error is one of shape, and is told in this format's own words.
        let syntax = serde_saphyr::from_str_with_options::<Option<IgnoredAny>>(content, options());
        syntax.map_err(|error| yaml_error(&error, file, Stage::Syntax))?;
        let mut misshapen = BTreeMap::new();
        loop {
            let entry = Cell::new(None);
            let seen = serde_saphyr::with_deserializer_from_str_with_options(content, options(), |deserializer| {
                Mapping::top(&misshapen, &entry).deserialize(deserializer)
            });
            match (seen, entry.get()) {
                (Ok(seen), _) => return seen.checked(misshapen, file),
                // The reader cannot go on behind a value of another shape, so it begins anew and leaves that entry out.
                (Err(error), Some(index)) if misshapen.len() < MOST_MISSHAPEN && !misshapen.contains_key(&index) => {
                    misshapen.insert(index, yaml_error(&error, file, Stage::Shape));
                }
                (Err(error), _) => return Err(yaml_error(&error, file, Stage::Shape)),
            }
        }
    }
}

fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        with_snippet: false,
        budget: serde_saphyr::budget! {
            max_documents: 1,
            max_depth: 16,
            max_nodes: 20_000,
            max_events: 100_000,
            max_aliases: 1_000,
            max_anchors: 1_000,
            max_merge_keys: 1_000,
            max_recorded_anchor_events: 100_000,
            max_recorded_anchor_bytes: 4 << 20,
            max_total_scalar_bytes: 4 << 20,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 100_000,
            max_replay_stack_depth: 16,
        },
    }
}

impl Seen {
    /// Judges the keys.
    fn checked(self, mut misshapen: BTreeMap<usize, ConfigError>, file: &Arc<Path>) -> Result<Document, ConfigError> {
        if let Some(location) = self.foreign {
            return Err(ConfigError::Unsupported { at: place(location, file), what: Unsupported::McpServers });
        }
        let mut seen = self;
        let servers = seen.servers.take();
        let top = seen.members(file)?;
        let section = |(index, (listed, location)): (usize, (Listed, Location))| {
            let (name, members) = match listed {
                Listed::Read(entry) => (entry.name(), entry.members(file)),
                Listed::Misshapen { name } => {
                    let at = || place(location, file);
                    let unsaid = || ConfigError::Syntax { at: at(), detail: "something else is expected here".into() };
                    (name, Err(misshapen.remove(&index).unwrap_or_else(unsaid)))
                }
            };
            Section { name: name.map(|name| text::clean(&name, 128)), members, place: place(location, file) }
        };
        Ok(Document { top, servers: servers.map(|all| all.into_iter().enumerate().map(section).collect()) })
    }

    fn name(&self) -> Option<String> {
        self.members.iter().find_map(|(key, raw, _)| match raw {
            Raw::Text(name) if *key == Key::ServerName => Some(name.clone()),
            _ => None,
        })
    }

    fn members(self, file: &Arc<Path>) -> Result<Vec<Member>, ConfigError> {
        if let Some((name, location, known)) = self.unknown {
            let nearest = known.nearest(&name);
            return Err(ConfigError::UnknownKey { at: place(location, file), key: text::clean(&name, 60), nearest });
        }
        if let Some((key, location)) = self.twice {
            return Err(ConfigError::Value {
                origin: crate::Origin::File(place(location, file)),
                key,
                shown: None,
                problem: crate::BadValue::Twice,
            });
        }
        let member = |(key, value, location)| Member { key, value, place: place(location, file) };
        Ok(self.members.into_iter().map(member).collect())
    }
}

fn place(location: Location, file: &Arc<Path>) -> Place {
    Place::new(file, location.line(), location.column())
}

#[cfg(test)]
mod tests;
