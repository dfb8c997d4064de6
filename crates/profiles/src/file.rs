//! A configuration file: flat keys for one server, or settings shared by the entries of `servers:`.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use crate::document::{Document, Language, Member};
use crate::error::{ConfigError, Unsupported};
use crate::key::Key;
use crate::origin::{Origin, Place};
use crate::settings::Settings;

/// The largest file that is read, in bytes: 1 MiB. Real ones have a few hundred.
const LARGEST: u64 = 1 << 20;

/// What a configuration file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfigFile {
    /// The keys at its top level.
    pub top: Settings,
    /// The entries of `servers:`, each with its place, if the file has that key.
    pub servers: Option<Vec<(Settings, Place)>>,
}

impl ConfigFile {
    /// Reads a file: JSON when its name ends in `.json`, else YAML (of which JSON is a part).
    ///
    /// # Errors
    /// [`ConfigError`] with file, line and column.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
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
        let content = String::from_utf8(bytes)
            .map_err(|_| unreadable("it is not UTF-8 text; save it in that encoding".to_owned()))?;
        Self::parse(&content, path)
    }

    /// Reads the text of a file; `path` tells its language, and is named in errors.
    ///
    /// # Errors
    /// As [`ConfigFile::read`].
    pub fn parse(content: &str, path: &Path) -> Result<Self, ConfigError> {
        let is_json = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
        let language = if is_json { Language::Json } else { Language::Yaml };
        let document = Document::read(content, language, &Arc::from(path))?;
        let top = settings(document.top)?;
        let Some(sections) = document.servers else { return Ok(Self { top, servers: None }) };
        let mut servers = Vec::with_capacity(sections.len());
        for section in sections {
            if let Some(member) = section.members.iter().find(|member| member.key == Key::LogLevel) {
                let what = Unsupported::InEntry(member.key);
                return Err(ConfigError::Unsupported { at: member.place.clone(), what });
            }
            servers.push((settings(section.members)?, section.place));
        }
        Ok(Self { top, servers: Some(servers) })
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
