//! The saved profiles: a folder with a flat file for each, changed only as far as the user asked.

mod name;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use culvert_protocol::{Explain, text};
use thiserror::Error;

use self::name::file_name;
use crate::atomic;
use crate::draft::{Draft, edited};
use crate::error::ConfigError;
use crate::file::read_text;
use crate::folder::files;
use crate::key::Key;
use crate::origin::shown;
use crate::profile::ProfileId;

/// The folder of saved profiles. Whoever changes it holds its lock, which is not kept here.
#[derive(Debug, Clone)]
pub struct Store {
    folder: PathBuf,
}

/// A file of the folder, as it was read.
#[derive(Debug, Clone)]
pub struct Saved {
    /// Where it is.
    pub path: PathBuf,
    /// What is in it.
    pub content: Content,
    /// Its text, to see whether somebody else has changed it since; `None` where there was no text to be had.
    text: Option<Text>,
}

/// The text of a file. No `Debug` of it: it may hold secrets.
#[derive(Clone, PartialEq, Eq)]
struct Text(String);

impl std::fmt::Debug for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Text(…)")
    }
}

/// What a file of the folder holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// One profile.
    Profile(Draft),
    /// Several, or another program's: its author alone changes it.
    Several,
    /// Nothing that can be read.
    Broken(ConfigError),
}

impl Saved {
    /// Its lasting id, if it is one profile that has one.
    pub fn id(&self) -> Option<ProfileId> {
        match &self.content {
            Content::Profile(draft) => draft.id(),
            Content::Several | Content::Broken(_) => None,
        }
    }

    /// What it is called: the name in it as written, else that of the file. Fit to be shown.
    pub fn name(&self) -> String {
        let stem = || self.path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let name = match &self.content {
            Content::Profile(draft) => draft.text(Key::ServerName).map_or_else(stem, str::to_owned),
            Content::Several | Content::Broken(_) => stem(),
        };
        text::clean(&name, 128)
    }
}

/// What becomes of a broken file when a profile is to take its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnBroken {
    /// It stays, and nothing is written.
    Refuse,
    /// It is kept beside it, with `.broken` behind its name.
    KeepAside,
}

/// Why the folder was not changed.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The system said no.
    #[error("{} cannot be {what}: {}", shown(path), text::clean(&error.to_string(), 200))]
    System {
        /// Which file or folder.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// What the system said.
        error: io::Error,
    },
    /// What was read or would be written is no configuration.
    #[error(transparent)]
    Config(Box<ConfigError>),
    /// Another profile has the name.
    #[error("a profile {name:?} is there already, in {}", shown(path))]
    NameTaken {
        /// The name, fit to be shown.
        name: String,
        /// Its file.
        path: PathBuf,
    },
    /// No profile has the name or id.
    #[error("no saved profile is called {0:?}")]
    NotFound(String),
    /// Several have.
    #[error("{count} saved profiles are called {name:?}")]
    Ambiguous {
        /// The name, fit to be shown.
        name: String,
        /// How many.
        count: usize,
    },
    /// The file is its author's: no line of it is written by Culvert.
    #[error("{} was made by hand and is not changed by Culvert", shown(path))]
    HandMade {
        /// Which file.
        path: PathBuf,
    },
    /// The file cannot be read, and what is in it must not be lost.
    #[error("{} is not overwritten, because it cannot be read: {error}", shown(path))]
    Broken {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        error: Box<ConfigError>,
    },
    /// Somebody else wrote the file in between.
    #[error("{} has been changed in the meantime", shown(path))]
    Changed {
        /// Which file.
        path: PathBuf,
    },
}

impl From<ConfigError> for StoreError {
    fn from(error: ConfigError) -> Self {
        Self::Config(Box::new(error))
    }
}

