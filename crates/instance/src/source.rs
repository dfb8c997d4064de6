//! Where an instance's configuration comes from, and whether it is another one by now.

use std::path::PathBuf;
use std::time::Duration;

use culvert_profiles::{ConfigError, Loaded, Settings, Surroundings};
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

use crate::fingerprint::Fingerprint;

/// How often files are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// How long files must rest before they are read, so that whoever writes them in place is not interrupted.
const SETTLED: Duration = Duration::from_millis(200);

/// How often that is waited for; then files that never rest are read as they are.
const RESTLESS: u32 = 10;

/// How long a file system may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Flags, and the file or folder that they were given with.
#[derive(Debug, Clone, Default)]
pub struct Source {
    /// What the flags say.
    pub flags: Settings,
    /// The file or folder of profiles, if there is one.
    pub config: Option<PathBuf>,
    /// What a folder without any profile is.
    pub empty: Empty,
}

/// What a folder without any profile is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Empty {
    /// A mistake: somebody named it for what should be in it.
    #[default]
    Mistake,
    /// All right: nothing is saved, or nothing any more.
    Fine,
}

impl Source {
    /// Reads everything as it is now, with this process's environment.
    ///
    /// # Errors
    /// [`ConfigError`] about the configuration as a whole; entries that cannot be used are in the result.
    pub fn read(&self) -> Result<Loaded, ConfigError> {
        match (&self.config, self.empty) {
            (Some(folder), Empty::Fine) if !folder.exists() => return Ok(Loaded::default()),
            _ => {}
        }
        match Loaded::read(self.flags.clone(), self.config.as_deref(), &Surroundings::of_this_process()) {
            Err(ConfigError::EmptyFolder { .. }) if self.empty == Empty::Fine => Ok(Loaded::default()),
            read => read,
        }
    }

    /// As [`read`](Self::read), away from this thread. `None`: the file system gives no answer.
    pub(crate) async fn read_apart(&self) -> Option<Result<Loaded, ConfigError>> {
        let source = self.clone();
        timeout(PATIENCE, spawn_blocking(move || source.read())).await.ok()?.ok()
    }

    async fn fingerprint(&self) -> Option<Fingerprint> {
        let path = self.config.clone()?;
        spawn_blocking(move || Fingerprint::of(&path)).await.ok()
    }
}

/// Keeps an eye on a source.
#[derive(Debug)]
pub(crate) struct Watch {
    source: Source,
    last: Option<Fingerprint>,
}

/// What a look found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    /// Files that may be as they were read before there was a look at them.
    Anything,
    /// Others than at the last look.
    Change,
}

impl Watch {
    /// Begins to watch what was read some time before. The first look always finds a change, so that none is lost that
    /// came between that read and this.
    pub(crate) fn new(source: Source) -> Self {
        Self { source, last: None }
    }

    /// Completes when files have changed and rest again; without files, never. Cancel safe: what was not told is told
    /// next time.
    pub(crate) async fn changed(&mut self) -> Seen {
        if self.source.config.is_none() {
            return std::future::pending().await;
        }
        loop {
            sleep(LOOK).await;
            let mut now = self.source.fingerprint().await;
            if now == self.last {
                continue;
            }
            for _ in 0..RESTLESS {
                sleep(SETTLED).await;
                let before = std::mem::replace(&mut now, self.source.fingerprint().await);
                if before == now {
                    break;
                }
            }
            let known = std::mem::replace(&mut self.last, now).is_some();
            return if known { Seen::Change } else { Seen::Anything };
        }
    }
}
