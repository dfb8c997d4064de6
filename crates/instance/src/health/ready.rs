//! Whether everything that should be up is up, and why not.

use std::time::{Duration, SystemTime};

use culvert_protocol::Explain;
use culvert_tunnel::{Server, Status};
use tokio::time::Instant;

use crate::overview::{Overview, TunnelView};
use crate::token_news::{EXPIRES_SOON, ends_in};

/// Why an instance is not ready, or soon will not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotReady {
    /// Which tunnel, where it is about one.
    pub tunnel: Option<String>,
    /// A stable code, or the name of the state.
    pub code: String,
    /// What is so.
    pub words: String,
}

impl NotReady {
    /// A line about it; without names, only what kind of trouble it is: causes may name hosts and programs.
    pub fn line(&self, with_names: bool) -> String {
        match (&self.tunnel, with_names) {
            (Some(tunnel), true) => format!("{tunnel}: {} ({})", self.words, self.code),
            (None, true) => format!("{} ({})", self.words, self.code),
            (_, false) => self.code.clone(),
        }
    }
}

/// Every reason why not every wanted tunnel is online with a child of its own that answers. Empty: ready.
pub fn not_ready(overview: &Overview, now: Instant) -> Vec<NotReady> {
    let mut reasons = Vec::new();
    if let Some(error) = &overview.trouble {
        reasons.push(NotReady { tunnel: None, code: error.code().to_owned(), words: error.to_string() });
    }
    for broken in &overview.broken {
        let error = &broken.error;
        reasons.push(NotReady { tunnel: broken.name.clone(), code: error.code().to_owned(), words: error.to_string() });
    }
    for profile in overview.profiles.iter().filter(|profile| profile.wanted) {
        for (view, tunnel) in profile.tunnels.iter().zip(&profile.profile.tunnels) {
            let fresh = 2 * tunnel.config.probe_interval;
            if let Some((code, words)) = trouble(view, fresh, now) {
                reasons.push(NotReady { tunnel: Some(named(view)), code, words });
            }
        }
    }
    reasons
}

/// Tokens whose end is near.
pub(crate) fn expiring(overview: &Overview, now: SystemTime) -> Vec<NotReady> {
    let wanted = overview.profiles.iter().filter(|profile| profile.wanted).flat_map(|profile| &profile.tunnels);
    let near = wanted.filter_map(|view| {
        let expiry = view.token.borrow().expiry.filter(|expiry| expiry.is_near(now))?;
        let words = ends_in(expiry.expires_in(now));
        Some(NotReady { tunnel: Some(named(view)), code: EXPIRES_SOON.to_owned(), words })
    });
    near.collect()
}

fn named(view: &TunnelView) -> String {
    format!("{} at {}", view.name, view.key.gateway)
}

fn trouble(view: &TunnelView, fresh: Duration, now: Instant) -> Option<(String, String)> {
    let status = view.status.borrow().clone();
    let Status::Online(online) = &status else {
        let cause = status.cause();
        let code = cause.map_or_else(|| status.word().to_owned(), |cause| cause.code().to_owned());
        return Some((code, cause.map_or_else(|| status.word().to_owned(), ToString::to_string)));
    };
    if let Server::Restarting { cause } = &online.server {
        return Some((cause.code().to_owned(), cause.to_string()));
    }
    let answered = view.ledger.last_answer();
    let is_fresh = answered.is_some_and(|last| now.saturating_duration_since(last) <= fresh);
    (!is_fresh).then(|| ("server.silent".to_owned(), "the local server does not answer".to_owned()))
}
