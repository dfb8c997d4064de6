//! The calls in flight on one child: who waits for which answer, so that each gets exactly one.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::Duration;

use culvert_protocol::message::Id;
use tokio::time::Instant;

use crate::activity::Outcome;
use crate::ledger::Ticket;

/// Calls that may be in flight on one child. A gateway with so many open calls has lost track of them.
const MAX_CALLS: usize = 4096;

/// One call in flight.
#[derive(Debug)]
pub(crate) struct Call {
    /// The caller's id as it spelled it.
    pub(crate) raw_id: Box<str>,
    /// Whether the child knows it by another id than the caller.
    pub(crate) renamed: bool,
    /// What it is about.
    pub(crate) kind: CallKind,
    /// Its place in the account. Let go with the call, it says that there was no answer.
    pub(crate) ticket: Option<Ticket>,
    waiting: Waiting,
    /// When somebody else than the child answers it.
    until: Instant,
    /// The token of its progress, which gives it new time.
    token: Option<Id>,
}

/// A call whose time is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Overdue {
    /// By which id the child knows it.
    pub(crate) id: Id,
    /// The caller's id as it spelled it.
    pub(crate) raw_id: Box<str>,
    /// Whether the caller had cancelled it; else nobody told the child yet.
    pub(crate) cancelled: bool,
}

/// After its cancellation a call ends by the child's answer, or after this time.
const CANCEL_LINGER: Duration = Duration::from_secs(5);

/// What needs more than passing the answer on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallKind {
    /// A gateway's own `initialize`: should the child refuse to hear it twice, the first answer serves.
    Initialize,
    /// Anything else.
    Plain,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waiting {
    /// On the link that is up.
    Caller,
    /// On the link that is up, and it has cancelled.
    Cancelled,
    /// On a link that was lost.
    Nobody,
}

/// Why a call cannot be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotTaken {
    /// A call with the same id is in flight on this link.
    InFlight,
    /// There are too many.
    TooMany,
}

/// All calls in flight on one child.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    calls: HashMap<Id, Call>,
    /// Which call a progress token belongs to.
    tokens: HashMap<Id, Id>,
    renamed: u64,
}

impl Pending {
    /// Takes a call in. `Some`: the child must know it by this id, because an orphan of a lost link still has its own.
    pub(crate) fn insert(
        &mut self,
        id: Id,
        raw_id: &str,
        kind: CallKind,
        token: Option<Id>,
        until: Instant,
        ticket: impl FnOnce() -> Ticket,
    ) -> Result<Option<Id>, NotTaken> {
        if self.calls.len() >= MAX_CALLS {
            self.forget_unawaited();
        }
        if self.calls.len() >= MAX_CALLS {
            return Err(NotTaken::TooMany);
        }
        let call = |renamed| Call {
            raw_id: raw_id.into(),
            renamed,
            kind,
            ticket: Some(ticket()),
            waiting: Waiting::Caller,
            until,
            token: token.clone(),
        };
        match self.calls.entry(id) {
            Entry::Vacant(free) => {
                if let Some(token) = &token {
                    self.tokens.insert(token.clone(), free.key().clone());
                }
                free.insert(call(false));
                Ok(None)
            }
            Entry::Occupied(taken) if taken.get().is_awaited() => Err(NotTaken::InFlight),
            Entry::Occupied(_) => {
                if self.calls.values().any(|other| other.renamed && *other.raw_id == *raw_id && other.is_awaited()) {
                    return Err(NotTaken::InFlight);
                }
                self.renamed += 1;
                let name = Id::Text(format!("culvert-again-{}", self.renamed).into());
                self.calls.insert(name.clone(), call(true));
                if let Some(token) = token {
                    self.tokens.insert(token, name.clone());
                }
                Ok(Some(name))
            }
        }
    }

    /// The call that the child answers with this id. `None`: nobody waits for it (any more).
    pub(crate) fn answered(&mut self, id: &Id) -> Option<Call> {
        let call = self.calls.remove(id)?;
        self.forget_token(id, &call);
        call.is_awaited().then_some(call)
    }

    /// The child reports progress: the call that it is about has its time anew.
    pub(crate) fn progressed(&mut self, token: &Id, until: Instant) {
        if let Some(call) = self.tokens.get(token).and_then(|id| self.calls.get_mut(id))
            && call.waiting == Waiting::Caller
        {
            call.until = until;
        }
    }

    /// The caller has cancelled the awaited call whose id it spells like this.
    pub(crate) fn cancelled(&mut self, raw_id: &str, now: Instant) {
        if let Some(call) = self.calls.values_mut().find(|call| call.is_awaited() && &*call.raw_id == raw_id) {
            call.waiting = Waiting::Cancelled;
            call.until = now + CANCEL_LINGER;
            if let Some(ticket) = call.ticket.take() {
                ticket.end(Outcome::Cancelled, 0, now);
            }
        }
    }

