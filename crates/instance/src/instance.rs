//! The handle of a running Culvert: what can be asked of it, and what it shows.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use culvert_profiles::{ConfigError, Loaded, ProfileKey, SecretSources};
use culvert_protocol::Explain;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use crate::approvals::Undecided;
use crate::overview::Overview;
use crate::runner::{Command, Runner};
use crate::source::Source;
use crate::terms::{NoTerms, Terms};
use crate::tools::{Decision, Tools};

/// Commands that may wait at once; more wait for a place.
const COMMANDS: usize = 32;

/// What an instance is started with.
#[derive(Debug)]
pub struct Setup {
    /// Where its configuration comes from; it is read again when it changes.
    pub source: Source,
    /// What was read from there last.
    pub loaded: Loaded,
    /// Which profiles are to be up from the start. `None`: all there are, and all that come.
    pub wanted: Option<BTreeSet<ProfileKey>>,
    /// Where secrets come from.
    pub secrets: SecretSources,
    /// The folder of what was approved of profiles' tools; without one, approvals end with the instance.
    pub approved: Option<PathBuf>,
    /// Spreads waits.
    pub random: fastrand::Rng,
}

/// A running Culvert. Clones are the same; when all are gone, it ends.
#[derive(Debug, Clone)]
pub struct Instance {
    commands: mpsc::Sender<Command>,
    overview: watch::Receiver<Arc<Overview>>,
}

/// The instance has ended, or there is no such profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotHere {
    /// The instance has ended.
    Instance,
    /// It has no such profile.
    Profile,
}

/// Why a decision is not taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NotDecided {
    /// Nobody is there to take it.
    #[error("{}", match .0 { NotHere::Instance => "this Culvert is just ending", NotHere::Profile => "this profile is not there any more" })]
    Gone(NotHere),
    /// It cannot be taken.
    #[error(transparent)]
    Undecided(Undecided),
}

impl Explain for NotDecided {
    fn code(&self) -> &'static str {
        match self {
            Self::Gone(NotHere::Instance) => "instance.ending",
            Self::Gone(NotHere::Profile) => "profile.unknown",
            Self::Undecided(why) => why.code(),
        }
    }

    fn action(&self) -> Cow<'static, str> {
        match self {
            Self::Gone(NotHere::Instance) => "Try again.".into(),
            Self::Gone(NotHere::Profile) => "Look at the list again.".into(),
            Self::Undecided(why) => why.action(),
        }
    }
}

impl Instance {
    /// Starts every wanted tunnel. The second value completes when all of it has ended. Within a tokio runtime.
    pub fn start(setup: Setup) -> (Self, JoinHandle<()>) {
        Self::start_under(setup, Arc::new(NoTerms))
    }

    /// As [`start`](Self::start), and under these terms.
    pub fn start_under(setup: Setup, terms: Arc<dyn Terms>) -> (Self, JoinHandle<()>) {
        let (commands, requests) = mpsc::channel(COMMANDS);
        let (sender, overview) = watch::channel(Arc::default());
        let runner = Runner::new(setup, terms, sender);
        let ended = tokio::spawn(runner.run(requests));
        (Self { commands, overview }, ended)
    }

    /// What there is, followed as it changes. Closed when the instance has ended.
    pub fn overview(&self) -> watch::Receiver<Arc<Overview>> {
        self.overview.clone()
    }

    /// Has a profile's tunnels up, or down.
    ///
    /// # Errors
    /// [`NotHere`].
    pub async fn want(&self, profile: ProfileKey, wanted: bool) -> Result<(), NotHere> {
        self.ask(|done| Command::Want { profile, wanted, done }).await?
    }

    /// Ends the waits between tries of a profile, or of all.
    ///
    /// # Errors
    /// [`NotHere`].
    pub async fn reconnect(&self, profile: Option<ProfileKey>) -> Result<(), NotHere> {
        self.ask(|done| Command::Reconnect { profile, done }).await?
    }

    /// Reads the configuration again, changed or not. `Ok`: it stands; else what runs is its last good version.
    ///
    /// # Errors
    /// [`NotHere`] outside; inside, why the configuration as a whole cannot be used.
    pub async fn reload(&self) -> Result<Result<(), ConfigError>, NotHere> {
        self.ask(|done| Command::Reload { done }).await
    }

    /// The tools of a profile's local server; [`ProfileView::policy`](crate::ProfileView) tells when they change.
    ///
    /// # Errors
    /// [`NotHere::Profile`].
    pub fn tools(&self, profile: &ProfileKey) -> Result<Tools, NotHere> {
        self.overview.borrow().profile(profile).map(|view| Tools::of(&view.policy)).ok_or(NotHere::Profile)
    }

    /// Approves held tools, or keeps them blocked: all of these or none. It holds at once, and after a restart.
    ///
    /// # Errors
    /// [`NotDecided`]; nothing is changed then.
    pub async fn decide(&self, profile: ProfileKey, decisions: &[Decision]) -> Result<Tools, NotDecided> {
        let decider =
            self.ask(|done| Command::Decider { profile: profile.clone(), done }).await.and_then(|found| found);
        decider.map_err(NotDecided::Gone)?.decide(decisions).await.map_err(NotDecided::Undecided)?;
        self.tools(&profile).map_err(NotDecided::Gone)
    }

    /// Asks every tunnel to end: calls in flight may finish, within a bound.
    pub async fn stop(&self) {
        let _ = self.commands.send(Command::Stop).await;
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, NotHere> {
        let (done, answer) = oneshot::channel();
        self.commands.send(command(done)).await.map_err(|_| NotHere::Instance)?;
        answer.await.map_err(|_| NotHere::Instance)
    }
}
