//! The status of an instance as data: what `culvert status --json` prints, what goes over the local socket, and what a
//! window would show. No secret, no path of a file, nothing that is not meant for the user's eyes.

use std::time::{Duration, SystemTime};

use culvert_profiles::{Start, Warning};
use culvert_protocol::Explain;
use culvert_tunnel::{Server, Status};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::overview::{Overview, ProfileView, TunnelView};
use crate::state::Mood;

/// Everything, as of one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// One for each profile, in the order of the configuration.
    pub profiles: Vec<ProfileReport>,
    /// Entries that cannot be used, and the configuration itself where it cannot be read again.
    pub problems: Vec<Problem>,
}

/// One profile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProfileReport {
    /// What commands know it by, whatever its name.
    pub key: String,
    /// The name that it registers.
    pub name: String,
    /// Whether the user wants it up.
    pub wanted: bool,
    /// When it starts by itself: `last`, `always`, `never`.
    pub start: String,
    /// As its worst tunnel is.
    pub state: String,
    /// One for each gateway.
    pub tunnels: Vec<TunnelReport>,
    /// What deserves a word.
    pub notices: Vec<Problem>,
}

/// One tunnel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TunnelReport {
    /// Where to.
    pub gateway: String,
    /// The engine's own word: `online`, `waiting`, …
    pub status: String,
    /// Off, online, connecting, attention, waiting or stopped.
    pub state: String,
    /// For how many seconds it has been online.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub online_seconds: Option<u64>,
    /// In how many seconds the next try begins.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub retry_seconds: Option<u64>,
    /// How many tries have failed in a row.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub attempt: Option<u32>,
    /// From a heartbeat to its acknowledgement, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub round_trip_ms: Option<f64>,
    /// `websocket` or `sse`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub transport: Option<String>,
    /// `ready`, `silent`, `restarting` or `unprobed`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub server: Option<String>,
    /// How many tools the local server listed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub tools: Option<usize>,
    /// Who has a session on it.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub in_use_by: Vec<String>,
    /// For how many seconds its token is still good.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub token_seconds: Option<u64>,
    /// Why it is not as it should be.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cause: Option<Problem>,
    /// What needs attention although it is online.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub notices: Vec<Problem>,
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// A stable code.
    pub code: String,
    /// What happened.
    pub message: String,
    /// What to do.
    pub action: String,
}

impl Problem {
    /// Anything that explains itself.
    pub fn of(why: &(impl Explain + ?Sized)) -> Self {
        Self { code: why.code().to_owned(), message: why.to_string(), action: why.action().into_owned() }
    }

    fn in_entry(name: Option<&str>, why: &impl Explain) -> Self {
        let problem = Self::of(why);
        match name {
            Some(name) => Self { message: format!("{name}: {}", problem.message), ..problem },
            None => problem,
        }
    }
}

impl Report {
    /// The report on `overview` as of now.
    pub fn of(overview: &Overview) -> Self {
        Self::at(overview, Instant::now(), SystemTime::now())
    }

    fn at(overview: &Overview, now: Instant, time: SystemTime) -> Self {
        let broken = overview.broken.iter().map(|broken| Problem::in_entry(broken.name.as_deref(), &broken.error));
        Self {
            profiles: overview.profiles.iter().map(|view| profile(view, now, time)).collect(),
            problems: overview.trouble.iter().map(Problem::of).chain(broken).collect(),
        }
    }
}

fn profile(view: &ProfileView, now: Instant, time: SystemTime) -> ProfileReport {
    ProfileReport {
        key: view.profile.key.to_string(),
        name: view.profile.name.to_string(),
        wanted: view.wanted,
        start: Start::name(view.profile.start).to_owned(),
        state: view.mood().word().to_owned(),
        tunnels: view.tunnels.iter().map(|view| tunnel(view, now, time)).collect(),
        notices: view.profile.warnings.iter().map(|warning: &Warning| Problem::of(warning)).collect(),
    }
}

fn tunnel(view: &TunnelView, now: Instant, time: SystemTime) -> TunnelReport {
    let status = view.status.borrow().clone();
    let token = view.token.borrow().clone();
    let mut report = TunnelReport {
        gateway: view.key.gateway.clone(),
        status: status.word().to_owned(),
        state: view.mood().word().to_owned(),
        online_seconds: None,
        retry_seconds: None,
        attempt: None,
        round_trip_ms: None,
        transport: None,
        server: None,
        tools: None,
        in_use_by: Vec::new(),
        token_seconds: token.expiry.map(|expiry| expiry.expires_in(time).as_secs()),
        cause: status.cause().map(Problem::of),
        notices: token.notice.iter().map(Problem::of).collect(),
    };
    match status {
        Status::Online(online) => {
            report.online_seconds = Some(now.saturating_duration_since(online.since).as_secs());
            report.round_trip_ms = online.round_trip.map(milliseconds);
            report.transport = Some(online.transport.to_string());
            report.server = Some(online.server.word().to_owned());
            report.tools = online.tools;
            report.in_use_by = online.in_use_by;
            report.notices.extend(online.notices.iter().map(Problem::of));
            if let Server::Restarting { cause } = &online.server {
                report.cause = Some(Problem::of(cause));
            }
        }
        Status::Waiting { attempt, retry_at, .. } => {
            report.attempt = Some(attempt);
            report.retry_seconds = Some(retry_at.saturating_duration_since(now).as_secs());
        }
        _ => {}
    }
    if view.mood() == Mood::Off {
        report.token_seconds = None;
    }
    report
}

/// To a tenth, which is all that anybody looks at.
fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 10_000.0).round() / 10.0
}
