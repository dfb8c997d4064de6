//! A program that a test's desktop is made of: started quietly, ended when dropped.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How long a program may take to end by itself before it is killed.
const FAREWELL: Duration = Duration::from_millis(300);

/// One running program. What it says is in a file, and told when the test fails.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    log: PathBuf,
}

impl Daemon {
    /// Starts it; what it says goes to `log`.
    ///
    /// # Panics
    /// When it cannot be started: it is missing then.
    pub fn start(mut command: Command, log: &Path) -> Self {
        command.stdin(Stdio::null());
        Self::start_logged(command, log)
    }

    /// The same for one that reads this file.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start_fed(mut command: Command, stdin: File, log: &Path) -> Self {
        command.stdin(stdin);
        Self::start_logged(command, log)
    }

    fn start_logged(mut command: Command, log: &Path) -> Self {
        let file = File::create(log).expect("a log file");
        command.stderr(file.try_clone().expect("a log file")).stdout(file);
        Self { child: spawn(command), log: log.to_owned() }
    }

    /// Starts it and waits for the first line on its stdout, by which it tells where it is.
    ///
    /// # Panics
    /// When it cannot be started, or ends without having said a line.
    pub fn start_telling(mut command: Command, log: &Path) -> (Self, String) {
        command.stdin(Stdio::null()).stderr(File::create(log).expect("a log file")).stdout(Stdio::piped());
        let mut daemon = Self { child: spawn(command), log: log.to_owned() };
        let mut line = String::new();
        let stdout = daemon.child.stdout.as_mut().expect("piped");
        BufReader::new(stdout).read_line(&mut line).expect("its first line is text");
        assert!(!line.is_empty(), "it ended at once: {}", fs::read_to_string(log).unwrap_or_default());
        (daemon, line.trim().to_owned())
    }

    /// Its process id.
    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).expect("process ids are small")
    }

    fn end(&mut self) {
        let _ = kill(Pid::from_raw(self.pid()), Signal::SIGTERM);
        let deadline = Instant::now() + FAREWELL;
        while matches!(self.child.try_wait(), Ok(None)) {
            if Instant::now() > deadline {
                let _ = self.child.kill();
                let _ = self.child.wait();
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn spawn(mut command: Command) -> Child {
    let program = command.get_program().to_owned();
    let started = command.spawn();
    started.unwrap_or_else(|error| panic!("{}: {error}; run `make setup`", program.display()))
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.end();
        if std::thread::panicking() {
            let said = fs::read_to_string(&self.log).unwrap_or_default();
            if !said.is_empty() {
                eprintln!("--- {}\n{said}", self.log.display());
            }
        }
    }
}
