//! The calls in flight on one child: who waits for which answer, so that each gets exactly one.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use culvert_protocol::message::Id;

/// Calls that may be in flight on one child. A gateway with so many open calls has lost track of them.
const MAX_CALLS: usize = 4096;

/// One call in flight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    /// The caller's id as it spelled it.
    pub(crate) raw_id: Box<str>,
    /// Whether the child knows it by another id than the caller.
    pub(crate) renamed: bool,
    /// What it is about.
    pub(crate) kind: CallKind,
    waiting: Waiting,
}

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
    renamed: u64,
}

impl Pending {
    /// Takes a call in. `Some`: the child must know it by this id, because an orphan of a lost link still has its own.
    pub(crate) fn insert(&mut self, id: Id, raw_id: &str, kind: CallKind) -> Result<Option<Id>, NotTaken> {
        if self.calls.len() >= MAX_CALLS {
            return Err(NotTaken::TooMany);
        }
        let call = Call { raw_id: raw_id.into(), renamed: false, kind, waiting: Waiting::Caller };
        match self.calls.entry(id) {
            Entry::Vacant(free) => {
                free.insert(call);
                Ok(None)
            }
            Entry::Occupied(taken) if taken.get().waiting == Waiting::Caller => Err(NotTaken::InFlight),
            Entry::Occupied(_) => {
                if self.calls.values().any(|other| other.renamed && other.raw_id == call.raw_id && other.is_awaited()) {
                    return Err(NotTaken::InFlight);
                }
                self.renamed += 1;
                let name = Id::Text(format!("culvert-again-{}", self.renamed).into());
                self.calls.insert(name.clone(), Call { renamed: true, ..call });
                Ok(Some(name))
            }
        }
    }

    /// The call that the child answers with this id. `None`: nobody waits for it (any more).
    pub(crate) fn answered(&mut self, id: &Id) -> Option<Call> {
        self.calls.remove(id).filter(Call::is_awaited)
    }

    /// The link is gone: nobody waits any more. Returns the ids by which the child knows what it may stop doing.
    pub(crate) fn orphan(&mut self) -> Vec<Id> {
        let mut orphans = Vec::new();
        for (id, call) in self.calls.iter_mut().filter(|(_, call)| call.is_awaited()) {
            call.waiting = Waiting::Nobody;
            orphans.push(id.clone());
        }
        orphans
    }

    /// The child is gone: takes out everything, and returns the ids, as spelled, of those that wait.
    pub(crate) fn drain(&mut self) -> Vec<Box<str>> {
        self.calls.drain().map(|(_, call)| call).filter(Call::is_awaited).map(|call| call.raw_id).collect()
    }

    /// The ids, as spelled, of the calls that wait.
    pub(crate) fn awaited(&self) -> Vec<Box<str>> {
        self.calls.values().filter(|call| call.is_awaited()).map(|call| call.raw_id.clone()).collect()
    }

    /// Forgets the awaited call whose caller spells its id like this: it never reached the child.
    pub(crate) fn give_up(&mut self, raw_id: &str) {
        self.calls.retain(|_, call| !call.is_awaited() || &*call.raw_id != raw_id);
    }

    /// By which id the child knows the awaited call whose caller spells its id like this, if by another.
    pub(crate) fn renamed_to(&self, raw_id: &str) -> Option<&Id> {
        let found = self.calls.iter().find(|(_, call)| call.renamed && call.is_awaited() && &*call.raw_id == raw_id);
        found.map(|(id, _)| id)
    }
}

impl Call {
    fn is_awaited(&self) -> bool {
        self.waiting == Waiting::Caller
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn insert(pending: &mut Pending, id: i64) -> Result<Option<Id>, NotTaken> {
        pending.insert(Id::Integer(id), &id.to_string(), CallKind::Plain)
    }

    #[test]
    fn an_id_in_flight_is_refused_and_free_again_after_its_answer() {
        let mut pending = Pending::default();
        assert_eq!(insert(&mut pending, 1), Ok(None));
        assert_eq!(insert(&mut pending, 1), Err(NotTaken::InFlight));
        assert_eq!(&*pending.answered(&Id::Integer(1)).unwrap().raw_id, "1");
        assert_eq!(pending.answered(&Id::Integer(1)), None);
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
        assert_eq!(pending.answered(&Id::Integer(1)), None, "the orphan's answer is dropped");
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
        for id in 0..4096 {
            insert(&mut pending, id).unwrap();
        }
        assert_eq!(insert(&mut pending, 5000), Err(NotTaken::TooMany));
    }
}
