//! The calls of a session and where their answers go: pure bookkeeping, bounded, with the time handed in.

mod posts;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use culvert_protocol::message::Id;
use culvert_protocol::tally::Method;
use tokio::time::Instant;

use self::posts::Posts;
use super::stream::{Stream, StreamId};
use crate::audit::Trail;

/// How long the server may still answer a cancelled call. MCP asks it not to answer at all.
pub(super) const CANCEL_LINGER: Duration = Duration::from_secs(5);

/// So much longer in front of a shared child, so that the child's side ends it and an id used again at once meets no
/// old entry.
pub(super) const SHARED_MARGIN: Duration = Duration::from_millis(500);

/// How much a session may have under way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    /// Calls in flight.
    pub(super) calls: usize,
    /// Bytes that may wait on each stream; and, of all that are over, for a client that comes back.
    pub(super) backlog: usize,
}

/// How a call stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Waits for its answer, until then.
    Waiting { until: Instant },
    /// Its client cancelled it; the server may answer until then.
    Cancelled { until: Instant },
    /// Its client has an error for an answer; a late one is dropped until then.
    TimedOut { until: Instant },
}

/// A call in flight.
#[derive(Debug)]
struct Call {
    stream: Arc<Stream>,
    /// The id as its client spelled it, JSON.
    raw_id: Box<str>,
    token: Option<Id>,
    standing: Standing,
    method: Method,
    began: Instant,
    trail: Option<Box<Trail>>,
}

/// A call to be entered.
#[derive(Debug)]
pub(super) struct NewCall {
    pub(super) id: Id,
    /// The id as its client spelled it, JSON.
    pub(super) raw_id: Box<str>,
    pub(super) token: Option<Id>,
    pub(super) method: Method,
    /// What is told of it, if anything is.
    pub(super) trail: Option<Box<Trail>>,
}

/// A call that is over for its caller, as it is counted and told.
#[derive(Debug)]
pub(super) struct Past {
    pub(super) method: Method,
    pub(super) took: Duration,
    pub(super) trail: Option<Box<Trail>>,
}

/// The server's answer to a call.
#[derive(Debug)]
pub(super) struct Answered {
    /// Where it goes.
    pub(super) stream: Arc<Stream>,
    pub(super) past: Past,
    /// Whether the caller had given the call up.
    pub(super) was_cancelled: bool,
}

/// Why calls are not entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// One with this id is in flight.
    Duplicate,
    /// Too many are.
    TooMany,
}

/// What time has brought.
#[derive(Debug)]
pub(super) enum Due {
    /// The server has not answered in time: tell it, and answer the caller.
    TimedOut { raw_id: Box<str>, stream: Arc<Stream>, past: Past },
    /// A cancelled call was not answered, as is right: end the caller's wait.
    Cancelled { raw_id: Box<str>, stream: Arc<Stream>, past: Past },
    /// A POST was held long enough.
    Held(Arc<Stream>),
}

/// See the head of this file.
#[derive(Debug)]
pub(super) struct Calls {
    room: Room,
    calls: HashMap<Id, Call>,
    tokens: HashMap<Id, Id>,
    pub(super) posts: Posts,
}

/// How long things may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    pub(super) call: Duration,
    pub(super) hold: Duration,
    /// For an answer after a cancel.
    pub(super) linger: Duration,
}

impl Calls {
    /// None yet.
    pub(super) fn new(room: Room) -> Self {
        Self { room, calls: HashMap::new(), tokens: HashMap::new(), posts: Posts::new(room.backlog) }
    }

    /// Enters the calls of one POST, all or none; they share a stream.
    pub(super) fn begin(
        &mut self,
        calls: Vec<NewCall>,
        patience: Patience,
        now: Instant,
    ) -> Result<Arc<Stream>, Refused> {
        // A single call needs no memory for this.
        let mut seen = HashSet::new();
        let mut is_new = |id| calls.len() == 1 || seen.insert(id);
        if calls.iter().any(|call| self.calls.contains_key(&call.id) || !is_new(&call.id)) {
            return Err(Refused::Duplicate);
        }
        if self.calls.len() + calls.len() > self.room.calls {
            return Err(Refused::TooMany);
        }
        let stream = self.posts.open(calls.len(), now + patience.hold);
        for call in calls {
            self.enter(call, &stream, patience, now);
        }
        Ok(stream)
    }

