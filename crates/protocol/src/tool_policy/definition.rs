//! What a server says of a tool, in one canonical form: two texts that say the same have the same digest, however they
//! are spelled, and any other word makes it another one.

use std::fmt;
use std::sync::Arc;

use ring::digest::{SHA256, digest};
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::Hint;
use super::akin::are_akin;
use super::listing::of_element;

/// The members that models and people act on, and what a careless reader takes for them. Others, such as icons and
/// `_meta`, may change from list to list.
const PARTS: [&str; 6] = ["annotations", "description", "inputSchema", "name", "outputSchema", "title"];

/// The member that stands for all where an element cannot be read part by part.
const WHOLE: &str = "asListed";

/// The SHA-256 of a canonical form.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

/// A tool as its server lists it. Clones share their text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    name: Arc<str>,
    hint: Hint,
    text: Arc<str>,
    digest: Digest,
}

impl Digest {
    fn of(text: &str) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
        Self(bytes)
    }

    /// The digest that [`Display`](fmt::Display) shows so.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        let is_plain = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        for (at, byte) in bytes.iter_mut().enumerate().filter(|_| is_plain) {
            *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok()?;
        }
        is_plain.then_some(Self(bytes))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Definition {
    /// Reads an element of a list of tools; `None`: its name cannot be told, or can be told in two ways.
    pub fn read(element: &RawValue) -> Option<Self> {
        let (name, hint) = of_element(element)?;
        // Too deep, or not to be put in order: then each byte counts.
        let text = canonical(element.get()).unwrap_or_else(|| {
            let name = serde_json::Value::from(&*name);
            format!(r#"{{"{WHOLE}":{},"name":{name}}}"#, serde_json::Value::from(element.get()))
        });
        Some(Self { name: name.into(), hint, digest: Digest::of(&text), text: text.into() })
    }

    /// What any text is compared by.
    pub fn fingerprint(text: &str) -> Digest {
        Digest::of(text)
    }

    /// Reads what [`text`](Self::text) gave once.
    pub fn parse(text: &str) -> Option<Self> {
        let read = Self::read(serde_json::from_str(text).ok()?)?;
        // Nothing was put in order then, and nothing is now.
        let is_whole = text.starts_with(&format!(r#"{{"{WHOLE}":"#));
        Some(if is_whole { Self { digest: Digest::of(text), text: text.into(), ..read } } else { read })
    }

    /// The tool's name, unescaped. From outside: clean it before it is shown.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What its annotations say.
    pub fn hint(&self) -> Hint {
        self.hint
    }

    /// What it says, as a JSON object in canonical form.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What it is compared by.
    pub fn digest(&self) -> Digest {
        self.digest
    }
}

/// The parts that count of an element, in order; `None`: they cannot be put in order.
fn canonical(element: &str) -> Option<String> {
    let Canon::Map(mut members) = serde_json::from_str(element).ok()? else { return None };
    members.retain(|(name, _)| PARTS.iter().any(|part| are_akin(name, part)));
    let mut text = String::with_capacity(element.len());
    Canon::Map(members).write(&mut text);
    Some(text)
}

/// A JSON value with everything that a reader might see of it: a member that is there twice is there twice.
enum Canon {
    /// `null`, a truth value or a number, as it is written.
    Plain(String),
    Text(String),
    List(Vec<Canon>),
    Map(Vec<(String, Canon)>),
}

impl Canon {
    fn write(self, out: &mut String) {
        let quoted = |text: String, out: &mut String| out.push_str(&serde_json::Value::from(text).to_string());
        match self {
            Self::Plain(text) => out.push_str(&text),
            Self::Text(text) => quoted(text, out),
            Self::List(items) => {
                out.push('[');
                for (at, item) in items.into_iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    item.write(out);
                }
                out.push(']');
            }
            Self::Map(mut members) => {
                // Stable: of two with one name, which comes first may matter to a reader.
                members.sort_by(|(one, _), (other, _)| one.cmp(other));
                out.push('{');
                for (at, (name, value)) in members.into_iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    quoted(name, out);
                    out.push(':');
                    value.write(out);
                }
                out.push('}');
            }
        }
    }
}

impl<'de> Deserialize<'de> for Canon {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Canon;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON value")
            }

            fn visit_unit<E>(self) -> Result<Canon, E> {
                Ok(Canon::Plain("null".to_owned()))
            }

            fn visit_bool<E>(self, value: bool) -> Result<Canon, E> {
                Ok(Canon::Plain(value.to_string()))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Canon, E> {
                Ok(Canon::Plain(value.to_string()))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Canon, E> {
                Ok(Canon::Plain(value.to_string()))
            }

            fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Canon, E> {
                // Beyond this, a neighbour may be read as the same number; each digit counts then.
                const EXACT: f64 = 9_007_199_254_740_992.0;
                match value.fract() == 0.0 && value.abs() < EXACT {
                    // As an integer would be written: 1.0 says no more than 1.
                    true => Ok(Canon::Plain(format!("{}", value as i64))),
                    false if value.abs() < EXACT => Ok(Canon::Plain(format!("{value:?}"))),
                    false => Err(E::custom("a number beyond what is exact")),
                }
            }

            fn visit_str<E>(self, text: &str) -> Result<Canon, E> {
                Ok(Canon::Text(text.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut all: A) -> Result<Canon, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = all.next_element()? {
                    items.push(item);
                }
                Ok(Canon::List(items))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut all: A) -> Result<Canon, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = all.next_entry::<String, Canon>()? {
                    members.push(member);
                }
                Ok(Canon::Map(members))
            }
        }

        deserializer.deserialize_any(Any).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Definition {
        Definition::read(serde_json::from_str(text).unwrap()).unwrap()
    }

    #[test]
    fn what_says_the_same_is_the_same() {
        let one = read(
            r#"{"name":"add","description":"Adds é","inputSchema":{"type":"object","properties":{"a":{"minimum":1}}}}"#,
        );
        for same in [
            "{ \"inputSchema\":{\"properties\":{\"a\":{\"minimum\":1.0}},\"type\":\"object\"},\n\"description\":\"Adds \\u00e9\",\"name\":\"\\u0061dd\"}",
            r#"{"name":"add","description":"Adds é","inputSchema":{"type":"object","properties":{"a":{"minimum":1}}},"_meta":{"x":1},"icons":[]}"#,
        ] {
            assert_eq!(read(same).digest(), one.digest(), "{same}");
        }
        assert_eq!(Definition::parse(one.text()), Some(one.clone()));
        assert_eq!(Digest::parse(&one.digest().to_string()), Some(one.digest()));
        assert_eq!(Digest::parse("zz"), None);
    }

    #[test]
    fn any_other_word_is_another_tool() {
        let whole = |more: &str| read(&format!(r#"{{"name":"add","description":"Adds"{more}}}"#)).digest();
        let others = [
            whole(""),
            whole(r#","title":"x""#),
            whole(r#","inputSchema":{"a":1}"#),
            whole(r#","inputSchema":{"a":2}"#),
            whole(r#","inputSchema":{"a":"1"}"#),
            whole(r#","inputSchema":{"a":1.5}"#),
            whole(r#","inputSchema":{"a":[1,2]}"#),
            whole(r#","inputSchema":{"a":[2,1]}"#),
            whole(r#","outputSchema":{"a":1}"#),
            whole(r#","annotations":{"readOnlyHint":true}"#),
            // What readers see that do not mind the case of a name.
            whole(r#","Description":"Harms""#),
            whole(r#","input_schema":{"a":1}"#),
            // What a reader that takes the first of two would see, and one that takes the last.
            whole(r#","description":"Harms""#),
            whole(r#","inputSchema":{"a":1,"a":2}"#),
            whole(r#","inputSchema":{"a":2,"a":1}"#),
            whole(r#","inputSchema":{"a":36893488147419103232}"#),
            whole(r#","inputSchema":{"a":36893488147419103233}"#),
        ];
        for (at, one) in others.iter().enumerate() {
            assert!(!others[at + 1..].contains(one), "{at}");
        }
    }

    #[test]
    fn what_cannot_be_put_in_order_counts_byte_by_byte() {
        let deep = format!(r#"{{"name":"a","inputSchema":{}{}}}"#, "[".repeat(500), "]".repeat(500));
        let one = read(&deep);
        assert_eq!((one.name(), one.digest()), ("a", read(&deep).digest()));
        assert_ne!(one.digest(), read(&deep.replace(r#","input"#, r#", "input"#)).digest());
        assert_eq!(Definition::parse(one.text()), Some(one.clone()));
        assert_ne!(read(r#"{"name":"a","description":"\ud800"}"#), read(r#"{"name":"a","description":"\ud801"}"#));
        assert!(Definition::read(serde_json::from_str(r#"{"name":"a","name":"b"}"#).unwrap()).is_none());
    }
}
