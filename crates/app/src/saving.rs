//! A form read from a saved file, and saved: checked first, then its secrets, then the file.

use std::collections::BTreeSet;

use culvert_profiles::{
    Content, Draft as Kept, OnBroken as KeptOnBroken, ProfileId as SavedId, Prompt, Saved as SavedFile,
};
use culvert_protocol::Secret;

use crate::check::made;
use crate::culvert::Culvert;
use crate::filled::{Filled, filled};
use crate::form::{empty, of_saved};
use crate::shown::{Draft, Explained, OnBroken, ProfileId, Saved, Severity};

impl Culvert {
    /// The form of a new profile.
    pub fn new_draft(&self) -> Draft {
        empty()
    }

    /// The form of a saved one. One whose file cannot be read begins empty under its id.
    ///
    /// # Errors
    /// There is no such profile, or its file is not the app's to change.
    pub fn read(&self, id: &ProfileId) -> Result<Draft, Explained> {
        let saved = self.saved(id)?;
        match &saved.content {
            Content::Profile(draft) => Ok(of_saved(draft, id.clone())),
            Content::Broken(_) => Ok(Draft { id: Some(id.clone()), name: saved.name(), ..empty() }),
            Content::Several => Err(hand_made(&saved)),
        }
    }

    /// Saves a form, and its typed secrets in the keychain. Secrets that the profile no longer has there are deleted.
    ///
    /// # Errors
    /// The keychain or the file system says no; nothing is saved then.
    pub async fn save(&self, form: &Draft, on_broken: OnBroken) -> Result<Saved, Explained> {
        let checked = self.check(form);
        if checked.findings.iter().any(|finding| finding.severity == Severity::Error) {
            return Ok(Saved::Refused { findings: checked.findings });
        }
        let _turn = self.0.writing.lock().await;
        let port = self.choices().gateway_port;
        let Some(id) = &form.id else {
            let id = new_id();
            let Filled { mut draft, typed } = filled(form, None, &id.to_string(), port);
            draft.set_id(id);
            self.keep_secrets(typed).await?;
            self.add(draft, id)?;
            self.reload().await?;
            return Ok(Saved::Saved { id: ProfileId(id.to_string()) });
        };
        let saved = self.saved(id)?;
        let before = match &saved.content {
            Content::Profile(draft) => Some(draft.clone()),
            Content::Broken(_) => None,
            Content::Several => return Err(hand_made(&saved)),
        };
        let kept_id = saved.id().or_else(|| id.0.parse().ok()).unwrap_or_else(new_id);
        let Filled { mut draft, typed } = filled(form, before.as_ref(), &kept_id.to_string(), port);
        draft.set_id(kept_id);
        self.keep_secrets(typed).await?;
        self.expect(&draft)?;
        let how = match on_broken {
            OnBroken::Refuse => KeptOnBroken::Refuse,
            OnBroken::KeepAside => KeptOnBroken::KeepAside,
        };
        let now = draft.keychain_entries();
        self.0.store.replace(&saved, draft, how)?;
        let gone: BTreeSet<String> = before.map(|before| before.keychain_entries()).unwrap_or_default();
        self.forget_secrets(gone.difference(&now).cloned()).await;
        self.reload().await?;
        Ok(Saved::Saved { id: ProfileId(kept_id.to_string()) })
    }

    /// Saves a new profile, whose command its user has just agreed to.
    pub(crate) fn add(&self, draft: Kept, id: SavedId) -> Result<SavedFile, Explained> {
        let mut draft = draft;
        draft.set_id(id);
        self.expect(&draft)?;
        Ok(self.0.store.add(draft, id)?)
    }

    /// What this draft runs is agreed to.
    fn expect(&self, draft: &Kept) -> Result<(), Explained> {
        let profile = made(draft).map_err(|error| crate::check::explained(&error))?;
        self.0.agreement.expect(&profile);
        Ok(())
    }

    /// Puts secrets into the keychain; before anything else is changed, because a locked one may refuse.
    pub(crate) async fn keep_secrets(&self, secrets: Vec<(String, Secret)>) -> Result<(), Explained> {
        for (entry, secret) in secrets {
            self.keep_secret(&entry, secret).await?;
        }
        Ok(())
    }

    /// Puts one secret into the keychain, and notes how that stands with it.
    pub(crate) async fn keep_secret(&self, entry: &str, secret: Secret) -> Result<(), Explained> {
        let done = self.keychain().set(entry, secret, Prompt::Allowed).await;
        self.note_keychain(done.as_ref().err());
        Ok(done?)
    }
}

pub(crate) fn hand_made(saved: &SavedFile) -> Explained {
    let path = culvert_protocol::text::clean(&saved.path.to_string_lossy(), 300);
    Explained::new(
        "profile.hand_made",
        format!("{path} was made by hand and is not changed by Culvert"),
        "Edit the file; Culvert notices.",
    )
}

/// An id that no other profile has.
pub(crate) fn new_id() -> SavedId {
    let mut bits = [0; 16];
    // The generator's seed is the system's randomness; ids are no secrets.
    fastrand::Rng::new().fill(&mut bits);
    SavedId::of_random(bits)
}
