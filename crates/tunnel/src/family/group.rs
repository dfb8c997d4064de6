//! On Unix: a process group, which the reaper knows of as well. A process that leaves the group leaves the family.

use std::io;
use std::process::ExitStatus;

use culvert_reaper::{Ask, Group};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};

use crate::reaper::{self, Reported};

/// What a family is asked, one after the other, once its stdin was closed.
pub(crate) const ASKS: &[Ask] = &[Ask::Politely, Ask::Finally];

/// The group with whom is to end it, should we be killed.
#[derive(Debug)]
pub(crate) struct Family(Option<(Group, Reported)>);

impl Family {
    pub(super) fn start(mut command: Command) -> io::Result<(Body, Self)> {
        command.process_group(0);
        let coming = reaper::prepare();
        let child = command.spawn()?;
        let family = Self(child.id().and_then(|pid| Some((Group::led_by(pid)?, coming.report(pid)))));
        Ok((Body(child), family))
    }

    /// Signals all of it.
    pub(crate) fn end(&self, ask: Ask) {
        if let Some((group, _)) = self.0 {
            group.end(ask);
        }
    }
}

impl Drop for Family {
    fn drop(&mut self) {
        self.end(Ask::Finally);
    }
}

/// The group's leader.
#[derive(Debug)]
pub(crate) struct Body(Child);

impl Body {
    pub(super) fn id(&self) -> Option<u32> {
        self.0.id()
    }

    pub(super) fn pipes(&mut self) -> (Option<ChildStdin>, Option<ChildStdout>, Option<ChildStderr>) {
        (self.0.stdin.take(), self.0.stdout.take(), self.0.stderr.take())
    }

    /// Waits until it has ended, and tells `ended` how.
    pub(crate) async fn wait(mut self, ended: impl FnOnce(ExitStatus)) {
        ended(self.0.wait().await.unwrap_or_default());
    }
}
