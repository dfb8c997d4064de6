//! The channels dialect at the client's end: a session that outlives its connections, with a child per channel.

mod bridge;
mod children;
mod labelling;
mod moving;
mod own;
mod passage;
mod resume;
mod tasks;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use culvert_link::channels::{Carrier, Ended, Happening, Terms};
use culvert_link::{Carriage, Dialled, LinkEnd};
use culvert_protocol::backoff::Backoff;
use culvert_protocol::channels::Side;
use culvert_protocol::channels::control::{Control, Grant, MOST_USERS};
use culvert_protocol::envelope::{Envelope, Kind, Writer};
use culvert_protocol::{limits, text};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use self::bridge::Finish;
use self::children::{Children, user};
pub(crate) use self::labelling::Labelling;
use self::moving::Moving;
use self::resume::Resumed;
use crate::base::Served;
use crate::config::TunnelConfig;
use crate::door::Door;
use crate::end::End;
use crate::local::Launcher;
use crate::outside::woken;
use crate::registration::Refusal;
use crate::report::Report;
use crate::status::{Notice, Status};

/// How long the gateway may take to hang up after we said goodbye.
const GOODBYE: Duration = Duration::from_secs(1);

/// What a session is about.
pub(crate) struct Session<'a> {
    pub(crate) config: &'a TunnelConfig,
    pub(crate) launcher: &'a Arc<Launcher>,
    pub(crate) door: Door<'a>,
    pub(crate) report: &'a Arc<Report>,
    pub(crate) stop: &'a CancellationToken,
    /// Changed to end a wait between tries.
    pub(crate) wake: watch::Receiver<()>,
    /// The gateway's name for it.
    pub(crate) id: String,
    pub(crate) grant: Grant,
    /// The waits between tries to resume.
    pub(crate) backoff: Backoff,
    /// How many tries to resume there were.
    pub(crate) attempts: u64,
    /// When and where the session was last resumed.
    pub(crate) resumed: Option<Resumed>,
    /// What carries the link now.
    pub(crate) carriage: Carriage,
}

impl<'a> Session<'a> {
    /// Serves the gateway's channels until it lets go of the session or `stop` is cancelled. `served` works behind the
    /// gateway's own channel. No child is left afterwards.
    pub(crate) async fn serve(mut self, link: Dialled, served: Served, labelling: Labelling) -> End {
        let (window, max_line) = (self.grant.window, self.config.max_message);
        let terms = Terms { side: Side::Client, window, max_line, tap: None };
        let tools = served.greeting.tools;
        let mut carrier = Carrier::start(terms, link.sender, link.receiver);
        let mut children =
            Children::new(self.config, self.launcher.clone(), self.report.clone(), self.grant.max_message, served);
        let end = self.attend(&mut carrier, &mut children, tools, labelling).await;
        children.end().await;
        if matches!(end, End::Stopped | End::Refused(_)) {
            carrier.close(Some(Writer::new(&self.id).unregister()), 1000, "").await;
            let hung_up = async { while !matches!(carrier.happens().await, None | Some(Happening::Lost(_))) {} };
            let _ = timeout(GOODBYE, hung_up).await;
        }
        end
    }

