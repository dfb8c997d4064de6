//! A value that tests wait on: every change wakes whoever waits for a condition. No test sleeps and hopes.

use std::fmt::Debug;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::watch;

/// How long a condition may take to come true. Far more than any needs, so that a busy machine fails no test.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Shared state whose changes can be waited for.
#[derive(Debug)]
pub struct Watched<T> {
    value: Mutex<T>,
    changed: watch::Sender<()>,
}

impl<T: Default> Default for Watched<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> Watched<T> {
    /// Starts with `value`.
    pub fn new(value: T) -> Self {
        Self { value: Mutex::new(value), changed: watch::Sender::new(()) }
    }

    /// The value, locked. Changes made through this wake nobody: see [`change`](Self::change).
    pub fn look(&self) -> MutexGuard<'_, T> {
        self.value.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Changes the value and wakes all who wait.
    pub fn change<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        let result = change(&mut self.look());
        self.changed.send_replace(());
        result
    }
}

impl<T: Debug> Watched<T> {
    /// Waits until `find` finds something.
    ///
    /// # Panics
    /// After [`PATIENCE`], with `what` and the value as it is.
    pub async fn until<R>(&self, what: &str, find: impl FnMut(&T) -> Option<R>) -> R {
        match tokio::time::timeout(PATIENCE, self.find(find)).await {
            Ok(found) => found,
            Err(_) => panic!("waited {} s in vain for: {what}\nthere is: {:#?}", PATIENCE.as_secs(), self.look()),
        }
    }

    /// Waits until `find` finds something, for ever if need be.
    pub async fn find<R>(&self, mut find: impl FnMut(&T) -> Option<R>) -> R {
        let mut changes = self.changed.subscribe();
        loop {
            changes.borrow_and_update();
            if let Some(found) = find(&self.look()) {
                return found;
            }
            changes.changed().await.expect("the sender lives in self");
        }
    }
}
