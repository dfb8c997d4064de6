//! What the window and the app tell each other, shaped as the window reads it; `ui/src/types.ts` is written from it.
//! Nothing that goes out can hold a secret.

mod checked;
mod draft;
mod happened;
mod option_key;
mod profile;
mod secret_field;
mod status;
mod tools;
mod world;

use std::time::{SystemTime, UNIX_EPOCH};

use culvert_protocol::Explain;
use culvert_protocol::text::clean;
use serde::{Deserialize, Serialize};
#[cfg(test)]
use ts_rs::TS;

pub use self::checked::*;
pub use self::draft::*;
pub use self::happened::*;
pub use self::option_key::*;
pub use self::profile::*;
pub use self::secret_field::*;
pub use self::status::*;
pub use self::tools::*;
pub use self::world::*;

/// A profile's lasting id. Only compared, never read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(TS))]
pub struct ProfileId(pub String);

impl std::fmt::Display for ProfileId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(TS))]
pub struct Time(#[cfg_attr(test, ts(type = "number"))] pub u64);

impl From<SystemTime> for Time {
    fn from(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}

/// On or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(TS))]
#[serde(rename_all = "camelCase")]
pub enum Switch {
    /// It is.
    On,
    /// It is not.
    Off,
}

impl Switch {
    /// Whether it is on.
    pub fn is_on(self) -> bool {
        self == Self::On
    }
}

impl From<bool> for Switch {
    fn from(on: bool) -> Self {
        if on { Self::On } else { Self::Off }
    }
}

/// A cause, notice or failure in words: a stable code, what happened, what to do. Every rejected command carries one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(TS))]
pub struct Explained {
    /// Stable.
    pub code: String,
    /// What happened.
    pub message: String,
    /// What to do.
    pub action: String,
}

impl Explained {
    /// Of texts of our own.
    pub fn new(code: &str, message: impl Into<String>, action: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into(), action: action.into() }
    }

    /// Of anything that explains itself; fit to be shown.
    pub fn of(why: &(impl Explain + ?Sized)) -> Self {
        Self::new(why.code(), clean(&why.to_string(), 600), clean(&why.action(), 600))
    }
}

impl<E: Explain> From<E> for Explained {
    fn from(why: E) -> Self {
        Self::of(&why)
    }
}

#[cfg(test)]
mod tests;
