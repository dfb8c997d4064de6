//! Whether files are still what they were: looked at again and again, which notices edits in place, files moved into
//! place and swapped symbolic links alike, on every file system.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// What tells one state of a file or folder from the next.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Fingerprint(Vec<Trace>);

/// One file as it was found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Trace {
    /// Where its name leads; a swapped link leads elsewhere.
    path: PathBuf,
    changed: Option<SystemTime>,
    length: u64,
    inode: u64,
}

/// How many files of a folder are looked at.
const MOST_FILES: usize = 1000;

impl Fingerprint {
    /// Of a file, or of a folder with the files in it. What is not there has one, too.
    pub(crate) fn of(path: &Path) -> Self {
        let mut traces = vec![trace(path)];
        if path.is_dir() {
            let files = fs::read_dir(path).into_iter().flatten().flatten();
            traces.extend(files.take(MOST_FILES).map(|file| trace(&file.path())));
            traces.sort();
        }
        Self(traces)
    }
}

fn trace(path: &Path) -> Trace {
    let found = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let (changed, length, inode) = match fs::metadata(&found) {
        Ok(metadata) => (metadata.modified().ok(), metadata.len(), inode(&metadata)),
        Err(_) => (None, 0, 0),
    };
    Trace { path: found, changed, length, inode }
}

#[cfg(unix)]
fn inode(metadata: &fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(metadata)
}

#[cfg(not(unix))]
fn inode(_: &fs::Metadata) -> u64 {
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_renames_and_new_files_are_seen() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.yaml");
        let (none, empty) = (Fingerprint::of(&file), Fingerprint::of(folder.path()));
        fs::write(&file, "a").unwrap();
        let one = Fingerprint::of(&file);
        assert_ne!(one, none);
        assert_ne!(Fingerprint::of(folder.path()), empty);
        assert_eq!(Fingerprint::of(&file), one);
        fs::write(&file, "ab").unwrap();
        let longer = Fingerprint::of(&file);
        assert_ne!(longer, one);
        let other = folder.path().join("b.yaml");
        fs::write(&other, "cd").unwrap();
        fs::rename(&other, &file).unwrap();
        assert_ne!(Fingerprint::of(&file), longer);
    }

    #[cfg(unix)]
    #[test]
    fn a_swapped_link_is_seen_though_both_files_are_alike() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for version in ["v1", "v2"] {
            fs::create_dir(at(version)).unwrap();
            fs::write(at(version).join("config.yaml"), "same").unwrap();
        }
        symlink("v1", at("..data")).unwrap();
        symlink("..data/config.yaml", at("config.yaml")).unwrap();
        let before = Fingerprint::of(&at("config.yaml"));
        symlink("v2", at("..new")).unwrap();
        fs::rename(at("..new"), at("..data")).unwrap();
        assert_ne!(Fingerprint::of(&at("config.yaml")), before);
    }
}
