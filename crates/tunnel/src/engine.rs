//! The loop that keeps one tunnel up. [`run`] cannot fail: it loops over attempts that can, sorts their causes, and
//! waits between them.

mod endings;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use culvert_link::dial::{Dialled, Dialler};
use culvert_link::{Carriage, LinkEnd};
use culvert_protocol::address::Endpoint;
use culvert_protocol::backoff::Backoff;
use culvert_protocol::{Cause, Explain as _, Remedy, limits};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use self::endings::Endings;
pub(crate) use self::endings::{Stage, link_cause};
use crate::base::{self, Progress, Served};
use crate::channels::{self, Labelling};
use crate::choice::Choice;
use crate::config::TunnelConfig;
use crate::door::Door;
use crate::end::End;
use crate::local::Launcher;
use crate::outside::{Outside, Turn, woken};
use crate::register::{self, Acknowledged, Dialect, Unacknowledged};
use crate::registration::Refusal;
use crate::report::Report;
use crate::standby::{self, Record};
use crate::status::Status;

/// A tunnel that was online for so long was well: its next trouble starts the waits from the beginning.
const HEALTHY_AFTER: Duration = Duration::from_secs(30);

/// A link that waited so long for the local server may be taken for dead at the other end: a new one is dialled.
const LINK_MAY_WAIT: Duration = Duration::from_secs(5);

/// Keeps one local server reachable through one gateway until `stop` is cancelled or only the user can help. The last
/// status is [`Status::Stopped`]; no process is left by then. `random` spreads the waits.
pub async fn run(
    config: TunnelConfig,
    outside: Outside,
    status: watch::Sender<Status>,
    stop: CancellationToken,
    random: fastrand::Rng,
) {
    let report = Arc::new(Report::new(status, outside.ledger.clone()));
    let mut session_ids = random.clone();
    session_ids.u64(..);
    let dialler = Dialler::new(config.outbound.clone());
    let launcher = Arc::new(Launcher::new(&config, outside.ledger.clone(), outside.policy.clone(), session_ids.fork()));
    let mut engine = Engine {
        launcher,
        choice: Choice::new(&config),
        backoff: Backoff::new(config.retry.first, config.retry.cap, random),
        session_ids,
        config,
        outside,
        dialler,
        report,
        stop,
        renewed: false,
        served: None,
        record: Record::Untried,
        endpoint: None,
        endings: Endings::default(),
    };
    let (report, mut attention) = (engine.report.clone(), engine.outside.policy.attention());
    let follow_held = async {
        loop {
            report.held(*attention.borrow_and_update());
            if attention.changed().await.is_err() {
                return std::future::pending::<Infallible>().await;
            }
        }
    };
    let cause = tokio::select! {
        biased;
        never = follow_held => match never {},
        cause = engine.keep_up() => cause,
    };
    engine.report.set(Status::Stopping);
    if let Some(served) = engine.served.take() {
        served.child.end().await;
    }
    engine.report.set(Status::Stopped { cause });
}

/// What became of one attempt.
enum Tried {
    /// It failed, or what came of it has ended.
    Failed(Cause),
    /// The next one may follow at once.
    Again,
}

struct Engine {
    config: TunnelConfig,
    outside: Outside,
    launcher: Arc<Launcher>,
    dialler: Dialler,
    choice: Choice,
    report: Arc<Report>,
    stop: CancellationToken,
    /// Whether a token that ended a session was read again since the last one that did not.
    renewed: bool,
    backoff: Backoff,
    session_ids: fastrand::Rng,
    served: Option<Served>,
    record: Record,
    /// The endpoint that took us last.
    endpoint: Option<Endpoint>,
    endings: Endings,
}

