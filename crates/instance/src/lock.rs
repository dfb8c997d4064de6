//! One process at a time runs the saved profiles. The system lets go of the lock when that process ends, however it
//! ends, so the next one starts at once.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use thiserror::Error;

/// The longest note that is read, in bytes.
const NOTE: u64 = 200;

/// The right to run the saved profiles, for as long as this is there.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Why the lock cannot be had.
#[derive(Debug, Error)]
pub enum LockError {
    /// Another process has it.
    #[error("the saved profiles are run by another Culvert already{}", by(.0))]
    Taken(Option<String>),
    /// The file cannot be used.
    #[error("the lock file {} cannot be used: {source}", path.display())]
    File {
        /// Where it is.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

fn by(who: &Option<String>) -> String {
    who.as_ref().map(|who| format!(" ({who})")).unwrap_or_default()
}

impl Lock {
    /// Takes the lock at `path`, and leaves a note there of who has it: `culvert up, process 4711`.
    ///
    /// # Errors
    /// [`LockError`]; it never waits.
    pub fn take(path: &Path, who: &str) -> Result<Self, LockError> {
        let failed = |source| LockError::File { path: path.to_owned(), source };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(LockError::Taken(note::read(path, &mut file))),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        // Only a note: the lock is what counts.
        let _ = note::leave(path, &mut file, who);
        Ok(Self { _file: file })
    }
}

/// The note in the locked file itself.
#[cfg(unix)]
mod note {
    use std::fs::File;
    use std::io::{self, Seek as _, Write as _};
    use std::path::Path;

    pub(super) fn leave(_: &Path, locked: &mut File, who: &str) -> io::Result<()> {
        locked.set_len(0)?;
        locked.rewind()?;
        locked.write_all(who.as_bytes())
    }

    pub(super) fn read(_: &Path, locked: &mut File) -> Option<String> {
        super::told(locked)
    }
}

/// The note beside the locked file, which on Windows nobody else can read.
#[cfg(windows)]
mod note {
    use std::fs::{self, File};
    use std::io;
    use std::path::{Path, PathBuf};

    fn place(lock: &Path) -> PathBuf {
        lock.with_extension("holder")
    }

    pub(super) fn leave(lock: &Path, _: &mut File, who: &str) -> io::Result<()> {
        fs::write(place(lock), who)
    }

    pub(super) fn read(lock: &Path, _: &mut File) -> Option<String> {
        super::told(&mut File::open(place(lock)).ok()?)
    }
}

fn told(file: &mut File) -> Option<String> {
    let mut note = String::new();
    file.take(NOTE).read_to_string(&mut note).ok()?;
    let note = culvert_protocol::text::clean(&note, 100);
    (!note.is_empty()).then_some(note)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_and_the_other_learns_who() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state").join("instance.lock");
        let first = Lock::take(&path, "culvert up, process 1").unwrap();
        let refused = Lock::take(&path, "the app").unwrap_err().to_string();
        assert!(refused.ends_with("already (culvert up, process 1)"), "{refused}");
        drop(first);
        Lock::take(&path, "the app").unwrap();
    }
}
