//! The top-level members of a JSON-RPC message, read in one go.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::Malformed;

/// The top-level members that routing knows.
#[derive(Debug, Clone, Default)]
pub(super) struct Members<'a> {
    pub(super) jsonrpc: Option<&'a RawValue>,
    pub(super) id: Option<&'a RawValue>,
    pub(super) method: Option<&'a RawValue>,
    pub(super) params: Option<&'a RawValue>,
    pub(super) result: Option<&'a RawValue>,
    pub(super) error: Option<&'a RawValue>,
    pub(super) foreign: bool,
    pub(super) repeated: Option<&'static str>,
}

impl<'a> Members<'a> {
    /// Reads them all; `name` says what a key stands for. Each is told to `met` with its value.
    fn read<A: MapAccess<'a>, K: Deserialize<'a> + Copy>(
        mut map: A,
        name: impl Fn(K) -> Cow<'a, str>,
        mut met: impl FnMut(K, &'a RawValue),
    ) -> Result<Self, A::Error> {
        let mut members = Self::default();
        while let Some(key) = map.next_key()? {
            let value: &'a RawValue = map.next_value()?;
            met(key, value);
            let (slot, name) = match &*name(key) {
                "jsonrpc" => (&mut members.jsonrpc, "jsonrpc"),
                "id" => (&mut members.id, "id"),
                "method" => (&mut members.method, "method"),
                "params" => (&mut members.params, "params"),
                "result" => (&mut members.result, "result"),
                "error" => (&mut members.error, "error"),
                _ => {
                    members.foreign = true;
                    continue;
                }
            };
            if slot.replace(value).is_some() {
                members.repeated = Some(name);
            }
        }
        Ok(members)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any<'a>(PhantomData<&'a ()>);

        impl<'de: 'a, 'a> Visitor<'de> for Any<'a> {
            type Value = Members<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON-RPC message")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                Members::<'de>::read(map, name_of, |_, _| {})
            }
        }

        deserializer.deserialize_map(Any(PhantomData))
    }
}

/// The members of an object whose keys have no escapes, as nearly all have none: quicker to read, and it is known where
/// in a larger text they lie. Any other value is an error.
#[derive(Debug)]
pub(crate) struct Plain<'a> {
    pub(super) members: Members<'a>,
    pub(super) first: &'a str,
    pub(super) last: &'a str,
}

impl<'de: 'a, 'a> Deserialize<'de> for Plain<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Unescaped<'a>(PhantomData<&'a ()>);

        impl<'de: 'a, 'a> Visitor<'de> for Unescaped<'a> {
            type Value = Plain<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with plain keys")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                let (mut first, mut last) = (None, "");
                let members = Members::<'de>::read(map, Cow::Borrowed, |key: &'de str, value| {
                    first.get_or_insert(key);
                    last = value.get();
                })?;
                let first = first.ok_or_else(|| serde::de::Error::custom("an empty object"))?;
                Ok(Plain { members, first, last })
            }
        }

        deserializer.deserialize_map(Unescaped(PhantomData))
    }
}

/// Tells the members of a JSON object one by one: the name as spelled, in quotes, and the value. Any other value has
/// none.
///
/// # Errors
/// [`Malformed::NotJson`].
pub(crate) fn each_member<'a>(
    object: &'a RawValue,
    each: impl FnMut(&'a RawValue, &'a RawValue),
) -> Result<(), Malformed> {
    struct Each<F>(F);

    impl<'de, F: FnMut(&'de RawValue, &'de RawValue)> Visitor<'de> for Each<F> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
            while let Some((name, value)) = map.next_entry()? {
                (self.0)(name, value);
            }
            Ok(())
        }
    }

    if !object.get().starts_with('{') {
        return Ok(());
    }
    serde_json::Deserializer::from_str(object.get()).deserialize_map(Each(each)).map_err(|_| Malformed::NotJson)
}

/// The name of a member. One that is no text (half a surrogate pair, which JSON's grammar allows) is as spelled, in
/// quotes, and so none that anybody looks for.
pub(crate) fn name_of(key: &RawValue) -> Cow<'_, str> {
    let spelled = key.get();
    match plain(key) {
        Some(plain) => Cow::Borrowed(plain),
        None => serde_json::from_str(spelled).map_or(Cow::Borrowed(spelled), Cow::Owned),
    }
}

/// A text without escapes, unquoted.
pub(super) fn plain(raw: &RawValue) -> Option<&str> {
    let inner = raw.get().strip_prefix('"')?.strip_suffix('"')?;
    (!inner.contains('\\')).then_some(inner)
}
