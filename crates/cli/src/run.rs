//! `culvert run`: settings in, an instance of their tunnels, its story told until the last has ended.

mod serve;

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use culvert_instance::control::Control;
use culvert_instance::{Empty, Instance, Lock, Setup, Source};
use culvert_profiles::{ConfigError, Loaded, Profile, ProfileKey, SecretSources, Surroundings, Warning};
use culvert_protocol::{Cause, Explain};
use culvert_tunnel::Moderation;

pub(crate) use self::serve::Stay;
use self::serve::{Audience, End, Stopped, Told, serve};
use crate::args::{OutputArgs, RunArgs};
use crate::events;
use crate::exit::{Exit, explained, say};
use crate::health::{HealthArgs, NoHealth};
use crate::logging::{self, Engine};
use crate::notify::{self, Notify};
use crate::saved;
use crate::signals::{Signals, Wish};
use crate::stdout::Stdout;
use crate::talk::Company;
use crate::terminal::{Mood, Terminal};

/// What is to be run, and for how long.
pub(crate) struct Plan {
    pub(crate) source: Source,
    pub(crate) loaded: Loaded,
    /// Which profiles; `None`: all.
    pub(crate) wanted: Option<BTreeSet<ProfileKey>>,
    pub(crate) health: HealthArgs,
    pub(crate) how_long: Option<Duration>,
    pub(crate) stay: Stay,
    /// The right to run the saved profiles, and the socket at which others ask.
    pub(crate) saved: Option<(Lock, Option<Control>)>,
}

/// Runs until told to end, or until only the user can help.
pub(crate) fn run(mut args: RunArgs, terminal: &Terminal) -> Exit {
    let told = told(args.output());
    if let Err(error) = args.profile.token.settle() {
        return failed(&told, terminal, None, &error, Exit::Usage);
    }
    let (source, loaded) = match configured(&args) {
        Ok(configured) => configured,
        Err(error) => return failed(&told, terminal, None, &error, Exit::from(&error)),
    };
    let saved = match saved::lock_if_own(source.config.as_deref()) {
        Ok(lock) => lock.map(|lock| (lock, None)),
        Err(error) => return failed(&told, terminal, None, &error, Exit::Configuration),
    };
    let (health, how_long) = (args.health.clone(), args.how_long());
    let plan = Plan { source, loaded, wanted: None, health, how_long, stay: Stay::UntilAllStopped, saved };
    tell(&told, plan, args.output(), terminal)
}

/// Runs what is planned, and tells about it.
pub(crate) fn follow(plan: Plan, output: OutputArgs, terminal: &Terminal) -> Exit {
    tell(&told(output), plan, output, terminal)
}

fn told(output: OutputArgs) -> Told {
    if output.json { Told::InEvents(Stdout::new()) } else { Told::InWords }
}

fn tell(told: &Told, plan: Plan, output: OutputArgs, terminal: &Terminal) -> Exit {
    let engine = if output.json { Engine::Heard } else { Engine::Told };
    let level = output.level().unwrap_or(plan.loaded.log_level);
    terminal.set_format(output.log_format);
    logging::start(level, engine, terminal);
    terminal.set_level(level);
    warn(&plan.loaded, terminal);
    match in_runtime(told, terminal, plan) {
        Ok(Ok(End::Asked(stopped))) => worst(&stopped).unwrap_or(Exit::Asked),
        Ok(Ok(End::Interrupted)) => Exit::Interrupted,
        Ok(Ok(End::Stopped(stopped))) => ended(told, terminal, &stopped),
        Ok(Err(error)) => failed(told, terminal, None, &error, Exit::Usage),
        Err(error) => {
            let cause = Cause::Internal { detail: error.to_string() };
            failed(told, terminal, None, &cause, Exit::Internal)
        }
    }
}

/// The configuration, if at least one server in it can be run.
fn configured(args: &RunArgs) -> Result<(Source, Loaded), ConfigError> {
    let source = Source { flags: args.settings()?, config: args.profile.config.clone(), empty: Empty::Mistake };
    let mut loaded = source.read()?;
    match &loaded.profiles[..] {
        [] => match loaded.broken.is_empty() {
            true => Err(ConfigError::Missing { key: culvert_profiles::Key::LocalStdio }),
            false => Err(loaded.broken.remove(0).error),
        },
        // Nothing else runs that a dead reference could hold up: it is told now, not again and again.
        [only] if loaded.broken.is_empty() => match loaded.dead_reference(only, &Surroundings::of_this_process()) {
            Some(error) => Err(error),
            None => Ok((source, loaded)),
        },
        _ => Ok((source, loaded)),
    }
}

/// Says what had better be otherwise before anything starts.
fn warn(loaded: &Loaded, terminal: &Terminal) {
    for warning in &loaded.warnings {
        terminal.say(Mood::Warning, &explained(warning, "  "));
    }
    let is_alone = loaded.profiles.len() + loaded.broken.len() == 1;
    for profile in &loaded.profiles {
        for warning in &profile.warnings {
            let text = explained(warning, "  ");
            match is_alone {
                true => terminal.say(Mood::Warning, &text),
                false => terminal.say(Mood::Warning, &format!("{}: {text}", profile.name)),
            }
        }
    }
    for broken in &loaded.broken {
        let name = broken.name.as_deref().unwrap_or("a server");
        terminal.say(Mood::Warning, &format!("{name} is left out: {}", explained(&broken.error, "  ")));
    }
}

