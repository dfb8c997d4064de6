//! A server with a tap on its stdin: what reaches it, byte by byte, is kept in a file for each of its processes.

use std::time::{Duration, Instant};

use culvert_tests::fixture::write_script;
use culvert_tests::watched::PATIENCE;
use serde_json::Value;
use tempfile::TempDir;

use super::local::Local;

#[derive(Debug)]
pub(crate) struct Tapped {
    folder: TempDir,
}

impl Tapped {
    pub(crate) fn new(local: &dyn Local) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let kept = folder.path().join("stdin").display().to_string();
        let script = format!("tee {}.$$ | exec {}", shell_words::quote(&kept), shell_words::join(local.command()));
        write_script(&folder.path().join("server"), &script);
        Self { folder }
    }

    /// The server's command, the tap in it.
    pub(crate) fn command(&self) -> Vec<String> {
        vec![self.folder.path().join("server").display().to_string()]
    }

    /// Waits until the server has been told that this call is cancelled, by the id with which it got it, while the
    /// session went on.
    pub(crate) async fn hears_of_cancel(&self, call: &Value) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if self.processes().iter().any(|messages| is_cancelled(messages, call)) {
                return;
            }
            assert!(Instant::now() < deadline, "no cancel reached the server for {call}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// What each process has been told so far. The last line may be half written.
    fn processes(&self) -> Vec<Vec<Value>> {
        let files = std::fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().path());
        files
            .filter(|path| path.file_stem().is_some_and(|stem| stem == "stdin"))
            .map(|path| std::fs::read_to_string(path).unwrap_or_default())
            .map(|text| text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
            .collect()
    }
}

/// Whether the call was cancelled, and that before the last call was made: at the end all are.
fn is_cancelled(messages: &[Value], call: &Value) -> bool {
    let is_this = |message: &Value| {
        let params = &message["params"];
        message["method"] == "tools/call" && params["name"] == call["tool"] && params["arguments"] == call["arguments"]
    };
    let Some(id) = messages.iter().find(|message| is_this(message)).map(|message| &message["id"]) else { return false };
    let of_it =
        |message: &Value| message["method"] == "notifications/cancelled" && message["params"]["requestId"] == *id;
    let cancelled = messages.iter().position(of_it);
    let last_call = messages.iter().rposition(|message| message["method"] == "tools/call");
    cancelled.is_some_and(|cancelled| last_call.is_some_and(|last| cancelled < last))
}
