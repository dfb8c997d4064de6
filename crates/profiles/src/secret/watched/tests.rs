//! Freshness on a paused clock: a supply that the test fills, and a time of day that follows tokio's.

use std::sync::Mutex;
use std::time::UNIX_EPOCH;

use tokio::time::{Instant, advance};

use super::*;
use crate::secret::expiry::tests::token;
use crate::secret::problem::KeychainError;

/// A supply that holds what the test puts there.
#[derive(Clone)]
struct Toy(Arc<Held>);

struct Held {
    turnover: Turnover,
    now: Mutex<(u64, Result<Secret, SecretError>)>,
    reads: watch::Sender<Vec<Why>>,
    /// How long each read takes.
    takes: Duration,
}

impl Toy {
    fn new(turnover: Turnover, first: Result<&str, SecretError>) -> Self {
        Self::slow(turnover, first, Duration::ZERO)
    }

    fn slow(turnover: Turnover, first: Result<&str, SecretError>, takes: Duration) -> Self {
        let now = Mutex::new((0, first.map(Secret::new)));
        Self(Arc::new(Held { turnover, now, reads: watch::channel(Vec::new()).0, takes }))
    }

    fn put(&self, next: Result<Secret, SecretError>) {
        let mut now = self.0.now.lock().unwrap();
        *now = (now.0 + 1, next);
    }

    fn reads(&self) -> Vec<Why> {
        self.0.reads.borrow().clone()
    }

    /// Waits until it has been read that often, and returns how long that took.
    async fn read_times(&self, times: usize) -> Duration {
        let begun = Instant::now();
        let mut reads = self.0.reads.subscribe();
        reads.wait_for(|reads| reads.len() >= times).await.unwrap();
        begun.elapsed()
    }
}

impl Supply for Toy {
    type Stamp = u64;

    fn turnover(&self) -> Turnover {
        self.0.turnover
    }

    async fn stamp(&self) -> Option<u64> {
        Some(self.0.now.lock().unwrap().0)
    }

    async fn read(&self, why: Why) -> (Result<Secret, SecretError>, Option<SecretNotice>) {
        let read = self.0.now.lock().unwrap().1.clone();
        sleep(self.0.takes).await;
        self.0.reads.send_modify(|reads| reads.push(why));
        (read, None)
    }
}

/// Unix time 1,000,000 when the test begins.
fn clock() -> Clock {
    let begun = Instant::now();
    Arc::new(move || UNIX_EPOCH + Duration::from_secs(1_000_000) + begun.elapsed())
}

fn watch_it(toy: &Toy) -> Watched {
    Watched::spawn(toy.clone(), clock())
}

