//! The tools of a profile that nobody runs: its local server is started for a moment and asked.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use culvert_profiles::{ApprovedFile, Profile, SecretSources};
use culvert_protocol::Cause;
use culvert_protocol::tool_policy::{Approved, Definition, Rules};
use culvert_tunnel::trial;
use tokio::time::timeout;

use crate::approvals::{Undecided, decided};
use crate::lane::{Wish, complete};
use crate::tools::{Decision, Tools};

/// How long secrets may take: a command may ask a password store.
const SECRETS: Duration = Duration::from_secs(30);

/// What a local server lists, and what was approved of it.
#[derive(Debug)]
pub struct Offline {
    name: String,
    rules: Rules,
    listed: Option<Vec<Definition>>,
    file: ApprovedFile,
}

impl Offline {
    /// Starts the local server of `profile`, whose `start_timeout` bounds the wait, has it list its tools, and ends it.
    /// What was approved is in the folder `approved`.
    ///
    /// # Errors
    /// The cause with which its tunnels would stop.
    pub async fn meet(
        profile: &Profile,
        hidden: &BTreeSet<String>,
        sources: &SecretSources,
        approved: &Path,
        random: fastrand::Rng,
    ) -> Result<Self, Cause> {
        let Some(tunnel) = profile.tunnels.first() else {
            return Err(Cause::Internal { detail: "a profile without a gateway".to_owned() });
        };
        let wish = Wish { tunnel: Arc::new(tunnel.clone()), hidden: Arc::new(hidden.clone()), run: 0 };
        let config = timeout(SECRETS, complete(&wish, sources)).await.unwrap_or_else(|_| {
            Err(Cause::Secret {
                code: "secret.slow",
                what: format!("a secret was not to be had within {} s", SECRETS.as_secs()),
                action: "Unlock the keychain or password store that it comes from.".to_owned(),
            })
        })?;
        let met = trial::meet(&config, config.start_timeout, random).await?;
        let file = ApprovedFile::of(approved, profile);
        // As where it runs: what cannot be read approves nothing.
        let approved = file.read().unwrap_or_else(|_| Some(Approved::default()));
        Ok(Self {
            name: profile.name.to_string(),
            rules: Rules { policy: config.policy, approved },
            listed: met.listed().map(<[_]>::to_vec),
            file,
        })
    }

    /// The tools as they would pass.
    pub fn tools(&self) -> Tools {
        Tools::judged(&self.rules, self.listed.as_deref())
    }

    /// Approves held tools, or keeps them blocked: all of these or none. Whoever runs the profile takes it up within
    /// about a second.
    ///
    /// # Errors
    /// [`Undecided`].
    pub fn decide(&mut self, decisions: &[Decision]) -> Result<Tools, Undecided> {
        let approved = decided(&self.rules, self.listed.as_deref().unwrap_or_default(), decisions)?;
        self.file.write(&self.name, &approved).map_err(|error| Undecided::Unsaved(error.to_string()))?;
        self.rules.approved = Some(approved);
        Ok(self.tools())
    }
}
