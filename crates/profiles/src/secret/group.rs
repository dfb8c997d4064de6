//! The process group of a program that was asked for a secret: ended whole, however the asking ends.

use tokio::process::Child;

/// The group that a program leads. Dropped, whatever is left of it is killed.
pub(super) struct Group {
    #[cfg(unix)]
    leader: Option<nix::unistd::Pid>,
}

#[cfg(unix)]
impl Group {
    /// That of `child`, which was started as its leader.
    pub(super) fn led_by(child: &Child) -> Self {
        // 0 and 1 would address our own group and every process there is.
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).filter(|pid| *pid > 1);
        Self { leader: pid.map(nix::unistd::Pid::from_raw) }
    }

    /// SIGTERM for all in it; one that a terminal has stopped must wake up to hear it.
    pub(super) fn ask_to_end(&self) {
        self.signal(nix::sys::signal::Signal::SIGTERM);
        self.signal(nix::sys::signal::Signal::SIGCONT);
    }

    fn signal(&self, signal: nix::sys::signal::Signal) {
        if let Some(leader) = self.leader {
            let _ = nix::sys::signal::killpg(leader, signal);
        }
    }
}

#[cfg(unix)]
impl Drop for Group {
    fn drop(&mut self) {
        self.signal(nix::sys::signal::Signal::SIGKILL);
    }
}

#[cfg(not(unix))]
impl Group {
    /// Groups exist on Unix only; elsewhere the program itself is killed when its handle is dropped.
    pub(super) fn led_by(_child: &Child) -> Self {
        Self {}
    }

    /// Nothing to signal.
    pub(super) fn ask_to_end(&self) {}
}
