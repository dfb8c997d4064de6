//! The file behind the log: readable by its owner only, rotated by size, opened anew when somebody else has moved it.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

/// How large a file may become before the next one is begun, in bytes: 16 MiB.
pub const LARGEST: u64 = 16 << 20;

/// How many full files are kept beside it: `.1`, the newest, to `.5`.
pub const KEPT: usize = 5;

/// Where lines are appended.
#[derive(Debug)]
pub(crate) struct Appended {
    path: PathBuf,
    largest: u64,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    file: File,
    length: u64,
    /// Devices and pipes are no files to be rotated.
    is_plain: bool,
    /// Whether it ends within a line, by a disk that was full or a computer that went out: the next line must not be
    /// glued to that.
    is_torn: bool,
}

impl Appended {
    pub(crate) fn new(path: PathBuf, largest: u64) -> Self {
        Self { path, largest, open: None }
    }

    /// Appends whole lines.
    ///
    /// # Errors
    /// The system's, with the number of bytes that were written before.
    pub(crate) fn append(&mut self, lines: &[u8]) -> Result<(), (usize, io::Error)> {
        let fresh = |error| (0, error);
        if self.open.as_ref().is_some_and(|open| open.is_plain && !open.is_at(&self.path)) {
            self.open = None;
        }
        let (largest, more) = (self.largest, lines.len() as u64);
        if self.open()?.is_some_and(|open| open.is_plain && open.length > 0 && open.length + more > largest) {
            self.open = None;
            self.rotate().map_err(fresh)?;
        }
        let Some(open) = self.open()? else { return Err(fresh(io::ErrorKind::NotFound.into())) };
        let ended = if open.is_torn { open.write(b"\n").map_err(|(_, error)| fresh(error)) } else { Ok(()) };
        let result = ended.and_then(|()| open.write(lines));
        match &result {
            Ok(()) => open.is_torn = false,
            // It may be another one by the time there is room again, and how it ends is looked up then.
            Err(_) => self.open = None,
        }
        result
    }

    /// Opens it where it is not open, so that what is wrong with it is known early.
    pub(crate) fn open_early(&mut self) -> io::Result<()> {
        self.open().map(|_| ()).map_err(|(_, error)| error)
    }

    fn open(&mut self) -> Result<Option<&mut Open>, (usize, io::Error)> {
        if self.open.is_none() {
            self.open = Some(Open::new(&self.path).map_err(|error| (0, error))?);
        }
        Ok(self.open.as_mut())
    }

    fn rotate(&self) -> io::Result<()> {
        for nth in (1..KEPT).rev() {
            match fs::rename(self.numbered(nth), self.numbered(nth + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        fs::rename(&self.path, self.numbered(1))
    }

    fn numbered(&self, nth: usize) -> PathBuf {
        let mut name = OsString::from(&self.path);
        name.push(format!(".{nth}"));
        name.into()
    }
}

impl Open {
    fn new(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.append(true).create(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt as _;
            options.mode(0o600);
        }
        let file = options.open(path)?;
        let about = file.metadata()?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            // One that was there before, made by somebody with other habits.
            if about.is_file() && about.permissions().mode() & 0o077 != 0 {
                file.set_permissions(fs::Permissions::from_mode(0o600))?;
            }
        }
        let (length, is_plain) = (about.len(), about.is_file());
        // A pipe must not be opened for reading as well: it would never have no reader.
        let is_torn = is_plain && length > 0 && last_byte(path).is_ok_and(|byte| byte != b'\n');
        Ok(Self { file, length, is_plain, is_torn })
    }

    /// Writes all of it, or says how much of it was.
    fn write(&mut self, bytes: &[u8]) -> Result<(), (usize, io::Error)> {
        let mut written = 0;
        while written < bytes.len() {
            match self.file.write(&bytes[written..]) {
                Ok(0) => return Err((written, io::ErrorKind::WriteZero.into())),
                Ok(count) => written += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err((written, error)),
            }
        }
        self.length += written as u64;
        Ok(())
    }

    /// Whether this still is the file of that name.
    #[cfg(unix)]
    fn is_at(&self, path: &Path) -> bool {
        use std::os::unix::fs::MetadataExt as _;
        let same = |one: &fs::Metadata, other: &fs::Metadata| (one.dev(), one.ino()) == (other.dev(), other.ino());
        matches!((self.file.metadata(), fs::metadata(path)), (Ok(one), Ok(other)) if same(&one, &other))
    }

    #[cfg(not(unix))]
    fn is_at(&self, path: &Path) -> bool {
        path.exists()
    }
}

fn last_byte(path: &Path) -> io::Result<u8> {
    let mut file = File::open(path)?;
    let mut byte = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut byte)?;
    Ok(byte[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &Path) -> String {
        fs::read_to_string(path).unwrap()
    }

    #[test]
    fn full_files_are_put_aside_and_the_oldest_goes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        let mut file = Appended::new(path.clone(), 10);
        for nth in 0..9 {
            file.append(format!("line {nth}..\n").as_bytes()).unwrap();
        }
        assert_eq!(read(&path), "line 8..\n");
        let kept: Vec<_> = (1..=KEPT).map(|nth| read(&file.numbered(nth))).collect();
        assert_eq!(kept, ["line 7..\n", "line 6..\n", "line 5..\n", "line 4..\n", "line 3..\n"]);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), KEPT + 1);
    }

    #[cfg(unix)]
    #[test]
    fn only_its_owner_may_read_it() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        fs::write(&path, "before\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        Appended::new(path.clone(), 1000).append(b"x\n").unwrap();
        assert_eq!(read(&path), "before\nx\n");
        let other = folder.path().join("b.log");
        Appended::new(other.clone(), 1000).append(b"x\n").unwrap();
        for path in [path, other] {
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[cfg(unix)]
    #[test]
    fn one_that_somebody_else_has_moved_is_begun_anew() {
        let folder = tempfile::tempdir().unwrap();
        let (path, aside) = (folder.path().join("a.log"), folder.path().join("aside"));
        let mut file = Appended::new(path.clone(), 1000);
        file.append(b"one\n").unwrap();
        fs::rename(&path, &aside).unwrap();
        file.append(b"two\n").unwrap();
        assert_eq!((read(&aside), read(&path)), ("one\n".to_owned(), "two\n".to_owned()));
        fs::remove_file(&path).unwrap();
        file.append(b"three\n").unwrap();
        assert_eq!(read(&path), "three\n");
    }

    #[test]
    fn a_line_that_was_torn_before_it_was_opened_is_ended_before_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        fs::write(&path, "whole\nto").unwrap();
        let mut file = Appended::new(path.clone(), 1000);
        file.append(b"one\n").unwrap();
        file.append(b"two\n").unwrap();
        assert_eq!(read(&path), "whole\nto\none\ntwo\n");
        file.append(b"").unwrap();
        let mut again = Appended::new(path.clone(), 1000);
        again.append(b"three\n").unwrap();
        assert_eq!(read(&path), "whole\nto\none\ntwo\nthree\n", "one that ends as it should is left as it is");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_an_error_and_a_device_is_left_as_it_is() {
        let mut file = Appended::new("/dev/full".into(), 10);
        let (written, error) = file.append(b"a line that is longer\n").unwrap_err();
        assert_eq!((written, error.kind()), (0, io::ErrorKind::StorageFull));
        let mut file = Appended::new("/dev/null".into(), 10);
        for _ in 0..3 {
            file.append(b"a line that is longer\n").unwrap();
        }
    }
}
