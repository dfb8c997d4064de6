//! On Windows: what a console tells the programs on it.

use std::io;

use tokio::signal::windows::{CtrlBreak, CtrlC, CtrlClose, CtrlLogoff, CtrlShutdown};
use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close, ctrl_logoff, ctrl_shutdown};

use super::Wish;
use crate::terminal::Kind;

/// Waits for Ctrl-C, Ctrl-Break, a closing console, and the end of the user's session or of the system. After the last
/// three Windows waits some seconds only.
pub(crate) struct Signals {
    interrupt: CtrlC,
    terminate: CtrlBreak,
    closing: CtrlClose,
    logging_off: CtrlLogoff,
    shutting_down: CtrlShutdown,
}

impl Signals {
    /// Takes them over from the system's defaults.
    pub(crate) fn new(_: Kind) -> io::Result<Self> {
        Ok(Self {
            interrupt: ctrl_c()?,
            terminate: ctrl_break()?,
            closing: ctrl_close()?,
            logging_off: ctrl_logoff()?,
            shutting_down: ctrl_shutdown()?,
        })
    }

    /// The next of them.
    pub(crate) async fn next(&mut self) -> Wish {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.closing.recv() => {}
            _ = self.logging_off.recv() => {}
            _ = self.shutting_down.recv() => {}
        }
        Wish::End
    }
}
