//! The mappings of a file as met in the text, before anything in them is judged.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};

use super::Raw;
use super::shapes::{Anything, value};
use crate::error::ConfigError;
use crate::key::Key;

/// The key that lists several servers.
const SERVERS: &str = "servers";

/// The key by which other programs' files are known.
const MCP_SERVERS: &str = "mcpServers";

/// A mapping: its keys and values, and what had better not be there.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) members: Vec<(Key, Raw, Location)>,
    pub(super) servers: Option<Vec<(Listed, Location)>>,
    pub(super) unknown: Option<(String, Location, Known)>,
    pub(super) twice: Option<(Key, Location)>,
    pub(super) foreign: Option<Location>,
}

/// Which names would have been known where an unknown one stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    Keys,
    OfGateways,
}

impl Known {
    pub(super) fn nearest(self, name: &str) -> Option<&'static str> {
        match self {
            Self::Keys => Key::nearest(name),
            Self::OfGateways => Some(if name.to_ascii_lowercase().starts_with('t') { "token" } else { "url" }),
        }
    }
}

/// An entry of `servers:`.
pub(super) enum Listed {
    Read(Seen),
    /// One of its values has a shape that its key cannot have.
    Misshapen {
        name: Option<String>,
    },
}

/// Which mapping is being read, and which of its entries are known to be misshapen.
#[derive(Clone, Copy)]
pub(super) enum Mapping<'a> {
    Top { misshapen: &'a BTreeMap<usize, ConfigError>, entry: &'a Cell<Option<usize>> },
    Entry,
}

impl<'a> Mapping<'a> {
    /// The whole file. `entry` tells at any time which entry of `servers:` is being read.
    pub(super) fn top(misshapen: &'a BTreeMap<usize, ConfigError>, entry: &'a Cell<Option<usize>>) -> Self {
        Self::Top { misshapen, entry }
    }
}

struct Entry(Seen);

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Mapping::Entry.deserialize(deserializer).map(Self)
    }
}

impl<'de> DeserializeSeed<'de> for Mapping<'_> {
    type Value = Seen;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Seen, D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for Mapping<'_> {
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
            match (Key::named(&name.value), self) {
                (Some(key), _) => {
                    if seen.members.iter().any(|(earlier, ..)| *earlier == key) {
                        seen.twice.get_or_insert((key, name.referenced));
                    }
                    if let Some(found) = value(&mut map, key.about().shape)? {
                        if let Some((name, location)) = found.unknown {
                            seen.unknown.get_or_insert((name, location, Known::OfGateways));
                        }
                        seen.members.push((key, found.raw, found.location));
                    }
                }
                (None, Mapping::Top { misshapen, entry }) if name.value == SERVERS => {
                    seen.servers = Some(map.next_value_seed(Servers { misshapen, entry })?);
                    entry.set(None);
                }
                (None, Mapping::Top { .. }) if name.value == MCP_SERVERS => {
                    map.next_value::<IgnoredAny>()?;
                    seen.foreign = Some(name.referenced);
                }
                (None, _) => {
                    map.next_value::<IgnoredAny>()?;
                    seen.unknown.get_or_insert((name.value, name.referenced, Known::Keys));
                }
            }
        }
        Ok(seen)
    }
}

/// The list after `servers`.
struct Servers<'a> {
    misshapen: &'a BTreeMap<usize, ConfigError>,
    entry: &'a Cell<Option<usize>>,
}

impl<'de> DeserializeSeed<'de> for Servers<'_> {
    type Value = Vec<(Listed, Location)>;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for Servers<'_> {
    type Value = Vec<(Listed, Location)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of servers")
    }

    fn visit_none<E>(self) -> Result<Self::Value, E> {
        Ok(Vec::new())
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Vec::new())
    }

    fn visit_some<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut all = Vec::new();
        loop {
            let index = all.len();
            self.entry.set(Some(index));
            let next = if self.misshapen.contains_key(&index) {
                let skipped = seq.next_element::<Spanned<Anything>>()?;
                skipped.map(|entry| (Listed::Misshapen { name: entry.value.name() }, entry.referenced))
            } else {
                let read = seq.next_element::<Spanned<Entry>>()?;
                read.map(|entry| (Listed::Read(entry.value.0), entry.referenced))
            };
            match next {
                Some(next) => all.push(next),
                None => return Ok(all),
            }
        }
    }
}
