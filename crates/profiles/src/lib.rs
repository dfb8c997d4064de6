//! What the user configured: files, environment, flags, saved profiles, and what they come to together.
//!
//! Each layer is read into the same [`Settings`]; [`Loaded`] lays them over each other (flags > environment > file >
//! defaults) and checks them into a [`Profile`] for each server, one that cannot be used beside the others as
//! [`Broken`]. [`compare()`] says what a change of configuration comes to, [`Store`] keeps saved profiles, [`import`]
//! reads other clients' files. Nothing here starts a server, and whatever of the machine plays a part is handed in,
//! most of it as [`Surroundings`].

mod approved;
mod atomic;
mod command;
mod compare;
mod document;
mod draft;
mod effective;
mod environment;
mod error;
mod file;
mod folder;
mod folders;
mod foreign;
mod gateway;
mod headers;
pub mod import;
mod key;
mod labels;
mod level;
mod load;
mod naming;
mod no_proxy;
mod origin;
mod package;
mod placeholder;
mod profile;
mod redact;
mod secret;
mod settings;
mod store;
mod surroundings;
mod value;
mod wanted;
mod warning;

pub use approved::ApprovedFile;
pub use atomic::write as write_whole;
pub use command::{BadCommand, Platform, split};
pub use compare::{Change, Step, compare};
pub use draft::{Draft, DraftGateway};
pub use effective::proxy_of_environment;
pub use error::{ConfigError, Duplicate, Unsupported};
pub use file::{ConfigFile, Entry, Written};
pub use folders::{Folders, System};
pub use foreign::{ForeignEntry, Open};
pub use gateway::GivenGateway;
pub use headers::LocalHeaders;
pub use import::secrecy::looks_secret;
pub use key::{About, Key, Shape};
pub use labels::GivenLabels;
pub use level::LogLevel;
pub use load::{Loaded, loaded};
pub use naming::made_name;
pub use origin::{Origin, Place, Sourced};
pub use profile::{
    Broken, Profile, ProfileId, ProfileKey, ProfileTunnel, SecretEnv, SecretHeaders, Secrets, Start, TunnelKey,
};
pub use redact::Redactor;
pub use secret::{
    Again, BadReference, Expiry, Keychain, KeychainError, Prompt, Reread, SERVICE, SecretCondition, SecretError,
    SecretNotice, SecretRef, SecretSources, Volume, Watched,
};
pub use settings::{ChildEnvironment, SecretEnvironment, Settings};
pub use store::{Content, OnBroken, Saved, Store, StoreError};
pub use surroundings::Surroundings;
pub use value::{BadValue, addresses, bytes, retries, seconds, seconds_or_none, sessions, transport};
pub use wanted::{Wanted, WantedFile};
pub use warning::Warning;

#[cfg(test)]
mod documentation_tests;
