//! The thread's manners, with keychains that are slow, locked or stubborn at will.

use std::collections::HashMap;
use std::sync::mpsc;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::*;

/// A keychain whose user is the test.
#[derive(Clone, Default)]
struct Toy(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    entries: HashMap<String, String>,
    locked: bool,
    /// What it waits for before it does anything.
    gate: Option<mpsc::Receiver<()>>,
    asked: Vec<String>,
}

impl Toy {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn act<T>(&self, what: &str, act: impl FnOnce(&mut State) -> T) -> T {
        let gate = self.state().gate.take();
        if let Some(gate) = gate {
            gate.recv().unwrap();
            self.state().gate = Some(gate);
        }
        let mut state = self.state();
        state.asked.push(what.to_owned());
        act(&mut state)
    }

    fn gated(&self) -> mpsc::Sender<()> {
        let (open, gate) = mpsc::channel();
        self.state().gate = Some(gate);
        open
    }
}

impl Store for Toy {
    fn is_locked(&mut self, _name: &str) -> Result<bool, KeychainError> {
        Ok(self.state().locked)
    }

    fn unlock(&mut self, name: &str) -> Result<(), KeychainError> {
        self.act(&format!("unlock for {name}"), |state| if state.locked { Err(KeychainError::Locked) } else { Ok(()) })
    }

    fn get(&mut self, name: &str) -> Result<Secret, KeychainError> {
        let none = || KeychainError::NoEntry(name.to_owned());
        self.act(&format!("get {name}"), |state| state.entries.get(name).map(Secret::new).ok_or_else(none))
    }

    fn set(&mut self, name: &str, secret: &Secret) -> Result<(), KeychainError> {
        self.act(&format!("set {name}"), |state| state.entries.insert(name.to_owned(), secret.expose().to_owned()));
        Ok(())
    }

    fn delete(&mut self, name: &str) -> Result<(), KeychainError> {
        let removed = self.act(&format!("delete {name}"), |state| state.entries.remove(name));
        removed.map(drop).ok_or_else(|| KeychainError::NoEntry(name.to_owned()))
    }
}

const SOON: Duration = Duration::from_millis(100);

fn keychain(toy: &Toy, patience: Duration) -> Keychain {
    Keychain::with(toy.clone(), patience)
}

#[tokio::test]
async fn entries_are_set_found_and_removed() {
    let keychain = keychain(&Toy::default(), PATIENCE);
    let none = Err(KeychainError::NoEntry("a".to_owned()));
    assert_eq!(keychain.get("a", Prompt::Never).await, none);
    keychain.set("a", Secret::new("one"), Prompt::Never).await.unwrap();
    keychain.set("a", Secret::new("two"), Prompt::Never).await.unwrap();
    assert_eq!(keychain.get("a", Prompt::Never).await, Ok(Secret::new("two")));
    keychain.delete("a", Prompt::Never).await.unwrap();
    assert_eq!(keychain.get("a", Prompt::Never).await, none);
    assert_eq!(keychain.delete("a", Prompt::Never).await.map(|()| Secret::default()), none);
}

#[tokio::test]
async fn a_locked_one_is_left_alone_unless_its_user_may_be_asked() {
    let toy = Toy::default();
    toy.state().locked = true;
    let keychain = keychain(&toy, SOON);
    assert_eq!(keychain.get("a", Prompt::Never).await, Err(KeychainError::Locked));
    assert!(toy.state().asked.is_empty());
    // The user is asked and does not answer in time: locked, and not merely slow.
    let answer = toy.gated();
    assert_eq!(keychain.get("a", Prompt::Allowed).await, Err(KeychainError::Locked));
    assert_eq!(keychain.get("a", Prompt::Never).await, Err(KeychainError::Locked));
    // What was given up meanwhile is not done; then all is well.
    assert_eq!(keychain.set("a", Secret::new("late"), Prompt::Allowed).await, Err(KeychainError::Locked));
    toy.state().locked = false;
    answer.send(()).unwrap();
    answer.send(()).unwrap();
    assert_eq!(keychain.get("b", Prompt::Never).await, Err(KeychainError::NoEntry("b".to_owned())));
    assert_eq!(toy.state().asked, ["unlock for a", "get b"]);
}

#[tokio::test]
async fn one_who_unlocks_in_time_is_served() {
    let toy = Toy::default();
    toy.state().entries.insert("a".to_owned(), "one".to_owned());
    toy.state().locked = true;
    let keychain = keychain(&toy, PATIENCE);
    assert_eq!(keychain.get("a", Prompt::Allowed).await, Err(KeychainError::Locked), "dismissed");
    let answer = toy.gated();
    let asked = tokio::spawn({
        let keychain = keychain.clone();
        async move { keychain.get("a", Prompt::Allowed).await }
    });
    while keychain.stage.0.load(Ordering::Relaxed) != Stage::ASKS_ITS_USER {
        tokio::task::yield_now().await;
    }
    toy.state().locked = false;
    answer.send(()).unwrap();
    answer.send(()).unwrap();
    assert_eq!(asked.await.unwrap(), Ok(Secret::new("one")));
}

#[tokio::test]
async fn a_slow_one_is_not_waited_for_and_its_queue_has_an_end() {
    let toy = Toy::default();
    let answer = toy.gated();
    let keychain = keychain(&toy, SOON);
    assert_eq!(keychain.get("a", Prompt::Never).await, Err(KeychainError::Silent(SOON)));
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..=QUEUE {
        let keychain = keychain.clone();
        waiting.spawn(async move { keychain.get("b", Prompt::Never).await });
    }
    let mut busy = 0;
    while let Some(told) = waiting.join_next().await {
        match told.unwrap() {
            Err(KeychainError::Busy) => busy += 1,
            other => assert_eq!(other, Err(KeychainError::Silent(SOON))),
        }
    }
    assert_eq!(busy, 1);
    drop(answer);
}

#[test]
fn an_exit_does_not_wait_for_it() {
    let toy = Toy::default();
    let never = toy.gated();
    let keychain = keychain(&toy, SOON);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let told = runtime.block_on(keychain.get("a", Prompt::Never));
    assert_eq!(told, Err(KeychainError::Silent(SOON)));
    drop(runtime);
    drop(keychain);
    // The thread is still in there, and nothing here needed its end.
    assert!(never.send(()).is_ok());
}
