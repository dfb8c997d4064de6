//! A secret in a file: read within limits, judged by who else may read it, and told apart from its successor.

use std::fs::{self, File, Metadata};
use std::io::{self, Read as _};
use std::path::Path;
use std::time::SystemTime;

use culvert_protocol::Secret;
use zeroize::Zeroizing;

#[cfg(unix)]
use super::problem::Volume;
use super::problem::{LARGEST, SecretError, SecretNotice};
use crate::origin::shown;

/// What tells a file from the one that stood there before: replaced by a rename or by a swapped symlink somewhere on
/// the way, or written anew in place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stamp {
    identity: Identity,
    modified: Option<SystemTime>,
    length: u64,
}

#[cfg(unix)]
type Identity = (u64, u64, i64, i64);

/// Where files have no number, the path with all symlinks followed.
#[cfg(not(unix))]
type Identity = Option<std::path::PathBuf>;

impl Stamp {
    /// That of the file now, symlinks followed; `None` where there is none.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let found = fs::metadata(path).ok()?;
        Some(Self { identity: identity(path, &found), modified: found.modified().ok(), length: found.len() })
    }
}

#[cfg(unix)]
fn identity(_path: &Path, found: &Metadata) -> Identity {
    use std::os::unix::fs::MetadataExt as _;
    // The time of the last change of the inode tells apart what a copy with an old date would hide.
    (found.dev(), found.ino(), found.ctime(), found.ctime_nsec())
}

#[cfg(not(unix))]
fn identity(path: &Path, _found: &Metadata) -> Identity {
    fs::canonicalize(path).ok()
}

/// The text of the file, without the white space around it. May block as long as the file system does.
///
/// # Errors
/// [`SecretError`]: there is no file, or nothing or too much or no text in it.
pub(super) fn read(path: &Path) -> Result<Secret, SecretError> {
    let failed = |error: io::Error| SecretError::File { file: shown(path), detail: plain(&error) };
    let mut bytes = Zeroizing::new(Vec::with_capacity(4096));
    File::open(path).map_err(failed)?.take(LARGEST as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    secret(&bytes, || format!("the file {}", shown(path)))
}

/// The system's words without its number.
fn plain(error: &io::Error) -> String {
    match common(error.kind()) {
        Some(words) => words.to_owned(),
        None => culvert_protocol::text::clean(&error.to_string(), 200),
    }
}

/// Why a file cannot be read, in plain words where it is one of the usual reasons, else in the library's.
pub(crate) fn unreadable(kind: io::ErrorKind) -> String {
    common(kind).map_or_else(|| kind.to_string(), str::to_owned)
}

fn common(kind: io::ErrorKind) -> Option<&'static str> {
    match kind {
        io::ErrorKind::NotFound => Some("there is no such file"),
        io::ErrorKind::PermissionDenied => Some("this user may not read it"),
        io::ErrorKind::IsADirectory => Some("it is a folder"),
        _ => None,
    }
}

/// Bytes as a secret; `place` names where they are from.
pub(super) fn secret(bytes: &[u8], place: impl Fn() -> String) -> Result<Secret, SecretError> {
    if bytes.len() > LARGEST {
        return Err(SecretError::TooLarge(place()));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| SecretError::NotText(place()))?;
    // What Windows' editors put first is no part of it.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).trim();
    match text {
        "" => Err(SecretError::Empty(place())),
        _ if text.contains(char::is_control) => Err(SecretError::NotText(place())),
        _ => Ok(Secret::new(text)),
    }
}

/// What had better be otherwise with a secret's file, judged as ssh judges a private key: who owns the file answers
/// for its mode. Root's files, such as mounted Secrets, are root's business.
#[cfg(unix)]
pub(super) fn notice(path: &Path) -> Option<SecretNotice> {
    use std::os::unix::fs::MetadataExt as _;
    let found = fs::metadata(path).ok().filter(Metadata::is_file)?;
    let (us, mode) = (nix::unistd::geteuid().as_raw(), found.mode() & 0o777);
    let file = || shown(path);
    match found.uid() {
        owner if owner == us && mode & 0o077 != 0 => {
            Some(SecretNotice::ReadableByOthers { file: file(), mode, volume: volume(path) })
        }
        owner if owner == us || owner == 0 => None,
        owner => Some(SecretNotice::ForeignOwner { file: file(), owner }),
    }
}

/// Elsewhere permissions are lists, which say too little at a glance.
#[cfg(not(unix))]
pub(super) fn notice(_path: &Path) -> Option<SecretNotice> {
    None
}

