//! A peer's process: started in a folder of its own, watched, and ended with all that
//! descends from it.

use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::rc::Rc;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use crate::procfs::{self, Process};

/// How long a peer has to end after SIGTERM.
const TERM_GRACE: Duration = Duration::from_secs(8);

/// How long its children then have to end by themselves.
const CHILD_GRACE: Duration = Duration::from_secs(2);

pub(crate) struct PeerProcess {
    child: Child,
    pid: u32,
    pub(crate) spawned: Instant,
    /// What it writes, to either stream.
    output: PathBuf,
    /// Holds the working folder; the last process that has it removes it.
    _folder: Rc<TempDir>,
}

/// A peer that ended by itself, and what it said last.
#[derive(Debug, thiserror::Error)]
#[error("the peer ended ({status}){said}")]
pub(crate) struct Ended {
    status: String,
    said: String,
}

/// A folder for the processes that are measured together.
pub(crate) fn folder() -> io::Result<Rc<TempDir>> {
    tempfile::Builder::new().prefix("culvert-bench-").tempdir().map(Rc::new)
}

impl PeerProcess {
    /// Starts the program that `words` begins with in `folder`.
    pub(crate) fn start(words: Vec<String>, env: &[(&str, &str)], folder: &Rc<TempDir>) -> io::Result<Self> {
        let output = tempfile::Builder::new().prefix("output-").tempfile_in(folder.path())?;
        let (output, path) = output.keep().map_err(|failed| failed.error)?;
        let mut words = words.into_iter();
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words).envs(env.iter().copied()).current_dir(folder.path());
        // What the caller's shell holds for tunnels and proxies must not steer a peer.
        for (name, _) in std::env::vars_os() {
            let lower = name.to_string_lossy().to_ascii_lowercase();
            if lower.starts_with("reverse_proxy_") || lower.ends_with("_proxy") {
                command.env_remove(name);
            }
        }
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output).kill_on_drop(true);
        let spawned = Instant::now();
        let child = command.spawn()?;
        let pid = child.id().ok_or_else(|| io::Error::other("the peer has no pid"))?;
        Ok(Self { child, pid, spawned, output: path, _folder: Rc::clone(folder) })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Waits for the peer's own end, which before [`Self::stop`] is a failure.
    pub(crate) async fn ended(&mut self) -> Ended {
        let status = self.child.wait().await;
        let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
        Ended { status, said: self.said() }
    }

    /// The peer's own end, if it came already.
    pub(crate) fn ended_already(&mut self) -> Option<Ended> {
        let status = self.child.try_wait().ok()??;
        Some(Ended { status: status.to_string(), said: self.said() })
    }

    /// The last line that the peer wrote, as the end of a sentence.
    pub(crate) fn said(&self) -> String {
        let output = std::fs::read(&self.output).unwrap_or_default();
        let output = String::from_utf8_lossy(&output);
        let last = output.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
        let last: String = last.chars().filter(|c| !c.is_control()).take(200).collect();
        if last.is_empty() { last } else { format!(": {last}") }
    }

    /// Ends the peer, then whatever of its tree is left. Tells how many of its processes
    /// had outlived it.
    pub(crate) async fn stop(mut self) -> usize {
        let mut left = procfs::tree(self.pid);
        left.retain(|process| i64::from(process.pid) != i64::from(self.pid));
        if let (Ok(None), Ok(pid)) = (self.child.try_wait(), i32::try_from(self.pid)) {
            // It may end in between; then there is nothing to signal.
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
            if timeout(TERM_GRACE, self.child.wait()).await.is_err() {
                let _ = self.child.kill().await;
            }
        }
        let until = Instant::now() + CHILD_GRACE;
        while left.iter().any(Process::runs) && Instant::now() < until {
            sleep(Duration::from_millis(5)).await;
        }
        left.retain(Process::runs);
        for process in &left {
            let _ = kill(Pid::from_raw(process.pid), Signal::SIGKILL);
        }
        left.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::Peer;

    fn start(command: &str) -> PeerProcess {
        PeerProcess::start(Peer::free(command).unwrap().command(&[]), &[], &folder().unwrap()).unwrap()
    }

    #[tokio::test]
    async fn ends_what_outlives_the_peer() {
        let peer = start(r#"sh -c 'sh -c "trap : TERM; echo up >up; while :; do sleep 1; done" & wait'"#);
        let up = peer.output.with_file_name("up");
        let until = Instant::now() + Duration::from_secs(10);
        while !up.exists() && Instant::now() < until {
            sleep(Duration::from_millis(5)).await;
        }
        let tree = procfs::tree(peer.pid());
        assert!(tree.len() >= 2, "{tree:?}");
        assert!(peer.stop().await >= 1);
        let until = Instant::now() + Duration::from_secs(10);
        while tree.iter().any(Process::runs) && Instant::now() < until {
            sleep(Duration::from_millis(5)).await;
        }
        assert!(!tree.iter().any(Process::runs));
    }

    #[tokio::test]
    async fn tells_what_a_failing_peer_said_last() {
        let mut peer = start("sh -c 'echo no such gateway >&2; exit 7'");
        let said = peer.ended().await.to_string();
        assert!(said.contains("exit status: 7") && said.ends_with(": no such gateway"), "{said}");
    }
}