    /// The awaited calls whose time is over by `now`. They are still in flight on the child, but nobody waits any more.
    pub(crate) fn overdue(&mut self, now: Instant) -> Vec<Overdue> {
        let mut overdue = Vec::new();
        for (id, call) in self.calls.iter_mut().filter(|(_, call)| call.is_awaited() && call.until <= now) {
            let cancelled = call.waiting == Waiting::Cancelled;
            call.waiting = Waiting::Nobody;
            call.ticket = None;
            overdue.push(Overdue { id: id.clone(), raw_id: call.raw_id.clone(), cancelled });
        }
        overdue
    }

    /// Forgets half of the calls that nobody waits for, those whose time was over first. MCP asks a server not to answer
    /// what was cancelled, so they would add up, and in the end no call would be taken any more.
    fn forget_unawaited(&mut self) {
        let unawaited = self.calls.values().filter(|call| !call.is_awaited());
        let mut ends: Vec<Instant> = unawaited.map(|call| call.until).collect();
        let Some(last) = ends.len().checked_sub(1) else { return };
        let (_, middle, _) = ends.select_nth_unstable(last / 2);
        self.calls.retain(|_, call| call.is_awaited() || call.until > *middle);
        self.tokens.retain(|_, id| self.calls.contains_key(id));
    }

    fn forget_token(&mut self, id: &Id, call: &Call) {
        if let Some(token) = &call.token
            && self.tokens.get(token) == Some(id)
        {
            self.tokens.remove(token);
        }
    }

    /// The link is gone: nobody waits any more. Returns the ids by which the child knows what it may stop doing.
    pub(crate) fn orphan(&mut self) -> Vec<Id> {
        let mut orphans = Vec::new();
        for (id, call) in self.calls.iter_mut().filter(|(_, call)| call.is_awaited()) {
            call.waiting = Waiting::Nobody;
            call.ticket = None;
            orphans.push(id.clone());
        }
        orphans
    }

    /// The child is gone: takes out everything, and returns the ids, as spelled, of those that wait.
    pub(crate) fn drain(&mut self) -> Vec<Box<str>> {
        self.tokens.clear();
        self.calls.drain().map(|(_, call)| call).filter(Call::is_awaited).map(|call| call.raw_id).collect()
    }

    /// The ids, as spelled, of the calls that wait.
    pub(crate) fn awaited(&self) -> Vec<Box<str>> {
        self.calls.values().filter(|call| call.is_awaited()).map(|call| call.raw_id.clone()).collect()
    }

    /// Whether no call waits but those that stay open on purpose.
    pub(crate) fn is_quiet(&self) -> bool {
        !self.calls.values().any(|call| call.is_awaited() && !call.ticket.as_ref().is_some_and(Ticket::is_endless))
    }

    /// Forgets the awaited call whose caller spells its id like this: it never reached the child.
    pub(crate) fn give_up(&mut self, raw_id: &str) {
        let given_up = |call: &Call| call.is_awaited() && &*call.raw_id == raw_id;
        self.calls.retain(|_, call| !given_up(call));
        self.tokens.retain(|_, id| self.calls.contains_key(id));
    }

    /// By which id the child knows the awaited call whose caller spells its id like this, if by another.
    pub(crate) fn renamed_to(&self, raw_id: &str) -> Option<&Id> {
        let found = self.calls.iter().find(|(_, call)| call.renamed && call.is_awaited() && &*call.raw_id == raw_id);
        found.map(|(id, _)| id)
    }
}

