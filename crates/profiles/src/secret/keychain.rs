//! The system's keychain, asked from a thread of its own: one request at a time, in turn, and never waited for longer
//! than said. The thread is never joined: a keychain that waits for its user holds no exit up.

mod system;

use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::Duration;

use culvert_protocol::Secret;
use tokio::sync::oneshot;
use tokio::time::timeout;

use self::system::SystemStore;
use super::problem::KeychainError;

/// The service under which all entries of Culvert stand; the account is an entry's name.
pub const SERVICE: &str = "culvert";

/// How long a caller waits for an answer. One that is there comes within milliseconds; a longer wait is one for the
/// user, whom the caller had better show.
const PATIENCE: Duration = Duration::from_secs(5);

/// How many requests may wait for their turn.
const QUEUE: usize = 16;

/// Whether the keychain may ask its user for something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prompt {
    /// A locked one may open a window and ask for its password.
    Allowed,
    /// A locked one is left alone and reported.
    Never,
}

/// What a keychain can do, each call as long as it takes.
pub(super) trait Store: Send {
    /// Whether the entry cannot be had before the user has unlocked something.
    fn is_locked(&mut self, name: &str) -> Result<bool, KeychainError>;
    /// Asks the user to unlock it, and waits.
    fn unlock(&mut self, name: &str) -> Result<(), KeychainError>;
    /// The entry's secret.
    fn get(&mut self, name: &str) -> Result<Secret, KeychainError>;
    /// Makes or replaces the entry.
    fn set(&mut self, name: &str, secret: &Secret) -> Result<(), KeychainError>;
    /// Removes the entry.
    fn delete(&mut self, name: &str) -> Result<(), KeychainError>;
}

/// A way to the keychain. Clones share its thread, which is started by the first request and ends after the last clone
/// has gone.
#[derive(Clone)]
pub struct Keychain {
    requests: Arc<Requests>,
    stage: Arc<Stage>,
    patience: Duration,
}

/// The queue of the thread, which comes with it.
type Requests = LazyLock<SyncSender<Request>, Box<dyn FnOnce() -> SyncSender<Request> + Send>>;

struct Request {
    name: String,
    wish: Wish,
    prompt: Prompt,
    answer: oneshot::Sender<Result<Secret, KeychainError>>,
}

enum Wish {
    Get,
    Set(Secret),
    Delete,
}

/// What the thread is at, for those who have waited too long.
#[derive(Default)]
struct Stage(AtomicU8);

impl Stage {
    const WORKING: u8 = 0;
    const ASKS_ITS_USER: u8 = 1;
}

impl fmt::Debug for Keychain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keychain").finish_non_exhaustive()
    }
}

impl Keychain {
    /// The system's: Secret Service, macOS's login keychain, Windows' Credential Manager. It is not touched before it
    /// is asked for something.
    pub fn of_the_system() -> Self {
        Self::with(SystemStore::default(), PATIENCE)
    }

    pub(super) fn with(store: impl Store + 'static, patience: Duration) -> Self {
        let stage = Arc::new(Stage::default());
        let shared = Arc::clone(&stage);
        let start = move || {
            let (requests, queue) = sync_channel(QUEUE);
            // Without a thread the queue is dropped, and every request is told so.
            let _ = thread::Builder::new().name("keychain".to_owned()).spawn(move || serve(store, &queue, &shared));
            requests
        };
        Self { requests: Arc::new(LazyLock::new(Box::new(start))), stage, patience }
    }

    /// The secret of an entry.
    ///
    /// # Errors
    /// [`KeychainError`]; `Locked`, `Silent` and `Busy` may pass by themselves.
    pub async fn get(&self, name: &str, prompt: Prompt) -> Result<Secret, KeychainError> {
        self.ask(name, Wish::Get, prompt).await
    }

    /// Makes or replaces an entry.
    ///
    /// # Errors
    /// [`KeychainError`]. After `Silent` it may still be done later; after any other nothing was changed.
    pub async fn set(&self, name: &str, secret: Secret, prompt: Prompt) -> Result<(), KeychainError> {
        self.ask(name, Wish::Set(secret), prompt).await.map(drop)
    }

    /// Removes an entry. One that is not there is `NoEntry`.
    ///
    /// # Errors
    /// As for [`set`](Self::set).
    pub async fn delete(&self, name: &str, prompt: Prompt) -> Result<(), KeychainError> {
        self.ask(name, Wish::Delete, prompt).await.map(drop)
    }

    async fn ask(&self, name: &str, wish: Wish, prompt: Prompt) -> Result<Secret, KeychainError> {
        let (answer, answered) = oneshot::channel();
        let request = Request { name: name.to_owned(), wish, prompt, answer };
        match self.requests.try_send(request) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => return Err(self.waiting(KeychainError::Busy)),
            Err(TrySendError::Disconnected(_)) => return Err(no_thread()),
        }
        match timeout(self.patience, answered).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(no_thread()),
            Err(_) => Err(self.waiting(KeychainError::Silent(self.patience))),
        }
    }

    /// A keychain that asks its user is locked; for any other wait there is `otherwise`.
    fn waiting(&self, otherwise: KeychainError) -> KeychainError {
        match self.stage.0.load(Ordering::Relaxed) {
            Stage::ASKS_ITS_USER => KeychainError::Locked,
            _ => otherwise,
        }
    }
}

fn no_thread() -> KeychainError {
    KeychainError::Absent("the system gives no thread to ask it from".to_owned())
}

fn serve(mut store: impl Store, queue: &Receiver<Request>, stage: &Stage) {
    while let Ok(Request { name, wish, prompt, answer }) = queue.recv() {
        // Whoever asked has given up, and was told that it is not done.
        if answer.is_closed() {
            continue;
        }
        if let Err(error) = open(&mut store, &name, prompt, stage) {
            let _ = answer.send(Err(error));
            continue;
        }
        // The user took long to unlock it.
        if answer.is_closed() {
            continue;
        }
        let done = match wish {
            Wish::Get => store.get(&name),
            Wish::Set(secret) => store.set(&name, &secret).map(|()| Secret::default()),
            Wish::Delete => store.delete(&name).map(|()| Secret::default()),
        };
        let _ = answer.send(done);
    }
}

/// Makes sure that the store is open, if need be and allowed by its user.
fn open(store: &mut impl Store, name: &str, prompt: Prompt, stage: &Stage) -> Result<(), KeychainError> {
    if !store.is_locked(name)? {
        return Ok(());
    }
    if prompt == Prompt::Never {
        return Err(KeychainError::Locked);
    }
    stage.0.store(Stage::ASKS_ITS_USER, Ordering::Relaxed);
    let unlocked = store.unlock(name);
    stage.0.store(Stage::WORKING, Ordering::Relaxed);
    unlocked
}

#[cfg(test)]
mod tests;
