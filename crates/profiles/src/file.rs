//! A configuration file: flat keys for one server, or settings shared by the entries of `servers:`.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use crate::document::{Document, Language, Member, Section};
use crate::error::{ConfigError, Unsupported};
use crate::foreign::{self, ForeignEntry};
use crate::key::Key;
use crate::origin::{Origin, Place};
use crate::settings::Settings;
use crate::warning::Warning;

/// The largest file that is read, in bytes: 1 MiB. Real ones have a few hundred.
const LARGEST: u64 = 1 << 20;

/// What a configuration file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfigFile {
    /// The keys at its top level.
    pub top: Settings,
    /// Its list of servers, if it has one.
    pub servers: Option<Vec<Entry>>,
    /// What deserves a word.
    pub warnings: Vec<Warning>,
}

/// A server in a list of servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What it calls itself, fit to be shown, if that can be read.
    pub name: Option<String>,
    /// Where it stands.
    pub place: Place,
    /// Its keys, or what is wrong with them.
    pub settings: Result<Written, ConfigError>,
    /// What deserves a word.
    pub warnings: Vec<Warning>,
}

/// A server's keys, in our words or another program's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// Ours.
    Own(Box<Settings>),
    /// Another MCP client's.
    Foreign(Box<ForeignEntry>),
}

impl Written {
    pub(crate) fn own(settings: Settings) -> Self {
        Self::Own(Box::new(settings))
    }
}

impl ConfigFile {
    /// Reads a file: JSON when its name ends in `.json`, else YAML (of which JSON is a part).
    ///
    /// # Errors
    /// [`ConfigError`] with file, line and column.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        Self::parse(&read_text(path)?, path)
    }

    /// Reads the text of a file; `path` tells its language, and is named in errors.
    ///
    /// # Errors
    /// As [`ConfigFile::read`].
    pub fn parse(content: &str, path: &Path) -> Result<Self, ConfigError> {
        let is_json = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
        if (is_json || content.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']).starts_with('{'))
            && let Some(foreign) = foreign::config(content, path)
        {
            return foreign;
        }
        let language = if is_json { Language::Json } else { Language::Yaml };
        let document = Document::read(content, language, &Arc::from(path))?;
        let top = settings(document.top)?;
        let servers = document.servers.map(|sections| sections.into_iter().map(entry).collect());
        Ok(Self { top, servers, warnings: Vec::new() })
    }
}

/// The text of a configuration file.
///
/// # Errors
/// [`ConfigError::Unreadable`].
pub(crate) fn read_text(path: &Path) -> Result<String, ConfigError> {
    let unreadable = |detail: String| ConfigError::Unreadable { file: path.to_path_buf(), detail };
    let system = |error: std::io::Error| unreadable(culvert_protocol::text::clean(&error.to_string(), 200));
    if path.is_dir() {
        return Err(unreadable("it is a folder, not a file".to_owned()));
    }
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(system)?;
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(system)?;
    if bytes.len() as u64 > LARGEST {
        return Err(unreadable(format!("it is larger than {} KiB", LARGEST >> 10)));
    }
    String::from_utf8(bytes).map_err(|_| unreadable("it is not UTF-8 text; save it in that encoding".to_owned()))
}

fn entry(section: Section) -> Entry {
    let Section { name, members, place } = section;
    let only_for_one = |members: Vec<Member>| match members.iter().find(|member| member.key == Key::LogLevel) {
        Some(member) => {
            let what = Unsupported::InEntry(member.key);
            Err(ConfigError::Unsupported { at: member.place.clone(), what })
        }
        None => Ok(members),
    };
    Entry {
        name,
        place,
        settings: members.and_then(only_for_one).and_then(settings).map(Written::own),
        warnings: Vec::new(),
    }
}

fn settings(members: Vec<Member>) -> Result<Settings, ConfigError> {
    let mut settings = Settings::default();
    for member in members {
        settings.set(member.key, member.value, Origin::File(member.place))?;
    }
    Ok(settings)
}

#[cfg(test)]
mod tests;
