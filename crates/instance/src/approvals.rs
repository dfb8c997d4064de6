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
                // Whether this was the last to be written shows when it is read again.
                seen = None;
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

#[cfg(test)]
mod tests {
    use culvert_profiles::{ConfigFile, Platform, Surroundings, loaded};
    use culvert_protocol::tool_policy::{ChangedTools, ToolPolicy};

    use super::*;

    fn profile() -> Profile {
        let surroundings = Surroundings {
            variable: &|_| None,
            secret_file: &|_| Err(io::ErrorKind::NotFound.into()),
            host: "h".to_owned(),
            folder: "/".into(),
            platform: Platform::Unix,
        };
        let yaml = "name: git\ncommand: x\ngateway: https://g\n";
        let file = ConfigFile::parse(yaml, Path::new("a.yaml")).unwrap();
        loaded(Default::default(), Some(file), &surroundings).unwrap().profiles.remove(0)
    }

    fn tool(name: &str, description: &str) -> Definition {
        Definition::parse(&format!(r#"{{"name":"{name}","description":"{description}"}}"#)).unwrap()
    }

    /// A profile that runs.
    struct Running {
        live: LivePolicy,
        approvals: Approvals,
    }

    fn run(folder: &Path) -> Running {
        let live = LivePolicy::default();
        let approvals = Approvals::begin(Some(folder), &profile(), live.clone());
        live.set(ToolPolicy { changed: ChangedTools::Held, ..ToolPolicy::default() });
        Running { live, approvals }
    }

    async fn until(what: impl Fn() -> bool) {
        let waiting = async {
            while !what() {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(Duration::from_secs(20), waiting).await.expect("it comes about");
    }

    fn decision(tool: &Definition, decided: Decided) -> Decision {
        Decision { name: tool.name().to_owned(), digest: tool.digest().to_string(), decided }
    }

    #[tokio::test]
    async fn the_first_list_and_every_decision_outlive_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let file = ApprovedFile::of(folder.path(), &profile());
        let (one, two) = (tool("a", "one"), tool("a", "two"));
        let first = run(folder.path());
        first.live.listed(vec![one.clone(), tool("b", "x")]);
        until(|| file.read().is_ok_and(|read| read.is_some())).await;
        drop(first);

        let second = run(folder.path());
        second.live.listed(vec![two.clone(), tool("b", "x"), tool("c", "new")]);
        assert_eq!(*second.live.attention().borrow(), 2, "a has changed, c is new");
        let desk = second.approvals.desk();
        let stale = desk.decide(&[decision(&two, Decided::Approve), decision(&one, Decided::Approve)]).await;
        assert_eq!(stale, Err(Undecided::Stale("a".to_owned())));
        assert_eq!(*second.live.attention().borrow(), 2, "all of it or nothing");
        let both = [decision(&two, Decided::Approve), decision(&tool("c", "new"), Decided::KeepBlocked)];
        desk.decide(&both).await.unwrap();
        assert_eq!(*second.live.attention().borrow(), 0, "at once");
        drop(second);

        let third = run(folder.path());
        third.live.listed(vec![two, tool("b", "x"), tool("c", "new")]);
        assert_eq!(*third.live.attention().borrow(), 0);
        third.live.listed(vec![one, tool("c", "newer")]);
        assert_eq!(*third.live.attention().borrow(), 2, "neither what it was, nor what was kept back");
    }

    #[tokio::test]
    async fn what_another_process_has_approved_is_taken_up() {
        let folder = tempfile::tempdir().unwrap();
        let file = ApprovedFile::of(folder.path(), &profile());
        let running = run(folder.path());
        running.live.listed(vec![tool("a", "one")]);
        until(|| file.read().is_ok_and(|read| read.is_some())).await;
        running.live.listed(vec![tool("a", "two, and more")]);
        assert_eq!(*running.live.attention().borrow(), 1);
        file.write("git", &Approved::all([tool("a", "two, and more")])).unwrap();
        until(|| *running.live.attention().borrow() == 0).await;
    }

    #[tokio::test]
    async fn where_it_cannot_be_read_nothing_is_approved_and_where_it_cannot_be_saved_nothing_changes() {
        let folder = tempfile::tempdir().unwrap();
        let file = ApprovedFile::of(folder.path(), &profile());
        std::fs::write(&file.0, "{").unwrap();
        let running = run(folder.path());
        let one = tool("a", "one");
        running.live.listed(vec![one.clone()]);
        assert_eq!(*running.live.attention().borrow(), 1);
        assert_eq!(std::fs::read_to_string(&file.0).unwrap(), "{", "what is in it may still be rescued");
        // A folder in its place, which root cannot write either.
        std::fs::remove_file(&file.0).unwrap();
        std::fs::create_dir_all(file.0.join("x")).unwrap();
        let refused = running.approvals.desk().decide(&[decision(&one, Decided::Approve)]).await;
        assert!(matches!(refused, Err(Undecided::Unsaved(_))), "{refused:?}");
        assert_eq!(*running.live.attention().borrow(), 1);
    }

    #[tokio::test]
    async fn without_the_key_there_is_nothing_to_decide() {
        let folder = tempfile::tempdir().unwrap();
        let live = LivePolicy::default();
        let approvals = Approvals::begin(Some(folder.path()), &profile(), live.clone());
        live.listed(vec![tool("a", "one")]);
        let decided = approvals.desk().decide(&[decision(&tool("a", "one"), Decided::Approve)]).await;
        assert_eq!(decided, Err(Undecided::NothingHeld));
        assert!(std::fs::read_dir(folder.path()).unwrap().next().is_none(), "and nothing is written");
    }
}
