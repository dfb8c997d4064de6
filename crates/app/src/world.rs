//! Builds the world that the window and the tray show from what the instance, the saved files and the app say.

mod problem;
mod token;
mod tunnel;

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use culvert_instance::{Mood, Overview, ProfileView, mood_of};
use culvert_profiles::{Saved, TunnelKey};
use culvert_protocol::text::clean;
use culvert_tunnel::LocalServer;
use tokio::time::Instant;

use self::problem::{at, broken_profile, problem};
use self::token::{own_tokens, profile_token};
pub(crate) use self::tunnel::host_and_port;
use crate::agreement::Agreement;
use crate::around::Around;
use crate::memory::Memory;
use crate::shown::{
    Explained, Mark, Problem, Profile, ProfileFile, ProfileId, Status, Time, Tunnel, WholeCommand, World,
};
use crate::tally::{Tallies, Totals};
use crate::words::{Words, tools_changed, words};

/// How far the two clocks may come apart before one is set by the other: a suspended machine stops one of them.
const DRIFT: Duration = Duration::from_secs(2);

/// What a world is built from.
pub(crate) struct Scene<'a> {
    pub(crate) overview: &'a Overview,
    pub(crate) saved: &'a [Saved],
    pub(crate) around: &'a Around,
    pub(crate) agreement: &'a Agreement,
    /// Until when profiles are shared for a while.
    pub(crate) shared: &'a BTreeMap<String, SystemTime>,
    /// Why nothing can be run here, where that is so.
    pub(crate) elsewhere: Option<&'a Explained>,
    /// Processes' memory, while somebody looks.
    pub(crate) memory: Option<&'a Memory>,
}

/// What one world remembers for the next.
#[derive(Debug)]
pub(crate) struct Builder {
    instant: Instant,
    time: SystemTime,
    trips: BTreeMap<TunnelKey, u32>,
    tallies: Tallies,
}

impl Builder {
    pub(crate) fn new() -> Self {
        Self { instant: Instant::now(), time: SystemTime::now(), trips: BTreeMap::new(), tallies: Tallies::default() }
    }

    /// The world as it is now.
    pub(crate) fn world(&mut self, scene: &Scene<'_>) -> World {
        self.set_clocks(Instant::now(), SystemTime::now());
        let overview = scene.overview;
        let mut profiles: Vec<Profile> = overview.profiles.iter().map(|view| self.profile(scene, view)).collect();
        for broken in &overview.broken {
            let path = broken.place.as_ref().map(|place| place.file.to_path_buf());
            let shown = path.as_ref().map(|path| clean(&path.to_string_lossy(), 300)).unwrap_or_default();
            let (line, column) =
                broken.place.as_ref().map_or((0, 0), |place| at(&broken.error).unwrap_or((place.line, place.column)));
            let small = |number: u64| u32::try_from(number).unwrap_or_default();
            let problem = Problem::BrokenFile {
                path: shown.clone(),
                line: small(line),
                column: small(column),
                why: Explained::of(&broken.error),
            };
            let id = broken.id.map(|id| id.to_string());
            let of_file = |view: &&ProfileView| {
                let same_id = id.is_some() && view.profile.id.map(|id| id.to_string()) == id;
                same_id || view.profile.place.as_ref().map(|place| place.file.to_path_buf()) == path
            };
            let running = overview.profiles.iter().find(of_file).map(|view| view.profile.key.to_string());
            match running.and_then(|key| profiles.iter_mut().find(|profile| profile.id.0 == key)) {
                Some(profile) => {
                    // What runs is its last good version.
                    profile.problem = Some(problem);
                    set_words(profile, &Words::plain(Mark::Attention, "its file cannot be read"));
                }
                None => profiles.push(broken_profile(id.unwrap_or(shown), broken.name.clone(), path, problem)),
            }
        }
        let keys: Vec<&str> = profiles.iter().map(|profile| profile.id.0.as_str()).collect();
        self.tallies.keep_only(&keys);
        profiles.sort_by_key(|profile| (profile.name.to_lowercase(), profile.id.0.clone()));
        let Around { gateway, gateway_port, keychain, tray, settings, .. } = scene.around.clone();
        World { profiles, gateway, gateway_port, keychain, tray, settings }
    }

