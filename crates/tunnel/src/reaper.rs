//! No local server outlives a Culvert that was killed: a small process of its own is told each child's process group over
//! a pipe, and ends those that are left when the pipe ends. A child that left its group is out of its reach.

use std::collections::BTreeSet;
use std::io::{self, BufRead, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tracing::warn;

use crate::group::{Ask, Group};

/// The one argument of a process that is to be a reaper.
const WORD: &str = "reap";

/// How long groups have after SIGTERM.
const GRACE: Duration = Duration::from_secs(1);

/// How often is looked whether groups, or the reaper, are gone.
const LOOK: Duration = Duration::from_millis(5);

/// How long the reaper may take to end once its pipe has.
const FAREWELL: Duration = Duration::from_secs(1);

/// One for the whole process, as the processes it is about belong to all of it.
static REAPER: Mutex<Reaper> = Mutex::new(Reaper { program: None, running: None, groups: BTreeSet::new() });

#[derive(Debug)]
struct Reaper {
    program: Option<PathBuf>,
    running: Option<(Child, ChildStdin)>,
    /// The leaders of those that run.
    groups: BTreeSet<u32>,
}

/// Dropped at the end of the process, it lets the reaper go and waits for its end, a second at most.
#[derive(Debug)]
pub struct Retained(());

/// Has a reaper run beside this process from its first local server on: `program`, which calls [`attend_if_asked`] before
/// anything else. Without this call, as on systems without process groups, there is none.
#[must_use]
pub fn retain(program: PathBuf) -> Retained {
    lock().program = cfg!(unix).then_some(program);
    Retained(())
}

/// Whether this process was started to be a reaper. Then its life is over when this returns.
pub fn attend_if_asked() -> bool {
    let asked = std::env::args_os().skip(1).eq([WORD]);
    if asked {
        attend(io::stdin().lock());
    }
    asked
}

impl Drop for Retained {
    fn drop(&mut self) {
        let running = {
            let mut reaper = lock();
            reaper.program = None;
            reaper.running.take()
        };
        if let Some((mut process, pipe)) = running {
            drop(pipe);
            let begun = Instant::now();
            while matches!(process.try_wait(), Ok(None)) && begun.elapsed() < FAREWELL {
                sleep(LOOK);
            }
        }
    }
}

/// A group that the reaper knows of; dropped once there is nobody left in it.
#[derive(Debug)]
pub(crate) struct Reported(u32);

/// Starts the reaper unless it runs: before a process that it is to hear of, lest there be a moment without it.
pub(crate) fn prepare() {
    let mut reaper = lock();
    if reaper.running.is_none() {
        reaper.start_anew();
    }
}

/// Tells the reaper of the group that this process leads.
pub(crate) fn report(leader: u32) -> Reported {
    let mut reaper = lock();
    reaper.groups.insert(leader);
    reaper.tell(&format!("+{leader}\n"));
    Reported(leader)
}

impl Drop for Reported {
    fn drop(&mut self) {
        let mut reaper = lock();
        reaper.groups.remove(&self.0);
        reaper.tell(&format!("-{}\n", self.0));
    }
}

impl Reaper {
    /// Tells it something; one that is gone, or does not listen, is replaced.
    fn tell(&mut self, news: &str) {
        let told = self.running.as_mut().is_some_and(|(_, pipe)| pipe.write_all(news.as_bytes()).is_ok());
        if !told {
            self.start_anew();
        }
    }

    fn start_anew(&mut self) {
        let Some(program) = &self.program else { return };
        if let Some((mut old, _pipe)) = self.running.take() {
            // Before its pipe ends, lest it end what still runs.
            let _ = old.kill();
            let _ = old.wait();
        }
        match start(program) {
            Ok((process, mut pipe)) => {
                let all: String = self.groups.iter().map(|leader| format!("+{leader}\n")).collect();
                let _ = pipe.write_all(all.as_bytes());
                self.running = Some((process, pipe));
            }
            Err(error) => warn!(%error, "nobody would end the local servers if Culvert were killed"),
        }
    }
}

fn lock() -> MutexGuard<'static, Reaper> {
    REAPER.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(unix)]
fn start(program: &Path) -> io::Result<(Child, ChildStdin)> {
    use std::os::unix::process::CommandExt as _;

    use nix::fcntl::{FcntlArg, OFlag, fcntl};

    let mut command = Command::new(program);
    // It needs nothing that we know, and a Ctrl-C in the terminal is not meant for it.
    command.arg(WORD).env_clear().current_dir("/").process_group(0);
    let mut process = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let pipe = process.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
    fcntl(&pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    Ok((process, pipe))
}

#[cfg(not(unix))]
fn start(_program: &Path) -> io::Result<(Child, ChildStdin)> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Hears of groups on `news` until it ends, then ends those that are left, politely first.
fn attend(news: impl BufRead) {
    let mut left = BTreeSet::new();
    for line in news.lines().map_while(Result::ok) {
        let leader = |text: &str| text.parse::<u32>().ok();
        match line.split_at_checked(1) {
            Some(("+", pid)) => left.extend(leader(pid)),
            Some(("-", pid)) => _ = leader(pid).is_some_and(|pid| left.remove(&pid)),
            _ => {}
        }
    }
    let mut groups: Vec<Group> = left.into_iter().filter_map(Group::led_by).collect();
    groups.iter().for_each(|group| group.end(Ask::Politely));
    let begun = Instant::now();
    while !groups.is_empty() && begun.elapsed() < GRACE {
        sleep(LOOK);
        groups.retain(|group| group.is_there());
    }
    groups.iter().for_each(|group| group.end(Ask::Finally));
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::process::CommandExt as _;

    use super::*;

    fn sleeper() -> Child {
        Command::new("sleep").arg("600").process_group(0).spawn().unwrap()
    }

    #[test]
    fn those_that_are_left_are_ended_and_no_others() {
        let (mut left, mut over) = (sleeper(), sleeper());
        let news = format!("+{}\n+{}\nnonsense\n+1\n+0\n+x\n-{}\n", left.id(), over.id(), over.id());
        // It is nobody's child but ours, and stays in its group until we have looked at it.
        let waiting = std::thread::spawn(move || left.wait().unwrap());
        attend(news.as_bytes());
        assert!(!waiting.join().unwrap().success());
        assert!(matches!(over.try_wait(), Ok(None)), "one that was taken back is left alone");
        over.kill().unwrap();
        over.wait().unwrap();
    }
}
