//! The task that owns all tunnels of an instance: it takes in configurations and wishes, one after the other.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use culvert_audit::Log;
use culvert_profiles::{Change, ConfigError, Loaded, Profile, ProfileKey, SecretSources, Step, TunnelKey, compare};
use culvert_protocol::Explain as _;
use culvert_tunnel::activity::Audit;
use culvert_tunnel::{LivePolicy, Turnstile};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tracing::{info, warn};

use crate::approvals::{Approvals, Decider};
use crate::audit::{Logs, OfTunnel};
use crate::instance::{NotHere, Setup};
use crate::lane::Lane;
use crate::overview::{Overview, ProfileView};
use crate::signs::{Sign, Signs};
use crate::source::{Seen, Source, Watch};
use crate::terms::Terms;

/// What an instance is asked.
#[derive(Debug)]
pub(crate) enum Command {
    Want { profile: ProfileKey, wanted: bool, done: oneshot::Sender<Result<(), NotHere>> },
    Reconnect { profile: Option<ProfileKey>, done: oneshot::Sender<Result<(), NotHere>> },
    Reload { done: oneshot::Sender<Result<(), ConfigError>> },
    Decider { profile: ProfileKey, done: oneshot::Sender<Result<Decider, NotHere>> },
    Stop,
}

/// Which profiles are to be up.
#[derive(Debug)]
enum Wanted {
    /// All but these.
    AllBut(BTreeSet<ProfileKey>),
    /// These.
    Only(BTreeSet<ProfileKey>),
}

impl Wanted {
    fn has(&self, profile: &ProfileKey) -> bool {
        match self {
            Self::AllBut(not) => !not.contains(profile),
            Self::Only(these) => these.contains(profile),
        }
    }

    fn set(&mut self, profile: ProfileKey, wanted: bool) {
        let (set, is_member) = match self {
            Self::AllBut(not) => (not, !wanted),
            Self::Only(these) => (these, wanted),
        };
        if is_member {
            set.insert(profile);
        } else {
            set.remove(&profile);
        }
    }
}

/// Owns the tunnels.
#[derive(Debug)]
pub(crate) struct Runner {
    source: Source,
    watch: Watch,
    signs: Signs,
    secrets: SecretSources,
    terms: Arc<dyn Terms>,
    random: fastrand::Rng,
    profiles: Vec<Profile>,
    rest: Loaded,
    trouble: Option<ConfigError>,
    wanted: Wanted,
    lanes: BTreeMap<TunnelKey, Lane>,
    /// What passes of each profile's tools, and what was approved of them.
    policies: BTreeMap<ProfileKey, (LivePolicy, Approvals)>,
    /// The folder of what was approved.
    approved: Option<PathBuf>,
    audit: Logs,
    /// One for each gateway.
    turnstiles: BTreeMap<String, Turnstile>,
    /// Tunnels that are no longer configured, on their way out.
    ending: JoinSet<()>,
    overview: watch::Sender<Arc<Overview>>,
    revision: u64,
}

impl Runner {
    pub(crate) fn new(setup: Setup, terms: Arc<dyn Terms>, overview: watch::Sender<Arc<Overview>>) -> Self {
        let Setup { source, loaded, wanted, secrets, approved, random } = setup;
        let mut runner = Self {
            watch: Watch::new(source.clone()),
            signs: Signs::of_this_machine(),
            source,
            secrets,
            terms,
            random,
            profiles: Vec::new(),
            rest: Loaded::default(),
            trouble: None,
            wanted: wanted.map_or_else(|| Wanted::AllBut(BTreeSet::new()), Wanted::Only),
            lanes: BTreeMap::new(),
            policies: BTreeMap::new(),
            approved,
            audit: Logs::default(),
            turnstiles: BTreeMap::new(),
            ending: JoinSet::new(),
            overview,
            revision: 0,
        };
        runner.take_in(loaded, Seen::Change);
        runner
    }

