//! On Windows: a job object, which holds the child before it runs its first instruction, and all that it starts. No
//! process can leave it. We have its only handle, so that the system ends all of them when we end, however that comes
//! about.

use std::io;
use std::process::ExitStatus;

use culvert_reaper::Ask;
use process_wrap::tokio::{ChildWrapper, CommandWrap, CreationFlags, JobObject, KillOnDrop};
use tokio::process::{ChildStderr, ChildStdin, ChildStdout, Command};
use tokio_util::sync::CancellationToken;

/// What a family is asked, one after the other, once its stdin was closed. To a process without a window and on another
/// console there is no polite way to say it.
pub(crate) const ASKS: &[Ask] = &[Ask::Finally];

/// `CREATE_NO_WINDOW`: a console of its own that nobody sees. One of the desktop app's would come up on the screen
/// else, and a Ctrl-C in our own would be heard by the local server too.
const NO_WINDOW: u32 = 0x0800_0000;

/// Who is in the job; cancelled, it is ended.
#[derive(Debug)]
pub(crate) struct Family(CancellationToken);

impl Family {
    pub(super) fn start(command: Command) -> io::Result<(Body, Self)> {
        let mut command = CommandWrap::from(command);
        let mut flags = CreationFlags(Default::default());
        flags.0.0 = NO_WINDOW;
        // With KillOnDrop, the job's processes end with its last handle.
        let job = command.wrap(KillOnDrop).wrap(flags).wrap(JobObject).spawn()?;
        let over = CancellationToken::new();
        Ok((Body { job, over: over.clone() }, Self(over)))
    }

    /// Ends all of it.
    pub(crate) fn end(&self, ask: Ask) {
        match ask {
            Ask::Politely => {}
            Ask::Finally => self.0.cancel(),
        }
    }
}

impl Drop for Family {
    fn drop(&mut self) {
        self.end(Ask::Finally);
    }
}

/// The process that was started, and its job. Dropped, all in the job is killed.
#[derive(Debug)]
pub(crate) struct Body {
    job: Box<dyn ChildWrapper>,
    over: CancellationToken,
}

impl Body {
    pub(super) fn id(&self) -> Option<u32> {
        self.job.id()
    }

    pub(super) fn pipes(&mut self) -> (Option<ChildStdin>, Option<ChildStdout>, Option<ChildStderr>) {
        (self.job.stdin().take(), self.job.stdout().take(), self.job.stderr().take())
    }

    /// Waits until the process has ended, and tells `ended` how; then until the family is to end.
    pub(crate) async fn wait(mut self, ended: impl FnOnce(ExitStatus)) {
        let status = tokio::select! {
            // Of the process alone: the job's own wait goes on for as long as anybody is in it.
            status = self.job.inner_mut().wait() => status,
            () = self.over.cancelled() => {
                let _ = self.job.start_kill();
                self.job.inner_mut().wait().await
            }
        };
        ended(status.unwrap_or_default());
        self.over.cancelled().await;
    }
}