    /// Enters a call whose answer goes to `stream`, like those of others.
    pub(super) fn join(
        &mut self,
        call: NewCall,
        stream: &Arc<Stream>,
        patience: Patience,
        now: Instant,
    ) -> Result<(), Refused> {
        if self.calls.contains_key(&call.id) {
            return Err(Refused::Duplicate);
        }
        if self.calls.len() >= self.room.calls {
            return Err(Refused::TooMany);
        }
        self.enter(call, stream, patience, now);
        Ok(())
    }

    fn enter(&mut self, call: NewCall, stream: &Arc<Stream>, patience: Patience, now: Instant) {
        let NewCall { id, raw_id, token, method, trail } = call;
        if let Some(token) = &token {
            self.tokens.insert(token.clone(), id.clone());
        }
        let standing = Standing::Waiting { until: now + patience.call };
        self.calls.insert(id, Call { stream: stream.clone(), raw_id, token, standing, method, began: now, trail });
    }

    /// Takes a call out again: the server was never asked.
    pub(super) fn leave(&mut self, id: &Id) {
        self.remove(id);
    }

    /// Takes the calls of a POST out again: the server was never asked.
    pub(super) fn withdraw(&mut self, stream: StreamId) {
        self.posts.withdraw(stream);
        let ids: Vec<Id> =
            self.calls.iter().filter(|(_, call)| call.stream.id == stream).map(|(id, _)| id.clone()).collect();
        for id in ids {
            self.remove(&id);
        }
    }

    fn remove(&mut self, id: &Id) -> Option<Call> {
        let call = self.calls.remove(id)?;
        if let Some(token) = &call.token
            && self.tokens.get(token) == Some(id)
        {
            self.tokens.remove(token);
        }
        Some(call)
    }

    /// The server answers: where that goes. `None` when nobody waits (any more).
    pub(super) fn answered(&mut self, id: &Id, now: Instant) -> Option<Answered> {
        let mut call = self.remove(id)?;
        let past = call.past(now);
        let was_cancelled = match call.standing {
            Standing::Waiting { .. } => false,
            Standing::Cancelled { .. } => true,
            Standing::TimedOut { .. } => return None,
        };
        Some(Answered { stream: call.stream, past, was_cancelled })
    }

    /// The stream of the call that has this progress token; its time begins anew.
    pub(super) fn progressed(&mut self, token: &Id, patience: Patience, now: Instant) -> Option<Arc<Stream>> {
        let call = self.calls.get_mut(self.tokens.get(token)?)?;
        match &mut call.standing {
            Standing::Waiting { until } => *until = now + patience.call,
            Standing::Cancelled { .. } => {}
            Standing::TimedOut { .. } => return None,
        }
        Some(call.stream.clone())
    }

    /// The client cancels a call: until when the server may still answer.
    pub(super) fn cancel(&mut self, id: &Id, patience: Patience, now: Instant) -> Option<Instant> {
        let call = self.calls.get_mut(id)?;
        let Standing::Waiting { .. } = call.standing else { return None };
        let until = now + patience.linger;
        call.standing = Standing::Cancelled { until };
        Some(until)
    }

    /// Whether a call is in flight or an answer is still being read.
    pub(super) fn is_busy(&self) -> bool {
        !self.calls.is_empty() || self.posts.is_one_being_read()
    }

    /// When [`due`](Self::due) will next have something.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let calls = self.calls.values().map(|call| match call.standing {
            Standing::Waiting { until } | Standing::Cancelled { until } | Standing::TimedOut { until } => until,
        });
        calls.chain(self.posts.next_due()).min()
    }

    /// What is due by now.
    pub(super) fn due(&mut self, now: Instant) -> Vec<Due> {
        let mut due: Vec<_> = self.posts.due(now).map(Due::Held).collect();
        let mut ended = Vec::new();
        for (id, call) in &mut self.calls {
            match call.standing {
                Standing::Waiting { until } if until <= now => {
                    call.standing = Standing::TimedOut { until: now + CANCEL_LINGER + SHARED_MARGIN };
                    let (raw_id, stream) = (call.raw_id.clone(), call.stream.clone());
                    due.push(Due::TimedOut { raw_id, stream, past: call.past(now) });
                }
                Standing::Cancelled { until } if until <= now => {
                    ended.push(id.clone());
                    let (raw_id, stream) = (call.raw_id.clone(), call.stream.clone());
                    due.push(Due::Cancelled { raw_id, stream, past: call.past(now) });
                }
                Standing::TimedOut { until } if until <= now => ended.push(id.clone()),
                Standing::Waiting { .. } | Standing::Cancelled { .. } | Standing::TimedOut { .. } => {}
            }
        }
        for id in ended {
            self.remove(&id);
        }
        due
    }

    /// How many calls are in flight, and how many bytes of answers wait for their clients.
    pub(super) fn load(&self) -> (usize, usize) {
        (self.calls.len(), self.posts.waiting())
    }

    /// Takes out all calls that still wait, because nobody will answer them.
    pub(super) fn drain(&mut self, now: Instant) -> Vec<(Box<str>, Answered)> {
        self.tokens.clear();
        self.posts.forget_open();
        self.calls
            .drain()
            .filter(|(_, call)| !matches!(call.standing, Standing::TimedOut { .. }))
            .map(|(_, mut call)| {
                let was_cancelled = matches!(call.standing, Standing::Cancelled { .. });
                (call.raw_id.clone(), Answered { past: call.past(now), was_cancelled, stream: call.stream })
            })
            .collect()
    }
}

