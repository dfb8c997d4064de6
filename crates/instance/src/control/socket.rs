//! Where guests come in on Unix: a socket that only the user can open.

use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use tokio::net::UnixStream;

/// A conversation, at the answering end.
pub(super) type Guest = UnixStream;

/// A conversation, at the asking end.
pub(super) type Visit = UnixStream;

/// The place; taken away when dropped.
#[derive(Debug)]
pub(super) struct Entrance {
    listener: UnixListener,
    path: PathBuf,
}

impl Entrance {
    /// Makes it at `path`, in the place of what is left there.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            std::fs::DirBuilder::new().mode(0o700).recursive(true).create(folder)?;
        }
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        listener.set_nonblocking(true)?;
        Ok(Self { listener, path: path.to_owned() })
    }

    /// Who attends to it, within a tokio runtime.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn attend(&self) -> io::Result<Doorkeeper> {
        self.listener.try_clone().and_then(tokio::net::UnixListener::from_std).map(Doorkeeper)
    }
}

impl Drop for Entrance {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Lets guests in.
pub(super) struct Doorkeeper(tokio::net::UnixListener);

impl Doorkeeper {
    /// The next guest.
    ///
    /// # Errors
    /// The system's; the next call may succeed.
    pub(super) async fn next(&mut self) -> io::Result<Guest> {
        self.0.accept().await.map(|(stream, _)| stream)
    }
}

/// Begins a conversation with whoever is at `path`; `None` where nobody is.
///
/// # Errors
/// The system's.
pub(super) async fn visit(path: &Path) -> io::Result<Option<Visit>> {
    match UnixStream::connect(path).await {
        Ok(stream) => Ok(Some(stream)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => Ok(None),
        Err(error) => Err(error),
    }
}
