//! What whoever runs an instance asks of its profiles beyond their configuration.

use culvert_profiles::Profile;
use culvert_protocol::Cause;

/// Terms that profiles run under. Asked from the instance's own task: an answer must not wait for anything.
pub trait Terms: Send + Sync + std::fmt::Debug {
    /// Completes a profile that was read.
    fn prepare(&self, _profile: &mut Profile) {}

    /// Whether a profile may run.
    ///
    /// # Errors
    /// Why its tunnels are down although they are wanted up.
    fn allow(&self, _profile: &Profile) -> Result<(), Cause> {
        Ok(())
    }
}

/// Everything runs as it is configured.
#[derive(Debug)]
pub(crate) struct NoTerms;

impl Terms for NoTerms {}
