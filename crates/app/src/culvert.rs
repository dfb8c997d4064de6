//! A running Culvert with all that a window and a tray may ask of it: it owns the saved profiles for as long as it runs.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use culvert_instance::{Instance, Lock, LockError, Overview, Places, Setup, Wishes, at_start};
use culvert_profiles::{Keychain as SystemKeychain, Loaded, ProfileKey, SecretSources, Store};
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::warn;

use crate::agreement::Agreement;
use crate::around::{Around, change};
use crate::built_in::BuiltIn;
use crate::settings::{Choices, ChoicesFile};
use crate::sharing::Shares;
use crate::shown::{Explained, Gateway, Keychain, Settings, Switch, Tray, World};

/// How often somebody else's lock is looked at.
const LOCKED: Duration = Duration::from_secs(2);

/// How long everything may take to its end: children have six seconds, links two.
const ENDING: Duration = Duration::from_secs(15);

/// What the app is started with.
pub struct Start {
    /// Where everything is.
    pub places: Places,
    /// The `PATH` for commands, where it is not this process's own. Waited for before anything runs.
    pub path: Pin<Box<dyn Future<Output = Option<OsString>> + Send>>,
    /// Whether the app is started with the desktop.
    pub launch_at_login: Switch,
}

/// A running Culvert. Clones are the same.
#[derive(Debug, Clone)]
pub struct Culvert(pub(crate) Arc<Inside>);

/// What all clones share.
#[derive(Debug)]
pub(crate) struct Inside {
    pub(crate) places: Places,
    pub(crate) store: Store,
    /// Held while saved files are changed: one change at a time.
    pub(crate) writing: tokio::sync::Mutex<()>,
    pub(crate) wishes: Wishes,
    pub(crate) sources: SecretSources,
    pub(crate) agreement: Arc<Agreement>,
    pub(crate) shares: Shares,
    pub(crate) choices: Mutex<Choices>,
    choices_file: ChoicesFile,
    pub(crate) around: watch::Sender<Around>,
    pub(crate) running: watch::Sender<Running>,
    pub(crate) world: watch::Sender<Arc<World>>,
    /// How many look at the world: figures that nobody sees are not gathered.
    pub(crate) looking: watch::Sender<usize>,
    pub(crate) gateway: BuiltIn,
    /// From which line on logs are shown, by profile and gateway.
    pub(crate) cleared: Mutex<BTreeMap<(String, String), u64>>,
    /// What was gathered last for somebody who helps.
    pub(crate) support: Mutex<Option<String>>,
    pub(crate) stop: CancellationToken,
    pub(crate) tasks: TaskTracker,
}

/// Who runs the saved profiles.
#[derive(Debug, Clone)]
pub(crate) enum Running {
    /// Nobody yet.
    NotYet,
    /// This app.
    Here(Instance),
    /// Not this app, for this reason; what is saved is shown at rest.
    Elsewhere(Explained, Arc<Overview>),
}

impl Culvert {
    /// Starts what is wanted, and the built-in gateway if that is. Within a tokio runtime.
    pub fn start(start: Start) -> Self {
        let Start { places, path, launch_at_login } = start;
        let choices_file = ChoicesFile(places.0.config.join("app.json"));
        let choices = choices_file.read();
        let around = Around {
            gateway: Gateway::Off,
            gateway_port: choices.gateway_port,
            keychain: Keychain::Ready,
            tray: Tray::Shown,
            settings: Settings { launch_at_login, notifications: choices.notifications },
            elsewhere: 0,
        };
        let world = World {
            profiles: Vec::new(),
            gateway: Gateway::Off,
            gateway_port: choices.gateway_port,
            keychain: Keychain::Ready,
            tray: Tray::Shown,
            settings: around.settings,
        };
        let state = &places.0.state;
        let culvert = Self(Arc::new(Inside {
            store: Store::new(places.0.profiles()),
            writing: tokio::sync::Mutex::default(),
            wishes: places.wanted().into(),
            sources: SecretSources::of_this_process([]),
            agreement: Arc::new(Agreement::read(state.join("agreed.json"))),
            shares: Shares::read(state.join("shared.json")),
            choices: Mutex::new(choices),
            choices_file,
            around: watch::Sender::new(around),
            running: watch::Sender::new(Running::NotYet),
            world: watch::Sender::new(Arc::new(world)),
            looking: watch::Sender::new(0),
            gateway: BuiltIn::default(),
            cleared: Mutex::default(),
            support: Mutex::default(),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            places,
        }));
        let tasks = &culvert.0.tasks;
        tasks.spawn(culvert.clone().run(path));
        tasks.spawn(culvert.clone().follow());
        tasks.spawn(culvert.clone().end_shares());
        if culvert.choices().gateway.is_on() {
            tasks.spawn(culvert.clone().gateway_at_start());
        }
        culvert
    }

    /// How everything is, followed as it changes, at most every 100 ms.
    pub fn world(&self) -> watch::Receiver<Arc<World>> {
        self.0.world.subscribe()
    }

    /// Brings every tunnel and the gateway to their end; when this returns, no child is left. Takes 15 s at most.
    pub async fn stop(&self) {
        self.0.stop.cancel();
        self.0.tasks.close();
        if timeout(ENDING, self.0.tasks.wait()).await.is_err() {
            warn!("not everything came to its end in time");
        }
    }

