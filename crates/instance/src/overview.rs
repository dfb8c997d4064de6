//! What an instance shows: its profiles and their tunnels, to be looked at and followed.

use std::sync::Arc;

use culvert_profiles::{Broken, ConfigError, Loaded, Profile, ProfileKey, SecretCondition, TunnelKey, Warning};
use culvert_tunnel::{Ledger, LivePolicy, Status};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::state::{Mood, mood_of};

/// Everything that an instance has, as of one moment. Statuses inside go on by themselves.
#[derive(Debug, Clone, Default)]
pub struct Overview {
    /// In the order of the configuration.
    pub profiles: Vec<ProfileView>,
    /// Entries of the configuration that cannot be used.
    pub broken: Vec<Broken>,
    /// Why the configuration as a whole could not be read again: what runs is its last good version.
    pub trouble: Option<ConfigError>,
    /// What deserves a word and belongs to no profile.
    pub warnings: Vec<Warning>,
    /// How often the configuration was taken in.
    pub revision: u64,
}

impl Overview {
    /// The profile of this key.
    pub fn profile(&self, key: &ProfileKey) -> Option<&ProfileView> {
        self.profiles.iter().find(|view| &view.profile.key == key)
    }

    /// What there would be if somebody ran it: every tunnel is off.
    pub fn at_rest(mut loaded: Loaded, wanted: impl Fn(&ProfileKey) -> bool) -> Self {
        let off = |profile: Profile| ProfileView {
            wanted: wanted(&profile.key),
            tunnels: profile
                .tunnel_keys()
                .map(|(key, _)| TunnelView {
                    key,
                    name: profile.name.to_string(),
                    status: watch::channel(Status::Off).1,
                    ledger: Arc::default(),
                    token: watch::channel(SecretCondition::default()).1,
                })
                .collect(),
            policy: {
                let policy = LivePolicy::default();
                profile.tunnels.first().into_iter().for_each(|tunnel| policy.set(tunnel.config.policy.clone()));
                policy
            },
            profile: Arc::new(profile),
        };
        Self {
            profiles: std::mem::take(&mut loaded.profiles).into_iter().map(off).collect(),
            broken: loaded.broken,
            trouble: None,
            warnings: loaded.warnings,
            revision: 0,
        }
    }

    /// What of its tunnels goes on changing, followed from now on.
    pub fn follow(&self) -> Changes {
        let followed = |view: &TunnelView| {
            let (mut status, mut token) = (view.status.clone(), view.token.clone());
            status.mark_unchanged();
            token.mark_unchanged();
            (status, token)
        };
        Changes(self.tunnels().map(followed).collect())
    }

    /// Every tunnel of every profile.
    pub fn tunnels(&self) -> impl Iterator<Item = &TunnelView> {
        self.profiles.iter().flat_map(|profile| &profile.tunnels)
    }
}

/// The statuses and tokens of an overview's tunnels.
#[derive(Debug)]
pub struct Changes(Vec<(watch::Receiver<Status>, watch::Receiver<SecretCondition>)>);

impl Changes {
    /// Completes when any of them has changed since this was made; without tunnels, never.
    pub async fn any(self) {
        let mut waiting = JoinSet::new();
        for (mut status, mut token) in self.0 {
            waiting.spawn(async move {
                tokio::select! {
                    changed = status.changed() => changed.is_ok(),
                    changed = token.changed() => changed.is_ok(),
                }
            });
        }
        while let Some(changed) = waiting.join_next().await {
            if matches!(changed, Ok(true)) {
                return;
            }
        }
        std::future::pending().await
    }
}

/// One profile.
#[derive(Debug, Clone)]
pub struct ProfileView {
    /// What is configured.
    pub profile: Arc<Profile>,
    /// Whether its tunnels are to be up.
    pub wanted: bool,
    /// One for each gateway.
    pub tunnels: Vec<TunnelView>,
    /// Which of the local server's tools pass, and what it lists; [`Tools::of`](crate::tools::Tools::of) tells.
    pub policy: LivePolicy,
}

impl ProfileView {
    /// How it is: as its worst tunnel.
    pub fn mood(&self) -> Mood {
        if !self.wanted {
            return Mood::Off;
        }
        self.tunnels.iter().map(TunnelView::mood).max().unwrap_or(Mood::Off)
    }
}

/// One tunnel, running or not.
#[derive(Debug, Clone)]
pub struct TunnelView {
    /// What it is known by.
    pub key: TunnelKey,
    /// The name that it registers.
    pub name: String,
    /// How it is now; open for as long as the instance keeps it.
    pub status: watch::Receiver<Status>,
    /// What it counted and did.
    pub ledger: Arc<Ledger>,
    /// How it stands with its token, where it has one and runs.
    pub token: watch::Receiver<SecretCondition>,
}

impl TunnelView {
    /// How it is, in one word.
    pub fn mood(&self) -> Mood {
        mood_of(&self.status.borrow())
    }
}
