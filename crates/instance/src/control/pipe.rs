//! Where guests come in on Windows: a named pipe, whose name is in a file that only the user can read.
//!
//! The name is drawn anew each time, so that no other user can have taken it before. The list of pipes shows it, and
//! Windows lets everybody open a pipe for reading unless it is told otherwise; only the user, administrators and the system
//! may write to it. As every answer follows a question, whoever cannot write learns nothing.

use std::fs::File;
use std::io::{self, Read as _};
use std::mem;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::windows::named_pipe::{ClientOptions, NamedPipeClient, NamedPipeServer, ServerOptions};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

/// A conversation, at the answering end.
pub(super) type Guest = NamedPipeServer;

/// A conversation, at the asking end.
pub(super) type Visit = NamedPipeClient;

/// What all names begin with: pipes of this machine.
const NAMES: &str = r"\\.\pipe\culvert-";

/// The longest name that is read, in bytes.
const LONGEST_NAME: u64 = 200;

/// `ERROR_PIPE_BUSY`: there is somebody, who lets another guest in just now.
const BUSY: i32 = 231;

/// How long a guest waits to be let in, and how often it looks.
const PATIENCE: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(10);

/// The place; its file is taken away when dropped.
#[derive(Debug)]
pub(super) struct Entrance {
    name: String,
    path: PathBuf,
}

impl Entrance {
    /// Draws a name, and writes it to `path`, in the place of what is left there.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let name = format!("{NAMES}{}", Uuid::new_v4().simple());
        culvert_profiles::write_whole(path, name.as_bytes())?;
        Ok(Self { name, path: path.to_owned() })
    }

    /// Who attends to it, within a tokio runtime.
    ///
    /// # Errors
    /// The system's, also where the pipe is somebody else's.
    pub(super) fn attend(&self) -> io::Result<Doorkeeper> {
        let open = options().first_pipe_instance(true).create(&self.name)?;
        Ok(Doorkeeper { name: self.name.clone(), open })
    }
}

impl Drop for Entrance {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Lets guests in.
pub(super) struct Doorkeeper {
    name: String,
    /// The end of the pipe that the next guest gets.
    open: NamedPipeServer,
}

impl Doorkeeper {
    /// The next guest.
    ///
    /// # Errors
    /// The system's; the next call may succeed.
    pub(super) async fn next(&mut self) -> io::Result<Guest> {
        if let Err(error) = self.open.connect().await {
            // One that went away before it was let in keeps others out until it is shown the door.
            let _ = self.open.disconnect();
            return Err(error);
        }
        let next = options().create(&self.name)?;
        Ok(mem::replace(&mut self.open, next))
    }
}

fn options() -> ServerOptions {
    let mut options = ServerOptions::new();
    options.reject_remote_clients(true);
    options
}

/// Begins a conversation with whoever is at `path`; `None` where nobody is.
///
/// # Errors
/// The system's.
pub(super) async fn visit(path: &Path) -> io::Result<Option<Visit>> {
    let Some(name) = name_at(path)? else { return Ok(None) };
    let begun = Instant::now();
    loop {
        match ClientOptions::new().open(&name) {
            Ok(pipe) => return Ok(Some(pipe)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) if error.raw_os_error() == Some(BUSY) && begun.elapsed() < PATIENCE => sleep(LOOK).await,
            Err(error) => return Err(error),
        }
    }
}

/// The name that is written there, if there is one of ours.
fn name_at(path: &Path) -> io::Result<Option<String>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut name = String::new();
    file.take(LONGEST_NAME).read_to_string(&mut name)?;
    let ours = name.strip_prefix(NAMES).is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_hexdigit()));
    Ok(ours.then_some(name))
}