impl Call {
    fn past(&mut self, now: Instant) -> Past {
        Past { method: self.method, took: now.saturating_duration_since(self.began), trail: self.trail.take() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience =
        Patience { call: Duration::from_secs(300), hold: Duration::from_secs(30), linger: CANCEL_LINGER };

    const ROOM: Room = Room { calls: 8, backlog: 1 << 20 };

    fn call(id: i64, token: Option<i64>) -> NewCall {
        NewCall {
            id: Id::Integer(id),
            raw_id: id.to_string().into(),
            token: token.map(Id::Integer),
            method: Method::OTHER,
            trail: None,
        }
    }

    fn begin(calls: &mut Calls, id: i64, token: Option<i64>) -> Result<Arc<Stream>, Refused> {
        calls.begin(vec![call(id, token)], PATIENCE, Instant::now())
    }

    #[tokio::test(start_paused = true)]
    async fn an_id_in_flight_is_not_taken_again_and_after_its_answer_it_is() {
        let mut calls = Calls::new(ROOM);
        let stream = begin(&mut calls, 1, None).unwrap();
        assert_eq!(begin(&mut calls, 1, None).unwrap_err(), Refused::Duplicate);
        assert_eq!(
            calls.begin(vec![call(2, None), call(2, None)], PATIENCE, Instant::now()).unwrap_err(),
            Refused::Duplicate
        );
        assert_eq!(calls.answered(&Id::Integer(1), Instant::now()).unwrap().stream.id, stream.id);
        assert!(calls.answered(&Id::Integer(1), Instant::now()).is_none());
        assert!(begin(&mut calls, 1, None).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn progress_gives_a_call_new_time_and_its_end_ends_the_token() {
        let mut calls = Calls::new(ROOM);
        begin(&mut calls, 1, Some(9)).unwrap();
        calls.due(Instant::now() + PATIENCE.hold);
        let later = Instant::now() + Duration::from_secs(200);
        assert!(calls.progressed(&Id::Integer(9), PATIENCE, later).is_some());
        assert_eq!(calls.next_due(), Some(later + PATIENCE.call));
        assert!(calls.due(later + Duration::from_secs(299)).is_empty());
        assert!(matches!(&calls.due(later + PATIENCE.call)[..], [Due::TimedOut { raw_id, .. }] if **raw_id == *"1"));
        assert!(calls.progressed(&Id::Integer(9), PATIENCE, later).is_none());
        assert_eq!(begin(&mut calls, 1, None).unwrap_err(), Refused::Duplicate, "a late answer could be mistaken");
        assert!(calls.answered(&Id::Integer(1), Instant::now()).is_none());
        assert!(begin(&mut calls, 1, None).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_cancelled_call_ends_by_its_answer_or_by_time() {
        let mut calls = Calls::new(ROOM);
        begin(&mut calls, 1, None).unwrap();
        begin(&mut calls, 2, None).unwrap();
        let until = calls.cancel(&Id::Integer(1), PATIENCE, Instant::now()).unwrap();
        calls.cancel(&Id::Integer(2), PATIENCE, Instant::now()).unwrap();
        assert!(calls.answered(&Id::Integer(1), Instant::now()).is_some());
        assert!(matches!(&calls.due(until)[..], [Due::Cancelled { raw_id, .. }] if **raw_id == *"2"));
        assert!(calls.cancel(&Id::Integer(2), PATIENCE, Instant::now()).is_none());
    }

    #[test]
    fn calls_are_bounded() {
        let mut calls = Calls::new(ROOM);
        for id in 0..ROOM.calls {
            begin(&mut calls, i64::try_from(id).unwrap(), None).unwrap();
        }
        assert_eq!(begin(&mut calls, -1, None).unwrap_err(), Refused::TooMany);
    }
}
