//! The children behind the channels of one session: who gets one, how many there are, and that all are ended.

use std::collections::BTreeMap;
use std::sync::Arc;

use culvert_link::channels::Channel;
use culvert_protocol::channels::control::{Header, Purpose, User};
use culvert_protocol::channels::{ChannelId, ResetReason};
use culvert_protocol::text;
use tracing::{debug, info, warn};

use super::bridge::{Bridge, Finish, Stop};
use super::own;
use super::passage::Passage;
use super::tasks::Tasks;
use crate::activity::Caller;
use crate::base::Served;
use crate::config::TunnelConfig;
use crate::figures::Direction;
use crate::local::{Launcher, Local};
use crate::report::Report;

/// All children of one session.
pub(super) struct Children {
    config: TunnelConfig,
    launcher: Arc<Launcher>,
    report: Arc<Report>,
    /// The longest message that the gateway takes.
    max_line: usize,
    /// The one that has proven itself, until the gateway's own channel takes it.
    first: Option<Served>,
    spare: Option<Local>,
    /// The gateway's own channel: one at a time.
    own: Option<ChannelId>,
    tasks: Tasks,
    /// The clients' channels, with who is behind them.
    clients: BTreeMap<ChannelId, String>,
    /// Whether they are others now than [`changed`](Self::changed) told last.
    untold: bool,
    stop: Stop,
}

impl Children {
    pub(super) fn new(
        config: &TunnelConfig,
        launcher: Arc<Launcher>,
        report: Arc<Report>,
        max_line: usize,
        first: Served,
    ) -> Self {
        let mut children = Self {
            config: config.clone(),
            launcher,
            report,
            max_line,
            first: Some(first),
            spare: None,
            own: None,
            tasks: Tasks::default(),
            clients: BTreeMap::new(),
            untold: false,
            stop: Stop::default(),
        };
        children.fill_spare();
        children
    }

    /// Puts a child behind a channel, or refuses it with a reason. Ends only that channel.
    pub(super) fn open(&mut self, channel: Channel, header: Header) {
        let id = channel.id;
        if self.stop.gently.is_cancelled() {
            return Finish::Stopped.tell(channel.sender);
        }
        let ledger = self.launcher.ledger().clone();
        ledger.figures().watch_queue(Direction::FromServer, channel.sender.gauge());
        let who = if header.purpose == Purpose::Gateway { Caller::Gateway } else { Caller::of(&header) };
        let passage = Passage::new(ledger.clone(), who);
        let gate = self.launcher.gate();
        let bridge = Bridge { channel, max_line: self.max_line, passage, gate, stop: self.stop.clone() };
        if header.purpose == Purpose::Gateway {
            if self.own.is_some() {
                return bridge.channel.sender.reset(ResetReason::TooMany, "the gateway has its own channel already");
            }
            self.own = Some(id);
            let (first, config, launcher) = (self.first.take(), self.config.clone(), self.launcher.clone());
            let report = self.report.clone();
            self.tasks.serve(id, async move { own::serve(bridge, first, &config, &launcher, &report).await });
            return;
        }
        let caller = user(&User { subject: header.subject, client: header.client });
        let max = if self.config.children.single { 0 } else { self.config.children.max_sessions };
        if self.clients.len() >= max {
            let words = format!("this server takes at most {max} sessions at once");
            warn!(name = %self.config.name, caller, "refused: {words}");
            return bridge.channel.sender.reset(ResetReason::TooMany, &words);
        }
        let child = match self.spare.take().map_or_else(|| self.spawn(), Ok) {
            Ok(child) => child,
            Err(words) => return bridge.channel.sender.reset(ResetReason::ServerFailed, &words),
        };
        child.serves(&caller, &ledger);
        info!(name = %self.config.name, caller, "a session begins");
        self.clients.insert(id, caller);
        self.untold = true;
        self.fill_spare();
        self.tasks.serve(id, async move {
            let finish = bridge.run(child).await;
            if let Finish::Exited(exit) = finish {
                ledger.figures().exited();
                warn!("the local server of one session {exit}");
            }
        });
    }

    /// Completes when sessions have begun or ended, with those who have one now. Cancel safe.
    pub(super) async fn changed(&mut self) -> Vec<String> {
        loop {
            if std::mem::take(&mut self.untold) {
                return self.clients.values().cloned().collect();
            }
            let id = self.tasks.ended().await;
            self.own.take_if(|own| *own == id);
            if self.clients.remove(&id).is_some() {
                self.untold = true;
                debug!(%id, "a session has ended");
            }
        }
    }

    /// Takes no new calls and no new sessions, and lets each child go once it has answered what it was asked. Completes
    /// when all are gone. Cancel safe.
    pub(super) async fn drain(&mut self) {
        self.stop.gently.cancel();
        self.tasks.all_ended().await;
    }

    /// Ends them all, and waits for it; each has a bounded time.
    pub(super) async fn end(mut self) {
        self.stop.now.cancel();
        if let Some(first) = self.first.take() {
            self.tasks.begin(async move { first.child.end().await });
        }
        if let Some(spare) = self.spare.take() {
            self.tasks.begin(async move { spare.end().await });
        }
        self.tasks.all_ended().await;
    }

    fn fill_spare(&mut self) {
        if self.config.children.warm_spare && self.spare.is_none() {
            // One that cannot be started shows when it is needed.
            self.spare = self.spawn().ok();
        }
    }

    fn spawn(&self) -> Result<Local, String> {
        self.launcher.launch().map_err(|cause| cause.to_string())
    }
}

/// Who uses the server, in the words that a gateway gave: the client and its version, and on whose behalf.
pub(super) fn user(user: &User) -> String {
    let told =
        |words: &Option<String>| words.as_deref().map(|words| text::clean(words, 60)).filter(|words| !words.is_empty());
    match (told(&user.client), told(&user.subject)) {
        (Some(client), Some(subject)) => format!("{client} ({subject})"),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => "a client".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_is_told_with_client_and_subject_and_harms_no_terminal() {
        let of = |client: Option<&str>, subject: Option<&str>| {
            let (client, subject) = (client.map(str::to_owned), subject.map(str::to_owned));
            user(&User { subject, client })
        };
        assert_eq!(of(Some("claude 1.2"), Some("ann@example.com")), "claude 1.2 (ann@example.com)");
        assert_eq!(of(Some("claude 1.2"), None), "claude 1.2");
        assert_eq!(of(None, Some("ann@example.com")), "ann@example.com");
        assert_eq!((of(None, None), of(Some(""), Some("\u{1b}"))), ("a client".to_owned(), "a client".to_owned()));
        let long = of(Some(&"x".repeat(500)), Some("a\u{1b}[31m\nb"));
        assert!(long.chars().count() < 130 && !long.chars().any(char::is_control), "{long:?}");
    }
}
