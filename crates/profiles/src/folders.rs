//! Where Culvert keeps what it saves for a user, on each system.

use std::path::{Path, PathBuf};

/// The systems that differ in where things are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum System {
    /// Linux and whatever else follows the XDG base directories.
    Linux,
    /// macOS.
    MacOs,
    /// Windows.
    Windows,
}

impl System {
    /// The one this was built for.
    pub const fn here() -> Self {
        if cfg!(windows) {
            Self::Windows
        } else if cfg!(target_os = "macos") {
            Self::MacOs
        } else {
            Self::Linux
        }
    }
}

/// The folders of one user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folders {
    /// What the user configured.
    pub config: PathBuf,
    /// What Culvert remembers.
    pub state: PathBuf,
}

impl Folders {
    /// The folders on `system` for the user whose home is `home`. `variable` is the environment; a folder in it that
    /// is not absolute counts as not set, as the XDG specification has it.
    pub fn of(system: System, home: &Path, variable: &dyn Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| {
            let path = variable(name).map(PathBuf::from)?;
            // Looked at by text, because the system may be another one than this.
            let text = path.to_string_lossy();
            let is_absolute = match system {
                System::Windows => text.get(1..3).is_some_and(|rest| rest.starts_with(':')) || text.starts_with(r"\\"),
                System::Linux | System::MacOs => text.starts_with('/'),
            };
            is_absolute.then_some(path)
        };
        match system {
            System::Linux => Self {
                config: set("XDG_CONFIG_HOME").unwrap_or_else(|| home.join(".config")).join("culvert"),
                state: set("XDG_STATE_HOME").unwrap_or_else(|| home.join(".local/state")).join("culvert"),
            },
            System::MacOs => {
                let support = home.join("Library/Application Support/Culvert");
                Self {
                    config: set("XDG_CONFIG_HOME").map_or_else(|| support.clone(), |folder| folder.join("culvert")),
                    state: set("XDG_STATE_HOME").map_or_else(|| support.join("State"), |folder| folder.join("culvert")),
                }
            }
            System::Windows => Self {
                config: set("APPDATA").unwrap_or_else(|| home.join("AppData").join("Roaming")).join("Culvert"),
                state: set("LOCALAPPDATA").unwrap_or_else(|| home.join("AppData").join("Local")).join("Culvert"),
            },
        }
    }

    /// The saved profiles.
    pub fn profiles(&self) -> PathBuf {
        self.config.join("profiles")
    }

    /// What was approved of their servers' tools.
    pub fn approved(&self) -> PathBuf {
        self.state.join("approved")
    }

    /// Which of them are wanted.
    pub fn wanted(&self) -> PathBuf {
        self.state.join("wanted.json")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folders(system: System, home: &str, set: &[(&str, &str)]) -> [String; 2] {
        let variable = |name: &str| set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        let folders = Folders::of(system, Path::new(home), &variable);
        [folders.profiles(), folders.wanted()].map(|path| path.to_string_lossy().replace('\\', "/"))
    }

    #[test]
    fn each_system_has_its_places() {
        assert_eq!(
            folders(System::Linux, "/home/ann", &[]),
            ["/home/ann/.config/culvert/profiles", "/home/ann/.local/state/culvert/wanted.json"]
        );
        let set = [("XDG_CONFIG_HOME", "/c"), ("XDG_STATE_HOME", "relative")];
        assert_eq!(
            folders(System::Linux, "/home/ann", &set),
            ["/c/culvert/profiles", "/home/ann/.local/state/culvert/wanted.json"]
        );
        assert_eq!(
            folders(System::MacOs, "/Users/ann", &[]),
            [
                "/Users/ann/Library/Application Support/Culvert/profiles",
                "/Users/ann/Library/Application Support/Culvert/State/wanted.json"
            ]
        );
        assert_eq!(
            folders(System::Windows, "C:/Users/ann", &[("APPDATA", r"D:\Roaming"), ("LOCALAPPDATA", "x")]),
            ["D:/Roaming/Culvert/profiles", "C:/Users/ann/AppData/Local/Culvert/wanted.json"]
        );
    }
}
