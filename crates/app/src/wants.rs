//! What the user wants of profiles that are saved: up, down, now, for an hour, and yes to a changed command.

use std::time::{Duration, SystemTime};

use culvert_profiles::ProfileKey;
use tokio::time::sleep;
use tracing::warn;

use crate::around::change;
use crate::culvert::Culvert;
use crate::sharing::HOUR;
use crate::shown::{Explained, ProfileId, Settings, Switch};

/// How long a share's end may be overlooked after the machine has slept.
const LOOK: Duration = Duration::from_secs(30);

impl Culvert {
    /// Has a profile up or down, from now on and after every restart.
    ///
    /// # Errors
    /// There is no such profile, or the wish cannot be saved.
    pub async fn want(&self, id: &ProfileId, wanted: Switch) -> Result<(), Explained> {
        let key = self.key(id)?;
        self.0.shares.end(&id.0);
        self.0.wishes.set(&self.instance()?, &[key], wanted.is_on()).await?;
        self.look_again();
        Ok(())
    }

    /// Has a profile up that is not wanted, and down that is.
    ///
    /// # Errors
    /// As [`want`](Self::want).
    pub async fn toggle(&self, id: &ProfileId) -> Result<(), Explained> {
        let wanted =
            self.0.world.borrow().profiles.iter().find(|profile| profile.id == *id).map(|profile| profile.wanted);
        self.want(id, (wanted != Some(Switch::On)).into()).await
    }

    /// Has every profile up, or down.
    ///
    /// # Errors
    /// The wish cannot be saved.
    pub async fn want_all(&self, wanted: Switch) -> Result<(), Explained> {
        let instance = self.instance()?;
        let keys: Vec<ProfileKey> =
            instance.overview().borrow().profiles.iter().map(|view| view.profile.key.clone()).collect();
        keys.iter().for_each(|key| self.0.shares.end(key.as_str()));
        self.0.wishes.set(&instance, &keys, wanted.is_on()).await?;
        self.look_again();
        Ok(())
    }

    /// Ends the waits between tries of a profile, or of all.
    ///
    /// # Errors
    /// There is no such profile.
    pub async fn reconnect(&self, id: Option<&ProfileId>) -> Result<(), Explained> {
        let key = id.map(|id| self.key(id)).transpose()?;
        self.instance()?.reconnect(key).await.map_err(|_| unknown())
    }

    /// Has a profile up for an hour.
    ///
    /// # Errors
    /// There is no such profile, or its end cannot be saved.
    pub async fn share_for_an_hour(&self, id: &ProfileId) -> Result<(), Explained> {
        let key = self.key(id)?;
        let instance = self.instance()?;
        self.0.shares.begin(&id.0, SystemTime::now() + HOUR).map_err(|error| {
            let message = format!("when the sharing ends cannot be saved: {error}");
            Explained::new("wanted.unsaved", message, "Check the state folder and its disk.")
        })?;
        self.look_again();
        self.0.wishes.set(&instance, &[key], true).await?;
        Ok(())
    }

    /// Agrees to the changed command of a profile with this fingerprint, and to no other.
    ///
    /// # Errors
    /// It is another one by now.
    pub async fn agree(&self, id: &ProfileId, fingerprint: &str) -> Result<(), Explained> {
        if !self.0.agreement.agree(&id.0, fingerprint) {
            return Err(Explained::new(
                "command.changed",
                "the command has been changed again",
                "Look at it as it is now.",
            ));
        }
        self.look_again();
        // Whatever the files say: the profile may run now.
        let _ = self.instance()?.reload().await;
        Ok(())
    }

    /// Changes the user's choices for the app. Launch at login is the desktop's to change; here it is only shown.
    ///
    /// # Errors
    /// They cannot be saved.
    pub fn set(&self, settings: Settings) -> Result<(), Explained> {
        self.choose(|choices| choices.notifications = settings.notifications)?;
        change(&self.0.around, |around| around.settings = settings);
        Ok(())
    }

    /// Whether the user has yet to be told that tunnels go on without a window; from now on it is told.
    pub fn tell_that_tunnels_stay(&self) -> bool {
        let is_new = !self.choices().told_that_tunnels_stay;
        if is_new && let Err(why) = self.choose(|choices| choices.told_that_tunnels_stay = true) {
            warn!("{}", why.message);
        }
        is_new
    }

    /// The key of a profile that the instance knows.
    pub(crate) fn key(&self, id: &ProfileId) -> Result<ProfileKey, Explained> {
        let instance = self.instance()?;
        let overview = instance.overview().borrow().clone();
        let found = overview.profiles.iter().map(|view| &view.profile.key).find(|key| key.as_str() == id.0);
        found.cloned().ok_or_else(unknown)
    }

    /// Has profiles down whose hour is over.
    pub(crate) async fn end_shares(self) {
        let mut around = self.0.around.subscribe();
        loop {
            let now = SystemTime::now();
            for profile in self.0.shares.over(now) {
                // Not yet started, or gone: both are seen to elsewhere.
                let Ok(key) = self.key(&ProfileId(profile.clone())) else { continue };
                let Ok(instance) = self.instance() else { continue };
                match self.0.wishes.set(&instance, &[key], false).await {
                    Ok(()) => {
                        self.0.shares.end(&profile);
                        self.look_again();
                    }
                    Err(error) => warn!("a profile stays shared: {error}"),
                }
            }
            let wait = self.0.shares.next(now).map_or(LOOK, |next| next.clamp(Duration::from_millis(200), LOOK));
            let is_idle = self.0.shares.next(now).is_none();
            tokio::select! {
                () = sleep(wait), if !is_idle => {}
                Ok(()) = around.changed() => {}
                () = self.0.stop.cancelled() => return,
            }
        }
    }
}

/// A profile that is not there.
pub(crate) fn unknown() -> Explained {
    Explained::new("profile.unknown", "this profile is not there any more", "Look at the list again.")
}
