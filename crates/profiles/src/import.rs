//! Servers that other MCP clients have configured, ready to become profiles. Their files are read, never written, and
//! nothing runs: what is found is shown, and saved only once somebody has agreed.
//!
//! Everything here is made of what is handed in: the system, the home folder, the environment and the files' texts.

mod client;
mod found;
mod reading;
pub(crate) mod secrecy;

use std::io;
use std::path::{Path, PathBuf};

use crate::error::ConfigError;
use crate::folders::System;

pub use self::client::Client;
pub use self::found::{Field, Found, FoundSecret, ImportWarning, NeedsValue, Prepared, Visibility};
pub use self::reading::read;
pub use crate::foreign::server::Switch;
pub use crate::foreign::variables::Open;

/// The largest file that is read, in bytes: 64 MiB. Claude Code keeps its history in the same file as its servers.
pub const LARGEST: u64 = 64 << 20;

/// What of the machine an import may depend on.
pub struct World<'a> {
    /// Which system's places are looked at.
    pub system: System,
    /// The user's home folder.
    pub home: PathBuf,
    /// The environment: a variable's value, if set.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
    /// The text of a file: a client's own, or one of variables that it names.
    pub file: &'a dyn Fn(&Path) -> io::Result<String>,
}

/// A client's file and what it holds.
#[derive(Debug)]
pub struct FoundFile {
    /// Whose it is.
    pub client: Client,
    /// Where it is.
    pub path: PathBuf,
    /// The servers in it, each by itself good or bad; or why the file cannot be read.
    pub servers: Result<Vec<Result<Found, ConfigError>>, ConfigError>,
}

/// Looks where each client keeps its servers, for the user and for the project in `folder`. Files that are not there
/// are left out.
pub fn everywhere(world: &World<'_>, folder: Option<&Path>) -> Vec<FoundFile> {
    let mut all = Vec::new();
    for client in Client::ALL {
        for path in client.files(world.system, &world.home, world.variable, folder) {
            match (world.file)(&path) {
                Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
                read => all.push(file(client, path, read, world)),
            }
        }
    }
    all
}

/// Reads one given file; whose it is, its place and content tell.
pub fn one_file(path: &Path, world: &World<'_>) -> FoundFile {
    let read = (world.file)(path);
    file(Client::of(path), path.to_path_buf(), read, world)
}

fn file(client: Client, path: PathBuf, read: io::Result<String>, world: &World<'_>) -> FoundFile {
    let servers = match read {
        Ok(content) => reading::read(client, &path, &content, world),
        Err(error) => {
            let detail = culvert_protocol::text::clean(&error.to_string(), 200);
            Err(ConfigError::Unreadable { file: path.clone(), detail })
        }
    };
    FoundFile { client, path, servers }
}

#[cfg(test)]
mod tests;
