//! No local server outlives a Culvert that was killed: on Windows the system itself ends them. This process is in a job
//! object, with all that it will ever start, and has the job's only handle; when the process is gone, so is the handle.

use tracing::warn;
use win32job::{ExtendedLimitInfo, Job, JobError};

/// Says that there is nothing to let go of: the job ends with the process.
#[derive(Debug)]
pub struct Retained(());

/// Puts this process into such a job. A child is in a job of its own besides, but only a moment after it began; this
/// one it is in from the first.
#[must_use]
pub fn retain() -> Retained {
    if let Err(error) = enter() {
        warn!(%error, "a local server that is just being started would stay if Culvert were killed");
    }
    Retained(())
}

/// Whether this process was started to be a reaper: never, as the system is the reaper.
pub fn attend_if_asked() -> bool {
    false
}

fn enter() -> Result<(), JobError> {
    let mut limits = ExtendedLimitInfo::new();
    limits.limit_kill_on_job_close();
    let job = Job::create_with_limit_info(&limits)?;
    job.assign_current_process()?;
    // Closed by us, it would end us too: it is left to the end of the process.
    let _ = job.into_handle();
    Ok(())
}
