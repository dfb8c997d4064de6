//! On Windows: a job object. What a program starts in its very first moment, before it is put there, stays outside.

use tokio::process::{Child, Command};
use win32job::{ExtendedLimitInfo, Job, JobError};

/// `CREATE_NO_WINDOW`: no console comes up on the screen, and a Ctrl-C in our own is not the program's.
const NO_WINDOW: u32 = 0x0800_0000;

/// The job that a program is in. Dropped, all in it is ended.
pub(in crate::secret) struct Group {
    _job: Option<Job>,
}

impl Group {
    /// Has `command` run out of sight.
    pub(in crate::secret) fn prepare(command: &mut Command) {
        command.creation_flags(NO_WINDOW);
    }

    /// That of `child`, which has just begun.
    pub(in crate::secret) fn led_by(child: &Child) -> Self {
        let held = |process: std::os::windows::io::RawHandle| -> Result<Job, JobError> {
            let mut limits = ExtendedLimitInfo::new();
            limits.limit_kill_on_job_close();
            let job = Job::create_with_limit_info(&limits)?;
            job.assign_process(process as isize)?;
            Ok(job)
        };
        // One that is over already needs none.
        Self { _job: child.raw_handle().and_then(|process| held(process).ok()) }
    }

    /// To a process without a window there is no polite way to say it.
    pub(in crate::secret) fn ask_to_end(&self) {}
}
