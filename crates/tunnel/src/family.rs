//! A local server's process with all that it starts: begun and ended as one.

#[cfg(unix)]
mod group;
#[cfg(windows)]
mod job;

use std::io;

use tokio::process::{ChildStderr, ChildStdin, ChildStdout, Command};

#[cfg(unix)]
pub(crate) use self::group::{ASKS, Body, Family};
#[cfg(windows)]
pub(crate) use self::job::{ASKS, Body, Family};

/// What was just started.
pub(crate) struct Started {
    pub(crate) pid: Option<u32>,
    pub(crate) stdin: ChildStdin,
    pub(crate) stdout: ChildStdout,
    pub(crate) stderr: ChildStderr,
    /// The process itself, which is to be waited for.
    pub(crate) body: Body,
    /// Dropped, all that is left of it is killed.
    pub(crate) family: Family,
}

/// Starts `command`, whose three streams are to be pipes.
///
/// # Errors
/// The system's, or `BrokenPipe` where one of the pipes is missing.
pub(crate) fn start(command: Command) -> io::Result<Started> {
    let (mut body, family) = Family::start(command)?;
    let pid = body.id();
    let (Some(stdin), Some(stdout), Some(stderr)) = body.pipes() else {
        return Err(io::ErrorKind::BrokenPipe.into());
    };
    Ok(Started { pid, stdin, stdout, stderr, body, family })
}
