//! A queue bounded by bytes, not by items: ten small messages and one large one should not count the same.

use std::sync::{Arc, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// What an item costs, in bytes.
pub trait Weight {
    /// Its size; bookkeeping is added by the queue.
    fn weight(&self) -> usize;
}

impl Weight for bytes::Bytes {
    fn weight(&self) -> usize {
        self.len()
    }
}

/// What every item costs beyond its bytes, so that empty items cannot fill memory.
const ITEM: usize = 64;

/// The sending end; clones share the budget.
#[derive(Debug)]
pub struct Sender<T> {
    items: mpsc::UnboundedSender<Queued<T>>,
    budget: Arc<Semaphore>,
    size: usize,
}

/// The receiving end.
#[derive(Debug)]
pub struct Receiver<T> {
    items: mpsc::UnboundedReceiver<Queued<T>>,
}

/// An item on its way. Its share of the budget is given back when this is dropped: hold it until the item has left.
#[derive(Debug)]
pub struct Queued<T> {
    /// The item itself.
    pub item: T,
    _share: OwnedSemaphorePermit,
}

/// A look at how much waits in a queue; it does not keep the queue.
#[derive(Debug, Clone)]
pub struct Gauge {
    budget: Weak<Semaphore>,
    size: usize,
}

impl Gauge {
    /// For a queue that holds up to `size` bytes, with what is left of them in `budget`.
    pub(crate) fn new(budget: &Arc<Semaphore>, size: usize) -> Self {
        Self { budget: Arc::downgrade(budget), size }
    }

    /// The bytes that wait, bookkeeping included. `None`: the queue is gone.
    pub fn used(&self) -> Option<usize> {
        self.budget.upgrade().map(|budget| self.size.saturating_sub(budget.available_permits()))
    }
}

/// The receiving end is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gone;

/// Why an item was not taken at once; it comes back.
#[derive(Debug)]
pub enum Refused<T> {
    /// The budget is used up.
    Full(T),
    /// The receiving end is gone.
    Gone(T),
}

/// A queue that holds up to `size` bytes. A single item that is larger passes when the queue is empty.
pub fn bounded<T: Weight>(size: usize) -> (Sender<T>, Receiver<T>) {
    let size = size.clamp(ITEM, u32::MAX as usize);
    let (sender, receiver) = mpsc::unbounded_channel();
    (Sender { items: sender, budget: Arc::new(Semaphore::new(size)), size }, Receiver { items: receiver })
}

impl<T: Weight> Sender<T> {
    /// Puts an item in; waits while the budget is used up.
    ///
    /// # Errors
    /// [`Gone`] when nobody will ever take it.
    pub async fn send(&self, item: T) -> Result<(), Gone> {
        let share = self.budget.clone().acquire_many_owned(self.cost(&item)).await.map_err(|_| Gone)?;
        self.items.send(Queued { item, _share: share }).map_err(|_| Gone)
    }

    /// Puts an item in if there is room for it now.
    ///
    /// # Errors
    /// [`Refused`] gives it back.
    pub fn try_send(&self, item: T) -> Result<(), Refused<T>> {
        match self.budget.clone().try_acquire_many_owned(self.cost(&item)) {
            Ok(share) => {
                self.items.send(Queued { item, _share: share }).map_err(|refused| Refused::Gone(refused.0.item))
            }
            Err(_) if self.items.is_closed() => Err(Refused::Gone(item)),
            Err(_) => Err(Refused::Full(item)),
        }
    }

    /// Completes when the receiving end is gone.
    pub async fn closed(&self) {
        self.items.closed().await;
    }

    /// Waits until at most `left` bytes wait, bookkeeping included.
    ///
    /// # Errors
    /// [`Gone`] when nobody will ever take them.
    pub(crate) async fn drained_to(&self, left: usize) -> Result<(), Gone> {
        let room = u32::try_from(self.size.saturating_sub(left)).unwrap_or(u32::MAX);
        tokio::select! {
            biased;
            () = self.items.closed() => Err(Gone),
            room = self.budget.acquire_many(room) => room.map(drop).map_err(|_| Gone),
        }
    }

    /// The bytes that wait, bookkeeping included.
    pub fn used(&self) -> usize {
        self.size.saturating_sub(self.budget.available_permits())
    }

    /// A look at the bytes that wait, for who must not keep the queue.
    pub fn gauge(&self) -> Gauge {
        Gauge::new(&self.budget, self.size)
    }

    fn cost(&self, item: &T) -> u32 {
        u32::try_from(item.weight().saturating_add(ITEM).min(self.size)).unwrap_or(u32::MAX)
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Self { items: self.items.clone(), budget: self.budget.clone(), size: self.size }
    }
}

impl<T> Receiver<T> {
    /// The next item; `None` when all senders are gone and nothing is left.
    pub async fn recv(&mut self) -> Option<Queued<T>> {
        self.items.recv().await
    }

    /// The next item if one is there already.
    pub fn try_recv(&mut self) -> Option<Queued<T>> {
        self.items.try_recv().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    #[tokio::test]
    async fn the_budget_is_in_bytes_and_comes_back() {
        let (sender, mut receiver) = bounded::<Bytes>(1000);
        sender.try_send(Bytes::from(vec![0; 900])).unwrap();
        assert!(matches!(sender.try_send(Bytes::from(vec![0; 100])), Err(Refused::Full(_))));
        let held = receiver.recv().await.unwrap();
        assert!(
            matches!(sender.try_send(Bytes::from(vec![0; 100])), Err(Refused::Full(_))),
            "not while it is on its way"
        );
        drop(held);
        assert_eq!(sender.used(), 0);
        sender.try_send(Bytes::from(vec![0; 100])).unwrap();
    }

    #[tokio::test]
    async fn an_item_larger_than_the_queue_passes_alone() {
        let (sender, mut receiver) = bounded::<Bytes>(1000);
        sender.send(Bytes::from(vec![0; 5000])).await.unwrap();
        assert!(matches!(sender.try_send(Bytes::new()), Err(Refused::Full(_))));
        assert_eq!(receiver.recv().await.unwrap().item.len(), 5000);
        sender.try_send(Bytes::new()).unwrap();
    }

    #[tokio::test]
    async fn a_sender_learns_that_nobody_listens() {
        let (sender, receiver) = bounded::<Bytes>(1000);
        drop(receiver);
        assert_eq!(sender.send(Bytes::new()).await, Err(Gone));
        sender.closed().await;
    }
}
