//! A real local server whose list of tools stands in a file, and may be another one from one call to the next.

use std::path::PathBuf;

use serde_json::Value;
use tempfile::TempDir;

use crate::fixture::write_script;

/// It lists what stands in the file that it is given, and says at each call that its list may be another one.
const SERVER: &str = r#"
while IFS= read -r line; do
    id=$(printf '%s' "$line" | sed -n 's/.*"id":\("[^"]*"\|[0-9]*\).*/\1/p')
    answer() { printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$id" "$1"; }
    case $line in
        *'"initialize"'*) answer '{"protocolVersion":"2025-11-25","capabilities":{"tools":{"listChanged":true}},"serverInfo":{"name":"s","version":"1"}}' ;;
        *'"tools/list"'*) answer "{\"tools\":$(cat "$1")}" ;;
        *'"tools/call"'*)
            printf '{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}\n'
            answer '{"content":[]}' ;;
        *'"id"'*) answer '{}' ;;
    esac
done
"#;

/// The server, and what it lists.
#[derive(Debug)]
pub struct Listing(TempDir);

impl Listing {
    /// One that lists these tools.
    pub fn new(tools: &Value) -> Self {
        let listing = Self(tempfile::tempdir().expect("a folder can be made"));
        write_script(&listing.0.path().join("server"), SERVER);
        listing.lists(tools);
        listing
    }

    /// Its command.
    pub fn command(&self) -> String {
        format!("{} {}", self.0.path().join("server").display(), self.file().display())
    }

    /// What it lists from here on.
    pub fn lists(&self, tools: &Value) {
        // In its place at once: the server may be reading it.
        let next = self.0.path().join("next.json");
        std::fs::write(&next, tools.to_string()).expect("a file");
        std::fs::rename(&next, self.file()).expect("a file in the same folder");
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("tools.json")
    }
}
