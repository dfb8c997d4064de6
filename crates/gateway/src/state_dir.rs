//! Files of the state folder: private to their user, written whole or not at all.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::error::GatewayError;

/// The folder of one running gateway; no second one starts on it while this lives.
#[derive(Debug)]
pub(crate) struct StateDir {
    path: PathBuf,
    _lock: File,
}

impl StateDir {
    /// Takes the folder, which is created if need be.
    ///
    /// # Errors
    /// [`GatewayError::StateInUse`], or [`GatewayError::State`] when it cannot be used.
    pub(crate) fn take(path: &Path) -> Result<Self, GatewayError> {
        create(path)?;
        let file = path.join("lock");
        let lock = private(OpenOptions::new().create(true).write(true).truncate(false))
            .open(&file)
            .map_err(|error| GatewayError::state(&file, error))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(GatewayError::StateInUse { path: path.to_owned() }),
            Err(TryLockError::Error(error)) => Err(GatewayError::state(&file, error)),
        }
    }

    /// A file in it.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

/// Creates the folder, for this user only.
///
/// # Errors
/// [`GatewayError::State`].
pub(crate) fn create(path: &Path) -> Result<(), GatewayError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|error| GatewayError::state(path, error))
}

/// Options that give a new file to this user only.
pub(crate) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

/// Puts `bytes` in the place of `path` in one step: a reader, or a crash, finds the old file or the new one.
///
/// # Errors
/// What the system said; the old file is untouched then.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    sync_folder(folder)
}

/// Creates `path` with `bytes` in one step, unless it is there already; whether it was created.
///
/// # Errors
/// What the system said.
pub(crate) fn create_once(path: &Path, bytes: &[u8]) -> io::Result<bool> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    match file.persist_noclobber(path) {
        Ok(_) => sync_folder(folder).map(|()| true),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error.error),
    }
}

/// Makes a rename in `folder` lasting. Only Unix lets a folder be opened for that.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// What tells that a file has changed, without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    modified: Option<SystemTime>,
    length: u64,
}

impl Stamp {
    /// Of the file behind `path`, symlinks followed; `None` while there is none.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        Some(Self { modified: metadata.modified().ok(), length: metadata.len() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_for_one_gateway_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b");
        let taken = StateDir::take(&path).unwrap();
        assert!(matches!(StateDir::take(&path), Err(GatewayError::StateInUse { .. })));
        drop(taken);
        StateDir::take(&path).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn folder_and_files_are_private() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        create(&path).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o700);
        let file = path.join("x");
        assert!(create_once(&file, b"1").unwrap());
        assert!(!create_once(&file, b"2").unwrap());
        assert_eq!((fs::read(&file).unwrap(), mode(&file)), (b"1".to_vec(), 0o600));
        replace(&file, b"3").unwrap();
        assert_eq!((fs::read(&file).unwrap(), mode(&file)), (b"3".to_vec(), 0o600));
        assert_eq!(fs::read_dir(&path).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn a_change_shows_in_the_stamp() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x");
        assert_eq!(Stamp::of(&file), None);
        fs::write(&file, "1").unwrap();
        let first = Stamp::of(&file).unwrap();
        fs::write(&file, "12").unwrap();
        assert_ne!(Stamp::of(&file), Some(first));
    }
}
