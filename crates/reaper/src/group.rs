//! The process group of a child: what is signalled is the whole tree that stayed in it.

/// A group, named by its leader's process id.
#[derive(Debug, Clone, Copy)]
pub struct Group {
    #[cfg(unix)]
    leader: nix::unistd::Pid,
}

/// How hard to ask.
#[derive(Debug, Clone, Copy)]
pub enum Ask {
    /// SIGTERM.
    Politely,
    /// SIGKILL.
    Finally,
}

#[cfg(unix)]
impl Group {
    /// The group that a child was started in as its leader.
    pub fn led_by(pid: u32) -> Option<Self> {
        // 0 and 1 would address our own group and every process there is.
        let pid = i32::try_from(pid).ok().filter(|pid| *pid > 1)?;
        Some(Self { leader: nix::unistd::Pid::from_raw(pid) })
    }

    /// Signals every process in it; one that is empty already needs nothing.
    pub fn end(self, ask: Ask) {
        let signal = match ask {
            Ask::Politely => nix::sys::signal::Signal::SIGTERM,
            Ask::Finally => nix::sys::signal::Signal::SIGKILL,
        };
        let _ = nix::sys::signal::killpg(self.leader, signal);
    }

    /// Whether there is a process in it.
    pub fn is_there(self) -> bool {
        nix::sys::signal::killpg(self.leader, None).is_ok()
    }
}

#[cfg(not(unix))]
impl Group {
    /// Groups exist on Unix only.
    pub fn led_by(_pid: u32) -> Option<Self> {
        None
    }

    /// Nothing to signal.
    pub fn end(self, _ask: Ask) {}

    /// Nobody.
    pub fn is_there(self) -> bool {
        false
    }
}
