//! One tunnel of an instance through all its life: its secrets are fetched, its engine is run, and run anew when its
//! configuration is another one or the user has helped.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use culvert_link::Outbound;
use culvert_profiles::{BadValue, Profile, ProfileTunnel, Prompt, SecretRef, SecretSources, TunnelKey};
use culvert_protocol::{Cause, Explain, Labels, Secret};
use culvert_tunnel::{Ledger, LivePolicy, Outside, Status, TunnelConfig, Turnstile};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, debug, warn};

use crate::overview::TunnelView;
use crate::token::Token;
use crate::token_news;

/// How soon a secret that cannot be had is asked for again. One that is kept fresh is seen before, when it comes.
const SECRET_AGAIN: Duration = Duration::from_secs(10);

/// What a lane is to do.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    /// The tunnel.
    pub(crate) tunnel: Arc<ProfileTunnel>,
    /// Variables that its local server must not inherit.
    pub(crate) hidden: Arc<BTreeSet<String>>,
    /// Another number than before: what runs must run anew.
    pub(crate) run: u64,
}

/// How a lane is wanted.
#[derive(Debug, Clone)]
pub(crate) enum Wanted {
    /// Down.
    Off,
    /// Up, but it must not run.
    Held(Cause),
    /// Up.
    Run(Wish),
}

/// What a lane is to run: the tunnel, and the variables that its local server must not inherit.
pub(crate) type Run = (Arc<ProfileTunnel>, Arc<BTreeSet<String>>);

/// The owner's end of a lane.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) view: TunnelView,
    wish: watch::Sender<Wanted>,
    wake: watch::Sender<()>,
    task: JoinHandle<()>,
    runs: u64,
}

impl Lane {
    /// A lane that is off.
    pub(crate) fn new(
        key: TunnelKey,
        profile: &Profile,
        sources: SecretSources,
        turnstile: Turnstile,
        policy: LivePolicy,
        random: fastrand::Rng,
    ) -> Self {
        let (wish, wishes) = watch::channel(Wanted::Off);
        let (wake, woken) = watch::channel(());
        let (labels, labels_now) = watch::channel(None);
        let (status, statuses) = watch::channel(Status::Off);
        let token = Token::new(sources.clone());
        let ledger = Arc::<Ledger>::default();
        let view = TunnelView {
            key,
            name: profile.name.to_string(),
            status: statuses,
            ledger: ledger.clone(),
            token: token.condition(),
        };
        // Not `name`, which a line of JSON has for the span's own.
        let span = tracing::error_span!("tunnel", server = view.name, gateway = view.key.gateway);
        let outside = Outside { bearer: token.bearer(), wake: woken, labels: labels_now, policy, turnstile, ledger };
        let keeper = Keeper { wishes, status, token, labels, sources, outside, random };
        tokio::spawn(token_news::tell(view.token.clone(), SystemTime::now).instrument(span.clone()));
        let task = tokio::spawn(keeper.keep().instrument(span));
        Self { view, wish, wake, task, runs: 0 }
    }

    /// Has the tunnel run as configured. One that runs goes on, with its new token if it has one.
    pub(crate) fn run(&self, (tunnel, hidden): Run) {
        self.wish.send_replace(Wanted::Run(Wish { tunnel, hidden, run: self.runs }));
    }

    /// Has the tunnel down, because nobody wants it up.
    pub(crate) fn rest(&self) {
        if !matches!(*self.wish.borrow(), Wanted::Off) {
            self.wish.send_replace(Wanted::Off);
        }
    }

    /// Has the tunnel down for this cause, although it is wanted up.
    pub(crate) fn hold(&self, cause: Cause) {
        self.wish.send_replace(Wanted::Held(cause));
    }

    /// From the next [`set`](Self::set) on, what runs is another run.
    pub(crate) fn run_anew(&mut self) {
        self.runs += 1;
    }

