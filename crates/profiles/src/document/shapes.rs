//! Values in the shapes that their keys ask for.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};

use super::{Raw, RawGateway};
use crate::key::{Key, Shape};

/// A value with its place.
pub(super) struct Found {
    pub(super) raw: Raw,
    pub(super) location: Location,
    /// A name inside of it that means nothing there.
    pub(super) unknown: Option<(String, Location)>,
}

/// The next value in the shape that its key asks for; `None` for a null, which counts as left out.
pub(super) fn value<'de, A: MapAccess<'de>>(map: &mut A, shape: Shape) -> Result<Option<Found>, A::Error> {
    let found = |raw, location| Found { raw, location, unknown: None };
    Ok(match shape {
        Shape::Gateways => map.next_value::<Option<Spanned<Gateways>>>()?.map(|given| {
            let Gateways { raw, unknown } = given.value;
            Found { raw, location: given.referenced, unknown }
        }),
        Shape::Text => {
            map.next_value::<Option<Spanned<String>>>()?.map(|text| found(Raw::Text(text.value), text.referenced))
        }
        Shape::List => {
            map.next_value::<Option<Spanned<Vec<String>>>>()?.map(|list| found(Raw::List(list.value), list.referenced))
        }
        Shape::Map => map
            .next_value::<Option<Spanned<BTreeMap<String, String>>>>()?
            .map(|map| found(Raw::Map(map.value), map.referenced)),
    })
}

/// One address, one gateway with its token, or a list of either.
struct Gateways {
    raw: Raw,
    unknown: Option<(String, Location)>,
}

impl<'de> Deserialize<'de> for Gateways {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.deserialize_any(AnyGateway)? {
            AnyOf::Text(text) => Ok(Self { raw: Raw::Text(text), unknown: None }),
            AnyOf::One(gateway, unknown) => Ok(Self { raw: Raw::Gateways(vec![gateway]), unknown }),
            AnyOf::Several(all) => {
                let mut gateways = Self { raw: Raw::Text(String::new()), unknown: None };
                let mut list = Vec::with_capacity(all.len());
                for one in all {
                    match one {
                        AnyOf::Text(address) => list.push(RawGateway { address, token: None }),
                        AnyOf::One(gateway, unknown) => {
                            list.push(gateway);
                            gateways.unknown = gateways.unknown.or(unknown);
                        }
                        AnyOf::Several(_) => return Err(serde::de::Error::custom("a list in a list")),
                    }
                }
                Ok(Self { raw: Raw::Gateways(list), ..gateways })
            }
        }
    }
}

enum AnyOf {
    Text(String),
    One(RawGateway, Option<(String, Location)>),
    Several(Vec<AnyOf>),
}

impl<'de> Deserialize<'de> for AnyOf {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyGateway)
    }
}

struct AnyGateway;

/// Numbers and truth values become the text that stands for them: no address is one, and the error shows it.
impl<'de> Visitor<'de> for AnyGateway {
    type Value = AnyOf;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an address, or a url with its token, or a list of them")
    }

    fn visit_str<E>(self, text: &str) -> Result<AnyOf, E> {
        Ok(AnyOf::Text(text.to_owned()))
    }

    fn visit_bool<E>(self, value: bool) -> Result<AnyOf, E> {
        Ok(AnyOf::Text(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<AnyOf, E> {
        Ok(AnyOf::Text(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<AnyOf, E> {
        Ok(AnyOf::Text(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<AnyOf, E> {
        Ok(AnyOf::Text(value.to_string()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<AnyOf, A::Error> {
        let mut list = Vec::new();
        while let Some(one) = seq.next_element()? {
            list.push(one);
        }
        Ok(AnyOf::Several(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<AnyOf, A::Error> {
        let (mut gateway, mut unknown) = (RawGateway { address: String::new(), token: None }, None);
        while let Some(name) = map.next_key::<Spanned<String>>()? {
            match name.value.as_str() {
                "url" => gateway.address = map.next_value()?,
                "token" => gateway.token = map.next_value()?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    unknown = unknown.or(Some((name.value, name.referenced)));
                }
            }
        }
        Ok(AnyOf::One(gateway, unknown))
    }
}

/// A value of any shape, of which only a name is wanted.
pub(super) enum Anything {
    Text(String),
    /// A mapping; its member `name`, if that is a text.
    Named(Option<String>),
    Other,
}

impl Anything {
    /// The name in it, if it is a mapping that has one.
    pub(super) fn name(self) -> Option<String> {
        match self {
            Self::Named(name) => name,
            Self::Text(_) | Self::Other => None,
        }
    }
}

impl<'de> Deserialize<'de> for Anything {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyShape)
    }
}

struct AnyShape;

impl<'de> Visitor<'de> for AnyShape {
    type Value = Anything;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_unit<E>(self) -> Result<Anything, E> {
        Ok(Anything::Other)
    }

    fn visit_str<E>(self, text: &str) -> Result<Anything, E> {
        Ok(Anything::Text(text.to_owned()))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Anything, E> {
        Ok(Anything::Other)
    }

    fn visit_i64<E>(self, value: i64) -> Result<Anything, E> {
        Ok(Anything::Text(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Anything, E> {
        Ok(Anything::Text(value.to_string()))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Anything, E> {
        Ok(Anything::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Anything, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Anything::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Anything, A::Error> {
        let mut name = None;
        while let Some(key) = map.next_key::<Anything>()? {
            match (key, map.next_value::<Anything>()?) {
                (Anything::Text(key), Anything::Text(text)) if Key::named(&key) == Some(Key::ServerName) => {
                    name = Some(text);
                }
                _ => {}
            }
        }
        Ok(Anything::Named(name))
    }
}
