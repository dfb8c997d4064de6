//! Which saved profiles the user wants up: kept apart from configuration, and off whenever in doubt.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::atomic;
use crate::profile::ProfileKey;

/// The largest file that is read, in bytes: 1 MiB.
const LARGEST: u64 = 1 << 20;

/// What the user asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// The keys of the profiles that are wanted up.
    #[serde(rename = "wanted")]
    profiles: BTreeSet<String>,
}

impl Wanted {
    /// Whether a profile is wanted up.
    pub fn is_up(&self, profile: &ProfileKey) -> bool {
        self.profiles.contains(profile.as_str())
    }

    /// Wants a profile up.
    pub fn up(&mut self, profile: &ProfileKey) {
        self.profiles.insert(profile.as_str().to_owned());
    }

    /// Wants it down.
    pub fn down(&mut self, profile: &ProfileKey) {
        self.profiles.remove(profile.as_str());
    }

    /// Forgets whatever is none of these profiles.
    pub fn keep_only<'a>(&mut self, profiles: impl IntoIterator<Item = &'a ProfileKey>) {
        let known: BTreeSet<_> = profiles.into_iter().map(ProfileKey::as_str).collect();
        self.profiles.retain(|profile| known.contains(profile.as_str()));
    }
}

/// The file that it is kept in.
#[derive(Debug, Clone)]
pub struct WantedFile(pub PathBuf);

impl WantedFile {
    /// What the file says; nothing is wanted where it is not there, or is no such file: better a tunnel down that
    /// should be up than one open that nobody asked for. The error, if there is one, is worth a line in the log.
    pub fn read(&self) -> (Wanted, Option<io::Error>) {
        match self.try_read() {
            Ok(wanted) => (wanted, None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => (Wanted::default(), None),
            Err(error) => (Wanted::default(), Some(error)),
        }
    }

    fn try_read(&self) -> io::Result<Wanted> {
        let mut text = Vec::new();
        File::open(&self.0)?.take(LARGEST + 1).read_to_end(&mut text)?;
        if text.len() as u64 > LARGEST {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(serde_json::from_slice(&text)?)
    }

    /// Writes it whole or not at all.
    ///
    /// # Errors
    /// The system's.
    pub fn write(&self, wanted: &Wanted) -> io::Result<()> {
        let mut text = serde_json::to_vec_pretty(wanted)?;
        text.push(b'\n');
        atomic::write(&self.0, &text)
    }
}

#[cfg(test)]
mod tests {
    use culvert_protocol::ServerName;

    use super::*;

    fn key(name: &str) -> ProfileKey {
        ProfileKey::new(None, &ServerName::new(name).unwrap())
    }

    #[test]
    fn what_is_wanted_is_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let file = WantedFile(folder.path().join("state/wanted.json"));
        let (mut wanted, error) = file.read();
        assert!(error.is_none() && !wanted.is_up(&key("a")));
        wanted.up(&key("a"));
        wanted.up(&key("b"));
        wanted.up(&key("c"));
        wanted.down(&key("b"));
        file.write(&wanted).unwrap();
        let (mut wanted, error) = file.read();
        assert!(error.is_none());
        assert_eq!(["a", "b", "c"].map(|name| wanted.is_up(&key(name))), [true, false, true]);
        wanted.keep_only([&key("a"), &key("b")]);
        assert_eq!(["a", "b", "c"].map(|name| wanted.is_up(&key(name))), [true, false, false]);
    }

    #[test]
    fn what_cannot_be_understood_is_off() {
        let folder = tempfile::tempdir().unwrap();
        let file = WantedFile(folder.path().join("wanted.json"));
        for text in [
            "",
            "{\"wanted\": [\"a\"",
            "[\"a\"]",
            "{\"wanted\": {\"a\": true}}",
            "{\"wanted\":[\"a\"],\"more\":1}",
            "\0\0\0",
        ] {
            std::fs::write(&file.0, text).unwrap();
            let (wanted, error) = file.read();
            assert!(error.is_some() && !wanted.is_up(&key("a")), "{text:?}");
        }
        let (_, error) = WantedFile(folder.path().to_path_buf()).read();
        assert!(error.is_some());
    }
}
