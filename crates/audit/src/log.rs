//! The log itself: lines are put in memory by whoever calls, and written by a thread of its own.

use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tracing::{info, warn};

use crate::file::{Appended, LARGEST};
use crate::line::{self, Entry};

/// How many bytes of lines may wait for the disk; of more, the newest are lost, and counted. At 300 bytes a line this is
/// what 14,000 calls leave.
const MOST: usize = 4 << 20;

/// How long lines are collected before they are written together: a write, and a look at the file's name, cost more than
/// a line.
const TOGETHER: Duration = Duration::from_millis(50);

/// How long the end may wait for the disk.
const FAREWELL: Duration = Duration::from_secs(2);

/// An audit log. Whoever drops it waits for its last lines, as [`finish`](Log::finish) does.
#[derive(Debug)]
pub struct Log {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    waiting: Mutex<Waiting>,
    /// Something waits, or it is over.
    moved: Condvar,
    path: PathBuf,
}

#[derive(Debug, Default)]
struct Waiting {
    lines: Vec<u8>,
    count: u64,
    /// Lines that found no room.
    lost: u64,
    stage: Stage,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Stage {
    #[default]
    Open,
    /// Nobody writes lines any more.
    Closing,
    /// All are written that could be.
    Closed,
}

impl Log {
    /// Begins a log at `path`. A file that cannot be written is told in the program's own log, and tried again.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn begin(path: PathBuf) -> std::io::Result<Self> {
        Self::with_files_of(path, LARGEST)
    }

    fn with_files_of(path: PathBuf, largest: u64) -> std::io::Result<Self> {
        let shared = Arc::new(Shared { waiting: Mutex::default(), moved: Condvar::new(), path: path.clone() });
        let writer = Writer { shared: shared.clone(), file: Appended::new(path, largest), lost: 0, is_well: true };
        std::thread::Builder::new().name("audit".to_owned()).spawn(move || writer.run())?;
        Ok(Self { shared })
    }

    /// Has a line written. Takes no longer than its text needs: where the disk is behind, the line is lost and counted.
    pub fn write(&self, entry: &Entry<'_>) {
        let mut waiting = self.shared.waiting();
        if waiting.lines.len() >= MOST {
            waiting.lost += 1;
            return;
        }
        let was_empty = waiting.lines.is_empty();
        entry.write(&mut waiting.lines);
        waiting.count += 1;
        drop(waiting);
        if was_empty {
            self.shared.moved.notify_all();
        }
    }

    /// A call that nobody could follow: it is among those that the log lacks.
    pub fn missed(&self) {
        self.shared.waiting().lost += 1;
    }
}

impl Log {
    /// Waits, up to two seconds, until all lines are written. None is written after this.
    pub fn finish(&self) {
        let mut waiting = self.shared.waiting();
        if waiting.stage == Stage::Open {
            waiting.stage = Stage::Closing;
        }
        self.shared.moved.notify_all();
        let is_open = |waiting: &mut Waiting| waiting.stage != Stage::Closed;
        let until_closed = self.shared.moved.wait_timeout_while(waiting, FAREWELL, is_open);
        if until_closed.is_ok_and(|(_, timeout)| timeout.timed_out()) {
            warn!(path = %self.shared.path.display(), "the audit log's disk gives no answer: its last lines may be lost");
        }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.finish();
    }
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The thread's own.
struct Writer {
    shared: Arc<Shared>,
    file: Appended,
    /// Lines that are not in the file, and that it does not say so of yet.
    lost: u64,
    is_well: bool,
}

impl Writer {
    fn run(mut self) {
        if let Err(error) = self.file.open_early() {
            self.is_ill(&error);
        }
        let mut lines = Vec::new();
        loop {
            let (count, stage) = self.take(&mut lines);
            self.put(&mut lines, count);
            if stage != Stage::Open {
                break;
            }
        }
        self.shared.waiting().stage = Stage::Closed;
        self.shared.moved.notify_all();
    }

    /// Waits for lines, collects them for a while, and takes them all; how many there are.
    fn take(&mut self, lines: &mut Vec<u8>) -> (u64, Stage) {
        let is_idle = |waiting: &mut Waiting| waiting.lines.is_empty() && waiting.stage == Stage::Open;
        let waiting = self.shared.moved.wait_while(self.shared.waiting(), is_idle);
        drop(waiting.unwrap_or_else(PoisonError::into_inner));
        let is_open = |waiting: &mut Waiting| waiting.stage == Stage::Open;
        let collected = self.shared.moved.wait_timeout_while(self.shared.waiting(), TOGETHER, is_open);
        let (mut waiting, _) = collected.unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(lines, &mut waiting.lines);
        self.lost += std::mem::take(&mut waiting.lost);
        (std::mem::take(&mut waiting.count), waiting.stage)
    }

