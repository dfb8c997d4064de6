//! The scriptable local server (`stdio-fixture`) as a test sees it: its command line, and what it recorded.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::built;
use crate::watched::PATIENCE;

/// How many tools the server lists.
pub const TOOLS: usize = 14;

/// One local server to be: how it shall behave and where it writes down what it saw. Clones are the same one.
#[derive(Debug, Clone)]
pub struct Fixture {
    folder: Arc<TempDir>,
    flags: Vec<String>,
}

impl Default for Fixture {
    fn default() -> Self {
        Self::new(&[])
    }
}

impl Fixture {
    /// A server with these flags; none make a good one.
    pub fn new(flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        Self { folder: Arc::new(folder), flags: flags.iter().map(|flag| (*flag).to_owned()).collect() }
    }

    /// Program and arguments.
    pub fn arguments(&self) -> Vec<String> {
        let record = self.record().display().to_string();
        let program = built::stdio_fixture().display().to_string();
        [vec![program, "--record".into(), record], self.flags.clone()].concat()
    }

    /// The command as one would type it in a shell.
    pub fn command(&self) -> String {
        shell_words::join(self.arguments())
    }

    /// A folder with programs of these names, each of them this server: a stand-in for real servers and launchers. The
    /// arguments that they are given are in the record.
    pub fn stand_ins(&self, names: &[&str]) -> PathBuf {
        let folder = self.folder.path().join("bin");
        std::fs::create_dir_all(&folder).expect("a folder");
        for name in names {
            write_script(&folder.join(name), &format!("exec {} -- \"$@\"", self.command()));
        }
        folder
    }

    /// What it has recorded so far.
    pub fn recorded(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.record()).unwrap_or_default();
        // The last line may be half written.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(|line| serde_json::from_str(line).expect("the record is JSON")).collect()
    }

    /// The recorded events of one kind.
    pub fn events(&self, kind: &str) -> Vec<Value> {
        self.recorded().into_iter().filter(|event| event["event"] == kind).collect()
    }

    /// The messages with this method that reached the server, whole.
    pub fn received(&self, method: &str) -> Vec<Value> {
        self.events("line")
            .into_iter()
            .filter_map(|line| serde_json::from_str::<Value>(line["text"].as_str()?).ok())
            .filter(|message| message["method"] == method)
            .collect()
    }

    /// Waits until `found` finds something in the record.
    ///
    /// # Panics
    /// After a long wait, with `what` and the record as it is.
    pub async fn until<R>(&self, what: &str, found: impl Fn(&[Value]) -> Option<R>) -> R {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let record = self.recorded();
            if let Some(result) = found(&record) {
                return result;
            }
            assert!(Instant::now() < deadline, "waited in vain for: {what}\nthe server recorded: {record:#?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// A file in its folder, there as long as it is.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Follows the lines that reach it from now on.
    pub fn follow(&self) -> Lines {
        // Each event is appended in one piece, so the end is the end of a line.
        let read = std::fs::metadata(self.record()).map_or(0, |record| record.len());
        Lines { record: self.record(), read, ready: VecDeque::new() }
    }

    fn record(&self) -> PathBuf {
        self.folder.path().join("record.jsonl")
    }
}

/// The lines that reach a server, exactly as they came, one after another.
#[derive(Debug)]
pub struct Lines {
    record: PathBuf,
    read: u64,
    ready: VecDeque<String>,
}

impl Lines {
    /// The next one.
    ///
    /// # Panics
    /// After a long wait.
    pub async fn next(&mut self) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(line) = self.ready.pop_front() {
                return line;
            }
            self.look();
            if self.ready.is_empty() {
                assert!(Instant::now() < deadline, "waited in vain for one more line at the server");
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
    }

    /// All that came and were not handed out yet.
    pub fn so_far(&mut self) -> Vec<String> {
        self.look();
        self.ready.drain(..).collect()
    }

    /// Reads what is new in the record, whole lines only.
    fn look(&mut self) {
        let Ok(mut file) = File::open(&self.record) else { return };
        let mut new = Vec::new();
        file.seek(SeekFrom::Start(self.read)).expect("the record can be read from anywhere");
        file.read_to_end(&mut new).expect("the record can be read");
        let whole = new.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        self.read += whole as u64;
        for line in new[..whole].split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let event: Value = serde_json::from_slice(line).expect("the record is JSON");
            if event["event"] == "line" {
                self.ready.extend(event["text"].as_str().map(str::to_owned));
            }
        }
    }
}

/// Writes an executable shell script.
pub fn write_script(path: &Path, body: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, format!("#!/bin/sh\n{body}\n")).expect("a script can be written");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("and made executable");
}