/// Kubernetes' mounted volumes lead through a symlink `..data` to a folder `..TIME`.
#[cfg(unix)]
fn volume(path: &Path) -> Volume {
    let whole = fs::canonicalize(path).unwrap_or_default();
    let folder = whole.parent().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    match folder {
        Some(name) if name.starts_with("..") => Volume::Kubernetes,
        _ => Volume::Ordinary,
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::path::PathBuf;

    use super::*;

    fn write(path: &Path, text: &str, mode: u32) {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    /// A Secret's volume as the kubelet lays it out: `token` → `..data/token`, `..data` → `..TIME`.
    fn volume_with(folder: &Path, time: &str, text: &str, mode: u32) -> PathBuf {
        fs::create_dir(folder.join(time)).unwrap();
        write(&folder.join(time).join("token"), text, mode);
        symlink(time, folder.join("..data.new")).unwrap();
        fs::rename(folder.join("..data.new"), folder.join("..data")).unwrap();
        let _ = symlink("..data/token", folder.join("token"));
        folder.join("token")
    }

    #[test]
    fn a_file_is_its_text() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t");
        for (text, read_as) in [("hunter2\n", Ok("hunter2")), ("\u{feff}hunter2\r\n", Ok("hunter2"))] {
            write(&path, text, 0o600);
            assert_eq!(read(&path).map(|secret| secret.expose().to_owned()), read_as.map(str::to_owned));
        }
        write(&path, " \n", 0o600);
        assert!(matches!(read(&path), Err(SecretError::Empty(_))));
        write(&path, "a\nb", 0o600);
        assert!(matches!(read(&path), Err(SecretError::NotText(_))));
        fs::write(&path, [0xff, 0xfe]).unwrap();
        assert!(matches!(read(&path), Err(SecretError::NotText(_))));
        write(&path, &"x".repeat(LARGEST + 1), 0o600);
        assert!(matches!(read(&path), Err(SecretError::TooLarge(_))));
        let none = read(&folder.path().join("none")).unwrap_err();
        assert!(none.to_string().ends_with("there is no such file"), "{none}");
        assert!(read(folder.path()).unwrap_err().to_string().ends_with("it is a folder"));
    }

    #[test]
    fn a_file_that_others_can_read_is_told_and_a_private_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t");
        for mode in [0o600, 0o400] {
            write(&path, "t", mode);
            assert_eq!(notice(&path), None, "{mode:o}");
        }
        for mode in [0o640, 0o604, 0o660] {
            write(&path, "t", mode);
            let told = notice(&path);
            let volume = Volume::Ordinary;
            assert_eq!(told, Some(SecretNotice::ReadableByOthers { file: shown(&path), mode, volume }));
        }
    }

    #[test]
    fn another_users_file_is_told_and_a_missing_one_is_nothing_to_judge() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t");
        assert_eq!(notice(&path), None);
        write(&path, "t", 0o644);
        // Only root can give a file away.
        if nix::unistd::geteuid().is_root() {
            nix::unistd::chown(&path, Some(65534.into()), None).unwrap();
            assert_eq!(notice(&path), Some(SecretNotice::ForeignOwner { file: shown(&path), owner: 65534 }));
        }
    }

    #[test]
    fn a_mounted_secret_works_and_its_notice_fits_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = volume_with(folder.path(), "..2026_11_22_10_00_00.1", "one\n", 0o644);
        assert_eq!(read(&path).unwrap().expose(), "one");
        let told = notice(&path);
        assert!(
            matches!(told, Some(SecretNotice::ReadableByOthers { volume: Volume::Kubernetes, .. })),
            "our own file, as for a container that runs as root: {told:?}"
        );
        let before = Stamp::of(&path).unwrap();
        assert_eq!(Stamp::of(&path), Some(before.clone()));
        volume_with(folder.path(), "..2026_11_22_11_00_00.2", "two\n", 0o644);
        assert_ne!(Stamp::of(&path), Some(before), "the swapped symlink is seen");
        assert_eq!(read(&path).unwrap().expose(), "two");
    }

    #[test]
    fn a_renamed_successor_of_the_same_size_and_date_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let (path, next) = (folder.path().join("t"), folder.path().join("t.new"));
        write(&path, "one", 0o600);
        let before = Stamp::of(&path).unwrap();
        write(&next, "two", 0o600);
        File::options().write(true).open(&next).unwrap().set_modified(before.modified.unwrap()).unwrap();
        fs::rename(&next, &path).unwrap();
        assert_ne!(Stamp::of(&path), Some(before));
        fs::remove_file(&path).unwrap();
        assert_eq!(Stamp::of(&path), None);
    }
}
