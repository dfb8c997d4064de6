//! What of the machine a configuration may depend on, handed in as values.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use crate::command::Platform;

/// The largest file that a secret is read from, in bytes: 64 KiB. Tokens have a few hundred, the longest a few
/// thousand.
const LARGEST_SECRET: u64 = 64 << 10;

/// The environment, files, host, folder and platform that a configuration is read for.
pub struct Surroundings<'a> {
    /// The environment: a variable's value, if set.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
    /// The text of a file that holds a secret.
    pub secret_file: &'a dyn Fn(&Path) -> io::Result<String>,
    /// The machine's host name, maybe with a domain.
    pub host: String,
    /// The current folder.
    pub folder: PathBuf,
    /// Whose quoting rules commands follow.
    pub platform: Platform,
}

impl Surroundings<'static> {
    /// Those of this process.
    pub fn of_this_process() -> Self {
        Self {
            // What is not Unicode becomes so: every check after it refuses the replacement character.
            variable: &|name| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned()),
            secret_file: &secret_file,
            host: gethostname::gethostname().to_string_lossy().into_owned(),
            folder: std::env::current_dir().unwrap_or_default(),
            platform: Platform::here(),
        }
    }
}

fn secret_file(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(LARGEST_SECRET + 1).read_to_string(&mut text)?;
    if text.len() as u64 > LARGEST_SECRET { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(text) }
}

impl Surroundings<'_> {
    /// A variable that is set to something: empty counts as unset.
    pub fn variable(&self, name: &str) -> Option<String> {
        (self.variable)(name).filter(|value| !value.trim().is_empty())
    }

    /// The host name up to its first dot, in lower case.
    pub fn short_host(&self) -> String {
        self.host.split('.').next().unwrap_or_default().to_lowercase()
    }
}
