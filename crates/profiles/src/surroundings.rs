//! What of the machine a configuration may depend on, handed in as values.

use std::path::PathBuf;

use crate::command::Platform;

/// The environment, host, folder and platform that a configuration is read for.
pub struct Surroundings<'a> {
    /// The environment: a variable's value, if set.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
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
            host: gethostname::gethostname().to_string_lossy().into_owned(),
            folder: std::env::current_dir().unwrap_or_default(),
            platform: Platform::here(),
        }
    }
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
