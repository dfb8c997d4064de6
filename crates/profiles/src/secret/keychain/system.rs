//! The keychain that this system has. What is slow or breaks with it, such as a Secret Service that was started anew,
//! is met by connecting again.

use std::sync::Arc;

use culvert_protocol::{Secret, text};
use keyring_core::{CredentialStore, Entry, Error};
use zeroize::Zeroizing;

use super::{SERVICE, Store};
use crate::secret::file;
use crate::secret::problem::{KeychainError, SecretError};

/// Connected when it is first needed, and again after it failed.
#[derive(Default)]
pub(super) struct SystemStore {
    open: Option<Arc<CredentialStore>>,
}

impl SystemStore {
    /// Does something with the entry. A connection that fails is thrown away; if it was an old one, its service may
    /// just have been started anew, and a fresh one is tried once.
    fn with<T>(&mut self, name: &str, act: impl Fn(&Entry) -> Result<T, Error>) -> Result<T, KeychainError> {
        let is_old = self.open.is_some();
        match self.try_with(name, &act) {
            Err(Error::PlatformFailure(_)) if is_old => self.try_with(name, &act),
            done => done,
        }
        .map_err(|error| told(name, &error))
    }

    fn try_with<T>(&mut self, name: &str, act: impl Fn(&Entry) -> Result<T, Error>) -> Result<T, Error> {
        let store = match self.open.take() {
            Some(store) => store,
            None => open()?,
        };
        let done = store.build(SERVICE, name, None).and_then(|entry| act(&entry));
        if !matches!(done, Err(Error::PlatformFailure(_))) {
            self.open = Some(store);
        }
        done
    }
}

impl Store for SystemStore {
    fn is_locked(&mut self, name: &str) -> Result<bool, KeychainError> {
        is_locked(name)
    }

    fn unlock(&mut self, name: &str) -> Result<(), KeychainError> {
        unlock(name)
    }

    fn get(&mut self, name: &str) -> Result<Secret, KeychainError> {
        let bytes = Zeroizing::new(self.with(name, Entry::get_secret)?);
        let shown = text::clean(name, 100);
        file::secret(&bytes, || format!("the entry {shown}"))
            .map_err(|error: SecretError| KeychainError::Refused(error.to_string()))
    }

    fn set(&mut self, name: &str, secret: &Secret) -> Result<(), KeychainError> {
        self.with(name, |entry| entry.set_password(secret.expose()))
    }

    fn delete(&mut self, name: &str) -> Result<(), KeychainError> {
        self.with(name, Entry::delete_credential)
    }
}

fn told(name: &str, error: &Error) -> KeychainError {
    let name = text::clean(name, 100);
    match error {
        Error::NoStorageAccess(inner) => no_access(inner.as_ref()),
        Error::NoEntry => KeychainError::NoEntry(name),
        Error::Ambiguous(_) => KeychainError::Ambiguous(name),
        Error::PlatformFailure(inner) if is_absent(inner.as_ref()) => absent(inner.as_ref()),
        // Their texts could hold what the entry holds.
        Error::BadEncoding(_) | Error::BadDataFormat(..) => KeychainError::Refused("the entry is no text".to_owned()),
        other => KeychainError::Refused(text::clean(&other.to_string(), 200)),
    }
}

