//! All kinds of references led to their secrets: once, or kept fresh.

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, SystemTime};

use culvert_protocol::{Secret, secret};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::command;
use super::file::{self, Stamp};
use super::keychain::{Keychain, Prompt};
use super::problem::{SecretError, SecretNotice};
use super::reference::SecretRef;
use super::watched::{Clock, Ends, Supply, Turnover, Watched, Why};
use crate::origin::shown;

/// How long a file system may take to an answer.
const FILE_PATIENCE: Duration = Duration::from_secs(10);

/// How many commands for secrets run at once; the rest wait for their turn.
const COMMANDS: usize = 4;

/// Variables of this process by name.
type Variables = Box<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Where this process's secrets come from. Clones are the same.
#[derive(Clone)]
pub struct SecretSources(Arc<Sources>, Typed);

/// Secrets that count as entries of the keychain without being there, by name.
type Typed = Arc<BTreeMap<String, Secret>>;

struct Sources {
    keychain: Keychain,
    variable: Variables,
    folder: PathBuf,
    /// Names of variables that no command for a secret gets.
    hidden: Vec<String>,
    commands: Semaphore,
    command_limit: Duration,
    clock: Clock,
    /// What is kept fresh already, so that one reference is read once however many use it.
    kept: Mutex<Vec<(SecretRef, Weak<Ends>)>>,
}

impl std::fmt::Debug for SecretSources {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SecretSources").finish_non_exhaustive()
    }
}

impl SecretSources {
    /// Those of this process. `hidden` names environment variables that hold secrets of Culvert's, beyond the ones it
    /// knows by name: no command for a secret gets them.
    pub fn of_this_process(hidden: impl IntoIterator<Item = String>) -> Self {
        let known = secret::VARIABLES.map(str::to_owned);
        let sources = Sources {
            keychain: Keychain::of_the_system(),
            variable: Box::new(|name| env::var_os(name).map(|value| value.to_string_lossy().into_owned())),
            folder: env::current_dir().unwrap_or_default(),
            hidden: known.into_iter().chain(hidden).collect(),
            commands: Semaphore::new(COMMANDS),
            command_limit: command::LIMIT,
            clock: Arc::new(SystemTime::now),
            kept: Mutex::default(),
        };
        Self(Arc::new(sources), Typed::default())
    }

    /// The same with secrets that were typed and are not saved, as if the keychain had them.
    pub fn with_typed(&self, typed: impl IntoIterator<Item = (String, Secret)>) -> Self {
        Self(Arc::clone(&self.0), Arc::new(typed.into_iter().collect()))
    }

    /// Reads a secret that is kept fresh again now: whoever saved it knows that it is another one.
    pub async fn refresh(&self, reference: &SecretRef) {
        let ends = {
            let kept = self.0.kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.iter().find(|(known, _)| known == reference).and_then(|(_, ends)| ends.upgrade())
        };
        if let Some(ends) = ends {
            Watched(ends).refresh().await;
        }
    }

    /// The keychain, to save and remove entries, or to ask its user for its password.
    pub fn keychain(&self) -> &Keychain {
        &self.0.keychain
    }

    /// The secret now. A locked keychain is left alone with [`Prompt::Never`].
    ///
    /// # Errors
    /// [`SecretError`]. It ends: files after 10 s, commands after 30 s in their turn, the keychain after 5 s.
    pub async fn read(&self, reference: &SecretRef, prompt: Prompt) -> Result<Secret, SecretError> {
        self.source(reference).read(prompt).await.0
    }

    /// What had better be otherwise with where the secret lies.
    pub async fn notice(&self, reference: &SecretRef) -> Option<SecretNotice> {
        match reference {
            SecretRef::File(_) => self.source(reference).read(Prompt::Never).await.1,
            _ => None,
        }
    }

    /// A bearer token, kept fresh: read again when its file changes, before it ends, when a read failed, and when
    /// asked. What no `Authorization` header can carry is [`SecretError::NotAToken`]. Only the first read may ask the
    /// keychain's user for a password. Within a tokio runtime.
    pub fn watch(&self, reference: &SecretRef) -> Watched {
        let source = self.source(reference);
        let spawn = |source| Watched::spawn(source, Arc::clone(&self.0.clock));
        if source.turnover() == Turnover::Never {
            return spawn(source);
        }
        let mut kept = self.0.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(_, ends)| ends.strong_count() > 0);
        let known = kept.iter().find(|(known, _)| known == reference);
        if let Some(ends) = known.and_then(|(_, ends)| ends.upgrade()) {
            return Watched(ends);
        }
        let watched = spawn(source);
        kept.push((reference.clone(), Arc::downgrade(&watched.0)));
        watched
    }

    fn source(&self, reference: &SecretRef) -> Source {
        Source { secrets: self.clone(), reference: reference.clone(), file: File::default() }
    }

    fn variable(&self, name: &str) -> Option<String> {
        (self.0.variable)(name).filter(|value| !value.trim().is_empty())
    }
}