impl Explain for StoreError {
    fn code(&self) -> &'static str {
        match self {
            Self::System { .. } => "profile.not_written",
            Self::Config(error) => error.code(),
            Self::NameTaken { .. } => "profile.name_taken",
            Self::NotFound(_) => "profile.not_found",
            Self::Ambiguous { .. } => "profile.ambiguous",
            Self::HandMade { .. } => "profile.hand_made",
            Self::Broken { .. } => "profile.broken",
            Self::Changed { .. } => "profile.changed",
        }
    }

    fn action(&self) -> std::borrow::Cow<'static, str> {
        match self {
            Self::System { .. } => "Check that this user may write there, and that the disk is not full.".into(),
            Self::Config(error) => error.action(),
            Self::NameTaken { .. } => "Choose another name, or change that profile.".into(),
            Self::NotFound(_) => "See culvert profiles list.".into(),
            Self::Ambiguous { .. } => "Name it by its id or its file.".into(),
            Self::HandMade { .. } => "Edit the file; Culvert notices.".into(),
            Self::Broken { .. } => "Correct the file, or replace it: it is then kept as .broken.".into(),
            Self::Changed { .. } => "Look at it again, then make the change anew.".into(),
        }
    }
}

impl Store {
    /// The profiles in `folder`, which need not be there yet.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Every file, by name.
    ///
    /// # Errors
    /// [`StoreError::Config`] where the folder cannot be read.
    pub fn list(&self) -> Result<Vec<Saved>, StoreError> {
        if !self.folder.exists() {
            return Ok(Vec::new());
        }
        Ok(files(&self.folder)?.into_iter().map(read).collect())
    }

    /// The one that is known by `wanted`: an id, a name as written, or a file's name with or without its ending.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] or [`StoreError::Ambiguous`].
    pub fn find(&self, wanted: &str) -> Result<Saved, StoreError> {
        let id: Option<ProfileId> = wanted.parse().ok();
        let is_it = |saved: &Saved| {
            let file = |part: Option<&std::ffi::OsStr>| part.is_some_and(|part| part == wanted);
            (id.is_some() && saved.id() == id)
                || saved.name() == wanted
                || file(saved.path.file_name())
                || file(saved.path.file_stem())
        };
        let mut found: Vec<_> = self.list()?.into_iter().filter(is_it).collect();
        match (found.pop(), found.len()) {
            (Some(only), 0) => Ok(only),
            (Some(_), more) => Err(StoreError::Ambiguous { name: text::clean(wanted, 128), count: more + 1 }),
            (None, _) => Err(StoreError::NotFound(text::clean(wanted, 128))),
        }
    }

    /// Whether a new profile may have this name.
    ///
    /// # Errors
    /// [`StoreError::NameTaken`], or why the folder cannot be read.
    pub fn is_free(&self, name: &str) -> Result<(), StoreError> {
        let name = text::clean(name, 128);
        match self.list()?.into_iter().find(|saved| saved.name() == name) {
            Some(other) => Err(StoreError::NameTaken { name, path: other.path }),
            None => Ok(()),
        }
    }

    /// Saves a new profile, known by `id` from now on, in a file that is named after it.
    ///
    /// # Errors
    /// [`StoreError::NameTaken`], or why it cannot be written. Nothing is overwritten.
    pub fn add(&self, mut draft: Draft, id: ProfileId) -> Result<Saved, StoreError> {
        draft.set_id(id);
        if let Some(name) = draft.text(Key::ServerName) {
            self.is_free(name)?;
        }
        let name = draft.text(Key::ServerName).unwrap_or("profile").to_owned();
        // A link that leads nowhere takes a name, too.
        let is_taken = |name: &str| fs::symlink_metadata(self.folder.join(name)).is_ok();
        let attempt = || {
            let path = self.folder.join(file_name(&name, is_taken));
            self.put(&path, &draft, draft.to_yaml(), atomic::create)
        };
        match attempt() {
            // Somebody else was quicker; the next free name is another one.
            Err(StoreError::System { error, .. }) if error.kind() == io::ErrorKind::AlreadyExists => attempt(),
            done => done,
        }
    }

