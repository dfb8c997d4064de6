//! The token of one tunnel, followed wherever its reference leads, and handed to the engine as it changes.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use culvert_profiles::{SecretCondition, SecretRef, SecretSources, Watched};
use culvert_protocol::{Cause, Secret};
use culvert_tunnel::Bearer;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::lane::secret_cause;

/// Follows one reference at a time.
#[derive(Debug)]
pub(crate) struct Token {
    sources: SecretSources,
    secret: watch::Sender<Option<Secret>>,
    condition: watch::Sender<SecretCondition>,
    /// What is followed now; shared with whoever asks for it to be read again.
    followed: Arc<Mutex<Option<Watched>>>,
    reference: Option<SecretRef>,
    forwarding: Option<AbortHandle>,
}

impl Token {
    /// One that follows nothing yet.
    pub(crate) fn new(sources: SecretSources) -> Self {
        Self {
            sources,
            secret: watch::Sender::default(),
            condition: watch::Sender::default(),
            followed: Arc::default(),
            reference: None,
            forwarding: None,
        }
    }

    /// How it stands with what is followed.
    pub(crate) fn condition(&self) -> watch::Receiver<SecretCondition> {
        self.condition.subscribe()
    }

    /// The engine's end.
    pub(crate) fn bearer(&self) -> Bearer {
        let followed = self.followed.clone();
        let renew = move || -> Pin<Box<dyn Future<Output = ()> + Send>> {
            let watched = followed.lock().unwrap_or_else(PoisonError::into_inner).clone();
            Box::pin(async move {
                if let Some(watched) = watched {
                    watched.refresh().await;
                }
            })
        };
        Bearer::live(self.secret.subscribe(), Arc::new(renew))
    }

    /// Follows `reference` from now on.
    pub(crate) fn follow(&mut self, reference: Option<&SecretRef>) {
        if self.reference.as_ref() == reference {
            return;
        }
        self.reference = reference.cloned();
        if let Some(forwarding) = self.forwarding.take() {
            forwarding.abort();
        }
        let watched = reference.map(|reference| self.sources.watch(reference));
        *self.followed.lock().unwrap_or_else(PoisonError::into_inner) = watched.clone();
        match watched {
            Some(watched) => {
                let forward = forward(watched, self.secret.clone(), self.condition.clone());
                self.forwarding = Some(tokio::spawn(forward).abort_handle());
            }
            None => {
                self.secret.send_replace(None);
                self.condition.send_replace(SecretCondition::default());
            }
        }
    }

    /// Completes when the token that is followed was read for the first time, or needs no reading.
    pub(crate) fn ready(&self) -> impl Future<Output = Result<(), Cause>> + use<> {
        let watched = self.followed.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let secret = self.secret.clone();
        async move {
            let Some(watched) = watched else { return Ok(()) };
            let token = watched.first().await.map_err(|error| secret_cause(&error))?;
            give(&secret, Some(token));
            Ok(())
        }
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        if let Some(forwarding) = self.forwarding.take() {
            forwarding.abort();
        }
    }
}

/// Hands on what `watched` finds. What was found stands until there is something else.
async fn forward(watched: Watched, secret: watch::Sender<Option<Secret>>, condition: watch::Sender<SecretCondition>) {
    let (mut newest, mut newest_condition) = (watched.secret(), watched.condition());
    loop {
        let found = newest.borrow_and_update().clone();
        if found.is_some() {
            give(&secret, found);
        }
        condition.send_replace(newest_condition.borrow_and_update().clone());
        tokio::select! {
            Ok(()) = newest.changed() => {}
            Ok(()) = newest_condition.changed() => {}
            else => return,
        }
    }
}

fn give(secret: &watch::Sender<Option<Secret>>, found: Option<Secret>) {
    secret.send_if_modified(|held| {
        let changed = *held != found;
        *held = found;
        changed
    });
}