impl Call {
    fn is_awaited(&self) -> bool {
        self.waiting != Waiting::Nobody
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::activity::Caller;
    use crate::ledger::Ledger;

    fn ticket(method: &str) -> Ticket {
        Arc::new(Ledger::new(1, 1)).begin(&Arc::new(Caller::Gateway), method, None, 0, Instant::now())
    }

    fn insert(pending: &mut Pending, id: i64) -> Result<Option<Id>, NotTaken> {
        insert_until(pending, id, None, Instant::now() + Duration::from_secs(300))
    }

    fn insert_until(
        pending: &mut Pending,
        id: i64,
        token: Option<i64>,
        until: Instant,
    ) -> Result<Option<Id>, NotTaken> {
        pending.insert(Id::Integer(id), &id.to_string(), CallKind::Plain, token.map(Id::Integer), until, || {
            ticket("tools/call")
        })
    }

    #[test]
    fn a_call_whose_time_is_over_is_answered_once_and_progress_gives_it_new_time() {
        let (mut pending, now) = (Pending::default(), Instant::now());
        let second = Duration::from_secs(1);
        insert_until(&mut pending, 1, Some(9), now + second).unwrap();
        insert_until(&mut pending, 2, None, now + second).unwrap();
        pending.progressed(&Id::Integer(9), now + 10 * second);
        let overdue = pending.overdue(now + second);
        assert_eq!(overdue, [Overdue { id: Id::Integer(2), raw_id: "2".into(), cancelled: false }]);
        assert_eq!(pending.overdue(now + second), []);
        assert!(pending.answered(&Id::Integer(2)).is_none(), "a late answer is dropped");
        assert!(pending.answered(&Id::Integer(1)).is_some());
    }

    #[test]
    fn a_cancelled_call_ends_by_its_answer_or_after_five_seconds() {
        let (mut pending, now) = (Pending::default(), Instant::now());
        insert(&mut pending, 1).unwrap();
        insert(&mut pending, 2).unwrap();
        pending.cancelled("1", now);
        pending.cancelled("2", now);
        assert!(pending.answered(&Id::Integer(1)).is_some());
        assert_eq!(pending.overdue(now + Duration::from_secs(4)), []);
        let overdue = pending.overdue(now + CANCEL_LINGER);
        assert_eq!(overdue, [Overdue { id: Id::Integer(2), raw_id: "2".into(), cancelled: true }]);
    }

    #[test]
    fn an_id_in_flight_is_refused_and_free_again_after_its_answer() {
        let mut pending = Pending::default();
        assert_eq!(insert(&mut pending, 1), Ok(None));
        assert_eq!(insert(&mut pending, 1), Err(NotTaken::InFlight));
        assert_eq!(&*pending.answered(&Id::Integer(1)).unwrap().raw_id, "1");
        assert!(pending.answered(&Id::Integer(1)).is_none());
        assert_eq!(insert(&mut pending, 1), Ok(None));
    }

    #[test]
    fn an_answer_to_a_lost_link_never_reaches_the_next_one() {
        let mut pending = Pending::default();
        insert(&mut pending, 1).unwrap();
        assert_eq!(pending.orphan(), [Id::Integer(1)]);
        let again = insert(&mut pending, 1).unwrap().expect("the child still has the first");
        assert_eq!(insert(&mut pending, 1), Err(NotTaken::InFlight));
        assert_eq!(pending.renamed_to("1"), Some(&again));
        assert!(pending.answered(&Id::Integer(1)).is_none(), "the orphan's answer is dropped");
        let call = pending.answered(&again).unwrap();
        assert!(call.renamed && &*call.raw_id == "1");
    }

    #[test]
    fn a_dead_child_leaves_no_call_behind() {
        let mut pending = Pending::default();
        insert(&mut pending, 1).unwrap();
        pending.orphan();
        insert(&mut pending, 2).unwrap();
        assert_eq!(pending.drain(), [Box::from("2")]);
        assert_eq!(insert(&mut pending, 1), Ok(None));
    }

    #[test]
    fn calls_are_bounded() {
        let mut pending = Pending::default();
        for id in 0..MAX_CALLS as i64 {
            insert(&mut pending, id).unwrap();
        }
        assert_eq!(insert(&mut pending, 5000), Err(NotTaken::TooMany));
    }

    #[test]
    fn calls_that_were_cancelled_and_never_answered_keep_no_others_out() {
        let (mut pending, start) = (Pending::default(), Instant::now());
        insert_until(&mut pending, -1, None, start + Duration::from_secs(1_000_000)).unwrap();
        for (id, second) in (0..5_000_i64).zip(0..) {
            let now = start + Duration::from_secs(second);
            insert_until(&mut pending, id, Some(id), now + Duration::from_secs(300)).unwrap();
            pending.cancelled(&id.to_string(), now);
            pending.overdue(now + CANCEL_LINGER);
        }
        assert!(pending.calls.len() <= MAX_CALLS && pending.tokens.len() <= MAX_CALLS);
        let renamed = insert(&mut pending, 4_999).unwrap();
        assert!(renamed.is_some(), "a late answer to one that was cancelled just now could still come");
        assert!(pending.answered(&Id::Integer(-1)).is_some(), "one that somebody waits for is kept");
    }

    #[test]
    fn a_call_that_never_reached_the_child_leaves_no_token_behind() {
        let (mut pending, now) = (Pending::default(), Instant::now());
        insert_until(&mut pending, 1, Some(9), now).unwrap();
        pending.give_up("1");
        assert!(pending.calls.is_empty() && pending.tokens.is_empty());
    }
}
