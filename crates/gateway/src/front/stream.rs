//! One stream of a session: what the server says in answer to one POST, or to nobody in particular (the GET stream).
//!
//! It is filled by the session's pump alone and emptied by one listener at a time. What was handed out stays for a
//! while, so that a client whose connection broke can have it again by the event's number.

mod listening;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use bytes::Bytes;
use tokio::sync::Notify;

pub(super) use listening::{First, Listening};

/// How much of a stream's backlog may be kept once it was handed out: one part in so many.
const REPLAY_PART: usize = 4;

/// Events that are kept after they were handed out.
const REPLAY_EVENTS: usize = 256;

/// The number of a stream within its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct StreamId(pub(super) u64);

impl StreamId {
    /// The stream that a GET opens: whatever belongs to no POST.
    pub(super) const GENERAL: Self = Self(0);

    /// The stream of a session's first POST, the one with `initialize`.
    pub(super) const INITIALIZE: Self = Self(1);
}

/// What an event is to its receiver, which decides what may be dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// The answer to a call; never dropped.
    Answer,
    /// A request of the server, with its id as spelled: dropped only if the server is told.
    Asked(Box<str>),
    /// A notification.
    Told,
}

/// A message on its way.
#[derive(Debug, Clone)]
pub(super) struct Event {
    pub(super) number: u64,
    pub(super) text: Bytes,
    kind: Kind,
}

/// What became of a message that was pushed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Pushed {
    /// It is on its way.
    Taken,
    /// It is on its way, and the listener is behind: wait for [`Stream::room`] before the next.
    Behind,
    /// Nobody listens and too much waits, so these kinds of messages were dropped for it.
    Dropped(Vec<Kind>),
    /// Nobody can ever read it: the POST's client went away before there was a stream.
    Unread,
}

/// How the client reads the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// The POST is held: nothing was written yet.
    Held,
    /// As events, numbered, so it can be resumed.
    Events,
    /// Not at all: the client left while the POST was held, or has its one answer.
    Never,
}

#[derive(Debug)]
struct Inner {
    /// Bytes that may wait for a listener before the pump waits too, or, without a listener, before the oldest are
    /// dropped.
    backlog: usize,
    events: VecDeque<Event>,
    /// The number that the next event gets; the first is 1.
    next: u64,
    /// The lowest number not handed out yet.
    unsent: u64,
    waiting: usize,
    kept: usize,
    reading: Reading,
    listener: Option<u64>,
    listeners: u64,
    waker: Option<Waker>,
    owed: usize,
    finished: bool,
}

/// See the head of this file.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) id: StreamId,
    inner: Mutex<Inner>,
    room: Notify,
}

impl Stream {
    /// The stream of a POST that waits for `owed` answers, on which `backlog` bytes may wait.
    pub(super) fn for_post(id: StreamId, owed: usize, backlog: usize) -> Arc<Self> {
        Self::new(id, owed, if owed == 1 { Reading::Held } else { Reading::Events }, backlog)
    }

    /// The GET stream, on which `backlog` bytes may wait.
    pub(super) fn general(backlog: usize) -> Arc<Self> {
        Self::new(StreamId::GENERAL, 0, Reading::Events, backlog)
    }

    /// The one stream of a session, on which answers come too and none is the last, and `backlog` bytes may wait.
    pub(super) fn only(backlog: usize) -> Arc<Self> {
        Self::new(StreamId::GENERAL, usize::MAX, Reading::Events, backlog)
    }

