//! How a client introduces itself in `register`: its program and host, and labels for whoever runs many. Gateways that
//! do not know these members skip them; nothing in them gives rights.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use thiserror::Error;

use crate::text;

/// The longest program name, version or host that is taken, in characters.
const MAX_WORD: usize = 255;

/// Labels of one tunnel at most.
pub const MAX_LABELS: usize = 16;

/// The longest key of a label, in characters.
pub const MAX_LABEL_KEY: usize = 63;

/// The longest value of a label, in characters.
pub const MAX_LABEL_VALUE: usize = 255;

/// The program at the client's end.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ClientInfo {
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The name of the machine that it runs on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
}

impl ClientInfo {
    /// Reads a peer's words: cleaned and cut. What cannot be read says nothing.
    pub fn read(raw: &RawValue) -> Self {
        let Self { name, version, host } = serde_json::from_str(raw.get()).unwrap_or_default();
        let fit = |word: Option<String>| word.map(|word| text::clean(&word, MAX_WORD)).filter(|word| !word.is_empty());
        Self { name: fit(name), version: fit(version), host: fit(host) }
    }
}

/// What an owner calls a tunnel by beside its name: up to 16 keys with a value each.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(transparent)]
pub struct Labels(BTreeMap<String, String>);

/// Why labels are not taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BadLabels {
    /// There are too many.
    #[error("{0} labels are too many: {MAX_LABELS} may be given")]
    TooMany(usize),
    /// A key is empty, too long, or has other characters.
    #[error("{0:?} cannot be a label: 1 to {MAX_LABEL_KEY} letters, digits, '_', '.', '-' and '/' are allowed")]
    Key(String),
    /// A value is too long or has control characters.
    #[error(
        "the value of the label {0:?} is too long or has control characters: up to {MAX_LABEL_VALUE} characters of plain text are allowed"
    )]
    Value(String),
}

impl Labels {
    /// Takes labels that fit.
    ///
    /// # Errors
    /// [`BadLabels`] names the first that does not.
    pub fn new(labels: BTreeMap<String, String>) -> Result<Self, BadLabels> {
        if labels.len() > MAX_LABELS {
            return Err(BadLabels::TooMany(labels.len()));
        }
        for (key, value) in &labels {
            if !is_key(key) {
                return Err(BadLabels::Key(text::clean(key, MAX_LABEL_KEY)));
            }
            if !is_value(value) {
                return Err(BadLabels::Value(key.clone()));
            }
        }
        Ok(Self(labels))
    }

    /// Reads a peer's labels: those that fit, the first 16 by key.
    pub fn read(raw: &RawValue) -> Self {
        let given: BTreeMap<String, serde_json::Value> = serde_json::from_str(raw.get()).unwrap_or_default();
        let texts = given.into_iter().filter_map(|(key, value)| match value {
            serde_json::Value::String(value) if is_key(&key) && is_value(&value) => Some((key, value)),
            _ => None,
        });
        Self(texts.take(MAX_LABELS).collect())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Key and value of each, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }
}

fn is_key(key: &str) -> bool {
    (1..=MAX_LABEL_KEY).contains(&key.len())
        && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b'/'))
}

fn is_value(value: &str) -> bool {
    value.chars().count() <= MAX_LABEL_VALUE && !value.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    fn labels(key: &str, value: &str) -> Result<Labels, BadLabels> {
        Labels::new([(key.to_owned(), value.to_owned())].into())
    }

    #[test]
    fn labels_are_bounded_and_plain() {
        assert!(labels("app.kubernetes.io/name", "git & more").is_ok());
        assert!(labels(&"k".repeat(63), &"é".repeat(255)).is_ok());
        for key in ["", "a b", "é", &"k".repeat(64)] {
            assert!(matches!(labels(key, "x"), Err(BadLabels::Key(_))), "{key}");
        }
        for value in ["a\nb", &"v".repeat(256)] {
            assert_eq!(labels("k", value), Err(BadLabels::Value("k".to_owned())));
        }
        let many = (0..17).map(|at| (format!("k{at}"), String::new())).collect();
        assert_eq!(Labels::new(many), Err(BadLabels::TooMany(17)));
    }

    #[test]
    fn what_a_peer_says_is_cleaned_and_what_does_not_fit_is_left_out() {
        let client = ClientInfo::read(&raw(r#"{"name":"culvert","version":"1\u001b[0m","host":"","more":1}"#));
        assert_eq!(
            (client.name.as_deref(), client.version.as_deref(), client.host),
            (Some("culvert"), Some("1 [0m"), None)
        );
        assert_eq!(ClientInfo::read(&raw("[7]")), ClientInfo::default());
        let read = Labels::read(&raw(r#"{"team":"tools","n":1,"bad key":"x","bell":"\u0007"}"#));
        assert_eq!(read.iter().collect::<Vec<_>>(), [("team", "tools")]);
        assert!(Labels::read(&raw("7")).is_empty());
        let many: BTreeMap<_, _> = (0..40).map(|at| (format!("k{at}"), "x")).collect();
        assert_eq!(Labels::read(&raw(&serde_json::to_string(&many).unwrap())).iter().count(), MAX_LABELS);
    }
}
