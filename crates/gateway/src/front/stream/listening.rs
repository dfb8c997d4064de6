//! The one who reads a stream, by its place in it.

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;

use super::{Event, Reading, Stream, StreamId};

/// What a POST is answered with.
#[derive(Debug)]
pub(in crate::front) enum First {
    /// The answer, and nothing before it: one JSON body.
    Answer(Bytes),
    /// Something else, or nothing for a while: a stream of events.
    Events,
}

/// The one who reads a stream. Dropped, nobody does.
#[derive(Debug)]
pub(in crate::front) struct Listening {
    stream: Arc<Stream>,
    place: u64,
    at: u64,
}

impl Listening {
    pub(super) fn new(stream: Arc<Stream>, place: u64, at: u64) -> Self {
        Self { stream, place, at }
    }

    /// The stream.
    pub(in crate::front) fn stream(&self) -> StreamId {
        self.stream.id
    }

    /// The number of the event before the next one: what to resume after if nothing more arrives.
    pub(in crate::front) fn before(&self) -> u64 {
        self.at - 1
    }

    /// What a held POST is to be answered with.
    pub(in crate::front) async fn first(&mut self) -> First {
        std::future::poll_fn(|cx| {
            let mut inner = self.stream.inner();
            if inner.reading == Reading::Held {
                if inner.finished && inner.events.len() == 1 {
                    inner.reading = Reading::Never;
                    if let Some(event) = inner.events.pop_front() {
                        inner.waiting = 0;
                        return Poll::Ready(First::Answer(event.text));
                    }
                }
                if inner.events.is_empty() && !inner.finished {
                    inner.waker = Some(cx.waker().clone());
                    return Poll::Pending;
                }
                inner.reading = Reading::Events;
            }
            Poll::Ready(First::Events)
        })
        .await
    }

    /// The next event; `None` when there will be no other, or somebody else listens now.
    pub(in crate::front) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        let mut inner = self.stream.inner();
        if inner.listener != Some(self.place) {
            return Poll::Ready(None);
        }
        let index = inner.events.partition_point(|event| event.number < self.at);
        let Some(event) = inner.events.get(index).cloned() else {
            if inner.finished {
                return Poll::Ready(None);
            }
            inner.waker = Some(cx.waker().clone());
            return Poll::Pending;
        };
        self.at = event.number + 1;
        if event.number >= inner.unsent {
            inner.unsent = self.at;
            inner.waiting -= event.text.len();
            inner.kept += event.text.len();
            inner.trim();
            drop(inner);
            self.stream.room.notify_one();
        }
        Poll::Ready(Some(event))
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let mut inner = self.stream.inner();
        if inner.listener != Some(self.place) {
            return;
        }
        inner.listener = None;
        inner.waker = None;
        if inner.reading == Reading::Held {
            inner.reading = Reading::Never;
        }
        drop(inner);
        self.stream.room.notify_one();
    }
}