    async fn attend(
        &mut self,
        carrier: &mut Carrier,
        children: &mut Children,
        tools: Option<usize>,
        mut labelling: Labelling,
    ) -> End {
        let writer = Writer::new(&self.id);
        let every = self.config.keepalive;
        let mut beat = interval_at(Instant::now() + every, every);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let overdue = sleep(limits::REGISTER_TIMEOUT);
        tokio::pin!(overdue);
        let (mut registered, mut beat_sent, mut said): (Option<Instant>, Option<Instant>, Option<String>) =
            (None, None, None);
        let mut moving = Moving::new();
        let mut wake = self.wake.clone();
        wake.mark_unchanged();
        loop {
            tokio::select! {
                biased;
                () = self.stop.cancelled() => {
                    self.drain(carrier, children).await;
                    return End::Stopped;
                }
                happening = carrier.happens() => match happening {
                    None => return End::Link(LinkEnd::Lost("the session ended".to_owned()), None),
                    Some(Happening::Opened(channel, header)) => children.open(channel, header),
                    Some(Happening::Lost(Ended::Violation(rule))) => {
                        return End::Link(LinkEnd::Protocol(rule), registered.map(|since| since.elapsed()));
                    }
                    Some(Happening::Lost(Ended::Broken(end))) => {
                        let online = registered.map(|since| since.elapsed());
                        if online.is_none() || is_final(&end) || said.is_some() {
                            return End::Link(spoken(end, said), online);
                        }
                        if let Err(end) = self.go_on(carrier, end).await {
                            return end;
                        }
                        wake.mark_unchanged();
                        labelling.tell_again(carrier, &writer).await;
                        beat_sent = None;
                    }
                    Some(Happening::Text(text)) => {
                        match Control::parse(&text) {
                            Some(Control::Close { code }) => {
                                said = Some(code);
                                continue;
                            }
                            // Of channels of their own their headers say it.
                            Some(Control::InUse { by }) if self.config.children.single => {
                                self.report.in_use(by.iter().take(MOST_USERS).map(user).collect());
                                continue;
                            }
                            _ => {}
                        }
                        let Ok(envelope) = Envelope::parse(&text) else { continue };
                        match envelope.kind {
                            Kind::RegisterComplete if registered.is_none() => {
                                if envelope.status.as_deref() != Some("success") {
                                    return End::Refused(Refusal::of(envelope.message.as_deref().unwrap_or_default()));
                                }
                                registered = Some(Instant::now());
                                self.report.online(self.carriage, self.id.clone(), tools, self.notices());
                                // The first at once: it measures the round trip.
                                beat.reset_immediately();
                            }
                            Kind::Heartbeat => {
                                if let Some(sent) = beat_sent.take() {
                                    self.report.round_trip(sent.elapsed());
                                }
                            }
                            Kind::Error => {
                                let message = envelope.message.as_deref().unwrap_or("it gave no reason");
                                warn!("the gateway reports an error: {}", text::clean(message, 300));
                            }
                            kind => debug!(?kind, "skipped"),
                        }
                    }
                },
                () = labelling.changed(), if registered.is_some() => labelling.tell(carrier, &writer).await,
                () = woken(&mut wake), if registered.is_some() => match self.carriage {
                    Carriage::WebSocket => carrier.doubt().await,
                    // An event stream cannot be asked; to resume on another one costs no call.
                    Carriage::Sse => {
                        let doubted = LinkEnd::Lost("the network may be another one".to_owned());
                        if let Err(end) = self.go_on(carrier, doubted).await {
                            return end;
                        }
                        wake.mark_unchanged();
                        labelling.tell_again(carrier, &writer).await;
                        beat_sent = None;
                    }
                },
                in_use = children.changed() => self.report.in_use(in_use),
                _ = beat.tick() => {
                    beat_sent = Some(Instant::now());
                    carrier.send_text(writer.heartbeat()).await;
                }
                dialled = moving.dialled(self), if registered.is_some() => match dialled {
                    Ok(link) => {
                        self.move_over(carrier, link).await;
                        labelling.tell_again(carrier, &writer).await;
                    }
                    Err(reason) => self.stay(reason),
                },
                () = &mut overdue, if registered.is_none() => return End::Refused(Refusal::Overdue),
            }
        }
    }

    /// Resumes the session on another connection, and says so.
    async fn go_on(&mut self, carrier: &mut Carrier, broken: LinkEnd) -> Result<(), End> {
        let status = self.report.current();
        self.resume(carrier, broken).await?;
        self.report.ledger().figures().resumed();
        self.report.set(status);
        self.report.carried(self.carriage);
        Ok(())
    }

    /// Lets calls in flight come to their end, within the time for it. Without a connection nobody would hear of it.
    async fn drain(&self, carrier: &mut Carrier, children: &mut Children) {
        self.report.set(Status::Stopping);
        let mut gently = std::pin::pin!(timeout(self.config.drain, children.drain()));
        loop {
            tokio::select! {
                biased;
                _ = &mut gently => return,
                happening = carrier.happens() => match happening {
                    None | Some(Happening::Lost(_)) => return,
                    Some(Happening::Opened(channel, _)) => Finish::Stopped.tell(channel.sender),
                    Some(Happening::Text(_)) => {}
                },
            }
        }
    }

    fn notices(&self) -> Vec<Notice> {
        let slow = self.config.keepalive > limits::KEEPALIVE_WARN;
        slow.then_some(Notice::SlowKeepalive(self.config.keepalive)).into_iter().collect()
    }
}

/// Whether the gateway ended the link on purpose: then there is nothing to resume.
fn is_final(end: &LinkEnd) -> bool {
    match end {
        LinkEnd::Closed { code, .. } => !matches!(code, 1001 | 1005 | 1006 | 1011..=1014),
        LinkEnd::Protocol(_) | LinkEnd::TooLarge(_) => true,
        LinkEnd::Lost(_) | LinkEnd::Silent(_) => false,
    }
}

/// What the gateway said before it hung up tells more than how it did.
fn spoken(end: LinkEnd, said: Option<String>) -> LinkEnd {
    match said {
        Some(reason) => LinkEnd::Closed { code: 4000, reason: text::clean(&reason, 200) },
        None => end,
    }
}
