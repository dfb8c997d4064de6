//! What the user wants up, remembered first and then done, whoever passes the wish on.

use std::borrow::Cow;
use std::sync::Arc;

use culvert_profiles::{Profile, ProfileKey, Start, Wanted, WantedFile};
use culvert_protocol::Explain;
use thiserror::Error;
use tokio::sync::Mutex;

use crate::instance::{Instance, NotHere};

/// The file of what is wanted, one writer at a time. Clones are the same.
#[derive(Debug, Clone)]
pub struct Wishes(Arc<Mutex<WantedFile>>);

impl From<WantedFile> for Wishes {
    fn from(file: WantedFile) -> Self {
        Self(Arc::new(Mutex::new(file)))
    }
}

/// Why a wish is not granted.
#[derive(Debug, Error)]
pub enum Unsaved {
    /// It would be forgotten.
    #[error("what is wanted cannot be saved: {0}")]
    File(std::io::Error),
    /// Nobody is there to do it.
    #[error("{}", match .0 { NotHere::Instance => "this Culvert is just ending", NotHere::Profile => "this profile is not there any more" })]
    Gone(NotHere),
}

impl Explain for Unsaved {
    fn code(&self) -> &'static str {
        match self {
            Self::File(_) => "wanted.unsaved",
            Self::Gone(NotHere::Instance) => "instance.ending",
            Self::Gone(NotHere::Profile) => "profile.unknown",
        }
    }

    fn action(&self) -> Cow<'static, str> {
        match self {
            Self::File(_) => "Check the state folder and its disk.".into(),
            Self::Gone(NotHere::Instance) => "Try again.".into(),
            Self::Gone(NotHere::Profile) => "Look at the list again.".into(),
        }
    }
}

impl Wishes {
    /// Has profiles up, or down. Remembered first: what the user asked for outlives this process.
    ///
    /// # Errors
    /// [`Unsaved`]; nothing is changed where the file cannot be written.
    pub async fn set(&self, instance: &Instance, profiles: &[ProfileKey], up: bool) -> Result<(), Unsaved> {
        let file = self.0.lock().await;
        let (mut wanted, _) = file.read();
        for key in profiles {
            if up { wanted.up(key) } else { wanted.down(key) }
        }
        file.write(&wanted).map_err(Unsaved::File)?;
        for key in profiles {
            instance.want(key.clone(), up).await.map_err(Unsaved::Gone)?;
        }
        Ok(())
    }

    /// Forgets a profile that is gone for good.
    ///
    /// # Errors
    /// [`Unsaved::File`].
    pub async fn forget(&self, profile: &ProfileKey) -> Result<(), Unsaved> {
        let file = self.0.lock().await;
        let (mut wanted, _) = file.read();
        wanted.down(profile);
        file.write(&wanted).map_err(Unsaved::File)
    }
}

/// What is wanted at the start of whoever runs the saved profiles, by what was wanted before: what always starts is, what
/// never does by itself is not.
pub fn at_start<'a>(profiles: impl IntoIterator<Item = &'a Profile>, before: Wanted) -> Wanted {
    let mut wanted = before;
    let profiles: Vec<_> = profiles.into_iter().collect();
    for profile in &profiles {
        match profile.start {
            Start::Always => wanted.up(&profile.key),
            Start::Never => wanted.down(&profile.key),
            Start::Last => {}
        }
    }
    wanted.keep_only(profiles.iter().map(|profile| &profile.key));
    wanted
}
