//! The MCP clients whose files are known, and where these are.

use std::path::{Path, PathBuf};

use crate::folders::System;

/// Whose file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Client {
    /// Claude Desktop.
    ClaudeDesktop,
    /// Claude Code.
    ClaudeCode,
    /// Cursor.
    Cursor,
    /// Visual Studio Code.
    VsCode,
    /// Windsurf.
    Windsurf,
    /// Zed.
    Zed,
    /// Codex.
    Codex,
    /// Gemini CLI.
    GeminiCli,
    /// Cline.
    Cline,
    /// Another one, whose file resembles these.
    Other,
}

impl Client {
    /// Every client whose places are known.
    pub const ALL: [Self; 9] = [
        Self::ClaudeDesktop,
        Self::ClaudeCode,
        Self::Cursor,
        Self::VsCode,
        Self::Windsurf,
        Self::Zed,
        Self::Codex,
        Self::GeminiCli,
        Self::Cline,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ClaudeDesktop => "Claude Desktop",
            Self::ClaudeCode => "Claude Code",
            Self::Cursor => "Cursor",
            Self::VsCode => "VS Code",
            Self::Windsurf => "Windsurf",
            Self::Zed => "Zed",
            Self::Codex => "Codex",
            Self::GeminiCli => "Gemini CLI",
            Self::Cline => "Cline",
            Self::Other => "a file",
        }
    }

    /// Its files for the user, then those for the project in `folder`.
    pub fn files(
        self,
        system: System,
        home: &Path,
        variable: &dyn Fn(&str) -> Option<String>,
        folder: Option<&Path>,
    ) -> Vec<PathBuf> {
        let set = |name: &str| variable(name).filter(|value| !value.trim().is_empty()).map(PathBuf::from);
        let config = || set("XDG_CONFIG_HOME").unwrap_or_else(|| home.join(".config"));
        // Where programs with windows keep what they save.
        let data = match system {
            System::Linux => config(),
            System::MacOs => home.join("Library/Application Support"),
            System::Windows => set("APPDATA").unwrap_or_else(|| home.join("AppData").join("Roaming")),
        };
        let code = ["Code", "Code - Insiders"].map(|name| data.join(name).join("User"));
        let (mut files, of_project) = match self {
            Self::ClaudeDesktop => (vec![data.join("Claude/claude_desktop_config.json")], None),
            Self::ClaudeCode => {
                let home = set("CLAUDE_CONFIG_DIR").unwrap_or_else(|| home.to_path_buf());
                (vec![home.join(".claude.json")], Some(".mcp.json"))
            }
            Self::Cursor => (vec![home.join(".cursor/mcp.json")], Some(".cursor/mcp.json")),
            Self::VsCode => {
                let files = code.iter().flat_map(|user| [user.join("mcp.json"), user.join("settings.json")]);
                (files.collect(), Some(".vscode/mcp.json"))
            }
            Self::Windsurf => (vec![home.join(".codeium/windsurf/mcp_config.json")], None),
            Self::Zed => {
                let folder = if system == System::Windows { data.join("Zed") } else { config().join("zed") };
                (vec![folder.join("settings.json")], Some(".zed/settings.json"))
            }
            Self::Codex => {
                let home = set("CODEX_HOME").unwrap_or_else(|| home.join(".codex"));
                (vec![home.join("config.toml")], Some(".codex/config.toml"))
            }
            Self::GeminiCli => (vec![home.join(".gemini/settings.json")], Some(".gemini/settings.json")),
            Self::Cline => {
                let within = "globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json";
                (code.iter().map(|user| user.join(within)).collect(), None)
            }
            Self::Other => (Vec::new(), None),
        };
        files.extend(folder.zip(of_project).map(|(folder, file)| folder.join(file)));
        files.dedup();
        files
    }

    /// Whose file one at this path is.
    pub fn of(path: &Path) -> Self {
        let path = path.to_string_lossy().replace('\\', "/");
        let ends = |ending: &str| path.ends_with(ending);
        match () {
            () if ends("claude_desktop_config.json") => Self::ClaudeDesktop,
            () if ends(".claude.json") || ends("/.mcp.json") || path == ".mcp.json" => Self::ClaudeCode,
            () if ends(".cursor/mcp.json") => Self::Cursor,
            () if ends("cline_mcp_settings.json") => Self::Cline,
            () if ends(".vscode/mcp.json") || ends("/User/mcp.json") || ends("/User/settings.json") => Self::VsCode,
            () if ends("windsurf/mcp_config.json") => Self::Windsurf,
            () if ends("zed/settings.json") || ends("Zed/settings.json") => Self::Zed,
            () if ends(".codex/config.toml") => Self::Codex,
            () if ends(".gemini/settings.json") => Self::GeminiCli,
            () => Self::Other,
        }
    }
}

/// The folder of the project that a file at this path is for, if it is for one.
pub(super) fn project_of(path: &Path, home: &Path) -> Option<PathBuf> {
    const FOLDERS: [&str; 5] = [".vscode", ".cursor", ".zed", ".gemini", ".codex"];
    let folder = path.parent()?;
    let project = match folder.file_name().and_then(|name| name.to_str()) {
        Some(name) if FOLDERS.contains(&name) => folder.parent()?,
        _ if path.file_name()? == ".mcp.json" => folder,
        _ => return None,
    };
    // In the home folder the same names are the user's own settings.
    (project != home).then(|| project.to_path_buf())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_client_has_its_places_on_every_system() {
        for (system, home) in
            [(System::Linux, "/home/ann"), (System::MacOs, "/Users/ann"), (System::Windows, "C:/Users/ann")]
        {
            for client in Client::ALL {
                let files = client.files(system, Path::new(home), &|_| None, Some(Path::new("/work")));
                assert!(files.iter().any(|file| file.starts_with(home)), "{client:?}");
                for file in files {
                    assert_eq!(Client::of(&file), client, "{file:?}");
                }
            }
        }
    }

    #[test]
    fn the_environment_moves_them() {
        let variable = |name: &str| match name {
            "XDG_CONFIG_HOME" => Some("/c".to_owned()),
            "CODEX_HOME" => Some("/codex".to_owned()),
            _ => None,
        };
        let files = |client: Client| client.files(System::Linux, Path::new("/home/ann"), &variable, None);
        assert_eq!(files(Client::ClaudeDesktop), [Path::new("/c/Claude/claude_desktop_config.json")]);
        assert_eq!(files(Client::Codex), [Path::new("/codex/config.toml")]);
        assert_eq!(files(Client::Zed), [Path::new("/c/zed/settings.json")]);
    }

    #[test]
    fn a_projects_file_tells_its_folder() {
        let project = |path: &str| project_of(Path::new(path), Path::new("/home/ann"));
        assert_eq!(project("/srv/a/.vscode/mcp.json").as_deref(), Some(Path::new("/srv/a")));
        assert_eq!(project("/srv/a/.mcp.json").as_deref(), Some(Path::new("/srv/a")));
        assert_eq!(project("/home/ann/.cursor/mcp.json"), None);
        assert_eq!(project("/home/ann/.config/Code/User/mcp.json"), None);
    }
}