fn until(seconds: u64) -> Secret {
    token(&format!(r#"{{"iat":1000000,"exp":{}}}"#, 1_000_000 + seconds))
}

fn failed() -> SecretError {
    SecretError::Empty("the place".to_owned())
}

#[tokio::test(start_paused = true)]
async fn a_changed_file_is_seen_within_five_seconds_and_nothing_else_is_read() {
    let toy = Toy::new(Turnover::WithItsFile, Ok("one"));
    let watched = watch_it(&toy);
    assert_eq!(watched.first().await, Ok(Secret::new("one")));
    let mut secret = watched.secret();
    secret.mark_unchanged();
    advance(Duration::from_secs(3600)).await;
    assert_eq!(toy.reads(), [Why::First]);
    toy.put(Ok(Secret::new("two")));
    let begun = Instant::now();
    secret.changed().await.unwrap();
    assert!(begun.elapsed() <= Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_eq!(secret.borrow_and_update().clone(), Some(Secret::new("two")));
    // Written anew with what it held: nobody is bothered.
    toy.put(Ok(Secret::new("two")));
    toy.read_times(3).await;
    assert!(!secret.has_changed().unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_being_written_is_left_to_rest_but_not_for_ever() {
    let toy = Toy::new(Turnover::WithItsFile, Ok("one"));
    let watched = watch_it(&toy);
    watched.first().await.unwrap();
    let writer = {
        let toy = toy.clone();
        async move {
            loop {
                toy.put(Ok(Secret::new("part")));
                sleep(Duration::from_millis(50)).await;
            }
        }
    };
    tokio::select! {
        took = toy.read_times(2) => assert!(took <= Duration::from_secs(5), "{took:?}"),
        () = writer => {}
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_is_looked_for_anew_before_it_ends_and_after() {
    let toy = Toy::new(Turnover::InTime, Ok(until(1000).expose()));
    let watched = watch_it(&toy);
    watched.first().await.unwrap();
    assert_eq!(watched.condition().borrow().expiry.unwrap().at, UNIX_EPOCH + Duration::from_secs(1_001_000));
    assert_eq!(toy.read_times(2).await.as_secs(), 800, "80 % of its life");
    assert_eq!(toy.read_times(3).await.as_secs(), 140, "a minute before its end");
    toy.put(Ok(until(5000)));
    assert_eq!(toy.read_times(4).await.as_secs(), 48);
    assert_eq!(watched.secret().borrow().clone(), Some(until(5000)));
    let condition = watched.condition().borrow().clone();
    assert_eq!(condition.expiry, Expiry::of(&until(5000), None));
    assert_eq!((condition.reads, condition.trouble), (4, None));
    assert_eq!(toy.read_times(5).await.as_secs(), (5000 - 988) * 4 / 5);
}

#[tokio::test(start_paused = true)]
async fn an_ended_token_is_not_asked_for_in_a_frenzy() {
    let toy = Toy::new(Turnover::InTime, Ok(until(0).expose()));
    let _watched = watch_it(&toy);
    toy.read_times(1).await;
    assert_eq!(toy.read_times(11).await.as_secs(), 300);
}

#[tokio::test(start_paused = true)]
async fn what_fails_is_tried_again_ever_more_slowly_and_the_last_good_one_stands() {
    let toy = Toy::new(Turnover::InTime, Ok("good"));
    let watched = watch_it(&toy);
    watched.first().await.unwrap();
    toy.put(Err(failed()));
    assert_eq!(watched.refresh().await, Reread::Failed(failed()));
    assert_eq!(watched.secret().borrow().clone(), Some(Secret::new("good")));
    assert_eq!(watched.condition().borrow().trouble, Some(failed()));
    for (read, seconds) in [(3, 5), (4, 10), (5, 20), (6, 40), (7, 60), (8, 60)] {
        assert_eq!(toy.read_times(read).await.as_secs(), seconds, "read {read}");
    }
    toy.put(Ok(Secret::new("better")));
    watched.secret().wait_for(|secret| *secret == Some(Secret::new("better"))).await.unwrap();
    assert_eq!(watched.condition().borrow().trouble, None);
}

#[tokio::test(start_paused = true)]
async fn a_locked_keychain_is_a_state_that_passes() {
    let locked = || SecretError::from(KeychainError::Locked);
    let toy = Toy::new(Turnover::InTime, Err(locked()));
    let watched = watch_it(&toy);
    assert_eq!(watched.first().await, Err(locked()));
    assert_eq!(watched.secret().borrow().clone(), None);
    toy.read_times(5).await;
    toy.put(Ok(Secret::new("unlocked")));
    let begun = Instant::now();
    watched.secret().wait_for(Option::is_some).await.unwrap();
    assert!(begun.elapsed() <= Duration::from_secs(5));
    // Only the first read may open a window.
    assert_eq!(toy.reads()[..2], [Why::First, Why::Due]);
    assert!(toy.reads()[1..].iter().all(|why| *why == Why::Due));
}

#[tokio::test(start_paused = true)]
async fn a_request_is_answered_when_it_is_done_and_many_at_once_share_a_read() {
    let toy = Toy::slow(Turnover::InTime, Ok("one"), Duration::from_secs(2));
    let watched = watch_it(&toy);
    assert_eq!(watched.first().await, Ok(Secret::new("one")));
    toy.put(Ok(Secret::new("two")));
    let begun = Instant::now();
    assert_eq!(watched.refresh().await, Reread::Changed);
    assert_eq!(begun.elapsed().as_secs(), 2);
    assert_eq!(watched.secret().borrow().clone(), Some(Secret::new("two")));
    assert_eq!(watched.refresh().await, Reread::Same);
    let before = toy.reads().len();
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let watched = watched.clone();
        asking.spawn(async move { watched.refresh().await });
    }
    while let Some(answer) = asking.join_next().await {
        assert_eq!(answer.unwrap(), Reread::Same);
    }
    assert!(toy.reads().len() - before <= 5, "{} reads", toy.reads().len() - before);
    assert_eq!(toy.reads().last(), Some(&Why::Asked));
}

#[tokio::test(start_paused = true)]
async fn what_never_changes_is_read_once_and_answers_all_the_same() {
    let toy = Toy::new(Turnover::Never, Ok(until(100).expose()));
    let watched = watch_it(&toy);
    watched.first().await.unwrap();
    advance(Duration::from_secs(10_000)).await;
    assert_eq!(watched.refresh().await, Reread::Same);
    assert_eq!(toy.reads(), [Why::First, Why::Asked]);
}

#[tokio::test(start_paused = true)]
async fn the_keeper_goes_with_the_last_who_uses_it() {
    let toy = Toy::new(Turnover::WithItsFile, Ok("one"));
    let watched = watch_it(&toy);
    watched.first().await.unwrap();
    let (mut secret, again) = (watched.secret(), watched.again());
    drop(watched);
    toy.put(Ok(Secret::new("two")));
    secret.wait_for(|secret| *secret == Some(Secret::new("two"))).await.unwrap();
    drop(again);
    assert!(secret.changed().await.is_err());
    let left = Arc::downgrade(&toy.0);
    drop(toy);
    assert_eq!(left.strong_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_life_of_a_token_without_a_beginning_is_learnt_when_it_is_replaced() {
    let day = 86_400;
    let without_iat = |seconds: u64| token(&format!(r#"{{"exp":{}}}"#, 1_000_000 + seconds));
    let toy = Toy::new(Turnover::WithItsFile, Ok(without_iat(day).expose()));
    let watched = watch_it(&toy);
    watched.first().await.unwrap();
    let now = || clock()();
    assert!(watched.condition().borrow().expiry.unwrap().is_near(now()), "a day is left, and nobody knows of how many");
    toy.put(Ok(without_iat(day + 100)));
    watched.condition().wait_for(|condition| condition.reads == 2).await.unwrap();
    assert!(!watched.condition().borrow().expiry.unwrap().is_near(now()), "a fresh one of a day");
}