    /// Works until asked to stop, or until nobody can ask any more.
    pub(crate) async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        loop {
            tokio::select! {
                command = commands.recv() => match command {
                    None | Some(Command::Stop) => break,
                    Some(command) => self.obey(command).await,
                },
                seen = self.watch.changed() => {
                    let _ = self.reload(seen).await;
                }
                sign = self.signs.next() => self.heed(sign),
                Some(_) = self.ending.join_next() => {}
            }
        }
        for (_, lane) in std::mem::take(&mut self.lanes) {
            self.ending.spawn(lane.end());
        }
        while self.ending.join_next().await.is_some() {}
    }

    async fn obey(&mut self, command: Command) {
        match command {
            Command::Want { profile, wanted, done } => {
                let _ = done.send(self.want(profile, wanted));
            }
            Command::Reconnect { profile, done } => {
                let _ = done.send(self.reconnect(profile.as_ref()));
            }
            Command::Reload { done } => {
                let _ = done.send(self.reload(Seen::Change).await);
            }
            Command::Decider { profile, done } => {
                let found = self.policies.get(&profile).map(|(_, approvals)| approvals.desk());
                let _ = done.send(found.ok_or(NotHere::Profile));
            }
            Command::Stop => {}
        }
    }

    fn want(&mut self, key: ProfileKey, wanted: bool) -> Result<(), NotHere> {
        let profile = self.profiles.iter().find(|profile| profile.key == key).cloned().ok_or(NotHere::Profile)?;
        if self.wanted.has(&key) != wanted {
            self.wanted.set(key, wanted);
            self.start_or_stop(&profile);
            self.publish();
        }
        Ok(())
    }

    fn reconnect(&self, profile: Option<&ProfileKey>) -> Result<(), NotHere> {
        if profile.is_some_and(|key| !self.profiles.iter().any(|profile| &profile.key == key)) {
            return Err(NotHere::Profile);
        }
        let chosen = self.lanes.iter().filter(|(key, _)| profile.is_none_or(|wanted| &key.profile == wanted));
        chosen.for_each(|(_, lane)| lane.wake());
        Ok(())
    }

    /// Has every tunnel look anew, but those that only the user can help.
    fn heed(&self, sign: Sign) {
        info!("{sign}: links are put to the test");
        self.lanes.values().for_each(Lane::stir);
    }

    /// Reads the configuration again. One that cannot be used as a whole changes nothing.
    async fn reload(&mut self, seen: Seen) -> Result<(), ConfigError> {
        match self.source.read_apart().await {
            Some(Ok(loaded)) => {
                self.trouble = None;
                self.take_in(loaded, seen);
                Ok(())
            }
            Some(Err(error)) => {
                warn!(
                    code = error.code(),
                    "the configuration cannot be read again, its last good version stays: {error}"
                );
                self.trouble = Some(error.clone());
                self.publish();
                Err(error)
            }
            None => {
                warn!("the file system of the configuration gives no answer: its last good version stays");
                Ok(())
            }
        }
    }

    /// Brings everything in step with a configuration. Tunnels that are the same in it are not touched; those that have
    /// stopped try again, unless nothing was changed at all.
    fn take_in(&mut self, loaded: Loaded, seen: Seen) {
        // Of an entry that is broken now, what runs goes on: the user is at it.
        let mut loaded = loaded.keeping(&self.profiles);
        loaded.profiles.iter_mut().for_each(|profile| self.terms.prepare(profile));
        let profiles = std::mem::take(&mut loaded.profiles);
        let steps = compare(&self.profiles, &profiles);
        let is_same = self.rest.broken == loaded.broken && steps.iter().all(|step| step.change == Change::Unchanged);
        if is_same && seen == Seen::Anything {
            return;
        }
        self.rest = loaded;
        let before = std::mem::replace(&mut self.profiles, profiles);
        for Step { tunnel, change } in steps {
            match change {
                Change::Removed => {
                    if let Some(lane) = self.lanes.remove(&tunnel) {
                        self.ending.spawn(lane.end());
                    }
                }
                Change::Restart => {
                    if let Some(lane) = self.lanes.get_mut(&tunnel) {
                        lane.run_anew();
                    }
                }
                // Token and labels reach a lane that runs with its wish; when to start matters at the next start.
                Change::Added | Change::Unchanged | Change::TokenOnly | Change::Live => {}
            }
        }
        for profile in self.profiles.clone() {
            self.set_policy(&profile);
            self.start_or_stop(&profile);
        }
        self.policies.retain(|key, _| self.profiles.iter().any(|profile| profile.key == *key));
        self.revision += 1;
        if self.revision > 1 {
            info!(profiles = self.profiles.len(), before = before.len(), "the configuration was read again");
        }
        self.publish();
    }

    /// Has the profile's policy in force. Another local server has approvals of its own.
    fn set_policy(&mut self, profile: &Profile) {
        let folder = self.approved.as_deref();
        let begin = |live: LivePolicy| (live.clone(), Approvals::begin(folder, profile, live));
        let policy = self.policies.entry(profile.key.clone()).or_insert_with(|| begin(LivePolicy::default()));
        if !policy.1.is_for(folder, profile) {
            *policy = begin(policy.0.clone());
        }
        profile.tunnels.first().into_iter().for_each(|tunnel| policy.0.set(tunnel.config.policy.clone()));
    }

    /// Gives each of a profile's lanes its wish as things stand.
    fn start_or_stop(&mut self, profile: &Profile) {
        let wanted = self.wanted.has(&profile.key);
        let hidden = Arc::new(self.rest.hidden.clone());
        let may_run = self.terms.allow(profile);
        let log = profile.audit_log.as_deref().and_then(|path| self.audit.at(path));
        for (key, tunnel) in profile.tunnel_keys() {
            let lane = match self.lanes.entry(key) {
                Entry::Occupied(lane) => lane.into_mut(),
                Entry::Vacant(place) => {
                    let turnstile = self.turnstiles.entry(place.key().gateway.clone()).or_default().clone();
                    let key = place.key().clone();
                    let policy = self.policies.get(&profile.key).map(|(live, _)| live.clone()).unwrap_or_default();
                    place.insert(Lane::new(key, profile, self.secrets.clone(), turnstile, policy, self.random.fork()))
                }
            };
            let key = lane.view.key.clone();
            let told =
                |log: &Arc<Log>| Arc::new(OfTunnel::new(log.clone(), profile.name.as_str(), &key)) as Arc<dyn Audit>;
            lane.view.ledger.set_audit(log.as_ref().map(told));
            match &may_run {
                _ if !wanted => lane.rest(),
                Ok(()) => lane.run((Arc::new(tunnel.clone()), hidden.clone())),
                Err(cause) => lane.hold(cause.clone()),
            }
        }
    }

    fn publish(&self) {
        let view = |profile: &Profile| ProfileView {
            profile: Arc::new(profile.clone()),
            wanted: self.wanted.has(&profile.key),
            tunnels: profile
                .tunnel_keys()
                .filter_map(|(key, _)| self.lanes.get(&key))
                .map(|lane| lane.view.clone())
                .collect(),
            policy: self.policies.get(&profile.key).map(|(live, _)| live.clone()).unwrap_or_default(),
        };
        self.overview.send_replace(Arc::new(Overview {
            profiles: self.profiles.iter().map(view).collect(),
            broken: self.rest.broken.clone(),
            trouble: self.trouble.clone(),
            warnings: self.rest.warnings.clone(),
            revision: self.revision,
        }));
    }
}
