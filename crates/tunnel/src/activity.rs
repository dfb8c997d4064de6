//! Who calls what on the local server: the last calls and those under way. Heads only, never what is said.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use culvert_protocol::channels::control::Header;
use culvert_protocol::text;
use tokio::time::Instant;

use crate::ring::Ring;

/// Calls that are remembered unless told otherwise.
pub const CALLS: usize = 256;

/// Calls under way that are listed; more are counted and not listed.
const MAX_RUNNING: usize = 1024;

/// The longest method, tool name or URI that is kept, in characters.
const MAX_ABOUT: usize = 120;

/// The longest name of a caller that is kept, in characters.
const MAX_CALLER: usize = 120;

/// Who calls. Its texts come from a gateway, and are cleaned and cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// The gateway itself, or somebody behind it whom it does not name: always so in the base dialect.
    Gateway,
    /// One of its clients.
    Client {
        /// Who it is, as the gateway's authentication has it.
        subject: Option<Box<str>>,
        /// Its program, as it named itself.
        client: Option<Box<str>>,
    },
}

impl Caller {
    /// Whoever a gateway has opened a channel for.
    pub(crate) fn of(header: &Header) -> Self {
        let told = |name: &Option<String>| {
            let name = text::clean(name.as_deref()?, MAX_CALLER);
            (!name.is_empty()).then(|| name.into_boxed_str())
        };
        Self::Client { subject: told(&header.subject), client: told(&header.client) }
    }
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// With a result.
    Ok,
    /// With an error of this JSON-RPC code; 0 when it had none.
    Error(i64),
    /// The tool policy let it not pass, and the server never heard of it.
    Refused,
    /// The caller did not want it any more.
    Cancelled,
    /// With the server, the caller or the link, and without an answer of the server's.
    Ended,
}

/// A call that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Whose, what and since when.
    pub head: CallHead,
    /// How long it took.
    pub took: Duration,
    /// How it ended.
    pub outcome: Outcome,
    /// The bytes of its answer; 0 without one.
    pub bytes_out: usize,
}

/// Is told of each call that is over, but for `ping`. It must not wait for anything.
pub trait Audit: fmt::Debug + Send + Sync {
    /// This one is.
    fn over(&self, call: &Call);

    /// One passed that nobody could follow.
    fn missed(&self);
}

/// What is known of a call from its beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallHead {
    /// Who calls.
    pub caller: Arc<Caller>,
    /// The method, cleaned and cut.
    pub method: Cow<'static, str>,
    /// The tool's or prompt's name, or the resource's URI, cleaned and cut.
    pub about: Option<Box<str>>,
    /// When it began.
    pub began: SystemTime,
    /// The bytes of the request.
    pub bytes_in: usize,
}

/// A call that is not over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunningCall {
    /// Whose, what and since when.
    pub head: CallHead,
    /// For how long it has been running.
    pub runs: Duration,
}

/// The calls of one tunnel. `ping` is not among them.
#[derive(Debug)]
pub struct Activity {
    done: Ring<Call>,
    running: Mutex<Running>,
}

#[derive(Debug, Default)]
struct Running {
    places: Vec<Option<(CallHead, Instant)>>,
    free: Vec<u32>,
}

/// A place among the calls under way.
#[derive(Debug)]
pub(crate) struct Place(u32);

impl Activity {
    /// Remembers so many calls.
    pub(crate) fn new(calls: usize) -> Self {
        Self { done: Ring::new(calls.max(1), usize::MAX), running: Mutex::default() }
    }

    /// The last calls that are over, by when they ended.
    pub fn calls(&self) -> &Ring<Call> {
        &self.done
    }

    /// The calls under way, the oldest first; up to 1024 of them.
    pub fn running(&self) -> Vec<RunningCall> {
        let now = Instant::now();
        let mut running: Vec<_> = self
            .lock()
            .places
            .iter()
            .flatten()
            .map(|(head, since)| RunningCall { head: head.clone(), runs: now.saturating_duration_since(*since) })
            .collect();
        running.sort_by_key(|call| std::cmp::Reverse(call.runs));
        running
    }

