//! PyPI `mcp-server-git`, on a repository of the test's own.

use std::path::Path;
use std::pin::Pin;
use std::process::Command;

use serde_json::json;
use tempfile::TempDir;

use super::{Client, Local, Payload, Step, program};
use crate::pairs::{CROWD, marker};

#[derive(Debug)]
pub(crate) struct Git {
    folder: TempDir,
}

impl Git {
    /// A repository with a commit that has a file for each mark.
    pub(crate) fn new() -> Self {
        let git = Self { folder: tempfile::tempdir().unwrap() };
        git.run(&["init", "--quiet", "--initial-branch", "trunk"]);
        for session in 0..CROWD {
            let marker = marker(session);
            std::fs::write(git.folder().join(format!("{marker}.txt")), format!("of {marker} alone")).unwrap();
        }
        git.run(&["add", "."]);
        git.run(&["config", "user.name", "Tester"]);
        git.run(&["config", "user.email", "tester@example.com"]);
        git.run(&["commit", "--quiet", "--message", "a file for each mark"]);
        git
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn path(&self) -> String {
        self.folder().canonicalize().unwrap().to_str().unwrap().to_owned()
    }

    fn run(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("git");
        // The tester's own settings could sign or hook the commits.
        command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
        let ended = command.arg("-C").arg(self.folder()).args(arguments).output().unwrap();
        assert!(ended.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&ended.stderr));
        String::from_utf8(ended.stdout).unwrap()
    }

    fn shows(&self, revision: &str, text: &str) -> Step {
        Step::says("git_show", json!({"repo_path": self.path(), "revision": revision}), text)
    }
}

impl Local for Git {
    fn name(&self) -> &'static str {
        "git"
    }

    fn says_it_is(&self) -> &'static str {
        "mcp-git"
    }

    fn is_modern(&self) -> bool {
        true
    }

    fn command(&self) -> Vec<String> {
        vec![program("GIT"), "--repository".into(), self.path()]
    }

    fn tools(&self, _: Client) -> Vec<&'static str> {
        vec![
            "git_add",
            "git_branch",
            "git_checkout",
            "git_commit",
            "git_create_branch",
            "git_diff",
            "git_diff_staged",
            "git_diff_unstaged",
            "git_log",
            "git_reset",
            "git_show",
            "git_status",
        ]
    }

    /// A payload goes there as the message of a commit, and comes back as the file in it.
    fn steps(&self, marker: &str, payloads: &[Payload]) -> Vec<Step> {
        let path = self.path();
        let mut steps = vec![Step::holds("git_status", json!({"repo_path": path}), "On branch trunk")];
        for payload in payloads {
            let name = payload.name();
            std::fs::write(self.folder().join(&name), &payload.text).unwrap();
            steps.push(Step::holds("git_add", json!({"repo_path": path, "files": [name]}), "staged"));
            steps.push(Step::holds(
                "git_commit",
                json!({"repo_path": path, "message": payload.argument()}),
                "Changes committed successfully with hash",
            ));
            steps.push(self.shows(&format!("HEAD:{name}"), &payload.text));
        }
        steps.extend(self.marked(marker));
        steps
    }

    fn marked(&self, marker: &str) -> Vec<Step> {
        let shows = || self.shows(&format!("HEAD:{marker}.txt"), &format!("of {marker} alone"));
        vec![shows(), shows(), shows()]
    }

    fn gives(&self, payload: &Payload) -> Option<Step> {
        let name = payload.name();
        std::fs::write(self.folder().join(&name), &payload.text).unwrap();
        self.run(&["add", &name]);
        self.run(&["commit", "--quiet", "--message", "a payload"]);
        Some(self.shows(&format!("HEAD:{name}"), &payload.text))
    }

    fn holds<'a>(&'a self, payload: &'a Payload) -> Pin<Box<dyn Future<Output = ()> + 'a>> {
        Box::pin(async {
            let commit = self.run(&["log", "-1", "--format=%H", "--", &payload.name()]);
            let commit = self.run(&["cat-file", "commit", commit.trim()]);
            let message = commit.split_once("\n\n").map(|(_, message)| message);
            assert!(message == Some(&payload.text), "{} was not committed as sent", payload.name());
        })
    }
}
