//! Going on with a session after its connection broke. Calls in flight stay in flight; the gateway judges.

use std::time::Duration;

use culvert_link::channels::Carrier;
use culvert_link::{Dialled, Frame, LinkEnd};
use culvert_protocol::channels::control::Control;
use culvert_protocol::{Cause, Explain as _, Remedy, limits};
use tokio::time::{Instant, timeout};
use tracing::{debug, info};

use super::Session;
use crate::end::End;

/// Children wait so much longer than the gateway does: it is the gateway that says that it is too late.
const EXTRA_GRACE: Duration = Duration::from_secs(30);

/// What became of one try.
enum Try {
    Resumed,
    Refused(String),
    Failed(Cause),
}

impl Session<'_> {
    /// Tries until the session goes on (`Ok`), the gateway says that it will not, or the grace is over.
    pub(super) async fn resume(&mut self, carrier: &Carrier, broken: LinkEnd) -> Result<(), End> {
        let deadline = Instant::now() + self.grant.grace() + EXTRA_GRACE;
        let mut cause = match broken {
            LinkEnd::Silent(after) => Cause::LinkSilent { after },
            end => Cause::LinkLost { detail: end.to_string() },
        };
        info!(name = %self.config.name, "{cause}; resuming");
        self.backoff.reset();
        let Some(received) = carrier.detach().await else {
            return Err(End::Cause(Cause::Internal { detail: "the carrier of a link is gone".to_owned() }));
        };
        // The first try is made at once: most links break for a moment only.
        let mut wait = Duration::ZERO;
        loop {
            self.report.waiting(self.backoff.tries(), wait, cause.clone());
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return Err(End::Stopped),
                () = tokio::time::sleep(wait) => {}
            }
            let tried = tokio::select! {
                biased;
                () = self.stop.cancelled() => return Err(End::Stopped),
                tried = self.try_resume(carrier, received) => tried,
            };
            match tried {
                Try::Resumed => return Ok(()),
                Try::Refused(reason) => {
                    info!(name = %self.config.name, reason, "the gateway does not go on with the session");
                    return Err(End::Cause(cause));
                }
                Try::Failed(failed) if failed.remedy() == Remedy::Stop => return Err(End::Cause(failed)),
                Try::Failed(failed) => cause = failed,
            }
            if Instant::now() >= deadline {
                return Err(End::Cause(cause));
            }
            wait = self.backoff.next().unwrap_or_default();
            debug!(code = cause.code(), wait_ms = wait.as_millis(), "not yet resumed: {cause}");
        }
    }

    async fn try_resume(&self, carrier: &Carrier, received: u64) -> Try {
        let mut link = match self.door.dial(&self.id).await {
            Ok(link) => link,
            Err(cause) => return Try::Failed(cause),
        };
        let resume = Control::Resume { session_id: self.id.clone(), key: self.grant.resume_key.clone(), received };
        let _ = link.sender.send(resume.to_json()).await;
        match timeout(limits::DIAL_TIMEOUT, judgement(&mut link)).await {
            Ok(Ok(Control::Resumed { received })) => {
                carrier.attach(link.sender, link.receiver, received).await;
                Try::Resumed
            }
            Ok(Ok(Control::ResumeRefused { reason })) => Try::Refused(culvert_protocol::text::clean(&reason, 100)),
            Ok(Ok(_)) => Try::Refused("an answer that makes no sense".to_owned()),
            Ok(Err(LinkEnd::Closed { code, reason })) if reason.starts_with("auth.") => {
                debug!(code, reason, "refused while resuming");
                Try::Failed(Cause::TokenRejected {
                    gateway: self.config.gateway.to_string(),
                    detail: culvert_protocol::cause::because(&reason),
                })
            }
            Ok(Err(end)) => Try::Failed(Cause::LinkLost { detail: end.to_string() }),
            Err(_) => Try::Failed(Cause::LinkSilent { after: limits::DIAL_TIMEOUT }),
        }
    }
}

/// The gateway's answer to `resume`.
async fn judgement(link: &mut Dialled) -> Result<Control, LinkEnd> {
    loop {
        if let Frame::Text(text) = link.receiver.recv().await?
            && let Some(control) = Control::parse(&text)
        {
            return Ok(control);
        }
    }
}
