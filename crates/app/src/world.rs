//! Builds the world that the window and the tray show from what the instance, the saved files and the app say.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use culvert_instance::{Mood, Overview, ProfileView, TunnelView, mood_of};
use culvert_link::Carriage;
use culvert_profiles::{Content, Key, Platform, Saved, SecretRef, TunnelKey};
use culvert_protocol::GatewayAddress;
use culvert_protocol::text::clean;
use culvert_tunnel::{LocalServer, Notice, Server};
use tokio::time::Instant;

use crate::agreement::{Agreement, Held};
use crate::around::Around;
use crate::built_in;
use crate::memory::Memory;
use crate::shown::{
    Explained, Mark, Problem, Process, Profile, ProfileFile, ProfileId, ServerState, Status, Switch, Time, Token,
    TokenPlace, Transport, Tunnel, WholeCommand, World,
};
use crate::tally::{Tallies, Totals};
use crate::words::{Words, steady, words};

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
            (None, true) if view.mood() != Mood::Off => words(&status),
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

    fn tunnel(
        &mut self,
        scene: &Scene<'_>,
        profile: &ProfileView,
        view: &TunnelView,
        own_tokens: &BTreeMap<String, Option<SecretRef>>,
    ) -> Tunnel {
        let configured = profile.profile.tunnel_keys().find(|(key, _)| *key == view.key).map(|(_, tunnel)| tunnel);
        let address = configured.map(|tunnel| &tunnel.config.gateway);
        let gateway = address.map_or_else(|| view.key.gateway.clone(), host_and_port);
        let condition = view.token.borrow().clone();
        let own = own_tokens.get(&view.key.gateway).and_then(Option::as_ref);
        let own_token = own.filter(|reference| !built_in::is_its_token(reference)).map(|reference| Token {
            place: place(reference),
            expires: condition.expiry.map(|expiry| expiry.at.into()),
        });
        let built_in = own.is_some_and(built_in::is_its_token);
        let pids = view.ledger.processes();
        let memory = |pid: &u32| scene.memory.map_or(0, |memory| memory.of(*pid));
        let processes =
            pids.iter().map(|pid| Process { pid: *pid, memory_bytes: memory(pid), session: None }).collect();
        Tunnel {
            gateway,
            url: view.key.gateway.clone(),
            built_in,
            status: self.status(view, profile, address),
            processes,
            own_token,
        }
    }

    fn status(&mut self, view: &TunnelView, profile: &ProfileView, address: Option<&GatewayAddress>) -> Status {
        use culvert_tunnel::Status as Is;
        let status = view.status.borrow().clone();
        if !matches!(status, Is::Online(_)) {
            self.trips.remove(&view.key);
        }
        match status {
            Is::Off => Status::Off,
            Is::Starting { since } => Status::Starting { since: self.time(since) },
            Is::Connecting => Status::Connecting,
            Is::Registering => Status::Registering,
            Is::Stopping => Status::Stopping,
            Is::Stopped { cause } => Status::Stopped { cause: cause.as_ref().map(Explained::of) },
            Is::Waiting { attempt, retry_at, cause } => {
                Status::Waiting { attempt, retry_at: self.time(retry_at), cause: Explained::of(&cause) }
            }
            Is::Online(online) => {
                let shown = self.trips.get(&view.key).copied();
                let round_trip_ms = online.round_trip.map(|now| steady(shown, now));
                if let Some(ms) = round_trip_ms {
                    self.trips.insert(view.key.clone(), ms);
                }
                let mut notices: Vec<Explained> = online.notices.iter().map(Explained::of).collect();
                let condition = view.token.borrow().clone();
                notices.extend(condition.notice.iter().map(Explained::of));
                if let Some(expiry) = condition.expiry.filter(|expiry| expiry.is_near(SystemTime::now())) {
                    let left = lasting(expiry.expires_in(SystemTime::now()));
                    let message = format!("the token for {} ends in {left}", view.key.gateway);
                    notices.push(Explained::new("auth.expires_soon", message, "Make a new token in time."));
                }
                let routes = !online.notices.contains(&Notice::NoRouting);
                let url = address.filter(|_| routes).map(|address| address.mcp_url(profile.profile.name.as_str()));
                Status::Online {
                    since: self.time(online.since),
                    transport: match online.transport {
                        Carriage::WebSocket => Transport::Ws,
                        Carriage::Sse => Transport::Sse,
                    },
                    round_trip_ms,
                    server: self.server(&online.server),
                    tools: online.tools.and_then(|count| u32::try_from(count).ok()),
                    in_use_by: online.in_use_by.iter().map(|name| clean(name, 130)).collect(),
                    notices,
                    url,
                }
            }
        }
    }

    fn server(&self, server: &Server) -> ServerState {
        match server {
            Server::Ready => ServerState::Ready,
            Server::Unprobed => ServerState::Unprobed,
            Server::Restarting { cause } => ServerState::Restarting { cause: Explained::of(cause) },
            Server::Silent { .. } => ServerState::Silent {
                cause: Explained::new(
                    "server.silent",
                    "the local server runs and does not answer",
                    "Look at its log; switching the profile off and on starts it anew.",
                ),
            },
        }
    }
}

fn set_words(profile: &mut Profile, to: &Words) {
    (profile.mark, profile.words, profile.said) = (to.mark, to.words.clone(), to.said.clone());
}

fn at(error: &culvert_profiles::ConfigError) -> Option<(u64, u64)> {
    match error {
        culvert_profiles::ConfigError::Syntax { at, .. } | culvert_profiles::ConfigError::UnknownKey { at, .. } => {
            Some((at.line, at.column))
        }
        _ => None,
    }
}