    fn new(id: StreamId, owed: usize, reading: Reading, backlog: usize) -> Arc<Self> {
        let inner = Inner {
            backlog,
            events: VecDeque::new(),
            next: 1,
            unsent: 1,
            waiting: 0,
            kept: 0,
            reading,
            listener: None,
            listeners: 0,
            waker: None,
            owed,
            finished: false,
        };
        Arc::new(Self { id, inner: Mutex::new(inner), room: Notify::new() })
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a message in. Never waits.
    pub(super) fn push(&self, text: Bytes, kind: Kind) -> Pushed {
        let mut inner = self.inner();
        if kind == Kind::Answer {
            inner.owed = inner.owed.saturating_sub(1);
            inner.finished |= inner.owed == 0;
        }
        if inner.reading == Reading::Never {
            return Pushed::Unread;
        }
        let number = inner.next;
        inner.next += 1;
        inner.waiting += text.len();
        inner.events.push_back(Event { number, text, kind });
        if let Some(waker) = inner.waker.take() {
            waker.wake();
        }
        match (inner.waiting > inner.backlog && !inner.finished, inner.listener) {
            (false, _) => Pushed::Taken,
            (true, Some(_)) => Pushed::Behind,
            (true, None) => inner.drop_oldest(),
        }
    }

    /// No more messages will come.
    pub(super) fn finish(&self) {
        let mut inner = self.inner();
        inner.finished = true;
        if let Some(waker) = inner.waker.take() {
            waker.wake();
        }
    }

    /// A POST held for long becomes a stream of events, so that keep-alives can tell proxies that it lives.
    pub(super) fn stop_holding(&self) {
        let mut inner = self.inner();
        if inner.reading == Reading::Held {
            inner.reading = Reading::Events;
            if let Some(waker) = inner.waker.take() {
                waker.wake();
            }
        }
    }

    /// Completes when the listener has caught up, or is gone.
    pub(super) async fn room(&self) {
        loop {
            let notified = self.room.notified();
            {
                let inner = self.inner();
                if inner.listener.is_none() || inner.waiting <= inner.backlog / 2 {
                    return;
                }
            }
            notified.await;
        }
    }

    /// Sends the listener away: it has stopped reading.
    pub(super) fn cut(&self) {
        let mut inner = self.inner();
        inner.listener = None;
        if let Some(waker) = inner.waker.take() {
            waker.wake();
        }
    }

    /// Whether somebody listens, or holds the POST.
    pub(super) fn has_listener(&self) -> bool {
        self.inner().listener.is_some()
    }

    /// Whether a client that knows an event's number can have the stream again.
    pub(super) fn is_resumable(&self) -> bool {
        self.inner().reading == Reading::Events
    }

    /// Whether all that will ever come is in.
    pub(super) fn is_finished(&self) -> bool {
        self.inner().finished
    }

    /// Bytes that were not handed out yet.
    pub(super) fn waiting(&self) -> usize {
        self.inner().waiting
    }

    /// Bytes that it holds.
    pub(super) fn size(&self) -> usize {
        let inner = self.inner();
        inner.waiting + inner.kept
    }

    /// Begins to listen after the event `after`, or with what was never handed out. Whoever listened is sent away.
    pub(super) fn listen(self: &Arc<Self>, after: Option<u64>) -> Listening {
        let mut inner = self.inner();
        inner.listeners += 1;
        inner.listener = Some(inner.listeners);
        if let Some(waker) = inner.waker.take() {
            waker.wake();
        }
        let at = after.map_or(inner.unsent, |after| after.saturating_add(1)).min(inner.next);
        Listening::new(self.clone(), inner.listeners, at)
    }
}

impl Inner {
    /// Drops the oldest messages that wait and may go, until little enough is left.
    fn drop_oldest(&mut self) -> Pushed {
        let mut dropped = Vec::new();
        let mut at = self.events.partition_point(|event| event.number < self.unsent);
        while self.waiting > self.backlog && at < self.events.len() {
            if self.events[at].kind == Kind::Answer {
                at += 1;
            } else if let Some(event) = self.events.remove(at) {
                self.waiting -= event.text.len();
                dropped.push(event.kind);
            }
        }
        if dropped.is_empty() { Pushed::Taken } else { Pushed::Dropped(dropped) }
    }

    /// Forgets the oldest of what was handed out.
    fn trim(&mut self) {
        let mut count = self.events.partition_point(|event| event.number < self.unsent);
        while count > 1 && (self.kept > self.backlog / REPLAY_PART || count > REPLAY_EVENTS) {
            if let Some(event) = self.events.pop_front() {
                self.kept -= event.text.len();
            }
            count -= 1;
        }
    }
}
