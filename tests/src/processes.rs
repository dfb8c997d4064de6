//! Which processes belong to a test: all that inherited its mark, whatever process group or parent they have by now.

use std::fs;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The environment variable that marks a test's processes. It is inherited down to the last grandchild.
pub const MARK: &str = "CULVERT_TEST_MARK";

/// A process found by its mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its id.
    pub pid: i32,
    /// Its command line, with blanks between the arguments.
    pub command: String,
}

/// All living processes with this mark. A zombie is none: it holds nothing any more.
pub fn marked(mark: &str) -> Vec<Process> {
    let wanted = format!("{MARK}={mark}");
    let pids = fs::read_dir("/proc").expect("these tests need Linux").flatten();
    pids.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
        .filter_map(|pid| {
            let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
            let is_marked = environment.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes());
            is_marked.then(|| Process { pid, command: command_line(pid) })
        })
        .collect()
}

fn command_line(pid: i32) -> String {
    let raw = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&raw).replace('\0', " ").trim_end().to_owned()
}

/// Asserts that none is left. A killed process takes a moment to disappear, so this polls for two seconds.
pub fn assert_none_left(mark: &str) {
    let deadline = Instant::now() + Duration::from_secs(2);
    loop {
        let left = marked(mark);
        if left.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "processes were left behind: {left:#?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Ends what is left, by force.
pub fn end_all(mark: &str) {
    for process in marked(mark) {
        let _ = kill(Pid::from_raw(process.pid), Signal::SIGKILL);
    }
}