fn absent(error: &(dyn std::error::Error + 'static)) -> KeychainError {
    KeychainError::Absent(text::clean(&error.to_string(), 200))
}

#[cfg(all(unix, not(target_os = "macos")))]
mod platform {
    use std::collections::HashMap;
    use std::sync::Arc;
    use std::time::Duration;

    use keyring_core::{CredentialStore, Error};
    use secret_service::{Collection, EncryptionType, Error as ServiceError, Item, SecretService};
    use tokio::time::{sleep, timeout};
    use zbus_secret_service_keyring_store::Store;

    use super::super::SERVICE;
    use super::{KeychainError, absent, text};

    /// How long the window for the password is waited for before another one may be opened.
    const UNLOCKING: Duration = Duration::from_secs(120);

    /// How often it is looked whether the keyring is open by now, by whatever way, or gone.
    const LOOK: Duration = Duration::from_millis(250);

    pub(super) fn open() -> Result<Arc<CredentialStore>, Error> {
        Ok(Store::new()?)
    }

    pub(super) fn is_locked(name: &str) -> Result<bool, KeychainError> {
        wait(async { Ok(Locked::of(&connect().await?, name).await?.is_some()) })
    }

    /// Opens the password's window and waits until the keyring is open. Not left to the store, which would wait for a
    /// window whose keyring has gone for ever.
    pub(super) fn unlock(name: &str) -> Result<(), KeychainError> {
        wait(async {
            let service = connect().await?;
            let Some(locked) = Locked::of(&service, name).await? else { return Ok(()) };
            let answered = async {
                match &locked {
                    Locked::Item(item) => item.unlock().await,
                    Locked::Collection(collection) => collection.unlock().await,
                }
            };
            let opened = async {
                while locked.is_still().await? {
                    sleep(LOOK).await;
                }
                Ok(())
            };
            let either = async {
                tokio::select! {
                    answer = answered => answer,
                    opened = opened => opened,
                }
            };
            timeout(UNLOCKING, either).await.unwrap_or(Err(ServiceError::Locked))
        })
    }

    /// Runs on this thread, where nothing else does.
    fn wait<T>(what: impl Future<Output = Result<T, ServiceError>>) -> Result<T, KeychainError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| KeychainError::Refused(text::clean(&error.to_string(), 200)))?;
        runtime.block_on(what).map_err(|error| failed(&error))
    }

    /// A connection for what is no secret, so nothing need be encrypted.
    async fn connect() -> Result<SecretService<'static>, ServiceError> {
        SecretService::connect(EncryptionType::Plain).await
    }

    /// What must be opened before an entry can be had: the entry, or where there is none the default collection, in
    /// which it would be made.
    enum Locked<'a> {
        Item(Item<'a>),
        Collection(Collection<'a>),
    }

    impl<'a> Locked<'a> {
        /// `None` when all is open.
        async fn of(service: &'a SecretService<'_>, name: &str) -> Result<Option<Self>, ServiceError> {
            let found = service.search_items(HashMap::from([("service", SERVICE), ("username", name)])).await?;
            if let Some(item) = found.locked.into_iter().next() {
                return Ok(Some(Self::Item(item)));
            }
            if !found.unlocked.is_empty() {
                return Ok(None);
            }
            match service.get_default_collection().await {
                Ok(collection) => Ok(collection.is_locked().await?.then_some(Self::Collection(collection))),
                // There is none, so nothing in it is locked.
                Err(ServiceError::NoResult) => Ok(None),
                Err(error) => Err(error),
            }
        }

        async fn is_still(&self) -> Result<bool, ServiceError> {
            match self {
                Self::Item(item) => item.is_locked().await,
                Self::Collection(collection) => collection.is_locked().await,
            }
        }
    }

    fn failed(error: &ServiceError) -> KeychainError {
        match error {
            ServiceError::Locked | ServiceError::Prompt => KeychainError::Locked,
            error if is_absent(error) => absent(error),
            error => KeychainError::Refused(text::clean(&error.to_string(), 200)),
        }
    }

    /// Also what it comes to when the user dismisses the password's window.
    pub(super) fn no_access(error: &(dyn std::error::Error + 'static)) -> KeychainError {
        match error.downcast_ref::<ServiceError>() {
            Some(ServiceError::NoResult) => KeychainError::Refused("it has no default keyring to save to".to_owned()),
            _ => KeychainError::Locked,
        }
    }

    /// Whether it is the way to the service that failed, and not the service.
    pub(super) fn is_absent(error: &(dyn std::error::Error + 'static)) -> bool {
        matches!(
            error.downcast_ref::<ServiceError>(),
            Some(ServiceError::Unavailable | ServiceError::Zbus(_) | ServiceError::ZbusFdo(_))
        )
    }
}

#[cfg(target_os = "macos")]
mod platform {
    use std::sync::Arc;

    use apple_native_keyring_store::keychain::Store;
    use keyring_core::{CredentialStore, Error};

    use super::KeychainError;

    pub(super) fn open() -> Result<Arc<CredentialStore>, Error> {
        Ok(Store::new()?)
    }

    /// Only an attempt tells, and macOS asks its user by itself then.
    pub(super) fn is_locked(_name: &str) -> Result<bool, KeychainError> {
        Ok(false)
    }

    pub(super) fn unlock(_name: &str) -> Result<(), KeychainError> {
        Ok(())
    }

    pub(super) fn no_access(_error: &(dyn std::error::Error + 'static)) -> KeychainError {
        KeychainError::Locked
    }

    pub(super) fn is_absent(_error: &(dyn std::error::Error + 'static)) -> bool {
        false
    }
}

#[cfg(windows)]
mod platform {
    use std::sync::Arc;

    use keyring_core::{CredentialStore, Error};
    use windows_native_keyring_store::Store;

    use super::KeychainError;

    pub(super) fn open() -> Result<Arc<CredentialStore>, Error> {
        Ok(Store::new()?)
    }

    /// Credential Manager is open as long as its user is logged in.
    pub(super) fn is_locked(_name: &str) -> Result<bool, KeychainError> {
        Ok(false)
    }

    pub(super) fn unlock(_name: &str) -> Result<(), KeychainError> {
        Ok(())
    }

    pub(super) fn no_access(_error: &(dyn std::error::Error + 'static)) -> KeychainError {
        KeychainError::Locked
    }

    pub(super) fn is_absent(_error: &(dyn std::error::Error + 'static)) -> bool {
        false
    }
}

use platform::{is_absent, is_locked, no_access, open, unlock};

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests;
