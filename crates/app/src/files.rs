//! The saved files of profiles, as the window changes them.

use culvert_profiles::{ApprovedFile, Content, ProfileId as SavedId, Saved};

use crate::culvert::Culvert;
use crate::shown::{Explained, ProfileId};
use crate::wants::unknown;

impl Culvert {
    /// The file of a profile: by its id, or, for one that cannot be read, by its path.
    pub(crate) fn saved(&self, id: &ProfileId) -> Result<Saved, Explained> {
        let wanted: Option<SavedId> = id.0.parse().ok();
        let shown = |saved: &Saved| culvert_protocol::text::clean(&saved.path.to_string_lossy(), 300);
        let mut all = self.0.store.list()?;
        let found = all.iter().position(|saved| (wanted.is_some() && saved.id() == wanted) || shown(saved) == id.0);
        let found = found.or_else(|| {
            // A file that was broken later is that of the profile that still runs from it.
            let overview = self.instance().ok()?.overview().borrow().clone();
            let view = overview.profiles.iter().find(|view| view.profile.key.as_str() == id.0)?;
            let file = view.profile.place.as_ref()?.file.clone();
            all.iter().position(|saved| *saved.path == *file)
        });
        found.map(|at| all.swap_remove(at)).ok_or_else(unknown)
    }

    /// Has the instance read the files that were just written.
    pub(crate) async fn reload(&self) -> Result<(), Explained> {
        self.look_again();
        match self.instance()?.reload().await {
            Ok(Ok(())) | Err(_) => Ok(()),
            Ok(Err(error)) => Err(error.into()),
        }
    }

    /// Ends a profile's tunnels, deletes its file and its own secrets.
    ///
    /// # Errors
    /// The file is not the app's to delete, or cannot be deleted.
    pub async fn remove(&self, id: &ProfileId) -> Result<(), Explained> {
        let _turn = self.0.writing.lock().await;
        let saved = self.saved(id)?;
        let key = self.key(id).ok();
        self.0.store.remove(&saved)?;
        if let Some(key) = &key {
            self.0.wishes.forget(key).await?;
        }
        self.0.shares.end(&id.0);
        self.0.agreement.forget(&id.0);
        if let Content::Profile(draft) = &saved.content {
            self.forget_secrets(draft.keychain_entries()).await;
        }
        let reloaded = self.reload().await;
        // Only now: while it ran, it would have written them again.
        ApprovedFile::forget(&self.0.places.0.approved(), key.as_ref().map_or(&id.0, |key| key.as_str()));
        reloaded
    }

    /// Removes entries of the keychain that no other profile refers to. What cannot be removed is left: the profile is
    /// gone, and an entry that nobody uses does no harm.
    pub(crate) async fn forget_secrets(&self, entries: impl IntoIterator<Item = String>) {
        let others = self.0.store.list().unwrap_or_default();
        let used: Vec<String> = others
            .iter()
            .filter_map(|saved| match &saved.content {
                Content::Profile(draft) => Some(draft.keychain_entries()),
                _ => None,
            })
            .flatten()
            .collect();
        for entry in entries.into_iter().filter(|entry| !used.contains(entry)) {
            if crate::built_in::is_its_token(&culvert_profiles::SecretRef::Keychain(entry.clone())) {
                continue;
            }
            if let Err(error) = self.keychain().delete(&entry, culvert_profiles::Prompt::Allowed).await {
                tracing::warn!("a secret stays in the keychain: {error}");
            }
        }
    }
}