/// What is known about the tunnels before they start.
fn known(loaded: &Loaded) -> Vec<(String, Warning)> {
    let of_profile = |profile: &Profile| {
        let name = profile.name.to_string();
        profile.warnings.iter().map(move |warning| (name.clone(), warning.clone())).collect::<Vec<_>>()
    };
    loaded.profiles.iter().flat_map(of_profile).collect()
}

/// How lines must say whose they are.
fn company(profiles: &[Profile]) -> Company {
    let gateways: BTreeSet<_> =
        profiles.iter().flat_map(|profile| &profile.tunnels).map(|tunnel| tunnel.config.gateway.to_string()).collect();
    match (profiles, gateways.len()) {
        ([_], 0..=1) => Company::Alone,
        ([_], _) => Company::Gateways,
        (several, _) if several.iter().all(|profile| profile.tunnels.len() == 1) => Company::Servers,
        _ => Company::Both,
    }
}

fn failed(told: &Told, terminal: &Terminal, tunnel: Option<&Stopped>, error: &dyn Explain, exit: Exit) -> Exit {
    say(terminal, error);
    last_event(told, tunnel, error, exit)
}

fn last_event(told: &Told, tunnel: Option<&Stopped>, error: &dyn Explain, exit: Exit) -> Exit {
    if let Told::InEvents(stdout) = told {
        let tunnel = tunnel.map(|stopped| (stopped.name.as_str(), stopped.gateway.as_str()));
        stdout.last(events::failed(tunnel, error, exit));
    }
    exit
}

/// The exit code for tunnels that are down and should not be: the lowest of all.
fn worst(stopped: &[Stopped]) -> Option<Exit> {
    stopped.iter().map(|stopped| Exit::from(&stopped.cause)).min()
}

/// Tells why the last tunnel stopped. Where there were several, each was told when it did.
fn ended(told: &Told, terminal: &Terminal, stopped: &[Stopped]) -> Exit {
    let first = stopped.iter().min_by_key(|stopped| Exit::from(&stopped.cause));
    match (stopped, first) {
        ([only], _) => failed(told, terminal, Some(only), &only.cause, Exit::from(&only.cause)),
        (_, Some(first)) => {
            terminal.say(Mood::Error, &format!("all {} tunnels have stopped", stopped.len()));
            last_event(told, Some(first), &first.cause, Exit::from(&first.cause))
        }
        _ => Exit::Asked,
    }
}

fn in_runtime(told: &Told, terminal: &Terminal, plan: Plan) -> std::io::Result<Result<End, NoHealth>> {
    let Plan { source, loaded, wanted, health, how_long, stay, saved } = plan;
    let (_lock, control) = saved.unzip();
    // One thread: an idle tunnel stays small, and a message never changes threads.
    let moderation = Mutex::new(Moderation::new());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .on_thread_park(move || {
            let rest = moderation.lock().unwrap_or_else(PoisonError::into_inner).rest();
            rest.into_iter().for_each(std::thread::sleep);
        })
        .build()?;
    let end = runtime.block_on(async {
        let mut signals = Signals::new(terminal.kind())?;
        let health = match health.bind().await {
            Ok(health) => health,
            Err(error) => return Ok(Err(error)),
        };
        let (company, known) = (company(&loaded.profiles), known(&loaded));
        let secrets = SecretSources::of_this_process(loaded.hidden.iter().cloned());
        let approved = saved::places().ok().map(|places| places.0.approved());
        let setup = Setup { source, loaded, wanted, secrets, approved, random: fastrand::Rng::new() };
        let (instance, over) = Instance::start(setup);
        // Boxed: what is seldom there takes no room in what always is, which lies on the stack, in several copies.
        let answering = async {
            match health {
                Some(health) => Box::pin(health.serve(instance.overview())).await,
                None => std::future::pending().await,
            }
        };
        let controlled = async {
            match control.flatten() {
                Some(control) => Box::pin(control.serve(instance.clone())).await,
                None => std::future::pending().await,
            }
        };
        let deadline = async {
            match how_long {
                Some(limit) => tokio::time::sleep(limit).await,
                None => std::future::pending().await,
            }
        };
        tokio::pin!(deadline);
        let notify = Notify::of_this_process();
        let told_runner = async {
            let mut overview = instance.overview();
            let Ok(begun) = overview.wait_for(|overview| overview.revision > 0).await.map(|overview| overview.clone())
            else {
                return std::future::pending().await;
            };
            let wanted = begun.profiles.iter().filter(|profile| profile.wanted).flat_map(|profile| &profile.tunnels);
            notify::up(wanted.map(|tunnel| tunnel.status.clone()).collect()).await;
            notify.ready();
            std::future::pending::<std::convert::Infallible>().await
        };
        let audience = Audience { told, terminal, company, known: &known, notify: &notify };
        let mut is_over = false;
        let asked = async || {
            let wish = tokio::select! {
                signal = signals.next() => signal,
                () = &mut deadline, if !is_over => {
                    is_over = true;
                    Wish::End
                }
            };
            if wish == Wish::End {
                notify.stopping();
            }
            wish
        };
        let end = tokio::select! {
            end = Box::pin(serve(audience, &instance, over, stay, asked)) => end,
            never = controlled => match never {},
            never = answering => match never {},
            never = told_runner => match never {},
            never = notify.keep_watch() => match never {},
        };
        Ok(Ok(end))
    });
    // A name look-up that hangs must not keep the process from its end.
    runtime.shutdown_background();
    end
}

#[cfg(test)]
mod tests;
