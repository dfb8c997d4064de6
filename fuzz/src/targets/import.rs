//! Other clients' files. What one becomes must be a configuration that we read, once all that is open is answered.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use culvert_profiles::ConfigFile;
use culvert_profiles::System;
use culvert_profiles::import::{Client, World, read};
use culvert_protocol::Secret;

/// A file of each client, as its path tells them apart.
const PATHS: [&str; 10] = [
    "/home/ann/.config/Claude/claude_desktop_config.json",
    "/home/ann/.claude.json",
    "/srv/.cursor/mcp.json",
    "/srv/.vscode/mcp.json",
    "/home/ann/.codeium/windsurf/mcp_config.json",
    "/home/ann/.config/zed/settings.json",
    "/home/ann/.codex/config.toml",
    "/home/ann/.gemini/settings.json",
    "/home/ann/.config/Code/User/globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json",
    "/srv/other.json",
];

pub(crate) fn run(data: &[u8]) {
    let Some((first, text)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let path = Path::new(PATHS[usize::from(*first) % PATHS.len()]);
    let world = World {
        system: System::Linux,
        home: "/home/ann".into(),
        variable: &|name| name.starts_with("SET").then(|| "of-the-environment".to_owned()),
        file: &|path| match path.to_str() {
            Some("/srv/.env") => Ok("LEVEL=debug\nQUOTED='a b'\n".to_owned()),
            _ => Err(io::ErrorKind::NotFound.into()),
        },
    };
    let Ok(servers) = read(Client::of(path), path, text, &world) else { return };
    for found in servers.into_iter().flatten() {
        let (_, _) = (found.command(), found.url());
        let _ = found.pairs();
        let answers: BTreeMap<_, _> =
            found.needs.iter().map(|need| (need.what.clone(), Secret::new("the answer"))).collect();
        let prepared = found.prepare(&answers).expect("everything that is open is answered");
        let yaml = prepared.draft.to_yaml();
        if let Err(error) = ConfigFile::parse(&yaml, Path::new("profile.yaml")) {
            panic!("what an import writes cannot be read: {error}\n{yaml}");
        }
    }
}
