//! What the desktop tells its user, and when: only what needs the user, once, until it is well again.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use culvert_instance::EXPIRES_SOON;
use tokio::time::Instant;

use crate::shown::{Problem, Profile, ProfileId, ServerState, Status, Switch, World};

/// How long a tunnel may be lost before it is worth a word.
pub const LOST: Duration = Duration::from_secs(30);

/// So many restarts of a server within this time are a loop.
const LOOP: (usize, Duration) = (3, Duration::from_secs(300));

/// A word to the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Whose it is: the page to open.
    pub profile: ProfileId,
    /// What happened.
    pub title: String,
    /// What to do.
    pub text: String,
}

/// What was seen and told.
#[derive(Debug)]
pub struct Notices {
    /// How long a tunnel may be lost.
    lost: Duration,
    seen: BTreeMap<ProfileId, Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    was_online: bool,
    lost_since: Option<Instant>,
    restarting: bool,
    restarts: VecDeque<Instant>,
    shared: bool,
    /// What was told and is still so, by its kind.
    told: BTreeSet<&'static str>,
}

impl Notices {
    /// Those of tunnels that may be lost for this long; [`LOST`] is what a user is given.
    pub fn after(lost: Duration) -> Self {
        Self { lost, seen: BTreeMap::new() }
    }

