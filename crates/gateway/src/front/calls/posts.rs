//! The POSTs of a session: those whose answers are not all there, and those that are over and kept for a client that lost
//! its connection.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::super::stream::{Stream, StreamId};

/// Streams that are over and kept for a client that lost its connection, and for how long. Their bytes together are
/// bounded by [`Room::backlog`](super::Room::backlog).
const KEPT_STREAMS: usize = 16;
const KEPT_FOR: Duration = Duration::from_secs(120);

/// A POST whose answers are not all there.
#[derive(Debug)]
struct Post {
    stream: Arc<Stream>,
    held_until: Option<Instant>,
}

/// See the head of this file.
#[derive(Debug)]
pub(in crate::front) struct Posts {
    backlog: usize,
    open: BTreeMap<StreamId, Post>,
    over: VecDeque<(Instant, Arc<Stream>)>,
    last_stream: u64,
}

impl Posts {
    /// None yet; `backlog` bytes may wait on each, and of all that are over.
    pub(super) fn new(backlog: usize) -> Self {
        Self { backlog, open: BTreeMap::new(), over: VecDeque::new(), last_stream: 0 }
    }

    /// A POST that waits for `owed` answers, and may be held until `held_until`.
    pub(super) fn open(&mut self, owed: usize, held_until: Instant) -> Arc<Stream> {
        self.last_stream += 1;
        let stream = Stream::for_post(StreamId(self.last_stream), owed, self.backlog);
        self.open.insert(stream.id, Post { stream: stream.clone(), held_until: Some(held_until) });
        stream
    }

    /// Takes one out again: the server was never asked.
    pub(super) fn withdraw(&mut self, id: StreamId) {
        self.open.remove(&id);
    }

    /// Forgets all that wait for answers, because none will come.
    pub(super) fn forget_open(&mut self) {
        self.open.clear();
    }

    /// A POST has all its answers. If a client may come back for them, they are kept for a while.
    pub(in crate::front) fn finished(&mut self, stream: &Arc<Stream>, now: Instant) {
        self.open.remove(&stream.id);
        if !stream.is_resumable() {
            return;
        }
        self.over.push_back((now + KEPT_FOR, stream.clone()));
        let mut bytes: usize = self.over.iter().map(|(_, stream)| stream.size()).sum();
        while self.over.len() > 1 && (self.over.len() > KEPT_STREAMS || bytes > self.backlog) {
            bytes -= self.over.pop_front().map_or(0, |(_, stream)| stream.size());
        }
    }

    /// A stream that a client may resume.
    pub(in crate::front) fn resumable(&self, id: StreamId) -> Option<Arc<Stream>> {
        let post = self.open.get(&id).map(|post| &post.stream);
        let over = || self.over.iter().map(|(_, stream)| stream).find(|stream| stream.id == id);
        post.or_else(over).filter(|stream| stream.is_resumable()).cloned()
    }

    /// The POST that the server's next words belong to if they name none: the only one in flight that is listened to.
    pub(in crate::front) fn only(&self) -> Option<Arc<Stream>> {
        let mut heard = self.open.values().map(|post| &post.stream).filter(|stream| stream.has_listener());
        let only = heard.next()?;
        heard.next().is_none().then(|| only.clone())
    }

    /// The POST in flight that has been listened to for longest.
    pub(in crate::front) fn oldest(&self) -> Option<Arc<Stream>> {
        self.open.values().map(|post| &post.stream).find(|stream| stream.has_listener()).cloned()
    }

    /// Whether somebody still reads one that is over.
    pub(super) fn is_one_being_read(&self) -> bool {
        self.over.iter().any(|(_, stream)| stream.has_listener())
    }

    /// Bytes of answers that wait for their clients.
    pub(super) fn waiting(&self) -> usize {
        self.open.values().map(|post| post.stream.waiting()).sum()
    }

    /// When [`due`](Self::due) will next have something to do.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let held = self.open.values().filter_map(|post| post.held_until);
        held.chain(self.over.front().map(|(until, _)| *until)).min()
    }

    /// Those that were held long enough. Lets go of what was kept long enough.
    pub(super) fn due(&mut self, now: Instant) -> impl Iterator<Item = Arc<Stream>> {
        while self.over.front().is_some_and(|(until, _)| *until <= now) {
            self.over.pop_front();
        }
        self.open.values_mut().filter_map(move |post| {
            post.held_until.take_if(|until| *until <= now)?;
            Some(post.stream.clone())
        })
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::super::stream::Kind;
    use super::*;

    /// A POST that is over and can be resumed, with so many bytes.
    fn over(posts: &mut Posts, bytes: usize, now: Instant) -> StreamId {
        let stream = posts.open(2, now);
        for _ in 0..2 {
            stream.push(Bytes::from(vec![b'x'; bytes / 2]), Kind::Answer);
        }
        posts.finished(&stream, now);
        stream.id
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_kept_for_a_client_that_comes_back_is_bounded_in_number_bytes_and_time() {
        let now = Instant::now();
        let mut posts = Posts::new(100);
        let kept: Vec<_> = (0..=KEPT_STREAMS).map(|_| over(&mut posts, 2, now)).collect();
        assert!(posts.resumable(kept[0]).is_none(), "one too many");
        assert!(kept[1..].iter().all(|id| posts.resumable(*id).is_some()));
        let large = over(&mut posts, 90, now);
        assert_eq!(kept.iter().filter(|id| posts.resumable(**id).is_some()).count(), 5, "10 bytes are left for them");
        let larger = over(&mut posts, 200, now);
        assert!(posts.resumable(large).is_none());
        assert!(posts.resumable(larger).is_some(), "the last is always kept");
        assert_eq!(posts.next_due(), Some(now + KEPT_FOR));
        assert_eq!(posts.due(now + KEPT_FOR).count(), 0);
        assert!(posts.resumable(larger).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_post_is_held_until_its_time_once() {
        let now = Instant::now();
        let until = now + Duration::from_secs(1);
        let mut posts = Posts::new(100);
        let stream = posts.open(1, until);
        assert_eq!(posts.due(now).count(), 0);
        assert_eq!(posts.next_due(), Some(until));
        assert!(posts.due(until).map(|held| held.id).eq([stream.id]));
        assert_eq!((posts.due(until).count(), posts.next_due()), (0, None));
    }
}
