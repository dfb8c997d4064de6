//! The last of something, numbered: who reads it knows what is new, and what was missed.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// Keeps the last items, bounded by their number and by what they weigh together.
#[derive(Debug)]
pub struct Ring<T> {
    kept: Mutex<Kept<T>>,
    news: Notify,
    max_items: usize,
    max_weight: usize,
}

#[derive(Debug)]
struct Kept<T> {
    items: VecDeque<(T, usize)>,
    weight: usize,
    /// The number of the item that comes next.
    next: u64,
}

/// A row of items that follow one another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The number of the first item; the others follow. Larger than asked for: those before it are gone.
    pub first: u64,
    /// The items, the oldest first.
    pub items: Vec<T>,
}

impl<T> Page<T> {
    /// The number from which to read on.
    pub fn next(&self) -> u64 {
        self.first + self.items.len() as u64
    }
}

impl<T: Clone> Ring<T> {
    /// Keeps up to `max_items`, and fewer when they weigh more than `max_weight`; the newest is always kept.
    pub(crate) fn new(max_items: usize, max_weight: usize) -> Self {
        let kept = Mutex::new(Kept { items: VecDeque::new(), weight: 0, next: 0 });
        Self { kept, news: Notify::new(), max_items, max_weight }
    }

    pub(crate) fn push(&self, item: T, weight: usize) {
        let mut kept = self.kept();
        kept.next += 1;
        kept.weight += weight;
        kept.items.push_back((item, weight));
        while kept.items.len() > self.max_items || (kept.weight > self.max_weight && kept.items.len() > 1) {
            let Some((_, weight)) = kept.items.pop_front() else { break };
            kept.weight -= weight;
        }
        drop(kept);
        self.news.notify_waiters();
    }

    /// What is kept from number `from` on; numbers begin at 0.
    pub fn read(&self, from: u64) -> Page<T> {
        let kept = self.kept();
        let oldest = kept.next - kept.items.len() as u64;
        let first = from.clamp(oldest, kept.next);
        let skipped = usize::try_from(first - oldest).unwrap_or(usize::MAX);
        Page { first, items: kept.items.iter().skip(skipped).map(|(item, _)| item.clone()).collect() }
    }

    /// As [`read`](Self::read), but waits until there is something. Cancel safe.
    pub async fn wait(&self, from: u64) -> Page<T> {
        loop {
            let mut news = std::pin::pin!(self.news.notified());
            news.as_mut().enable();
            let page = self.read(from);
            if !page.items.is_empty() {
                return page;
            }
            news.await;
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept<T>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_go_first_by_number_and_by_weight() {
        let ring = Ring::new(3, 100);
        assert_eq!(ring.read(0), Page { first: 0, items: vec![] });
        for item in 0..5 {
            ring.push(item, 10);
        }
        let page = ring.read(0);
        assert_eq!((page.first, &page.items[..], page.next()), (2, &[2, 3, 4][..], 5));
        assert_eq!(ring.read(4).items, [4]);
        assert_eq!(ring.read(99), Page { first: 5, items: vec![] });
        ring.push(5, 85);
        assert_eq!(ring.read(0).items, [4, 5]);
        ring.push(6, 500);
        assert_eq!(ring.read(0).items, [6], "the newest is kept whatever it weighs");
    }

    #[tokio::test]
    async fn a_reader_is_woken_by_what_it_has_not_seen() {
        let ring = std::sync::Arc::new(Ring::new(3, 100));
        ring.push('a', 1);
        assert_eq!(ring.wait(0).await.items, ['a']);
        let reader = tokio::spawn({
            let ring = ring.clone();
            async move { ring.wait(1).await }
        });
        tokio::task::yield_now().await;
        ring.push('b', 1);
        assert_eq!(reader.await.unwrap(), Page { first: 1, items: vec!['b'] });
    }
}