fn broken_profile(id: String, name: Option<String>, path: Option<std::path::PathBuf>, problem: Problem) -> Profile {
    let of_file = || path.as_ref().and_then(|path| path.file_stem()).map(|stem| clean(&stem.to_string_lossy(), 128));
    let mut profile = Profile {
        name: name.or_else(of_file).unwrap_or_else(|| "a profile without a name".to_owned()),
        id: ProfileId(id),
        wanted: Switch::Off,
        mark: Mark::Attention,
        words: String::new(),
        said: String::new(),
        status: Status::Off,
        problem: Some(problem),
        server: String::new(),
        tunnels: Vec::new(),
        token: Token { place: TokenPlace::None, expires: None },
        calls: crate::shown::Calls { today: 0, errors: 0, by_hour: Vec::new() },
        shared_until: None,
        file: ProfileFile::Own,
    };
    set_words(&mut profile, &Words::plain(Mark::Attention, "its file cannot be read"));
    profile
}

/// What needs the user, most urgent first.
fn problem(held: Option<Held>, view: &ProfileView, tunnels: &[Tunnel], token: &Token) -> Option<Problem> {
    if let Some(Held { before, now }) = held {
        return Some(Problem::CommandChanged { before, now: now.command, fingerprint: now.fingerprint });
    }
    if !view.wanted {
        return None;
    }
    let causes = tunnels.iter().filter_map(|tunnel| match &tunnel.status {
        Status::Stopped { cause: Some(cause) } => Some((tunnel, cause, true)),
        Status::Waiting { cause, .. } => Some((tunnel, cause, words(&tunnel.status).mark == Mark::Attention)),
        _ => None,
    });
    let problems = causes.filter(|(_, _, needs_user)| *needs_user).map(|(tunnel, cause, _)| {
        let why = cause.clone();
        let gateway = tunnel.own_token.as_ref().map(|_| tunnel.url.clone());
        let kept = tunnel.own_token.as_ref().map_or(&token.place, |own| &own.place);
        match cause.code.as_str() {
            "keychain.locked" => Problem::KeychainLocked { why },
            "keychain.absent" => Problem::KeychainMissing { why },
            "keychain.no_entry" if *kept == TokenPlace::Keychain => Problem::Token { why, gateway },
            code if code.starts_with("auth.") => Problem::Token { why, gateway },
            _ => Problem::Other { why },
        }
    });
    let rank = |problem: &Problem| match problem {
        Problem::KeychainLocked { .. } | Problem::KeychainMissing { .. } => 0,
        Problem::Token { .. } => 1,
        _ => 2,
    };
    problems.min_by_key(rank)
}

/// The tokens that a saved profile gives to single gateways, by address.
fn own_tokens(saved: Option<&Saved>) -> BTreeMap<String, Option<SecretRef>> {
    let Some(Content::Profile(draft)) = saved.map(|saved| &saved.content) else { return BTreeMap::new() };
    let known = |gateway: culvert_profiles::DraftGateway| {
        let address = GatewayAddress::parse(&gateway.address).ok()?.to_string();
        Some((address, gateway.token.and_then(|token| SecretRef::parse(token.expose(), Platform::here()).ok())))
    };
    draft.gateways().into_iter().filter_map(known).collect()
}

fn profile_token(saved: Option<&Saved>, view: &ProfileView, tunnels: &[Tunnel]) -> Token {
    let shared = tunnels.iter().zip(&view.tunnels).find(|(tunnel, _)| tunnel.own_token.is_none() && !tunnel.built_in);
    let expires = shared.and_then(|(_, view)| view.token.borrow().expiry).map(|expiry| expiry.at.into());
    let reference = match saved.map(|saved| &saved.content) {
        Some(Content::Profile(draft)) => {
            draft.text(Key::Token).and_then(|text| SecretRef::parse(text, Platform::here()).ok())
        }
        _ => view
            .profile
            .tunnels
            .first()
            .and_then(|tunnel| tunnel.secrets.token.as_ref())
            .map(|token| token.value.clone()),
    };
    match reference {
        Some(reference) => Token { place: place(&reference), expires },
        None if !tunnels.is_empty() && tunnels.iter().all(|tunnel| tunnel.built_in) => {
            Token { place: TokenPlace::BuiltIn, expires: None }
        }
        None => Token { place: TokenPlace::None, expires: None },
    }
}

/// Where a reference leads, without what it leads to.
pub(crate) fn place(reference: &SecretRef) -> TokenPlace {
    match reference {
        SecretRef::Literal(_) => TokenPlace::Literal,
        SecretRef::Env(variable) => TokenPlace::Environment { variable: clean(variable, 100) },
        SecretRef::File(path) => TokenPlace::File { path: clean(&path.to_string_lossy(), 300) },
        // Its arguments may be secrets.
        SecretRef::Command(words) => {
            TokenPlace::Command { command: clean(words.first().map_or("", String::as_str), 100) }
        }
        SecretRef::Keychain(_) => TokenPlace::Keychain,
        SecretRef::Credential(name) => TokenPlace::Credential { name: clean(name, 100) },
    }
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

/// `gw.example.com`, `127.0.0.1:4444`.
pub(crate) fn host_and_port(address: &GatewayAddress) -> String {
    let text = address.to_string();
    let rest = text.split_once("://").map_or(text.as_str(), |(_, rest)| rest);
    rest.split('/').next().unwrap_or(rest).to_owned()
}

/// Days, hours or minutes, whichever says enough.
pub(crate) fn lasting(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..=7199 => format!("{} min", seconds.div_ceil(60)),
        seconds @ 7200..=172_799 => format!("{} h", seconds / 3600),
        seconds => format!("{} days", seconds / 86_400),
    }
}
