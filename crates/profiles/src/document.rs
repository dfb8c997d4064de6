//! The text of a configuration file, read into keys, raw values and the places where they stand. What the values mean
//! is not known here.
//!
//! The text is untrusted: its size, nesting and aliases are bounded, a key may stand only once, and no message repeats
//! a value, which might be a secret. Scalars are kept as the text that was written, so that YAML's guesses (`NO`,
//! `0123`, `1e3`) never come into play.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use culvert_protocol::text;
use serde::Deserialize;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, MessageFormatter, Spanned, UserMessageFormatter};

use crate::error::{ConfigError, Unsupported};
use crate::key::{Key, Shape};
use crate::origin::Place;

/// The key that lists several servers.
const SERVERS: &str = "servers";

/// The key by which other programs' files are known.
const MCP_SERVERS: &str = "mcpServers";

/// The language of a configuration file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    Yaml,
    Json,
}

/// A value as written.
#[derive(PartialEq, Eq)]
pub(crate) enum Raw {
    Text(String),
    List(Vec<String>),
    Map(BTreeMap<String, String>),
}

/// A key with its value and the value's place.
pub(crate) struct Member {
    pub(crate) key: Key,
    pub(crate) value: Raw,
    pub(crate) place: Place,
}

/// A mapping with its place.
pub(crate) struct Section {
    pub(crate) members: Vec<Member>,
    pub(crate) place: Place,
}

/// A whole file.
pub(crate) struct Document {
    pub(crate) top: Vec<Member>,
    pub(crate) servers: Option<Vec<Section>>,
}

impl Document {
    /// Reads `content`, the text of `file`.
    pub(crate) fn read(content: &str, language: Language, file: &Arc<Path>) -> Result<Self, ConfigError> {
        let content = content.strip_prefix('\u{feff}').unwrap_or(content);
        if language == Language::Json {
            // JSON is read by the YAML reader below, which knows places; what is JSON, only this one judges.
            serde_json::from_str::<IgnoredAny>(content).map_err(|error| json_syntax(&error, file))?;
        }
        // Once for the syntax alone: after it, an error is one of shape, and is told in this format's own words.
        let syntax = serde_saphyr::from_str_with_options::<Option<IgnoredAny>>(content, options());
        syntax.map_err(|error| yaml_error(&error, file, Stage::Syntax))?;
        let seen = serde_saphyr::with_deserializer_from_str_with_options(content, options(), |deserializer| {
            Mapping(Level::Top).deserialize(deserializer)
        });
        seen.map_err(|error| yaml_error(&error, file, Stage::Shape))?.checked(file)
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

/// Which mapping is being read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Top,
    Entry,
}

/// A mapping as met in the text, before anything in it is judged.
#[derive(Default)]
struct Seen {
    members: Vec<(Key, Raw, Location)>,
    servers: Option<Vec<Spanned<Entry>>>,
    unknown: Option<(String, Location)>,
    twice: Option<(Key, Location)>,
    foreign: Option<Location>,
}

struct Entry(Seen);

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Mapping(Level::Entry).deserialize(deserializer).map(Self)
    }
}

struct Mapping(Level);

impl<'de> DeserializeSeed<'de> for Mapping {
    type Value = Seen;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Seen, D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for Mapping {
    type Value = Seen;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("keys with values")
    }

    fn visit_none<E>(self) -> Result<Seen, E> {
        Ok(Seen::default())
    }

    fn visit_unit<E>(self) -> Result<Seen, E> {
        Ok(Seen::default())
    }

    fn visit_some<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Seen, D::Error> {
        deserializer.deserialize_map(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Seen, A::Error> {
        let mut seen = Seen::default();
        while let Some(name) = map.next_key::<Spanned<String>>()? {
            match Key::named(&name.value) {
                Some(key) => {
                    if seen.members.iter().any(|(earlier, ..)| *earlier == key) {
                        seen.twice.get_or_insert((key, name.referenced));
                    }
                    if let Some((value, location)) = value(&mut map, key.about().shape)? {
                        seen.members.push((key, value, location));
                    }
                }
                None if self.0 == Level::Top && name.value == SERVERS => {
                    seen.servers = Some(map.next_value::<Option<Vec<Spanned<Entry>>>>()?.unwrap_or_default());
                }
                None => {
                    map.next_value::<IgnoredAny>()?;
                    if self.0 == Level::Top && name.value == MCP_SERVERS {
                        seen.foreign = Some(name.referenced);
                    } else {
                        seen.unknown.get_or_insert((name.value, name.referenced));
                    }
                }
            }
        }
        Ok(seen)
    }
}

/// The next value in the shape that its key asks for; `None` for a null, which counts as left out.
fn value<'de, A: MapAccess<'de>>(map: &mut A, shape: Shape) -> Result<Option<(Raw, Location)>, A::Error> {
    Ok(match shape {
        Shape::TextOrList => map.next_value::<Option<Spanned<TextOrList>>>()?.map(|raw| (raw.value.0, raw.referenced)),
        Shape::Text => {
            map.next_value::<Option<Spanned<String>>>()?.map(|text| (Raw::Text(text.value), text.referenced))
        }
        Shape::List => {
            map.next_value::<Option<Spanned<Vec<String>>>>()?.map(|list| (Raw::List(list.value), list.referenced))
        }
        Shape::Map => map
            .next_value::<Option<Spanned<BTreeMap<String, String>>>>()?
            .map(|map| (Raw::Map(map.value), map.referenced)),
    })
}

/// A value that may be one text or several. Numbers and truth values become the text that stands for them.
struct TextOrList(Raw);

impl<'de> Deserialize<'de> for TextOrList {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self(Raw::List(Vec::new())))
    }
}