    /// What of `world` is to be told at `now`.
    pub fn of(&mut self, world: &World, now: Instant) -> Vec<Notice> {
        self.seen.retain(|id, _| world.profiles.iter().any(|profile| profile.id == *id));
        let mut notices = Vec::new();
        for profile in &world.profiles {
            let seen = self.seen.entry(profile.id.clone()).or_default();
            let mut now_so: Vec<(&'static str, String, String)> = Vec::new();
            seen.look(profile, now, self.lost, &mut now_so);
            let kinds: BTreeSet<&'static str> = now_so.iter().map(|(kind, ..)| *kind).collect();
            seen.told.retain(|kind| kinds.contains(kind));
            for (kind, title, text) in now_so {
                if seen.told.insert(kind) {
                    notices.push(Notice { profile: profile.id.clone(), title, text });
                }
            }
        }
        notices
    }

    /// When to look again although nothing has changed.
    pub fn due(&self) -> Option<Instant> {
        let pending = self.seen.values().filter(|seen| !seen.told.contains("lost"));
        pending.filter_map(|seen| seen.lost_since).min().map(|since| since + self.lost)
    }
}

impl Seen {
    fn look(
        &mut self,
        profile: &Profile,
        now: Instant,
        lost: Duration,
        now_so: &mut Vec<(&'static str, String, String)>,
    ) {
        let name = &profile.name;
        let is_shared = profile.shared_until.is_some();
        if std::mem::replace(&mut self.shared, is_shared) && !is_shared && profile.wanted == Switch::Off {
            now_so.push(("shared", format!("{name} is not shared any more"), "The hour is over.".to_owned()));
        }
        if profile.wanted == Switch::Off {
            let shared = self.shared;
            *self = Self { shared, told: std::mem::take(&mut self.told), ..Self::default() };
            return;
        }
        let online = match &profile.status {
            Status::Online { server, notices, .. } => {
                let restarting = matches!(server, ServerState::Restarting { .. });
                if restarting && !std::mem::replace(&mut self.restarting, restarting) {
                    self.restarts.push_back(now);
                }
                self.restarting = restarting;
                if let Some(soon) = notices.iter().find(|notice| notice.code == EXPIRES_SOON) {
                    now_so.push((
                        "expires",
                        format!("{name}: {}", profile.said),
                        format!("{}. {}", soon.message, soon.action),
                    ));
                }
                true
            }
            _ => false,
        };
        self.restarts.retain(|at| now.saturating_duration_since(*at) < LOOP.1);
        if self.restarts.len() >= LOOP.0 {
            let text = "Look at its log, and at its command.".to_owned();
            now_so.push(("loop", format!("{name}: the server ends again and again"), text));
        }
        if online {
            (self.was_online, self.lost_since) = (true, None);
        } else if self.was_online {
            let since = *self.lost_since.get_or_insert(now);
            if now.saturating_duration_since(since) >= lost && profile.problem.is_none() {
                let text = "It is tried again until it works.".to_owned();
                now_so.push(("lost", format!("{name} has been away for {} s: {}", lost.as_secs(), profile.said), text));
            }
        }
        let title = format!("{name}: {}", profile.said);
        match &profile.problem {
            Some(Problem::Token { why, .. }) => now_so.push(("token", title, why.action.clone())),
            Some(Problem::KeychainLocked { why } | Problem::KeychainMissing { why }) => {
                now_so.push(("keychain", title, why.action.clone()));
            }
            Some(Problem::CommandChanged { .. }) => {
                now_so.push(("command", title, "Look at what changed, and agree to it or not.".to_owned()));
            }
            Some(Problem::ToolsHeld { why }) => now_so.push(("tools", title, why.action.clone())),
            Some(Problem::Other { why }) => now_so.push(("stopped", title, why.action.clone())),
            Some(Problem::BrokenFile { .. }) | None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use crate::shown::{Explained, Mark, Time, Transport};

    fn online(server: ServerState) -> Status {
        Status::Online {
            since: Time(0),
            transport: Transport::Ws,
            round_trip_ms: None,
            server,
            tools: None,
            in_use_by: Vec::new(),
            notices: Vec::new(),
            url: None,
        }
    }

    fn world(change: impl FnOnce(&mut Profile)) -> World {
        let mut world = sample::world(&[("git", Switch::On, Mark::Connecting, "waiting for the network")]);
        world.profiles[0].status = Status::Connecting;
        change(&mut world.profiles[0]);
        world
    }

    fn titles(notices: Vec<Notice>) -> Vec<String> {
        notices.into_iter().map(|notice| notice.title).collect()
    }

    #[test]
    fn a_token_that_ends_soon_is_told_once_and_the_next_one_again() {
        let (mut notices, now) = (Notices::after(LOST), Instant::now());
        let soon =
            || Explained::new(EXPIRES_SOON, "the token for https://gw ends in 2 days", "Make a new token in time.");
        let with = |told: Vec<Explained>| {
            world(move |git| {
                git.said = "online, token ends soon".to_owned();
                git.status = online(ServerState::Ready);
                if let Status::Online { notices, .. } = &mut git.status {
                    *notices = told;
                }
            })
        };
        assert!(notices.of(&with(vec![]), now).is_empty());
        let told = notices.of(&with(vec![soon()]), now);
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].title, "git: online, token ends soon");
        assert_eq!(told[0].text, "the token for https://gw ends in 2 days. Make a new token in time.");
        assert!(notices.of(&with(vec![soon()]), now).is_empty(), "once");
        assert!(notices.of(&with(vec![]), now).is_empty(), "a new token is no news");
        assert_eq!(notices.of(&with(vec![soon()]), now).len(), 1, "its own end is");
    }

    #[test]
    fn a_tunnel_that_was_online_is_missed_after_half_a_minute_and_once() {
        let (mut notices, begin) = (Notices::after(LOST), Instant::now());
        let at = |seconds| begin + Duration::from_secs(seconds);
        let away = world(|_| {});
        assert!(
            notices.of(&away, at(0)).is_empty() && notices.of(&away, at(100)).is_empty(),
            "never online, never missed"
        );
        assert!(notices.of(&world(|git| git.status = online(ServerState::Ready)), at(101)).is_empty());
        assert!(notices.of(&away, at(110)).is_empty());
        assert_eq!(notices.due(), Some(at(140)));
        assert_eq!(titles(notices.of(&away, at(140))), ["git has been away for 30 s: waiting for the network"]);
        assert!(notices.of(&away, at(150)).is_empty());
        assert_eq!(notices.due(), None);
        notices.of(&world(|git| git.status = online(ServerState::Ready)), at(160));
        notices.of(&away, at(170));
        assert_eq!(notices.of(&away, at(200)).len(), 1, "told again after it was well");
    }

    #[test]
    fn what_needs_the_user_is_told_at_once_and_what_the_user_did_is_not() {
        let (mut notices, now) = (Notices::after(LOST), Instant::now());
        let why = Explained::new("auth.rejected", "", "Make a new token.");
        let rejected = world(|git| {
            git.said = "token rejected".to_owned();
            git.problem = Some(Problem::Token { why, gateway: None });
        });
        assert_eq!(titles(notices.of(&rejected, now)), ["git: token rejected"]);
        assert!(notices.of(&rejected, now).is_empty());
        assert!(notices.of(&world(|git| git.wanted = Switch::Off), now).is_empty());
        assert_eq!(notices.of(&rejected, now).len(), 1);
    }

    #[test]
    fn tools_that_wait_for_a_decision_are_told_once() {
        let (mut notices, now) = (Notices::after(LOST), Instant::now());
        let why = Explained::new("tools.held", "", "Look at what has changed.");
        let held = world(|git| {
            git.status = online(ServerState::Ready);
            git.said = "2 tools changed".to_owned();
            git.problem = Some(Problem::ToolsHeld { why });
        });
        let told = notices.of(&held, now);
        assert_eq!(
            (told.len(), told[0].title.as_str(), told[0].text.as_str()),
            (1, "git: 2 tools changed", "Look at what has changed.")
        );
        assert!(notices.of(&held, now).is_empty());
    }

    #[test]
    fn a_server_that_ends_again_and_again_is_told_and_the_end_of_an_hour() {
        let (mut notices, now) = (Notices::after(LOST), Instant::now());
        let cause = Explained::new("server.exited", "", "");
        for round in 0..3 {
            assert!(notices.of(&world(|git| git.status = online(ServerState::Ready)), now).is_empty());
            let found =
                notices.of(&world(|git| git.status = online(ServerState::Restarting { cause: cause.clone() })), now);
            assert_eq!(found.len(), usize::from(round == 2));
        }
        notices.of(&world(|git| git.shared_until = Some(Time(1))), now);
        let over = notices.of(&world(|git| git.wanted = Switch::Off), now);
        assert_eq!(titles(over), ["git is not shared any more"]);
    }
}