    fn put(&mut self, lines: &mut Vec<u8>, count: u64) {
        let said = self.lost;
        let mut head = Vec::new();
        if said > 0 {
            line::lost(&mut head, SystemTime::now(), said);
        }
        let put = self.file.append(&head).map_err(|(_, error)| (0, error)).and_then(|()| {
            self.lost -= said;
            self.file.append(lines)
        });
        match put {
            Ok(()) => {
                if !std::mem::replace(&mut self.is_well, true) {
                    info!(path = %self.shared.path.display(), lost = said, "the audit log is written again");
                } else if said > 0 {
                    warn!(path = %self.shared.path.display(), lost = said, "the audit log lacks lines: its disk is behind");
                }
            }
            Err((written, error)) => {
                let whole = lines[..written].iter().filter(|byte| **byte == b'\n').count() as u64;
                self.lost += count - whole;
                self.is_ill(&error);
            }
        }
        lines.clear();
        // What one rush has taken need not be kept.
        lines.shrink_to(64 << 10);
    }

    /// Told once, until it works again.
    fn is_ill(&mut self, error: &std::io::Error) {
        if std::mem::replace(&mut self.is_well, false) {
            let path = self.shared.path.display();
            warn!(%path, "the audit log cannot be written, and lacks lines until it can: {error}. Calls go on.");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::time::Instant;

    use super::*;
    use crate::line::sample;

    fn lines(path: &Path) -> Vec<String> {
        fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
    }

    fn eventually(what: impl Fn() -> bool) {
        let since = Instant::now();
        while !what() {
            assert!(since.elapsed() < Duration::from_secs(20), "it never came about");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn all_lines_are_there_once_it_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        let log = Arc::new(Log::begin(path.clone()).unwrap());
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let log = log.clone();
                std::thread::spawn(move || (0..1000).for_each(|nth| log.write(&sample(&nth.to_string()))))
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        drop(log);
        let all = lines(&path);
        assert_eq!(all.len(), 4000);
        assert!(all.iter().all(|line| line.starts_with("{\"time\":") && line.ends_with('}')));
    }

    #[test]
    fn rotation_loses_no_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        let log = Log::with_files_of(path.clone(), 2000).unwrap();
        for nth in 0..20 {
            log.write(&sample(&nth.to_string()));
            eventually(|| log.shared.waiting().lines.is_empty());
        }
        drop(log);
        let all: usize = fs::read_dir(folder.path()).unwrap().map(|entry| lines(&entry.unwrap().path()).len()).sum();
        assert_eq!(all, 20);
        assert!(path.with_extension("log.1").exists());
    }

    #[cfg(unix)]
    #[test]
    fn what_a_full_disk_takes_is_counted_and_said_once_there_is_room() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        std::os::unix::fs::symlink("/dev/full", &path).unwrap();
        let log = Log::begin(path.clone()).unwrap();
        let since = Instant::now();
        (0..100).for_each(|nth| log.write(&sample(&nth.to_string())));
        assert!(since.elapsed() < Duration::from_secs(1), "nobody waits for the disk");
        eventually(|| log.shared.waiting().lines.is_empty());
        fs::remove_file(&path).unwrap();
        log.write(&sample("after"));
        drop(log);
        let all = lines(&path);
        let lost: u64 = all
            .iter()
            .filter_map(|line| line.split("\"lost\":").nth(1)?.trim_end_matches('}').parse::<u64>().ok())
            .sum();
        let told = all.iter().filter(|line| line.contains("tools/call")).count() as u64;
        assert_eq!(lost + told, 101, "{all:?}");
        assert!(all.last().unwrap().contains("after"), "{all:?}");
    }

    #[cfg(unix)]
    #[test]
    fn a_disk_that_gives_no_answer_stands_in_nobodys_way() {
        const LINES: u64 = 50_000;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        // Whoever opens a pipe that nobody reads waits, as for a disk that hangs.
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        let log = Log::begin(path.clone()).unwrap();
        let began = Instant::now();
        for nth in 0..LINES {
            log.write(&sample(&nth.to_string()));
        }
        log.finish();
        assert!(began.elapsed() < FAREWELL + Duration::from_secs(10), "nobody waits for the disk");
        assert!(log.shared.waiting().lines.len() < MOST + 1000, "memory is bounded");
        // It answers after all: what waited is there, and the rest is counted.
        let all = lines(&path);
        let lost = all[0].split("\"lost\":").nth(1).unwrap().trim_end_matches('}').parse::<u64>().unwrap();
        assert!(lost > 0 && lost + (all.len() as u64 - 1) == LINES, "{lost} of {LINES}");
    }

    #[test]
    fn memory_is_bounded_and_what_finds_no_room_is_counted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        let log = Log::begin(path.clone()).unwrap();
        let long = "x".repeat(10_000);
        for _ in 0..2000 {
            log.write(&sample(&long));
            assert!(log.shared.waiting().lines.len() < MOST + 2 * long.len());
        }
        drop(log);
        let all: Vec<_> = (0..=5)
            .flat_map(|nth| lines(&if nth == 0 { path.clone() } else { path.with_extension(format!("log.{nth}")) }))
            .collect();
        let lost: u64 = all
            .iter()
            .filter_map(|line| line.split("\"lost\":").nth(1)?.trim_end_matches('}').parse::<u64>().ok())
            .sum();
        let told = all.iter().filter(|line| line.contains("tools/call")).count() as u64;
        assert_eq!(lost + told, 2000);
    }
}
