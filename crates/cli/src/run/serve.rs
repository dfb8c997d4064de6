//! A running instance followed from start to end: each tunnel's story is told, wishes are passed on.

use std::collections::BTreeSet;
use std::sync::Arc;

use culvert_instance::{Instance, Overview, TunnelView};
use culvert_profiles::Warning;
use culvert_protocol::{Cause, Explain as _};
use culvert_tunnel::{Status, TunnelConfig};
use tokio::task::{JoinHandle, JoinSet};

use crate::events::{self, Events};
use crate::notify::Notify;
use crate::signals::Wish;
use crate::stdout::Stdout;
use crate::story::Story;
use crate::talk::{Company, Talk};
use crate::terminal::{Mood, Terminal};

/// Who hears what happens.
pub(super) enum Told {
    /// People.
    InWords,
    /// Programs; people hear only why it ends.
    InEvents(Stdout),
}

/// When an instance is of no more use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stay {
    /// Once all its tunnels have stopped by themselves.
    UntilAllStopped,
    /// Only when asked: profiles may be had up and mended at any time.
    UntilAsked,
}

/// How it ended.
pub(super) enum End {
    /// As asked; these tunnels had stopped by themselves before.
    Asked(Vec<Stopped>),
    /// At once, when asked again.
    Interrupted,
    /// All of them stopped by themselves.
    Stopped(Vec<Stopped>),
}

/// A tunnel that only the user can help.
pub(super) struct Stopped {
    pub(super) name: String,
    pub(super) gateway: String,
    pub(super) cause: Cause,
}

/// Who is told, and what needs no telling.
#[derive(Clone, Copy)]
pub(super) struct Audience<'a> {
    pub(super) told: &'a Told,
    pub(super) terminal: &'a Terminal,
    /// How lines must say whose they are.
    pub(super) company: Company,
    /// What was told before anything started, by name.
    pub(super) known: &'a [(String, Warning)],
    /// The service runner.
    pub(super) notify: &'a Notify,
}

/// Follows `instance` until all its tunnels have stopped by themselves, or it is asked to end and `over` completes.
/// `asked` gives the user's wishes, one after the other.
pub(super) async fn serve(
    audience: Audience<'_>,
    instance: &Instance,
    over: JoinHandle<()>,
    stay: Stay,
    mut asked: impl AsyncFnMut() -> Wish,
) -> End {
    let Audience { told, terminal, company, known, notify } = audience;
    if let Told::InEvents(stdout) = told {
        let notices = known.iter().map(|(name, warning)| events::notice(name, warning)).collect();
        stdout.tell(notices, terminal).await;
    }
    let mut overview = instance.overview();
    let mut stories = JoinSet::new();
    let mut lanes = BTreeSet::new();
    let mut ending = None;
    tokio::pin!(over);
    loop {
        let current = overview.borrow_and_update().clone();
        for (view, config) in tunnels(&current) {
            if lanes.insert(view.key.clone()) {
                let terminal = terminal.in_lane(lanes.len() - 1);
                let story = match told {
                    Told::InEvents(stdout) => Story::Events(Events::new(config), stdout.clone(), terminal),
                    Told::InWords => {
                        let mine = known.iter().filter(|(name, _)| name == config.name.as_str());
                        Story::Talk(Talk::new(terminal, config, company, mine.map(|(_, warning)| warning.code())))
                    }
                };
                stories.spawn(story.tell(view.status.clone()));
            }
        }
        tokio::select! {
            biased;
            _ = &mut over => {
                // Stories end with their tunnels.
                while stories.join_next().await.is_some() {}
                return match ending {
                    Some(end) => end,
                    None => End::Asked(Vec::new()),
                };
            }
            Ok(()) = overview.changed() => {}
            stopped = all_stopped(&current), if ending.is_none() && stay == Stay::UntilAllStopped => {
                ending = Some(End::Stopped(stopped));
                instance.stop().await;
            }
            wish = asked() => match (wish, &ending) {
                // What comes of it is in the log, as when a file changes by itself.
                (Wish::Reload, None) => {
                    notify.reloading();
                    let _ = instance.reload().await;
                    notify.reloaded();
                }
                (Wish::Reload, Some(_)) => {}
                (Wish::End, None) => {
                    if matches!(told, Told::InWords) {
                        terminal.say(Mood::Info, "stopping; Ctrl-C again ends at once");
                    }
                    ending = Some(End::Asked(tunnels(&current).filter_map(|(view, _)| stopped(view)).collect()));
                    instance.stop().await;
                }
                // The runtime's end kills what the engines started.
                (Wish::End, Some(_)) => return End::Interrupted,
            },
        }
    }
}

fn tunnels(overview: &Overview) -> impl Iterator<Item = (&TunnelView, &TunnelConfig)> {
    overview.profiles.iter().flat_map(|profile| {
        let configs = profile.profile.tunnels.iter().map(|tunnel| &tunnel.config);
        profile.tunnels.iter().zip(configs)
    })
}

fn stopped(view: &TunnelView) -> Option<Stopped> {
    match &*view.status.borrow() {
        Status::Stopped { cause: Some(cause) } => {
            Some(Stopped { name: view.name.clone(), gateway: view.key.gateway.clone(), cause: cause.clone() })
        }
        _ => None,
    }
}

/// Completes when every tunnel has stopped by itself; without any, never.
async fn all_stopped(overview: &Arc<Overview>) -> Vec<Stopped> {
    loop {
        for view in overview.tunnels() {
            let has_stopped = |status: &Status| matches!(status, Status::Stopped { cause: Some(_) });
            if view.status.clone().wait_for(has_stopped).await.is_err() {
                return std::future::pending().await;
            }
        }
        let all: Vec<_> = overview.tunnels().map(stopped).collect();
        match all.is_empty() {
            true => return std::future::pending().await,
            // One of them may have been taken up again meanwhile.
            false if all.iter().all(Option::is_some) => return all.into_iter().flatten().collect(),
            false => {}
        }
    }
}