    /// A call is under way. `Err`: too many are, and this one is not listed.
    pub(crate) fn begin(&self, head: CallHead, now: Instant) -> Result<Place, CallHead> {
        let mut running = self.lock();
        if let Some(place) = running.free.pop() {
            running.places[place as usize] = Some((head, now));
            return Ok(Place(place));
        }
        let next = running.places.len();
        match u32::try_from(next) {
            Ok(place) if next < MAX_RUNNING => {
                running.places.push(Some((head, now)));
                Ok(Place(place))
            }
            _ => Err(head),
        }
    }

    /// It is no more; its head comes back.
    pub(crate) fn end(&self, place: Place) -> Option<CallHead> {
        let mut running = self.lock();
        let head = running.places[place.0 as usize].take();
        running.free.push(place.0);
        head.map(|(head, _)| head)
    }

    /// Remembers a call that is over.
    pub(crate) fn remember(&self, call: Call) {
        self.done.push(call, 0);
    }

    fn lock(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A text of a call's head, fit to be shown.
pub(crate) fn shown(text: &str) -> Box<str> {
    // Nearly all are plain, and need only be copied.
    if text.len() <= MAX_ABOUT && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return text.into();
    }
    text::clean(text, MAX_ABOUT).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(about: &str) -> CallHead {
        CallHead {
            caller: Arc::new(Caller::Gateway),
            method: "tools/call".into(),
            about: Some(shown(about)),
            began: SystemTime::UNIX_EPOCH,
            bytes_in: 7,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_is_running_until_it_is_over() {
        let activity = Activity::new(2);
        let (first, second) = (activity.begin(head("a"), Instant::now()), activity.begin(head("b"), Instant::now()));
        tokio::time::advance(Duration::from_secs(3)).await;
        let running = activity.running();
        assert_eq!(running.len(), 2);
        assert_eq!((running[0].head.about.as_deref(), running[0].runs), (Some("a"), Duration::from_secs(3)));
        let end = |place: Place, took, outcome, bytes_out| {
            let head = activity.end(place).unwrap();
            activity.remember(Call { head, took, outcome, bytes_out });
        };
        end(first.unwrap(), Duration::from_secs(3), Outcome::Error(-5), 9);
        assert_eq!(activity.running().len(), 1);
        let page = activity.calls().read(0);
        assert_eq!((page.first, page.items.len()), (0, 1));
        assert_eq!((page.items[0].outcome, page.items[0].bytes_out), (Outcome::Error(-5), 9));
        end(second.unwrap(), Duration::ZERO, Outcome::Ok, 0);
        let third = activity.begin(head("c"), Instant::now()).unwrap();
        end(third, Duration::ZERO, Outcome::Ok, 0);
        let page = activity.calls().read(0);
        assert_eq!((page.first, page.next()), (1, 3), "the oldest is forgotten");
        assert_eq!(activity.lock().places.len(), 2, "places are used again");
    }

    #[test]
    fn more_calls_than_can_be_listed_are_let_be() {
        let activity = Activity::new(1);
        let places: Vec<_> = (0..1030).map(|_| activity.begin(head("a"), Instant::now())).collect();
        assert_eq!(places.iter().flatten().count(), 1024);
        assert_eq!(activity.running().len(), 1024);
    }

    #[test]
    fn what_others_name_is_cleaned_and_cut() {
        assert_eq!(&*shown("a\u{1b}[31mb"), "a [31mb");
        assert_eq!(shown(&"x".repeat(5000)).chars().count(), 121);
        let header = Header { subject: Some(" \n".into()), client: Some("evil\u{7}".into()), ..Header::default() };
        assert_eq!(Caller::of(&header), Caller::Client { subject: None, client: Some("evil".into()) });
    }
}
