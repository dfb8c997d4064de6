//! What happened on a profile's tunnels, told for as long as somebody wants to see it: calls, and the server's log.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use culvert_protocol::text::clean;
use culvert_tunnel::Ledger;
use culvert_tunnel::activity::{CallHead, Caller, Outcome as Ended};
use tokio::time::sleep;

use crate::culvert::Culvert;
use crate::shown::{Call, LogLine, Outcome, ProfileId, Time};

/// How often somebody who looks is told what is new.
const LOOK: Duration = Duration::from_millis(250);

/// Microseconds of a moment before any call: what is counted from there fits a number of JavaScript's.
const BEFORE: u64 = 1_760_000_000_000_000;

/// How many calls of one microsecond are told apart.
const APART: u64 = 32;

impl Culvert {
    /// Tells a profile's calls, those under way included, then what changes. Ends when `tell` says that nobody listens.
    pub async fn watch_calls(&self, id: ProfileId, tell: impl Fn(Vec<Call>) -> bool) {
        let mut next: BTreeMap<String, u64> = BTreeMap::new();
        let mut told: BTreeMap<u64, Outcome> = BTreeMap::new();
        let mut first = true;
        loop {
            let mut news = Vec::new();
            for (gateway, ledger) in self.ledgers(&id) {
                let from = next.get(&gateway).copied().unwrap_or_default();
                let page = ledger.activity().calls().read(from);
                next.insert(gateway.clone(), page.next());
                news.extend(page.items.iter().map(|call| {
                    let outcome = outcome(call.outcome);
                    let answer = (call.bytes_out > 0).then(|| wide(call.bytes_out));
                    shown(&gateway, &call.head, Some(call.took), outcome, answer)
                }));
                let running = ledger.activity().running().into_iter();
                news.extend(running.map(|call| shown(&gateway, &call.head, None, Outcome::Running, None)));
            }
            // A running call is told once.
            news.retain(|call| told.insert(call.id, call.outcome.clone()).as_ref() != Some(&call.outcome));
            while told.len() > 4096 {
                told.pop_first();
            }
            if (first || !news.is_empty()) && !tell(news) {
                return;
            }
            first = false;
            sleep(LOOK).await;
        }
    }

    /// Tells the lines that a profile's local server wrote and that were not cleared, then each new one.
    pub async fn watch_log(&self, id: ProfileId, tell: impl Fn(Vec<LogLine>) -> bool) {
        let mut next: BTreeMap<String, u64> = BTreeMap::new();
        let (mut seq, mut first) = (0, true);
        loop {
            let mut news = Vec::new();
            for (gateway, ledger) in self.ledgers(&id) {
                let cleared = self.cleared(&id, &gateway);
                let from = next.get(&gateway).copied().unwrap_or_default().max(cleared);
                let page = ledger.server_log().lines().read(from);
                next.insert(gateway, page.next());
                news.extend(page.items);
            }
            news.sort_by_key(|line| line.at);
            let lines: Vec<LogLine> = news
                .into_iter()
                .map(|line| {
                    seq += 1;
                    LogLine { seq, at: line.at.into(), text: line.text.into_string() }
                })
                .collect();
            if (first || !lines.is_empty()) && !tell(lines) {
                return;
            }
            first = false;
            sleep(LOOK).await;
        }
    }

    /// Forgets the lines of a profile's log so far.
    pub fn clear_log(&self, id: &ProfileId) {
        let mut cleared = self.0.cleared.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for (gateway, ledger) in self.ledgers(id) {
            cleared.insert((id.0.clone(), gateway), ledger.server_log().lines().read(u64::MAX).next());
        }
    }

    fn cleared(&self, id: &ProfileId, gateway: &str) -> u64 {
        let cleared = self.0.cleared.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        cleared.get(&(id.0.clone(), gateway.to_owned())).copied().unwrap_or_default()
    }

    /// The accounts of a profile's tunnels, by gateway.
    fn ledgers(&self, id: &ProfileId) -> Vec<(String, Arc<Ledger>)> {
        let Ok(instance) = self.instance() else { return Vec::new() };
        let overview = instance.overview().borrow().clone();
        let view = overview.profiles.iter().find(|view| view.profile.key.as_str() == id.0);
        let tunnels = view.into_iter().flat_map(|view| &view.tunnels);
        tunnels.map(|tunnel| (tunnel.key.gateway.clone(), tunnel.ledger.clone())).collect()
    }
}

fn shown(gateway: &str, head: &CallHead, took: Option<Duration>, outcome: Outcome, answer_bytes: Option<u64>) -> Call {
    Call {
        id: number(gateway, head),
        at: Time::from(head.began),
        caller: caller(&head.caller),
        method: head.method.to_string(),
        tool: head.about.as_ref().map(|about| about.to_string()),
        ms: took.map(|took| u32::try_from(took.as_millis()).unwrap_or(u32::MAX)),
        outcome,
        request_bytes: wide(head.bytes_in),
        answer_bytes,
    }
}

/// A number that a call has from its beginning to its end, larger for one that began later.
fn number(gateway: &str, head: &CallHead) -> u64 {
    let since = |began: SystemTime| began.duration_since(UNIX_EPOCH).unwrap_or_default();
    let micros = u64::try_from(since(head.began).as_micros()).unwrap_or_default();
    let about = head.about.as_deref().unwrap_or_default();
    let bytes = [gateway, head.method.as_ref(), about].into_iter().flat_map(str::bytes);
    let nanos = u64::from(since(head.began).subsec_nanos());
    let mixed = bytes.fold(nanos, |mixed, byte| mixed.wrapping_mul(31).wrapping_add(u64::from(byte)));
    micros.saturating_sub(BEFORE) * APART + mixed % APART
}

fn wide(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

fn caller(caller: &Caller) -> String {
    match caller {
        Caller::Gateway => "the gateway".to_owned(),
        Caller::Client { client: Some(client), .. } => clean(client, 60),
        Caller::Client { subject: Some(subject), .. } => clean(subject, 60),
        Caller::Client { .. } => "a client".to_owned(),
    }
}

fn outcome(ended: Ended) -> Outcome {
    match ended {
        Ended::Ok => Outcome::Ok,
        Ended::Cancelled => Outcome::Cancelled,
        Ended::Error(0) => Outcome::Error { message: "the server answered with an error".to_owned() },
        Ended::Error(code) => Outcome::Error { message: format!("the server answered with error {code}") },
        Ended::Refused => Outcome::Refused,
        Ended::Ended => Outcome::Error { message: "ended without an answer".to_owned() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_grow_with_time_and_fit_a_javascript_number() {
        let head = |micros: u64, about: &str| CallHead {
            caller: Arc::new(Caller::Gateway),
            method: "tools/call".into(),
            about: Some(about.into()),
            began: UNIX_EPOCH + Duration::from_micros(micros),
            bytes_in: 1,
        };
        let now = 1_795_000_000_000_000;
        assert!(number("gw", &head(now, "a")) < number("gw", &head(now + 1, "a")));
        assert_ne!(number("gw", &head(now, "a")), number("gw", &head(now, "b")));
        assert_eq!(number("gw", &head(now, "a")), number("gw", &head(now, "a")));
        assert!(number("gw", &head(now, "a")) < 1 << 53);
    }
}
