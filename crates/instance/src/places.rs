//! Where everything about a user's saved profiles is.

use std::path::PathBuf;

use culvert_profiles::{Folders, Settings, System, WantedFile};

use crate::source::{Empty, Source};

/// The folders of one user, and what is in them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places(pub Folders);

impl Places {
    /// Those of this process's user; `None` when no home folder is known.
    pub fn of_this_user() -> Option<Self> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let home = variable("HOME").or_else(|| variable("USERPROFILE")).map(PathBuf::from);
        // Without a home, both folders may still be named.
        let known = home.is_some() || (variable("XDG_CONFIG_HOME").is_some() && variable("XDG_STATE_HOME").is_some());
        known.then(|| Self(Folders::of(System::here(), &home.unwrap_or_default(), &variable)))
    }

    /// What is saved.
    pub fn source(&self) -> Source {
        Source { flags: Settings::default(), config: Some(self.0.profiles()), empty: Empty::Fine }
    }

    /// The file of what is wanted.
    pub fn wanted(&self) -> WantedFile {
        WantedFile(self.0.wanted())
    }

    /// The socket of whoever runs them.
    pub fn socket(&self) -> PathBuf {
        self.0.state.join("control.sock")
    }

    /// The lock of whoever runs them.
    pub fn lock(&self) -> PathBuf {
        self.0.state.join("instance.lock")
    }
}
