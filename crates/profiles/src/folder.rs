//! A folder of profiles: a file each, or several in one that has `servers:`. One broken file touches no other.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::environment;
use crate::error::ConfigError;
use crate::file::{ConfigFile, Entry, Written};
use crate::level::LogLevel;
use crate::load::{Loaded, nothing_beside_servers};
use crate::origin::{Origin, Place};
use crate::settings::Settings;
use crate::surroundings::Surroundings;
use crate::warning::Warning;

/// The most files of a folder that are read: a wrong folder may have millions.
const MOST_FILES: usize = 1000;

/// The files of a folder that hold profiles, by name: those that end in `.yaml`, `.yml` or `.json` and do not begin
/// with a dot.
///
/// # Errors
/// [`ConfigError::Unreadable`] for the folder.
pub(crate) fn files(folder: &Path) -> Result<Vec<PathBuf>, ConfigError> {
    let unreadable = |detail: String| ConfigError::Unreadable { file: folder.to_path_buf(), detail };
    let system = |error: std::io::Error| unreadable(culvert_protocol::text::clean(&error.to_string(), 200));
    let mut files = Vec::new();
    for item in std::fs::read_dir(folder).map_err(system)? {
        let path = item.map_err(system)?.path();
        let is_hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase();
        // A ConfigMap's files are links, which `is_file` follows.
        if !is_hidden && matches!(ending.as_str(), "yaml" | "yml" | "json") && path.is_file() {
            files.push(path);
        }
        if files.len() > MOST_FILES {
            return Err(unreadable(format!("it holds more than {MOST_FILES} files")));
        }
    }
    files.sort();
    Ok(files)
}

/// Reads every profile of a folder. Each file's own keys win over flags and environment, as an entry's do.
pub(crate) fn read(flags: Settings, folder: &Path, surroundings: &Surroundings<'_>) -> Result<Loaded, ConfigError> {
    let environment = environment::settings(&flags, surroundings)?;
    let shared = flags.over(environment);
    let log_level = shared.log_level.as_ref().map_or_else(LogLevel::default, |level| level.value);
    let mut loaded = Loaded { log_level, ..Loaded::default() };
    for path in files(folder)? {
        take_file(&mut loaded, &path, &shared, surroundings);
    }
    match loaded.profiles.is_empty() && loaded.broken.is_empty() {
        true => Err(ConfigError::EmptyFolder { folder: folder.to_path_buf() }),
        false => Ok(loaded),
    }
}

fn take_file(loaded: &mut Loaded, path: &Path, shared: &Settings, surroundings: &Surroundings<'_>) {
    let start = Place::new(&Arc::from(path), 0, 0);
    let broken = |error| Entry { name: None, place: start.clone(), settings: Err(error), warnings: Vec::new() };
    let ConfigFile { mut top, servers, warnings } = match ConfigFile::read(path) {
        Ok(file) => file,
        Err(error) => return loaded.take(broken(error), shared, surroundings),
    };
    loaded.warnings.extend(warnings);
    if let Some(Origin::File(at)) = top.log_level.take().map(|level| level.origin) {
        loaded.warnings.push(Warning::Ignored { at, key: "log_level".to_owned() });
    }
    match servers {
        Some(servers) if !servers.is_empty() => {
            let shared = top.with_shared(shared.clone());
            match nothing_beside_servers(&shared, &servers) {
                Ok(()) => servers.into_iter().for_each(|entry| loaded.take(entry, &shared, surroundings)),
                Err(error) => loaded.take(broken(error), &shared, surroundings),
            }
        }
        _ => {
            let (name, place) = (top.shown_name(), top.place().unwrap_or(start));
            loaded.take(
                Entry { name, place, settings: Ok(Written::own(top)), warnings: Vec::new() },
                shared,
                surroundings,
            );
        }
    }
}

#[cfg(test)]
mod tests;