    /// Makes a saved file say `draft`; its id stays. Of a file that Culvert wrote only the lines of changed keys are
    /// written anew, so that comments in it survive.
    ///
    /// # Errors
    /// [`StoreError::HandMade`] for a file without an id, a link, or one that cannot be changed by lines;
    /// [`StoreError::Broken`], [`StoreError::Changed`], or why it cannot be written.
    pub fn replace(&self, saved: &Saved, mut draft: Draft, on_broken: OnBroken) -> Result<Saved, StoreError> {
        let path = saved.path.clone();
        let now = read(path.clone());
        if now.text != saved.text {
            return Err(StoreError::Changed { path });
        }
        match (&saved.content, &saved.text) {
            (Content::Profile(old), Some(Text(content))) => {
                let Some(id) = old.id().filter(|_| !is_link(&path)) else {
                    return Err(StoreError::HandMade { path });
                };
                draft.set_id(id);
                let new = edited(content, &draft).ok_or(StoreError::HandMade { path: path.clone() })?;
                self.write(&path, &draft, new)
            }
            (Content::Broken(error), _) => match on_broken {
                OnBroken::Refuse => Err(StoreError::Broken { path, error: Box::new(error.clone()) }),
                OnBroken::KeepAside => {
                    // Nothing is moved for a draft that could not be written in its place.
                    draft.settings(&path)?;
                    keep_aside(&path)?;
                    self.write(&path, &draft, draft.to_yaml())
                }
            },
            (Content::Profile(_) | Content::Several, _) => Err(StoreError::HandMade { path }),
        }
    }

    /// Removes a file with the one profile in it, broken or good.
    ///
    /// # Errors
    /// [`StoreError::HandMade`] for a file with several; or why it cannot be removed.
    pub fn remove(&self, saved: &Saved) -> Result<(), StoreError> {
        let path = saved.path.clone();
        if saved.content == Content::Several {
            return Err(StoreError::HandMade { path });
        }
        fs::remove_file(&path).map_err(|error| StoreError::System { path, what: "removed", error })
    }

    fn write(&self, path: &Path, draft: &Draft, content: String) -> Result<Saved, StoreError> {
        self.put(path, draft, content, atomic::write)
    }

    fn put(
        &self,
        path: &Path,
        draft: &Draft,
        content: String,
        how: impl FnOnce(&Path, &[u8]) -> io::Result<()>,
    ) -> Result<Saved, StoreError> {
        draft.settings(path)?;
        let failed = |error| StoreError::System { path: path.to_path_buf(), what: "written", error };
        how(path, content.as_bytes()).map_err(failed)?;
        Ok(Saved { path: path.to_path_buf(), content: Content::Profile(draft.clone()), text: Some(Text(content)) })
    }
}

fn read(path: PathBuf) -> Saved {
    let (content, text) = match read_text(&path) {
        Err(error) => (Content::Broken(error), None),
        Ok(text) => {
            let is_foreign = crate::foreign::config(&text, &path).is_some_and(|read| read.is_ok());
            let content = match Draft::read(&text, &path) {
                _ if is_foreign => Content::Several,
                Ok(Some(draft)) => match draft.settings(&path) {
                    Ok(_) => Content::Profile(draft),
                    Err(error) => Content::Broken(error),
                },
                Ok(None) => Content::Several,
                Err(error) => Content::Broken(error),
            };
            (content, Some(Text(text)))
        }
    };
    Saved { path, content, text }
}

fn is_link(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink())
}

/// Moves a file out of the way, never over another one.
fn keep_aside(path: &Path) -> Result<(), StoreError> {
    let name = |nth: usize| {
        let mut name = path.as_os_str().to_owned();
        name.push(if nth == 0 { ".broken".to_owned() } else { format!(".broken-{nth}") });
        PathBuf::from(name)
    };
    let free = (0..1000).map(name).find(|name| !name.exists()).unwrap_or_else(|| name(1000));
    fs::rename(path, free).map_err(|error| StoreError::System { path: path.to_path_buf(), what: "kept aside", error })
}

#[cfg(test)]
mod tests;
