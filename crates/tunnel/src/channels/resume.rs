//! Going on with a session after its connection broke. Calls in flight stay in flight; the gateway judges.

use std::time::Duration;

use culvert_link::channels::Carrier;
use culvert_link::{Carriage, Dialled, Frame, LinkEnd};
use culvert_protocol::channels::control::Control;
use culvert_protocol::{Cause, Explain as _, Remedy, limits};
use tokio::time::{Instant, timeout};
use tracing::{debug, info};

use super::Session;
use crate::end::End;
use crate::outside::woken;

/// Children wait so much longer than the gateway does: it is the gateway that says that it is too late.
const EXTRA_GRACE: Duration = Duration::from_secs(30);

/// A link that held for so long after a resume was steady.
const STEADY_AFTER: Duration = Duration::from_secs(10);

/// The last resume.
#[derive(Debug)]
pub(crate) struct Resumed {
    at: Instant,
    /// What had come in of the gateway's stream by then.
    received: u64,
}

/// What became of one try.
enum Try {
    Resumed,
    /// The gateway ended the session on purpose meanwhile.
    Over(LinkEnd),
    Refused(String),
    Failed(Cause),
}

impl Session<'_> {
    /// Tries until the session goes on (`Ok`), the gateway says that it will not, or the grace is over.
    pub(super) async fn resume(&mut self, carrier: &mut Carrier, broken: LinkEnd) -> Result<(), End> {
        let deadline = Instant::now() + self.grant.grace() + EXTRA_GRACE;
        // A gateway that says goodbye says it to everybody at once.
        let is_for_all = matches!(broken, LinkEnd::Closed { .. });
        let mut cause = match broken {
            LinkEnd::Silent(after) => Cause::LinkSilent { after },
            end => Cause::LinkLost { detail: end.to_string() },
        };
        info!(name = %self.config.name, "{cause}; resuming");
        let Some(received) = carrier.detach().await else {
            return Err(End::Cause(Cause::Internal { detail: "the carrier of a link is gone".to_owned() }));
        };
        // Most links break for a moment only, so the first try is made at once; but not again and again on connections
        // that bring nothing before they break.
        let was_of_use = |last: &Resumed| received > last.received || last.at.elapsed() >= STEADY_AFTER;
        let is_alone = match self.resumed.as_ref().is_none_or(was_of_use) {
            true => {
                self.backoff.reset();
                !is_for_all
            }
            false => false,
        };
        let mut wait = if is_alone { Duration::ZERO } else { self.backoff.next().unwrap_or_default() };
        self.wake.mark_unchanged();
        loop {
            self.report.waiting(self.backoff.tries(), wait, cause.clone());
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return Err(End::Stopped),
                () = tokio::time::sleep(wait) => {}
                () = woken(&mut self.wake) => self.backoff.reset(),
            }
            self.attempts += 1;
            let tried = tokio::select! {
                biased;
                () = self.stop.cancelled() => return Err(End::Stopped),
                tried = self.try_resume(carrier, received) => tried,
            };
            match tried {
                Try::Resumed => {
                    self.resumed = Some(Resumed { at: Instant::now(), received });
                    return Ok(());
                }
                Try::Over(end) => return Err(End::Link(end, None)),
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

    async fn try_resume(&mut self, carrier: &Carrier, received: u64) -> Try {
        let mut link = match self.door.dial_anew(&self.id, &mut self.wake).await {
            Ok(link) => link,
            Err(cause) => return Try::Failed(cause),
        };
        let judged = self.ask_to_resume(&mut link, received, limits::DIAL_TIMEOUT).await;
        if link.carriage == Carriage::WebSocket && matches!(judged, None | Some(Err(LinkEnd::Lost(_)))) {
            self.door.choice.mute();
        }
        match judged {
            Some(Ok(Control::Resumed { received })) => {
                self.carriage = link.carriage;
                carrier.attach(link.sender, link.receiver, received).await;
                Try::Resumed
            }
            Some(Ok(Control::ResumeRefused { reason })) => Try::Refused(culvert_protocol::text::clean(&reason, 100)),
            Some(Ok(Control::Close { code })) => Try::Over(super::spoken(LinkEnd::Silent(Duration::ZERO), Some(code))),
            Some(Ok(_)) => Try::Refused("an answer that makes no sense".to_owned()),
            Some(Err(end @ LinkEnd::Closed { code: 4000.., .. })) => Try::Over(end),
            Some(Err(end)) => Try::Failed(Cause::LinkLost { detail: end.to_string() }),
            None => Try::Failed(Cause::LinkSilent { after: limits::DIAL_TIMEOUT }),
        }
    }

    /// The gateway's answer to `resume`, or how the link ended before it. `None`: neither came in time.
    pub(super) async fn ask_to_resume(
        &self,
        link: &mut Dialled,
        received: u64,
        within: Duration,
    ) -> Option<Result<Control, LinkEnd>> {
        let resume = Control::Resume {
            session_id: self.id.clone(),
            key: self.grant.resume_key.clone(),
            received,
            attempt: self.attempts,
        };
        let _ = link.sender.send(resume.to_json()).await;
        timeout(within, judgement(link)).await.ok()
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
