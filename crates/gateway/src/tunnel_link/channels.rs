//! A session of the channels dialect: it outlives its connections, and its clients have children of their own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use culvert_link::channels::{Carrier, Ended, Happening, Opener, Terms};
use culvert_link::{FrameReceiver, FrameSender, LinkEnd};
use culvert_protocol::channels::control::{Control, Grant, Header, Purpose};
use culvert_protocol::channels::{Side, WINDOW};
use culvert_protocol::envelope::{Envelope, Kind};
use culvert_protocol::{Labels, Secret};
use tokio::time::{Instant, sleep_until, timeout};

use super::Link;
use super::end::{CLOSE_WAIT, Over};
use super::frames::Heartbeats;
use super::register::Registration;
use crate::backend::Channels;
use crate::clock::UnixTime;
use crate::counts::add;
use crate::random;
use crate::resumable::{Moored, Takeover};
use crate::session::Session;
use crate::shared::{self, Shared};
use crate::traffic::Traffic;
use crate::users::News;

/// The first wait before the gateway's own channel is opened anew; it doubles up to [`REOPEN_CAP`].
const REOPEN_FIRST: Duration = Duration::from_millis(500);

/// The longest such wait.
const REOPEN_CAP: Duration = Duration::from_secs(30);

impl Link<'_> {
    /// Serves the session to its end, the last words included.
    pub(super) async fn serve_channels(
        self,
        registration: Registration,
        sender: FrameSender,
        receiver: FrameReceiver,
    ) -> Over {
        let key = match random::id() {
            Ok(key) => Secret::new(key),
            Err(error) => return Over::Refused(format!("no session without randomness: {error}")),
        };
        let limits = &self.house.limits;
        let grant = Grant::new(WINDOW, limits.max_message, limits.grace, key.clone());
        if sender.send(self.carrier.writer.register_grant(&grant)).await.is_err() {
            return Over::Gone;
        }
        let moored = self.house.resumable.moor(&self.id, &key, self.visitor.bearer.subject(), &registration.name);
        let traffic = Arc::new(Traffic::new(UnixTime::now()));
        let terms =
            Terms { side: Side::Gateway, window: WINDOW, max_line: limits.max_message, tap: Some(traffic.clone()) };
        let mut carrier = Carrier::start(terms, sender, receiver);
        let over = self.attend(registration, &mut carrier, moored, &traffic).await;
        self.say_goodbye(&over, &mut carrier).await;
        over
    }

    async fn attend(
        &self,
        registration: Registration,
        carrier: &mut Carrier,
        mut moored: Moored<'_>,
        traffic: &Arc<Traffic>,
    ) -> Over {
        let opener = carrier.opener();
        let Some(own) = opener.open(own_header()).await else { return Over::Gone };
        let terms = shared::Terms { max_message: registration.offer.takes(), ..shared::Terms::of(&self.house.limits) };
        let mut news = News::of(&terms.users);
        let shared = Shared::start_on(own.into(), terms.clone());
        let all_share = registration.offer.single_child;
        let for_clients = (!all_share).then(|| Channels::new(opener.clone(), terms.max_message));
        let registered = AtomicBool::new(false);
        let live = async {
            let session = match self.register_in_time(registration, &shared, traffic, for_clients).await {
                Ok(session) => session,
                Err(over) => return over,
            };
            registered.store(true, Ordering::Relaxed);
            tokio::select! {
                over = self.ordered(&session) => over,
                over = self.keep_own_channel(&opener, &session, &terms) => over,
            }
        };
        let mut heartbeats = Heartbeats::default();
        let mut broken: Option<(LinkEnd, Instant)> = None;
        tokio::pin!(live);
        loop {
            let grace_ends = broken.as_ref().map(|(_, until)| *until);
            tokio::select! {
                biased;
                over = &mut live => return over,
                Some(takeover) = moored.takeovers.recv() => {
                    broken = None;
                    self.take_over(carrier, *takeover).await;
                    news.again();
                }
                told = news.next(), if all_share && broken.is_none() => {
                    carrier.send_text(told.to_json()).await;
                }
                happening = carrier.happens() => match happening {
                    None => return Over::Gone,
                    Some(Happening::Opened(..)) => {}
                    Some(Happening::Lost(Ended::Violation(rule))) => return Over::Link(LinkEnd::Protocol(rule)),
                    Some(Happening::Lost(Ended::Broken(end))) => {
                        let on_purpose = matches!(end, LinkEnd::Closed { code: 1000 | 1008, .. });
                        if on_purpose || !registered.load(Ordering::Relaxed) {
                            return Over::Link(end);
                        }
                        tracing::info!(session = %self.id, why = %end, "a link broke; its session waits for it");
                        self.house.registry.waits(&self.id);
                        broken = Some((end, Instant::now() + self.house.limits.grace));
                    }
                    Some(Happening::Text(text)) => {
                        let Ok(envelope) = Envelope::parse(&text) else { continue };
                        match envelope.kind {
                            Kind::Heartbeat if heartbeats.is_due(Instant::now()) => {
                                carrier.send_text(self.carrier.writer.heartbeat_ack(&UnixTime::now().rfc3339())).await;
                            }
                            Kind::Labels => {
                                let labels = envelope.labels.map(Labels::read).unwrap_or_default();
                                self.house.registry.relabel(&self.id, labels);
                            }
                            Kind::Unregister => return Over::Unregistered,
                            Kind::Register => return Over::RegisteredTwice,
                            _ => {}
                        }
                    }
                },
                () = until(grace_ends) => {
                    let end = broken.take().map_or(LinkEnd::Silent(self.house.limits.grace), |(end, _)| end);
                    return Over::Link(end);
                }
            }
        }
    }

    /// Goes on with a new connection. The old one is let go of first: only then does the count stand still.
    async fn take_over(&self, carrier: &mut Carrier, takeover: Takeover) {
        let Some(received) = carrier.detach().await else { return };
        let resumed = Control::Resumed { received }.to_json();
        tracing::info!(session = %self.id, peer = %takeover.visitor.peer, over = %takeover.visitor.carriage, "a session goes on");
        // Should it be gone already, its receiving end says so.
        let _ = takeover.sender.send(resumed).await;
        carrier.attach(takeover.sender, takeover.receiver, takeover.received).await;
        self.house.registry.take_over(&self.id, takeover.visitor);
        add(&self.house.counts.resumes);
    }

    /// Opens the gateway's own channel anew whenever it ends, because the child behind it did.
    async fn keep_own_channel(&self, opener: &Opener, session: &Session, terms: &shared::Terms) -> Over {
        let mut wait = REOPEN_FIRST;
        loop {
            let why = session.shared().closed().await;
            tracing::info!(session = %self.id, why = why.message(), "the gateway's own channel ended");
            loop {
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(REOPEN_CAP);
                let Some(own) = opener.open(own_header()).await else { return Over::Gone };
                let shared = Shared::start_on(own.into(), terms.clone());
                match shared.ready().await {
                    Ok(_) => {
                        session.share(shared);
                        wait = REOPEN_FIRST;
                        break;
                    }
                    Err(why) => tracing::info!(session = %self.id, why = why.message(), "it does not come back yet"),
                }
            }
        }
    }

    /// Says why, closes, and gives the client a moment to read it.
    async fn say_goodbye(&self, over: &Over, carrier: &mut Carrier) {
        let Some((code, reason)) = over.close() else { return };
        if let Some(words) = over.words(&self.carrier.writer) {
            carrier.send_text(words).await;
        }
        let said = over.code();
        let last = (!said.is_empty()).then(|| Control::Close { code: said.to_owned() }.to_json());
        carrier.close(last, code, reason).await;
        let hung_up = async { while !matches!(carrier.happens().await, None | Some(Happening::Lost(_))) {} };
        let _ = timeout(CLOSE_WAIT, hung_up).await;
    }
}

fn own_header() -> Header {
    Header { purpose: Purpose::Gateway, ..Header::default() }
}

async fn until(when: Option<Instant>) {
    match when {
        Some(when) => sleep_until(when).await,
        None => std::future::pending().await,
    }
}
