//! On Unix: signals.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::Wish;
use crate::terminal::Kind;

/// Waits for Ctrl-C and for what a service runner or a closing terminal sends.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Option<Signal>,
    /// What SIGHUP asks for.
    on_hang_up: Wish,
}

impl Signals {
    /// Takes the signals over from the system's defaults. SIGHUP means that the terminal is gone, where there is one; a
    /// service has none, and is asked to read its configuration again.
    pub(crate) fn new(kind: Kind) -> io::Result<Self> {
        Ok(Self {
            on_hang_up: if kind == Kind::Lines { Wish::Reload } else { Wish::End },
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            // Under nohup the terminal may go away.
            hang_up: if ignores_hang_up() { None } else { Some(signal(SignalKind::hangup())?) },
        })
    }

    /// The next of them.
    pub(crate) async fn next(&mut self) -> Wish {
        let hang_up = async {
            match &mut self.hang_up {
                Some(signal) => signal.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => Wish::End,
            _ = self.terminate.recv() => Wish::End,
            _ = hang_up => self.on_hang_up,
        }
    }
}

/// Whether whoever started us set SIGHUP to be ignored: bit 0 of the mask that Linux shows.
fn ignores_hang_up() -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| {
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
    })
}
