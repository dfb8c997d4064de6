//! What the user chose for the app itself, kept in a file beside the profiles' folder.

use std::path::PathBuf;

use culvert_profiles::write_whole;
use serde::{Deserialize, Serialize};

use crate::shown::Switch;

/// The port of the built-in gateway until another is chosen.
const PORT: u16 = 4444;

/// The largest file that is read, in bytes.
const LARGEST: u64 = 64 << 10;

/// What is remembered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "snake_case")]
pub struct Choices {
    /// Whether the desktop is told what needs the user.
    pub notifications: Switch,
    /// Whether the built-in gateway runs.
    pub gateway: Switch,
    /// Where it listens.
    pub gateway_port: u16,
    /// Whether the user was told that tunnels go on without a window.
    pub told_that_tunnels_stay: bool,
}

impl Default for Choices {
    fn default() -> Self {
        Self { notifications: Switch::On, gateway: Switch::Off, gateway_port: PORT, told_that_tunnels_stay: false }
    }
}

/// The file of it.
#[derive(Debug, Clone)]
pub struct ChoicesFile(pub PathBuf);

impl ChoicesFile {
    /// What it says; the defaults where it is not there or cannot be read.
    pub fn read(&self) -> Choices {
        let small = std::fs::metadata(&self.0).is_ok_and(|found| found.len() <= LARGEST);
        let text = if small { std::fs::read(&self.0).ok() } else { None };
        text.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default()
    }

    /// Writes it whole or not at all.
    ///
    /// # Errors
    /// The system's.
    pub fn write(&self, choices: &Choices) -> std::io::Result<()> {
        let mut text = serde_json::to_vec_pretty(choices)?;
        text.push(b'\n');
        write_whole(&self.0, &text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_are_remembered_and_nonsense_is_as_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = ChoicesFile(folder.path().join("app.json"));
        assert_eq!(file.read(), Choices::default());
        let chosen = Choices { gateway: Switch::On, gateway_port: 5000, ..Choices::default() };
        file.write(&chosen).unwrap();
        assert_eq!(file.read(), chosen);
        std::fs::write(&file.0, "{\"gateway_port\":").unwrap();
        assert_eq!(file.read(), Choices::default());
        std::fs::write(&file.0, "{\"gateway_port\":6000}").unwrap();
        assert_eq!(file.read().gateway_port, 6000);
    }
}