    /// Says whether the icon is there.
    pub fn set_tray(&self, tray: Tray) {
        change(&self.0.around, |around| around.tray = tray);
    }

    /// The keychain.
    pub(crate) fn keychain(&self) -> &SystemKeychain {
        self.0.sources.keychain()
    }

    /// The instance, where it is this app that runs the profiles.
    pub(crate) fn instance(&self) -> Result<Instance, Explained> {
        match &*self.0.running.borrow() {
            Running::Here(instance) => Ok(instance.clone()),
            Running::Elsewhere(why, _) => Err(why.clone()),
            Running::NotYet => {
                Err(Explained::new("instance.starting", "Culvert is just starting", "Try again in a moment."))
            }
        }
    }

    /// Has whoever follows the world look again at what it cannot see change.
    pub(crate) fn look_again(&self) {
        change(&self.0.around, |around| around.elsewhere += 1);
    }

    pub(crate) fn choices(&self) -> MutexGuard<'_, Choices> {
        self.0.choices.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what is remembered; nothing is changed where it cannot be saved.
    pub(crate) fn choose(&self, change: impl FnOnce(&mut Choices)) -> Result<(), Explained> {
        let mut choices = self.choices();
        let mut new = choices.clone();
        change(&mut new);
        if new != *choices {
            self.0.choices_file.write(&new).map_err(|error| {
                let message = format!("the app's settings cannot be saved: {error}");
                Explained::new("settings.unsaved", message, "Check the configuration folder and its disk.")
            })?;
            *choices = new;
        }
        Ok(())
    }

    /// Waits for the right to run the saved profiles, and runs them until the app stops.
    async fn run(self, path: impl Future<Output = Option<OsString>> + Send) {
        let ready = async {
            if let Some(path) = path.await {
                self.0.agreement.look_up_in(path);
            }
            self.lock().await
        };
        let lock = tokio::select! {
            lock = ready => lock,
            () = self.0.stop.cancelled() => return,
        };
        let source = self.0.places.source();
        let read = spawn_blocking(move || source.read()).await.ok().and_then(|read| {
            // The instance reads again once there is something to read.
            read.inspect_err(|error| warn!("the saved profiles cannot be read: {error}")).ok()
        });
        let loaded = read.unwrap_or_default();
        let (before, problem) = self.0.places.wanted().read();
        if let Some(error) = problem {
            warn!(%error, "what was wanted cannot be read: everything is off");
        }
        let mut wanted = at_start(&loaded.profiles, before);
        let over = self.0.shares.over(std::time::SystemTime::now());
        for profile in loaded.profiles.iter().filter(|profile| over.iter().any(|key| key == profile.key.as_str())) {
            wanted.down(&profile.key);
            self.0.shares.end(profile.key.as_str());
        }
        if let Err(error) = self.0.places.wanted().write(&wanted) {
            warn!(%error, "what is wanted cannot be saved");
        }
        let up: BTreeSet<ProfileKey> =
            loaded.profiles.iter().map(|profile| profile.key.clone()).filter(|key| wanted.is_up(key)).collect();
        let setup = Setup {
            source: self.0.places.source(),
            loaded,
            wanted: Some(up),
            secrets: self.0.sources.clone(),
            approved: Some(self.0.places.0.approved()),
            random: fastrand::Rng::new(),
        };
        let (instance, ended) = Instance::start_under(setup, self.0.agreement.clone());
        self.0.running.send_replace(Running::Here(instance.clone()));
        tokio::select! {
            () = self.answer(&instance) => {}
            () = self.0.stop.cancelled() => {}
        }
        instance.stop().await;
        if let Err(error) = ended.await {
            warn!(%error, "the tunnels did not end well");
        }
        drop(lock);
    }

    /// The right to run the saved profiles, once it can be had. Until then what is saved is shown.
    async fn lock(&self) -> Lock {
        let who = format!("the desktop app, process {}", std::process::id());
        loop {
            let why = match Lock::take(&self.0.places.lock(), &who) {
                Ok(lock) => return lock,
                Err(error @ LockError::Taken(_)) => Explained::new(
                    "saved.locked",
                    error.to_string(),
                    "End that one; this app then takes over by itself.",
                ),
                Err(error) => Explained::new(
                    "saved.lock_file",
                    error.to_string(),
                    "Check the state folder, its permissions and its disk.",
                ),
            };
            let source = self.0.places.source();
            let loaded: Loaded = spawn_blocking(move || source.read().unwrap_or_default()).await.unwrap_or_default();
            let (wanted, _) = self.0.places.wanted().read();
            let overview = Arc::new(Overview::at_rest(loaded, |key| wanted.is_up(key)));
            self.0.running.send_replace(Running::Elsewhere(why, overview));
            sleep(LOCKED).await;
        }
    }

    /// Lets other processes of this user ask, for as long as this is polled.
    async fn answer(&self, instance: &Instance) {
        match culvert_instance::control::Control::bind(&self.0.places.socket(), self.0.wishes.clone()) {
            Ok(control) => match control.serve(instance.clone()).await {},
            Err(error) => {
                warn!("nobody can ask this Culvert: {error}");
                std::future::pending().await
            }
        }
    }
}
