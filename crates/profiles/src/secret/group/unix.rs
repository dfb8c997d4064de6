//! On Unix: a process group.

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::process::{Child, Command};

/// The group that a program leads. Dropped, whatever is left of it is killed.
pub(in crate::secret) struct Group {
    leader: Option<Pid>,
}

impl Group {
    /// Has `command` lead a group.
    pub(in crate::secret) fn prepare(command: &mut Command) {
        command.process_group(0);
    }

    /// That of `child`, which was started as its leader.
    pub(in crate::secret) fn led_by(child: &Child) -> Self {
        // 0 and 1 would address our own group and every process there is.
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).filter(|pid| *pid > 1);
        Self { leader: pid.map(Pid::from_raw) }
    }

    /// SIGTERM for all in it; one that a terminal has stopped must wake up to hear it.
    pub(in crate::secret) fn ask_to_end(&self) {
        self.signal(Signal::SIGTERM);
        self.signal(Signal::SIGCONT);
    }

    fn signal(&self, signal: Signal) {
        if let Some(leader) = self.leader {
            let _ = killpg(leader, signal);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::SIGKILL);
    }
}