    /// Ends a wait between tries, and a stop that only the user could end.
    pub(crate) fn wake(&self) {
        self.wake.send_replace(());
    }

    /// Ends a wait between tries, and puts a link to the test. A stop that only the user can end goes on.
    pub(crate) fn stir(&self) {
        if !matches!(*self.view.status.borrow(), Status::Stopped { .. } | Status::Off) {
            self.wake();
        }
    }

    /// Brings the tunnel to its end; when this returns, nothing of it is left.
    pub(crate) async fn end(self) {
        self.wish.send_replace(Wanted::Off);
        drop(self.wish);
        if let Err(error) = self.task.await {
            warn!(%error, "a tunnel did not end well");
        }
        // Whoever still looks at the account need not hold the log open.
        self.view.ledger.set_audit(None);
    }
}

/// The lane's own end.
struct Keeper {
    wishes: watch::Receiver<Wanted>,
    status: watch::Sender<Status>,
    token: Token,
    labels: watch::Sender<Option<Labels>>,
    sources: SecretSources,
    outside: Outside,
    random: fastrand::Rng,
}

impl Keeper {
    async fn keep(mut self) {
        loop {
            // A wish whose owner is gone is nobody's.
            let is_owned = self.wishes.has_changed().is_ok();
            let wish = if is_owned { self.wishes.borrow_and_update().clone() } else { Wanted::Off };
            let again = match wish {
                Wanted::Run(wish) => match self.run(wish).await {
                    Some(again) => again,
                    None => continue,
                },
                Wanted::Held(cause) => {
                    self.token.follow(None);
                    self.status.send_replace(Status::Stopped { cause: Some(cause) });
                    None
                }
                Wanted::Off => {
                    self.token.follow(None);
                    self.status.send_if_modified(|status| {
                        let is_over = matches!(status, Status::Off | Status::Stopped { cause: None });
                        if !is_over {
                            *status = Status::Stopped { cause: None };
                        }
                        !is_over
                    });
                    None
                }
            };
            let wait = async {
                match again {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            let stopped_for_token = self.status.borrow().cause().is_some_and(Cause::is_about_token);
            let token = async {
                match stopped_for_token {
                    true => self.outside.bearer.replaced().await,
                    false => std::future::pending().await,
                }
            };
            let mut wake = self.outside.wake.clone();
            wake.mark_unchanged();
            tokio::select! {
                biased;
                changed = self.wishes.changed() => if changed.is_err() { return },
                () = wait => {}
                _ = wake.changed() => {}
                () = token => {}
            }
        }
    }

    /// Runs the tunnel once. `None`: another wish stands. Else when to run it again by itself, if ever.
    async fn run(&mut self, mut wish: Wish) -> Option<Option<Instant>> {
        self.token.follow(token_of(&wish));
        self.labels.send_replace(None);
        self.outside.policy.set(wish.tunnel.config.policy.clone());
        let stop = CancellationToken::new();
        let once = Once {
            wish: wish.clone(),
            ready: self.token.ready(),
            sources: self.sources.clone(),
            status: self.status.clone(),
            outside: self.outside.clone(),
            stop: stop.clone(),
            random: self.random.fork(),
        };
        let running = once.run();
        tokio::pin!(running);
        loop {
            tokio::select! {
                again = &mut running => return Some(again),
                changed = self.wishes.changed() => {
                    let next = match changed {
                        Ok(()) => self.wishes.borrow_and_update().clone(),
                        Err(_) => Wanted::Off,
                    };
                    match next {
                        Wanted::Run(next) if next.run == wish.run => {
                            self.token.follow(token_of(&next));
                            if next.tunnel.config.policy != wish.tunnel.config.policy {
                                self.outside.policy.set(next.tunnel.config.policy.clone());
                            }
                            let labels = &next.tunnel.config.labels;
                            if *labels != wish.tunnel.config.labels {
                                self.labels.send_replace(Some(labels.clone()));
                            }
                            wish = next;
                        }
                        _ => {
                            stop.cancel();
                            running.await;
                            // What was just seen is to be seen again.
                            self.wishes.mark_changed();
                            return None;
                        }
                    }
                }
            }
        }
    }
}

/// One run of the engine and what comes before it.
struct Once<R> {
    wish: Wish,
    ready: R,
    sources: SecretSources,
    status: watch::Sender<Status>,
    outside: Outside,
    stop: CancellationToken,
    random: fastrand::Rng,
}

impl<R: Future<Output = Result<(), Cause>>> Once<R> {
    /// Returns when to try again, where that may help.
    async fn run(self) -> Option<Instant> {
        let Self { wish, ready, sources, status, outside, stop, random } = self;
        let complete = async {
            ready.await?;
            complete(&wish, &sources).await
        };
        let config = tokio::select! {
            () = stop.cancelled() => return None,
            config = complete => config,
        };
        match config {
            Ok(config) => {
                culvert_tunnel::run(config, outside, status, stop, random).await;
                None
            }
            Err(cause) => {
                let retry_at = Instant::now() + SECRET_AGAIN;
                let attempt = match &*status.borrow() {
                    Status::Waiting { attempt, .. } => attempt.saturating_add(1),
                    _ => 1,
                };
                if attempt == 1 {
                    // As of the engine's own waits, the status tells it.
                    debug!(code = cause.code(), "waiting: {cause}");
                }
                status.send_replace(Status::Waiting { attempt, retry_at, cause });
                Some(retry_at)
            }
        }
    }
}

/// The engine's configuration with its secrets. The token is followed apart, because it may change while the engine runs.
pub(crate) async fn complete(wish: &Wish, sources: &SecretSources) -> Result<TunnelConfig, Cause> {
    let secrets = &wish.tunnel.secrets;
    let read = SecretsRead::of(secrets.of_local_server().chain(secrets.of_way()), sources).await?;
    let follow = &mut |reference: &SecretRef| read.get(reference);
    wish.tunnel.complete(&wish.hidden, follow).map_err(|error| secret_cause(&error))
}

/// How connections to the tunnel's gateway are made, with the secrets that this takes.
///
/// # Errors
/// A [`Cause`] about a secret that cannot be had or used.
pub async fn outbound(tunnel: &ProfileTunnel, sources: &SecretSources) -> Result<Outbound, Cause> {
    let read = SecretsRead::of(tunnel.secrets.of_way(), sources).await?;
    tunnel.outbound(&mut |reference: &SecretRef| read.get(reference)).map_err(|error| secret_cause(&error))
}

/// Secrets with what they were read by: they are read before a configuration is completed, which cannot wait.
struct SecretsRead<'r>(Vec<(&'r SecretRef, Secret)>);

impl<'r> SecretsRead<'r> {
    async fn of(references: impl Iterator<Item = &'r SecretRef>, sources: &SecretSources) -> Result<Self, Cause> {
        let mut read = Vec::new();
        for reference in references {
            let secret = sources.read(reference, Prompt::Allowed).await.map_err(|error| secret_cause(&error))?;
            read.push((reference, secret));
        }
        Ok(Self(read))
    }

    fn get(&self, reference: &SecretRef) -> Result<Secret, BadValue> {
        let found = self.0.iter().find(|(known, _)| *known == reference);
        found.map(|(_, secret)| secret.clone()).ok_or(BadValue::Empty)
    }
}

fn token_of(wish: &Wish) -> Option<&SecretRef> {
    wish.tunnel.secrets.token.as_ref().map(|token| &token.value)
}

/// A problem with a secret as the cause of a wait.
pub(crate) fn secret_cause(problem: &impl Explain) -> Cause {
    Cause::Secret { code: problem.code(), what: problem.to_string(), action: problem.action().into_owned() }
}
