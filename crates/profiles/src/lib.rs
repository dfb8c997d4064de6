//! What the user configured: files, environment, flags, and what they come to together.
//!
//! Each layer is read into the same [`Settings`]; [`effective`] lays them over each other (flags > environment > file >
//! defaults) and checks the whole into the engine's own configuration. Nothing here starts anything, and whatever of
//! the machine plays a part is handed in as [`Surroundings`].

mod command;
mod document;
mod effective;
mod environment;
mod error;
mod file;
mod headers;
mod key;
mod level;
mod naming;
mod origin;
mod package;
mod placeholder;
mod secret;
mod settings;
mod surroundings;
mod value;
mod warning;

pub use command::{BadCommand, Platform, split};
pub use effective::{Effective, effective};
pub use error::ConfigError;
pub use file::ConfigFile;
pub use headers::LocalHeaders;
pub use key::{About, Key, Shape};
pub use level::LogLevel;
pub use naming::made_name;
pub use origin::{Origin, Place, Sourced};
pub use secret::{BadReference, SecretRef};
pub use settings::{ChildEnvironment, Settings};
pub use surroundings::Surroundings;
pub use value::{BadValue, addresses, bytes, retries, seconds, sessions, transport};
pub use warning::Warning;

#[cfg(test)]
mod documentation_tests;