impl<'de> Visitor<'de> for TextOrList {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or a list of texts")
    }

    fn visit_str<E>(self, text: &str) -> Result<Self, E> {
        Ok(Self(Raw::Text(text.to_owned())))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self, E> {
        Ok(Self(Raw::Text(value.to_string())))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self, E> {
        Ok(Self(Raw::Text(value.to_string())))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self, E> {
        Ok(Self(Raw::Text(value.to_string())))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self, E> {
        Ok(Self(Raw::Text(value.to_string())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self, A::Error> {
        let mut list = Vec::new();
        while let Some(text) = seq.next_element()? {
            list.push(text);
        }
        Ok(Self(Raw::List(list)))
    }
}

impl Seen {
    fn checked(self, file: &Arc<Path>) -> Result<Document, ConfigError> {
        if let Some(location) = self.foreign {
            return Err(ConfigError::Unsupported { at: place(location, file), what: Unsupported::McpServers });
        }
        let servers = self.servers.as_ref().map(Vec::len);
        let Self { members, servers: entries, unknown, twice, .. } = self;
        let top = members_of(members, unknown, twice, file)?;
        let mut sections = Vec::with_capacity(servers.unwrap_or_default());
        for entry in entries.into_iter().flatten() {
            let Seen { members, unknown, twice, .. } = entry.value.0;
            let members = members_of(members, unknown, twice, file)?;
            sections.push(Section { members, place: place(entry.referenced, file) });
        }
        Ok(Document { top, servers: servers.map(|_| sections) })
    }
}

fn members_of(
    members: Vec<(Key, Raw, Location)>,
    unknown: Option<(String, Location)>,
    twice: Option<(Key, Location)>,
    file: &Arc<Path>,
) -> Result<Vec<Member>, ConfigError> {
    if let Some((name, location)) = unknown {
        let nearest = Key::nearest(&name);
        return Err(ConfigError::UnknownKey { at: place(location, file), key: text::clean(&name, 60), nearest });
    }
    if let Some((key, location)) = twice {
        return Err(ConfigError::Value {
            origin: crate::Origin::File(place(location, file)),
            key,
            shown: None,
            problem: crate::BadValue::Twice,
        });
    }
    Ok(members.into_iter().map(|(key, value, location)| Member { key, value, place: place(location, file) }).collect())
}

fn place(location: Location, file: &Arc<Path>) -> Place {
    Place::new(file, location.line(), location.column())
}

/// What the reader was looking for when it failed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Syntax,
    Shape,
}

fn yaml_error(error: &serde_saphyr::Error, file: &Arc<Path>, stage: Stage) -> ConfigError {
    use serde_saphyr::Error as Yaml;
    let inner = error.without_snippet();
    let at = inner.location().map_or_else(|| Place::new(file, 0, 0), |location| place(location, file));
    let inner = match inner {
        Yaml::AliasError { .. } => None,
        inner => Some(inner),
    };
    let detail = match inner {
        Some(Yaml::DuplicateMappingKey { key: Some(key), .. }) => {
            format!("the key {:?} stands here for the second time", text::clean(key, 60))
        }
        Some(
            Yaml::Budget { .. } | Yaml::AliasReplayLimitExceeded { .. } | Yaml::AliasExpansionLimitExceeded { .. },
        ) => "the file is nested too deep, too long, or repeats itself too often".to_owned(),
        Some(Yaml::MultipleDocuments { .. }) => "a second document begins here; one file holds one".to_owned(),
        Some(Yaml::Unexpected { expected, .. }) if stage == Stage::Shape => match *expected {
            expected if expected.contains("string") => "one text or number is expected here".to_owned(),
            expected if expected.contains("sequence") => "a list is expected here".to_owned(),
            expected if expected.contains("mapping") => "keys with values are expected here".to_owned(),
            expected => text::clean(&format!("{expected} is expected here"), 200),
        },
        Some(Yaml::NullIntoString { .. }) => "a value is missing here; write \"\" for an empty one".to_owned(),
        Some(inner) if stage == Stage::Syntax => text::clean(&UserMessageFormatter.format_message(inner), 200),
        _ => "something else is expected here".to_owned(),
    };
    ConfigError::Syntax { at, detail }
}

fn json_syntax(error: &serde_json::Error, file: &Arc<Path>) -> ConfigError {
    let whole = error.to_string();
    let detail = whole.rsplit_once(" at line ").map_or(whole.as_str(), |(detail, _)| detail);
    let at = Place::new(file, error.line() as u64, error.column() as u64);
    ConfigError::Syntax { at, detail: text::clean(detail, 200) }
}

#[cfg(test)]
mod tests;
