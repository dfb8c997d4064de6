//! The handle of a running Culvert: what can be asked of it, and what it shows.

use std::collections::BTreeSet;
use std::sync::Arc;

use culvert_profiles::{ConfigError, Loaded, ProfileKey, SecretSources};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use crate::overview::Overview;
use crate::runner::{Command, Runner};
use crate::source::Source;
use crate::terms::{NoTerms, Terms};

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