    fn set_clocks(&mut self, instant: Instant, time: SystemTime) {
        let expected = self.time + instant.saturating_duration_since(self.instant);
        let apart = expected.duration_since(time).or_else(|_| time.duration_since(expected)).unwrap_or_default();
        if apart > DRIFT {
            (self.instant, self.time) = (instant, time);
        }
    }

    fn time(&self, instant: Instant) -> Time {
        let ahead = instant.saturating_duration_since(self.instant);
        let behind = self.instant.saturating_duration_since(instant);
        Time::from((self.time + ahead).checked_sub(behind).unwrap_or(self.time))
    }

    fn profile(&mut self, scene: &Scene<'_>, view: &ProfileView) -> Profile {
        let profile = &view.profile;
        let saved =
            profile.place.as_ref().and_then(|place| scene.saved.iter().find(|saved| *saved.path == *place.file));
        let file = match saved.map(|saved| (saved.id(), &saved.path)) {
            Some((None, path)) => ProfileFile::Foreign { path: clean(&path.to_string_lossy(), 300) },
            _ => ProfileFile::Own,
        };
        let own_tokens = own_tokens(saved);
        let tunnels: Vec<Tunnel> =
            view.tunnels.iter().map(|tunnel| self.tunnel(scene, view, tunnel, &own_tokens)).collect();
        let worst = view.tunnels.iter().zip(&tunnels).max_by_key(|(view, _)| mood_of(&view.status.borrow()));
        let status = match (view.wanted, worst) {
            (true, Some((_, tunnel))) => tunnel.status.clone(),
            _ => Status::Off,
        };
        let key = profile.key.to_string();
        let held = scene.agreement.held(&profile.key).filter(|_| view.wanted || scene.elsewhere.is_none());
        let token = profile_token(saved, view, &tunnels);
        let said = match (&held, view.wanted) {
            (Some(_), _) => Words::plain(Mark::Attention, "command changed"),
            (None, true) if view.mood() != Mood::Off => {
                tools_changed(&status, *view.policy.attention().borrow()).unwrap_or_else(|| words(&status))
            }
            _ => Words::plain(Mark::Off, "off"),
        };
        let problem = problem(held, view, &tunnels, &token)
            .or_else(|| scene.elsewhere.filter(|_| view.wanted).map(|why| Problem::Other { why: why.clone() }));
        let shown_id = ProfileId(key.clone());
        Profile {
            id: shown_id,
            name: profile.name.to_string(),
            wanted: view.wanted.into(),
            mark: said.mark,
            words: said.words,
            said: said.said,
            status,
            problem,
            server: server_line(view),
            tunnels,
            token,
            calls: self.calls(view),
            shared_until: scene.shared.get(&key).copied().map(Time::from),
            file,
        }
    }

    fn calls(&mut self, view: &ProfileView) -> crate::shown::Calls {
        let mut totals = Totals::default();
        for tunnel in &view.tunnels {
            for (_, method) in tunnel.ledger.figures().snapshot().methods {
                totals.calls += method.calls;
                totals.errors += method.errors + method.unanswered;
            }
        }
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        self.tallies.count(view.profile.key.as_str(), totals, now)
    }
}

fn set_words(profile: &mut Profile, to: &Words) {
    (profile.mark, profile.words, profile.said) = (to.mark, to.words.clone(), to.said.clone());
}

fn server_line(view: &ProfileView) -> String {
    match view.profile.tunnels.first().map(|tunnel| &tunnel.config.server) {
        Some(LocalServer::Stdio(_)) => match crate::agreement::whole(&view.profile, None) {
            WholeCommand::Command { line, .. } => clean(&line, 1000),
            WholeCommand::Url { url, .. } => url,
        },
        Some(LocalServer::StreamableHttp { url, .. } | LocalServer::Sse { url, .. }) => url.to_string(),
        None => String::new(),
    }
}
