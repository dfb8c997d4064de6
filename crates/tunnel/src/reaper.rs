//! No local server outlives a Culvert that was killed: a small process of its own is told each child's process group
//! over a pipe, and ends those that are left when the pipe ends. A child that left its group is out of its reach.

use std::collections::BTreeSet;
use std::env::{self, consts::EXE_SUFFIX};
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use culvert_reaper::News;
use tracing::warn;

/// The program that is nothing but a reaper, and so takes the least memory.
const NAME: &str = "culvert-reaper";

/// Where packages put programs that nobody calls by name, seen from the folder of those that people do.
const OUT_OF_THE_WAY: &str = "../libexec";

/// The one argument of a Culvert that is to be a reaper, where that program is missing.
const WORD: &str = "reap";

/// How often is looked whether the reaper is gone.
const LOOK: Duration = Duration::from_millis(5);

/// How long the reaper may take to end once its pipe has.
const FAREWELL: Duration = Duration::from_secs(1);

/// One for the whole process, as the processes it is about belong to all of it.
static REAPER: Mutex<Reaper> =
    Mutex::new(Reaper { program: None, running: None, coming: Vec::new(), groups: BTreeSet::new() });

#[derive(Debug)]
struct Reaper {
    program: Option<Program>,
    running: Option<(Child, ChildStdin)>,
    /// Since when those may have begun that are just being started.
    coming: Vec<u64>,
    /// The leaders of those that run.
    groups: BTreeSet<u32>,
}

/// What is started to be one.
#[derive(Debug, PartialEq, Eq)]
enum Program {
    /// The small one.
    Itself(PathBuf),
    /// This one once more, as [`attend_if_asked`] knows it.
    Own(PathBuf),
}

/// Dropped at the end of the process, it lets the reaper go and waits for its end, a second at most.
#[derive(Debug)]
pub struct Retained(());

/// Has a reaper run beside this process from its first local server on: `culvert-reaper` if it lies beside this program
/// or in `../libexec`, else this program, which calls [`attend_if_asked`] before anything else. Without this call there
/// is none.
#[must_use]
pub fn retain() -> Retained {
    lock().program = env::current_exe().ok().map(Program::for_this);
    Retained(())
}

/// Whether this process was started to be a reaper. Then its life is over when this returns.
pub fn attend_if_asked() -> bool {
    let asked = env::args_os().skip(1).eq([WORD]);
    if asked {
        culvert_reaper::attend(io::stdin().lock());
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

/// A group that is about to begin; dropped without a [`report`](Self::report), it did not.
#[derive(Debug)]
pub(crate) struct Coming(Option<u64>);

/// Starts the reaper unless it runs, and says that a group is about to begin: between its beginning and its report there
/// is a moment in which a Culvert may be killed.
pub(crate) fn prepare() -> Coming {
    let mut reaper = lock();
    let since = culvert_reaper::now();
    reaper.coming.extend(since);
    match (&reaper.running, since) {
        (Some(_), Some(since)) => reaper.tell(&News::Coming(since).line()),
        (Some(_), None) => {}
        (None, _) => reaper.start_anew(),
    }
    Coming(since)
}

impl Coming {
    /// Tells the reaper of the group that this process leads.
    pub(crate) fn report(mut self, leader: u32) -> Reported {
        let mut reaper = lock();
        reaper.no_more_comes(self.0.take());
        reaper.groups.insert(leader);
        reaper.tell(&News::Begun(leader).line());
        Reported(leader)
    }
}

impl Drop for Coming {
    fn drop(&mut self) {
        if let Some(since) = self.0.take() {
            let mut reaper = lock();
            reaper.no_more_comes(Some(since));
            reaper.tell(&News::Missed.line());
        }
    }
}

impl Drop for Reported {
    fn drop(&mut self) {
        let mut reaper = lock();
        reaper.groups.remove(&self.0);
        reaper.tell(&News::Over(self.0).line());
    }
}

impl Program {
    /// The best there is for the program at `own`.
    fn for_this(own: PathBuf) -> Self {
        let name = format!("{NAME}{EXE_SUFFIX}");
        let places = own.parent().map(|folder| [folder.join(&name), folder.join(OUT_OF_THE_WAY).join(&name)]);
        match places.into_iter().flatten().find(|place| place.is_file()) {
            Some(place) => Self::Itself(place),
            None => Self::Own(own),
        }
    }

    fn command(&self) -> Command {
        match self {
            Self::Itself(program) => Command::new(program),
            Self::Own(program) => {
                let mut command = Command::new(program);
                command.arg(WORD);
                command
            }
        }
    }
}

impl Reaper {
    /// What came since then is here, or does not come.
    fn no_more_comes(&mut self, since: Option<u64>) {
        if let Some(place) = self.coming.iter().position(|coming| Some(*coming) == since) {
            self.coming.swap_remove(place);
        }
    }

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
                let groups = self.groups.iter().map(|leader| News::Begun(*leader));
                // Those that come are said last, as one that has begun is taken for one of them.
                let all: String = groups.chain(self.coming.iter().copied().map(News::Coming)).map(News::line).collect();
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

fn start(program: &Program) -> io::Result<(Child, ChildStdin)> {
    use std::os::unix::process::CommandExt as _;

    use nix::fcntl::{FcntlArg, OFlag, fcntl};

    let mut command = program.command();
    // It needs nothing that we know, and a Ctrl-C in the terminal is not meant for it.
    command.env_clear().current_dir("/").process_group(0);
    let mut process = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let pipe = process.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
    fcntl(&pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    Ok((process, pipe))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_small_program_is_taken_from_beside_or_out_of_the_way_and_else_our_own() {
        let root = env::temp_dir().join(format!("culvert-reaper-{}", std::process::id()));
        let (bin, libexec) = (root.join("bin"), root.join("libexec"));
        let (own, name) = (bin.join("culvert"), format!("{NAME}{EXE_SUFFIX}"));
        for folder in [&bin, &libexec] {
            fs::create_dir_all(folder).unwrap();
        }
        assert_eq!(Program::for_this(own.clone()), Program::Own(own.clone()));
        fs::write(libexec.join(&name), "").unwrap();
        assert_eq!(Program::for_this(own.clone()), Program::Itself(bin.join("../libexec").join(&name)));
        fs::write(bin.join(&name), "").unwrap();
        assert_eq!(Program::for_this(own), Program::Itself(bin.join(&name)));
        fs::remove_dir_all(root).unwrap();
    }
}
