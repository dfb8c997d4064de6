//! npm `server-filesystem`, on a folder of the test's own.

use std::pin::Pin;

use serde_json::json;
use tempfile::TempDir;

use super::{Client, Local, Payload, Step, program};

#[derive(Debug)]
pub(crate) struct Filesystem {
    folder: TempDir,
}

impl Filesystem {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("note.txt"), "left here by the test").unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().canonicalize().unwrap().join(name).to_str().unwrap().to_owned()
    }

    /// Writes a file and reads it again.
    fn there_and_back(&self, name: &str, argument: serde_json::Value, text: &str) -> [Step; 2] {
        let path = self.path(name);
        [
            Step::says(
                "write_file",
                json!({"path": path, "content": argument}),
                format!("Successfully wrote to {path}"),
            ),
            Step::says("read_text_file", json!({"path": path}), text),
        ]
    }
}

impl Local for Filesystem {
    fn name(&self) -> &'static str {
        "filesystem"
    }

    fn says_it_is(&self) -> &'static str {
        "secure-filesystem-server"
    }

    fn is_modern(&self) -> bool {
        false
    }

    fn command(&self) -> Vec<String> {
        vec![program("FILESYSTEM"), self.path("")]
    }

    fn tools(&self, _: Client) -> Vec<&'static str> {
        vec![
            "create_directory",
            "directory_tree",
            "edit_file",
            "get_file_info",
            "list_allowed_directories",
            "list_directory",
            "list_directory_with_sizes",
            "move_file",
            "read_file",
            "read_media_file",
            "read_multiple_files",
            "read_text_file",
            "search_files",
            "write_file",
        ]
    }

    fn steps(&self, marker: &str, payloads: &[Payload]) -> Vec<Step> {
        let mut steps =
            vec![Step::says("read_text_file", json!({"path": self.path("note.txt")}), "left here by the test")];
        for payload in payloads {
            steps.extend(self.there_and_back(&payload.name(), payload.argument(), &payload.text));
        }
        steps.extend(self.marked(marker));
        steps
    }

    fn marked(&self, marker: &str) -> Vec<Step> {
        let text = format!("of {marker} alone");
        self.there_and_back(&format!("{marker}.txt"), json!(text), &text).into()
    }

    fn gives(&self, payload: &Payload) -> Option<Step> {
        let path = self.path(&payload.name());
        std::fs::write(&path, &payload.text).unwrap();
        Some(Step::says("read_text_file", json!({"path": path}), payload.text.clone()))
    }

    fn holds<'a>(&'a self, payload: &'a Payload) -> Pin<Box<dyn Future<Output = ()> + 'a>> {
        Box::pin(async {
            let written = std::fs::read_to_string(self.path(&payload.name())).unwrap();
            assert!(written == payload.text, "{} was not written as sent", payload.name());
        })
    }
}
