//! Who uses a child that all clients share, so that its owner can be told: where each client has a channel of its own,
//! the channel says it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use culvert_protocol::channels::control::{Control, MOST_USERS, User};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// The least time between two tellings: clients without sessions come and go with each call.
const INTERVAL: Duration = Duration::from_secs(1);

/// Those who are there now. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Users(Arc<watch::Sender<Present>>);

/// By the order in which they came.
#[derive(Debug, Default)]
struct Present {
    next: u64,
    there: BTreeMap<u64, User>,
}

impl Users {
    /// One more, until the place is dropped.
    pub(crate) fn join(&self, user: User) -> Place {
        let mut number = 0;
        self.0.send_modify(|present| {
            number = present.next;
            present.next += 1;
            present.there.insert(number, user);
        });
        Place { users: self.clone(), number }
    }
}

/// Somebody's place among those who are there.
#[derive(Debug)]
pub(crate) struct Place {
    users: Users,
    number: u64,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.users.0.send_modify(|present| _ = present.there.remove(&self.number));
    }
}

/// When the owner of the child is to be told, and what.
#[derive(Debug)]
pub(crate) struct News {
    users: watch::Receiver<Present>,
    not_before: Instant,
}

impl News {
    /// All that happens from now on.
    pub(crate) fn of(users: &Users) -> Self {
        Self { users: users.0.subscribe(), not_before: Instant::now() }
    }

    /// The next thing to tell: who is there now. Cancel safe.
    pub(crate) async fn next(&mut self) -> Control {
        if self.users.changed().await.is_err() {
            return std::future::pending().await;
        }
        self.users.mark_changed();
        sleep_until(self.not_before).await;
        self.not_before = Instant::now() + INTERVAL;
        let present = self.users.borrow_and_update();
        Control::InUse { by: present.there.values().take(MOST_USERS).cloned().collect() }
    }

    /// What was told may not have arrived.
    pub(crate) fn again(&mut self) {
        self.users.mark_changed();
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    fn user(client: &str) -> User {
        User { client: Some(client.to_owned()), ..User::default() }
    }

    async fn told(news: &mut News) -> String {
        news.next().await.to_json()
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_told_who_is_there_and_at_most_once_a_second() {
        let users = Users::default();
        let mut news = News::of(&users);
        let (one, two) = (users.join(user("one")), users.join(user("two")));
        assert_eq!(told(&mut news).await, r#"{"type":"in_use","by":[{"client":"one"},{"client":"two"}]}"#);
        drop(one);
        let began = Instant::now();
        assert!(timeout(INTERVAL / 2, news.next()).await.is_err(), "not yet, and nothing is lost");
        drop(users.join(user("three")));
        assert_eq!(told(&mut news).await, r#"{"type":"in_use","by":[{"client":"two"}]}"#);
        assert_eq!(began.elapsed(), INTERVAL);
        assert!(timeout(INTERVAL * 10, news.next()).await.is_err(), "nothing has changed");
        news.again();
        assert_eq!(told(&mut news).await, r#"{"type":"in_use","by":[{"client":"two"}]}"#);
        drop(two);
        assert_eq!(told(&mut news).await, r#"{"type":"in_use","by":[]}"#);
    }

    #[tokio::test(start_paused = true)]
    async fn a_crowd_is_told_of_in_part() {
        let users = Users::default();
        let mut news = News::of(&users);
        let _there: Vec<_> = (0..MOST_USERS + 10).map(|number| users.join(user(&number.to_string()))).collect();
        let Control::InUse { by } = news.next().await else { panic!("something else is told") };
        assert_eq!(by.len(), MOST_USERS);
    }
}
