//! The catalog on disk: read once, written whole whenever it changed, several changes at a time.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::catalog::Catalog;
use crate::error::GatewayError;
use crate::state_dir;

/// The longest that somebody waits for a change to be on disk: a slow disk must not keep servers from registering.
const MAX_WAIT: Duration = Duration::from_secs(2);

/// How soon a write that failed is tried again, as on a full disk.
const AGAIN: Duration = Duration::from_secs(5);

/// Reads the catalog. One that cannot be understood is kept beside, as `….broken`, and an empty one takes its place.
///
/// # Errors
/// [`GatewayError::State`] when the file is there and cannot be read or moved aside.
pub(crate) fn load(path: &Path) -> Result<Catalog, GatewayError> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Catalog::default()),
        Err(error) => return Err(GatewayError::state(path, error)),
    };
    Catalog::parse(&text).or_else(|why| {
        let mut aside = path.to_owned().into_os_string();
        aside.push(".broken");
        fs::rename(path, &aside).map_err(|error| GatewayError::state(path, error))?;
        tracing::error!(
            file = %path.display(), kept_as = %Path::new(&aside).display(), why,
            "the catalog cannot be read; it starts empty and fills as servers register"
        );
        Ok(Catalog::default())
    })
}

/// Counts changes, and those of them that are on disk.
#[derive(Debug)]
pub(crate) struct Changes {
    made: watch::Sender<u64>,
    written: watch::Sender<u64>,
    failed: AtomicBool,
}

impl Default for Changes {
    fn default() -> Self {
        Self { made: watch::Sender::new(0), written: watch::Sender::new(0), failed: AtomicBool::new(false) }
    }
}

impl Changes {
    /// The catalog has changed.
    pub(crate) fn note(&self) {
        self.made.send_modify(|count| *count += 1);
    }

    /// Whether the last try to write worked.
    pub(crate) fn are_written(&self) -> bool {
        !self.failed.load(Ordering::Relaxed)
    }

    /// Waits until all changes of this moment were written, or could not be; two seconds at most.
    pub(crate) async fn written(&self) {
        let made = *self.made.borrow();
        let mut written = self.written.subscribe();
        if timeout(MAX_WAIT, written.wait_for(|count| *count >= made)).await.is_err() {
            tracing::warn!("writing the catalog takes long");
        }
    }

    /// Writes changes as they come, for ever. `snapshot` gives the catalog's written form.
    pub(crate) async fn keep_writing(&self, path: PathBuf, snapshot: impl Fn() -> Vec<u8>) {
        let mut made = self.made.subscribe();
        loop {
            let has_failed = !self.are_written();
            let changed = made.wait_for(|count| *count > *self.written.borrow());
            let count = tokio::select! {
                changed = changed => match changed {
                    Ok(count) => *count,
                    // The sender lives as long as this future does.
                    Err(_) => return,
                },
                () = sleep(AGAIN), if has_failed => *self.made.borrow(),
            };
            self.write(count, path.clone(), snapshot()).await;
        }
    }

    /// Writes what is not written yet.
    pub(crate) async fn write_rest(&self, path: PathBuf, snapshot: impl Fn() -> Vec<u8>) {
        let made = *self.made.borrow();
        if made > *self.written.borrow() || !self.are_written() {
            self.write(made, path, snapshot()).await;
        }
    }

    async fn write(&self, count: u64, path: PathBuf, text: Vec<u8>) {
        let file = path.clone();
        let written = tokio::task::spawn_blocking(move || state_dir::replace(&file, &text)).await;
        let had_failed = self.failed.swap(!matches!(written, Ok(Ok(()))), Ordering::Relaxed);
        match written {
            Ok(Ok(())) if had_failed => tracing::info!(file = %path.display(), "the catalog is written again"),
            Ok(Ok(())) => {}
            Ok(Err(_)) if had_failed => {}
            Ok(Err(error)) => tracing::error!(file = %path.display(), %error, "the catalog cannot be written"),
            Err(error) => tracing::error!(%error, "the catalog was not written"),
        }
        self.written.send_replace(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;

    #[test]
    fn a_corrupt_file_is_kept_aside_and_an_unreadable_one_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("catalog.json");
        assert_eq!(load(&path).unwrap().iter().count(), 0);
        fs::write(&path, "{\"version\":1,\"ser").unwrap();
        assert_eq!(load(&path).unwrap().iter().count(), 0);
        assert!(!path.exists());
        assert_eq!(fs::read(folder.path().join("catalog.json.broken")).unwrap(), b"{\"version\":1,\"ser");
        fs::create_dir(&path).unwrap();
        assert!(matches!(load(&path), Err(GatewayError::State { .. })));
    }

    #[tokio::test]
    async fn changes_are_on_disk_when_the_wait_ends_and_are_written_together() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("catalog.json");
        let changes = Arc::new(Changes::default());
        for _ in 0..100 {
            changes.note();
        }
        let snapshots = Arc::new(AtomicUsize::new(0));
        let writer = tokio::spawn({
            let (changes, path, snapshots) = (changes.clone(), path.clone(), snapshots.clone());
            async move {
                let snapshot = || format!("{}", snapshots.fetch_add(1, Ordering::SeqCst)).into_bytes();
                changes.keep_writing(path, snapshot).await;
            }
        });
        changes.written().await;
        assert_eq!(fs::read(&path).unwrap(), b"0", "a hundred changes, one write");
        changes.note();
        changes.written().await;
        assert_eq!(fs::read(&path).unwrap(), b"1");
        writer.abort();
        changes.note();
        changes.write_rest(path.clone(), || b"rest".to_vec()).await;
        assert_eq!(fs::read(&path).unwrap(), b"rest");
    }

    #[tokio::test]
    async fn a_full_or_missing_disk_holds_nobody_up() {
        let changes = Changes::default();
        changes.note();
        changes.write_rest("/nonexistent/catalog.json".into(), Vec::new).await;
        changes.written().await;
        assert!(!changes.are_written());
    }
}