/// One reference and what it takes to follow it.
struct Source {
    secrets: SecretSources,
    reference: SecretRef,
    file: File,
}

impl Source {
    async fn read(&self, prompt: Prompt) -> (Result<Secret, SecretError>, Option<SecretNotice>) {
        let sources = &*self.secrets.0;
        let read = match &self.reference {
            SecretRef::Literal(secret) => Ok(secret.clone()),
            SecretRef::Env(name) => match self.secrets.variable(name) {
                Some(value) => file::secret(value.as_bytes(), || format!("the variable {name}")),
                None => Err(SecretError::Unset(name.clone())),
            },
            SecretRef::File(_) | SecretRef::Credential(_) => match self.path() {
                Ok(path) => return self.read_file(path).await,
                Err(error) => Err(error),
            },
            SecretRef::Command(words) => {
                // Never closed, so this only waits.
                let _turn = sources.commands.acquire().await;
                command::run(words, &sources.hidden, sources.command_limit).await
            }
            SecretRef::Keychain(name) if self.secrets.1.contains_key(name) => Ok(self.secrets.1[name].clone()),
            SecretRef::Keychain(name) => sources.keychain.get(name, prompt).await.map_err(SecretError::from),
        };
        (read, None)
    }

    fn path(&self) -> Result<PathBuf, SecretError> {
        match &self.reference {
            SecretRef::Credential(name) => self
                .secrets
                .variable("CREDENTIALS_DIRECTORY")
                .map(|folder| Path::new(&folder).join(name))
                .ok_or_else(|| SecretError::NoCredentials(name.clone())),
            SecretRef::File(path) => Ok(self.secrets.0.folder.join(path)),
            _ => Err(SecretError::Empty("the path".to_owned())),
        }
    }

    async fn read_file(&self, path: PathBuf) -> (Result<Secret, SecretError>, Option<SecretNotice>) {
        let name = shown(&path);
        // Who starts the service answers for a credential's mode.
        let judged = matches!(self.reference, SecretRef::File(_));
        let read = move || (file::read(&path), judged.then(|| file::notice(&path)).flatten());
        self.file.ask(read).await.unwrap_or_else(|| (Err(SecretError::NoAnswer(format!("the file {name}"))), None))
    }
}

/// Questions to a file system, one at a time: one that hangs holds one thread, not one more with each look.
struct File {
    turn: Arc<Semaphore>,
    last: Mutex<Option<Stamp>>,
}

impl Default for File {
    fn default() -> Self {
        Self { turn: Arc::new(Semaphore::new(1)), last: Mutex::default() }
    }
}

impl File {
    /// The answer; `None` when it takes too long, or an earlier one still does.
    async fn ask<T: Send + 'static>(&self, question: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let turn = Arc::clone(&self.turn).try_acquire_owned().ok()?;
        let asked = spawn_blocking(move || {
            let answer = question();
            drop(turn);
            answer
        });
        timeout(FILE_PATIENCE, asked).await.ok()?.ok()
    }
}

impl Supply for Source {
    type Stamp = Stamp;

    fn turnover(&self) -> Turnover {
        match self.reference {
            SecretRef::Literal(_) | SecretRef::Env(_) => Turnover::Never,
            SecretRef::File(_) | SecretRef::Credential(_) => Turnover::WithItsFile,
            SecretRef::Command(_) | SecretRef::Keychain(_) => Turnover::InTime,
        }
    }

    async fn stamp(&self) -> Option<Stamp> {
        let path = self.path().ok()?;
        let found = self.file.ask(move || Stamp::of(&path)).await;
        let mut last = self.file.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(stamp) = found {
            *last = stamp;
        }
        last.clone()
    }

    async fn read(&self, why: Why) -> (Result<Secret, SecretError>, Option<SecretNotice>) {
        let prompt = if why == Why::First { Prompt::Allowed } else { Prompt::Never };
        let (read, notice) = Source::read(self, prompt).await;
        let bearer = read.and_then(|secret| match secret.expose().bytes().all(|byte| byte.is_ascii_graphic()) {
            true => Ok(secret),
            false => Err(SecretError::NotAToken(self.reference.to_string())),
        });
        (bearer, notice)
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests;
