//! The tools that the user has approved, one profile's: handed to the tunnels that run, kept in a file, and read again
//! when somebody else has written it.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use culvert_profiles::{ApprovedFile, Profile};
use culvert_protocol::Explain;
use culvert_protocol::tool_policy::{Approved, Definition, Rules};
use culvert_tunnel::LivePolicy;
use thiserror::Error;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use crate::tools::{Decided, Decision};

/// How often the file is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// How long a file system may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The approvals of one profile's local server.
#[derive(Debug)]
pub(crate) struct Approvals {
    inside: Arc<Inside>,
    keeping: JoinHandle<()>,
}

#[derive(Debug)]
struct Inside {
    profile: String,
    live: LivePolicy,
    /// None: there is no folder for it, and approvals last as long as this process.
    file: Option<ApprovedFile>,
    /// What the file holds, as far as is known here.
    saved: Mutex<Option<Approved>>,
    /// One writes at a time.
    writing: tokio::sync::Mutex<()>,
}

/// Why a decision about tools is not taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Undecided {
    /// Nothing is held back.
    #[error("this profile does not hold changed tools back")]
    NothingHeld,
    /// It is not the tool that was looked at.
    #[error("the tool {0} is not there any more as it was looked at")]
    Stale(String),
    /// It would be forgotten.
    #[error("what was decided cannot be saved: {0}")]
    Unsaved(String),
}

impl Explain for Undecided {
    fn code(&self) -> &'static str {
        match self {
            Self::NothingHeld => "tools.nothing_held",
            Self::Stale(_) => "tools.stale",
            Self::Unsaved(_) => "tools.unsaved",
        }
    }

    fn action(&self) -> std::borrow::Cow<'static, str> {
        match self {
            Self::NothingHeld => "Set `hold_changed_tools: true` in it first.".into(),
            Self::Stale(_) => "Look at the list again.".into(),
            Self::Unsaved(_) => "Check the state folder and its disk.".into(),
        }
    }
}

impl Approvals {
    /// Those of `profile`, in `folder`, for what runs with `live`.
    pub(crate) fn begin(folder: Option<&Path>, profile: &Profile, live: LivePolicy) -> Self {
        let file = folder.map(|folder| ApprovedFile::of(folder, profile));
        let inside = Arc::new(Inside {
            profile: profile.name.to_string(),
            live,
            file,
            saved: Mutex::default(),
            writing: tokio::sync::Mutex::default(),
        });
        inside.live.forget_listed();
        inside.take_in(inside.file.as_ref().map_or(Ok(None), ApprovedFile::read));
        let keeping = tokio::spawn(inside.clone().keep());
        Self { inside, keeping }
    }

    /// Whether they are those of `profile` as it is now.
    pub(crate) fn is_for(&self, folder: Option<&Path>, profile: &Profile) -> bool {
        self.inside.file == folder.map(|folder| ApprovedFile::of(folder, profile))
    }

    /// What takes decisions.
    pub(crate) fn desk(&self) -> Decider {
        Decider(self.inside.clone())
    }
}

impl Drop for Approvals {
    fn drop(&mut self) {
        self.keeping.abort();
    }
}

/// Takes the user's decisions about one profile's tools.
#[derive(Debug, Clone)]
pub(crate) struct Decider(Arc<Inside>);

impl Decider {
    /// Does as decided: saved first, then in force. All of it or nothing.
    pub(crate) async fn decide(&self, decisions: &[Decision]) -> Result<(), Undecided> {
        let inside = &self.0;
        let _writing = inside.writing.lock().await;
        let (rules, listed) = inside.live.look();
        let approved = decided(&rules, listed.as_deref().unwrap_or_default(), decisions)?;
        inside.write(&approved).await.map_err(|error| Undecided::Unsaved(error.to_string()))?;
        inside.live.set_approved(Some(approved));
        Ok(())
    }
}

/// What is approved after these decisions about what was listed.
///
/// # Errors
/// [`Undecided`], but for saving.
pub(crate) fn decided(rules: &Rules, listed: &[Definition], decisions: &[Decision]) -> Result<Approved, Undecided> {
    let mut approved = rules.approved.clone().filter(|_| rules.holds()).ok_or(Undecided::NothingHeld)?;
    for Decision { name, digest, decided } in decisions {
        let is_it = |tool: &&Definition| tool.name() == name && tool.digest().to_string() == *digest;
        let tool = listed.iter().find(is_it);
        let tool = tool.ok_or_else(|| Undecided::Stale(culvert_protocol::text::clean(name, 128)))?;
        match decided {
            Decided::Approve => approved.approve(tool.clone()),
            Decided::KeepBlocked => approved.keep_back(name, tool.digest()),
        }
    }
    Ok(approved)
}

impl Inside {
    /// Saves the first approval, which comes about by itself, and takes up what others have saved.
    async fn keep(self: Arc<Self>) {
        let mut revisions = self.live.revisions();
        let mut seen = self.stamp();
        let mut is_told = false;
        loop {
            let is_kept = self.live.look().0.holds() && self.file.is_some();
            tokio::select! {
                changed = revisions.changed() => if changed.is_err() { return },
                () = sleep(LOOK), if is_kept => {}
            }
            if !self.live.look().0.holds() {
                continue;
            }
            let writing = self.writing.lock().await;
            let now = self.stamp();
            if now != seen {
                seen = now;
                let read = self.file.as_ref().map_or(Ok(None), ApprovedFile::read);
                // Somebody took it away: what is in force stays, and is written again.
                if !matches!(read, Ok(None)) {
                    self.take_in(read);
                }
            }
            let approved = self.live.look().0.approved.clone();
            if let Some(approved) = approved.filter(|approved| self.saved().as_ref() != Some(approved)) {
                match self.write(&approved).await {
                    Ok(()) => is_told = false,
                    Err(error) if !std::mem::replace(&mut is_told, true) => {
                        warn!(profile = self.profile, "what was approved of its tools cannot be saved: {error}");
                    }
                    Err(_) => {}
                }
                seen = self.stamp();
            }
            drop(writing);
        }
    }

    fn take_in(&self, read: io::Result<Option<Approved>>) {
        let approved = match read {
            Ok(approved) => approved,
            Err(error) => {
                let profile = &self.profile;
                warn!(profile, "what was approved of its tools cannot be read, so nothing counts as approved: {error}");
                Some(Approved::default())
            }
        };
        (*self.saved()).clone_from(&approved);
        if self.live.look().0.approved != approved {
            info!(profile = self.profile, "what is approved of its tools was read");
        }
        self.live.set_approved(approved);
    }

    async fn write(&self, approved: &Approved) -> io::Result<()> {
        if let Some(file) = &self.file {
            let (file, profile, approved) = (file.clone(), self.profile.clone(), approved.clone());
            let written = spawn_blocking(move || file.write(&profile, &approved));
            match timeout(PATIENCE, written).await {
                Ok(Ok(written)) => written?,
                Ok(Err(_)) | Err(_) => return Err(io::ErrorKind::TimedOut.into()),
            }
        }
        *self.saved() = Some(approved.clone());
        Ok(())
    }

    /// What tells one content of the file from another.
    fn stamp(&self) -> Option<(SystemTime, u64)> {
        let about = std::fs::metadata(&self.file.as_ref()?.0).ok()?;
        Some((about.modified().ok()?, about.len()))
    }

    fn saved(&self) -> MutexGuard<'_, Option<Approved>> {
        self.saved.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
