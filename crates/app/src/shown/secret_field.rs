//! Secrets in a form, and values that may be one.

use std::fmt;

use culvert_protocol::Secret;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
#[cfg(test)]
use ts_rs::TS;

/// What was typed and must not be seen again: it is read, and written as nothing.
#[derive(Clone, PartialEq, Eq, Default)]
#[cfg_attr(test, derive(TS))]
pub struct Typed(#[cfg_attr(test, ts(type = "string"))] pub Secret);

impl fmt::Debug for Typed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Typed(…)")
    }
}

impl<'de> Deserialize<'de> for Typed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Secret::new(text)))
    }
}

impl Serialize for Typed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("")
    }
}

/// A secret in a form. What is saved shows only where it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(TS))]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum SecretField {
    /// There is none.
    None,
    /// In the keychain; stays as it is.
    Saved,
    /// Typed now; goes to the keychain with Save. Never sent by the back end.
    Typed {
        /// The secret.
        text: Typed,
    },
    /// In a variable.
    Environment {
        /// Its name.
        variable: String,
    },
    /// In a file.
    File {
        /// Its path.
        path: String,
    },
    /// A program prints it.
    Command {
        /// As one would type it.
        command: String,
    },
    /// systemd's, on servers; shown where a file has it.
    Credential {
        /// Its name.
        name: String,
    },
    /// Written out in a file by hand; stays as it is. Never sent by either side.
    Literal,
}

/// The value of a variable or header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(TS))]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum PairValue {
    /// Anybody may see it.
    Plain {
        /// The value.
        text: String,
    },
    /// Nobody may.
    Secret {
        /// Where it is.
        secret: SecretField,
    },
}

/// A variable or a header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(TS))]
pub struct Pair {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: PairValue,
}