impl Engine {
    /// Tries until asked to stop (`None`) or until trying is of no use.
    async fn keep_up(&mut self) -> Option<Cause> {
        loop {
            let cause = match self.attempt().await? {
                Tried::Failed(cause) => cause,
                Tried::Again => continue,
            };
            if cause.is_about_token() && !self.renewed && self.renew().await {
                continue;
            }
            if cause.remedy() == Remedy::Stop {
                return Some(cause);
            }
            if let Some(max) = self.config.retry.max.filter(|max| self.backoff.tries() >= *max) {
                return Some(Cause::RetriesExhausted { tries: max, last: Box::new(cause) });
            }
            let wait = self.next_wait(&cause);
            debug!(code = cause.code(), wait_ms = wait.as_millis(), "waiting: {cause}");
            self.report.waiting(self.backoff.tries(), wait, cause);
            let wake = &mut self.outside.wake;
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return None,
                () = tokio::time::sleep(wait) => {}
                // What made it fail is over, maybe: it may be tried as often as at first.
                () = woken(wake) => self.backoff.reset(),
                // Woken: what was so may be so no more.
                () = standby::mind(&mut self.served, &self.report) => self.choice.forget(),
            }
        }
    }

    /// Has the token read again, once; whether there is another one.
    async fn renew(&mut self) -> bool {
        self.renewed = true;
        tokio::select! {
            biased;
            () = self.stop.cancelled() => false,
            renewed = self.outside.bearer.renewed() => renewed,
        }
    }

    /// How long to wait after `cause`: what the gateway asks for and, between two that displace each other, long.
    fn next_wait(&mut self, cause: &Cause) -> Duration {
        let wait = self.backoff.next().unwrap_or(self.config.retry.cap);
        match cause {
            Cause::Displaced { .. } => self.config.retry.cap + wait,
            _ => cause.retry_after().map_or(wait, |asked| asked + wait),
        }
    }

    /// One try: a server that works, a link, a registration, and all that follows. `None`: asked to stop.
    async fn attempt(&mut self) -> Option<Tried> {
        let stop = self.stop.clone();
        self.outside.wake.mark_unchanged();
        let session_id = session_id(&mut self.session_ids);
        let (link, acknowledged, turn) = tokio::select! {
            biased;
            () = stop.cancelled() => return None,
            ready = self.get_registered(&session_id) => match ready {
                Ok(ready) => ready,
                Err(cause) => return Some(Tried::Failed(cause)),
            },
        };
        let Some(mut served) = self.served.take() else {
            return Some(Tried::Failed(Cause::Internal { detail: "a link without a server".to_owned() }));
        };
        let began = Instant::now();
        let Acknowledged { session_id, dialect } = acknowledged;
        let end = match dialect {
            // Base gateways have no such links, and ours grants channels: somebody passes words on that are not its.
            Dialect::Base | Dialect::Mute if link.carriage == Carriage::Sse => {
                self.served = Some(served);
                let detail = "it does not speak the channels dialect".to_owned();
                return Some(Tried::Failed(Cause::NoSse { gateway: self.config.gateway.to_string(), detail }));
            }
            Dialect::Base | Dialect::Mute => {
                let progress = if matches!(dialect, Dialect::Base) { Progress::Processing } else { Progress::Mute };
                let registration = base::Registration { id: session_id, progress, turn };
                let end =
                    base::serve(link, &mut served, &self.config, &self.outside, registration, &self.report, &stop)
                        .await;
                self.served = Some(served);
                end
            }
            Dialect::Channels(grant) => {
                drop(turn);
                let backoff = Backoff::new(self.config.retry.first, limits::RESUME_RETRY_CAP, self.session_ids.fork());
                let session = channels::Session {
                    config: &self.config,
                    launcher: &self.launcher,
                    door: self.door(),
                    report: &self.report,
                    stop: &stop,
                    wake: self.outside.wake.clone(),
                    id: session_id,
                    grant,
                    backoff,
                    attempts: 0,
                    resumed: None,
                    carriage: link.carriage,
                };
                // The session takes the server over, and leaves none behind.
                session.serve(link, served, Labelling::new(self.outside.labels.clone())).await
            }
        };
        // The session has heeded what came meanwhile.
        self.outside.wake.mark_unchanged();
        if stop.is_cancelled() {
            return None;
        }
        if matches!(end, End::TokenReplaced) {
            return Some(Tried::Again);
        }
        let cause = self.endings.cause(end, &self.config, &self.report)?;
        if began.elapsed() >= HEALTHY_AFTER {
            self.backoff.reset();
            self.renewed = false;
        }
        if matches!(cause, Cause::ServerExited { .. } | Cause::ServerLost { .. }) {
            self.bury().await;
        }
        Some(Tried::Failed(cause))
    }

    /// A link on which the gateway has acknowledged us, with a server that works behind it.
    async fn get_registered(&mut self, session_id: &str) -> Result<(Dialled, Acknowledged, Turn), Cause> {
        let mut link = self.get_ready(session_id).await?;
        let (ready, turnstile) = (Instant::now(), self.outside.turnstile.clone());
        let turn = turnstile.turn().await;
        if ready.elapsed() > LINK_MAY_WAIT {
            link = self.dial(session_id).await?;
        }
        self.endpoint = Some(link.endpoint);
        self.report.set(Status::Registering);
        // Whoever changes them from here on has them told on the link.
        let labels = self.outside.labels.borrow_and_update().clone().unwrap_or_else(|| self.config.labels.clone());
        let registered = register::register(&mut link, &self.config, session_id, &labels).await;
        match (&registered, link.carriage) {
            (Ok(_), Carriage::WebSocket) => self.choice.forget(),
            (
                Err(
                    Unacknowledged::Link(LinkEnd::Lost(_) | LinkEnd::Silent(_))
                    | Unacknowledged::Refused(Refusal::Overdue),
                ),
                Carriage::WebSocket,
            ) => self.choice.mute(),
            _ => {}
        }
        match registered {
            Ok(acknowledged) => Ok((link, acknowledged, turn)),
            Err(Unacknowledged::Refused(refusal)) => Err(self.endings.refused(refusal)),
            Err(Unacknowledged::Link(end)) => {
                Err(link_cause(end, Stage::Registering, || self.config.gateway.to_string()))
            }
        }
    }

    /// Brings both ends up at once, so that a refused token shows while a server is still being downloaded. The
    /// server is kept when only the link fails.
    async fn get_ready(&mut self, session_id: &str) -> Result<Dialled, Cause> {
        if self.served.is_some() {
            self.report.set(Status::Connecting);
            return self.dial(session_id).await;
        }
        self.report.set(Status::Starting { since: Instant::now() });
        let mut ready_late = false;
        let (dialled, started) = {
            let dial = self.dial(session_id);
            let start = standby::start(&self.config, &self.launcher, self.record);
            tokio::pin!(dial, start);
            tokio::select! {
                dialled = &mut dial => {
                    if let Err(cause) = &dialled && cause.remedy() == Remedy::Stop {
                        return Err(cause.clone());
                    }
                    let dialled_at = Instant::now();
                    let started = start.await;
                    ready_late = dialled_at.elapsed() > LINK_MAY_WAIT;
                    (dialled, started)
                }
                // The dial goes on: giving it up half way would show at the gateway as a connection that came to nothing.
                started = &mut start => match started {
                    Ok(_) => {
                        self.report.set(Status::Connecting);
                        (dial.await, started)
                    }
                    Err(cause) => return Err(cause),
                },
            }
        };
        self.served = Some(started?);
        self.record = Record::Proven;
        match dialled {
            Ok(_) if ready_late => {
                self.report.set(Status::Connecting);
                self.dial(session_id).await
            }
            dialled => dialled,
        }
    }

    async fn dial(&self, session_id: &str) -> Result<Dialled, Cause> {
        // Its own view: what comes meanwhile also ends the wait after this attempt.
        self.door().dial_anew(session_id, &mut self.outside.wake.clone()).await
    }

    fn door(&self) -> Door<'_> {
        Door {
            dialler: &self.dialler,
            config: &self.config,
            bearer: &self.outside.bearer,
            endpoint: self.endpoint,
            choice: &self.choice,
        }
    }

    /// Clears away a server that has ended.
    async fn bury(&mut self) {
        if let Some(served) = self.served.take() {
            served.child.end().await;
        }
    }
}

/// A fresh session id in the form of a version 4 UUID. It names, it protects nothing.
pub(crate) fn session_id(random: &mut fastrand::Rng) -> String {
    let bits = random.u128(..);
    let (a, b, c, d, e) =
        (bits >> 96, bits >> 80 & 0xffff, bits >> 64 & 0xfff, bits >> 48 & 0x3fff, bits & 0xffff_ffff_ffff);
    format!("{a:08x}-{b:04x}-4{c:03x}-{:04x}-{e:012x}", d | 0x8000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_ids_look_like_uuids_and_differ() {
        let mut random = fastrand::Rng::with_seed(1);
        let ids = [session_id(&mut random), session_id(&mut random)];
        assert_ne!(ids[0], ids[1]);
        for id in ids {
            let lengths: Vec<_> = id.split('-').map(str::len).collect();
            assert_eq!(lengths, [8, 4, 4, 4, 12], "{id}");
            assert_eq!(&id[14..15], "4");
            assert!(matches!(&id[19..20], "8" | "9" | "a" | "b"), "{id}");
        }
    }
}
