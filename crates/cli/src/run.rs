//! `culvert run`: settings in, an engine for each gateway, their story told until the last has ended.

use std::sync::{Mutex, PoisonError};

use culvert_profiles::{ConfigError, ConfigFile, Effective, Surroundings, Warning, effective};
use culvert_protocol::{Cause, Explain};
use culvert_tunnel::{Bearer, Moderation, Outside, Status, TunnelConfig};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::args::RunArgs;
use crate::events::{self, Events};
use crate::exit::{Exit, explained, say};
use crate::logging::{self, Engine};
use crate::signals::Signals;
use crate::stdout::Stdout;
use crate::story::Story;
use crate::talk::{Company, Talk};
use crate::terminal::{Mood, Terminal};

/// Runs until told to end, or until only the user can help.
pub(crate) fn run(mut args: RunArgs, terminal: &Terminal) -> Exit {
    let told = if args.json() { Told::InEvents(Stdout::new()) } else { Told::InWords };
    if let Err(error) = args.token.settle() {
        return failed(&told, terminal, None, &error, Exit::Usage);
    }
    let Effective { tunnels, log_level, warnings, .. } = match configured(&args) {
        Ok(configured) => configured,
        Err(error) => return failed(&told, terminal, None, &error, Exit::from(&error)),
    };
    let engine = if args.json() { Engine::Heard } else { Engine::Told };
    logging::start(log_level, engine, terminal);
    terminal.set_level(log_level);
    for warning in &warnings {
        terminal.say(Mood::Warning, &explained(warning, "  "));
    }
    match in_runtime(&told, terminal, tunnels, &warnings) {
        Ok(End::Asked) => Exit::Asked,
        Ok(End::Interrupted) => Exit::Interrupted,
        Ok(End::Stopped(stopped)) => ended(&told, terminal, &stopped),
        Err(error) => {
            let cause = Cause::Internal { detail: error.to_string() };
            failed(&told, terminal, None, &cause, Exit::Internal)
        }
    }
}

fn configured(args: &RunArgs) -> Result<Effective, ConfigError> {
    let flags = args.settings()?;
    let file = args.config.as_deref().map(ConfigFile::read).transpose()?;
    effective(flags, file, &Surroundings::of_this_process())?.of_one_server()
}

/// Who hears what happens.
enum Told {
    /// People.
    InWords,
    /// Programs; people hear only why it ends.
    InEvents(Stdout),
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

/// Tells why the last tunnel stopped; those before it were told when they did. The exit code is the lowest of all.
fn ended(told: &Told, terminal: &Terminal, stopped: &[Stopped]) -> Exit {
    let worst = stopped.iter().min_by_key(|stopped| Exit::from(&stopped.cause));
    match (stopped, worst) {
        ([only], _) => failed(told, terminal, Some(only), &only.cause, Exit::from(&only.cause)),
        ([.., last], Some(worst)) => {
            terminal.say(Mood::Error, &format!("{}: {}", last.gateway, explained(&last.cause, "  ")));
            last_event(told, Some(worst), &worst.cause, Exit::from(&worst.cause))
        }
        _ => Exit::Asked,
    }
}

/// How it ended.
enum End {
    Asked,
    Interrupted,
    Stopped(Vec<Stopped>),
}

/// A tunnel that only the user can help.
struct Stopped {
    name: String,
    gateway: String,
    cause: Cause,
}

fn in_runtime(
    told: &Told,
    terminal: &Terminal,
    tunnels: Vec<TunnelConfig>,
    warnings: &[Warning],
) -> std::io::Result<End> {
    // One thread: an idle tunnel stays small, and a message never changes threads.
    let moderation = Mutex::new(Moderation::new());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .on_thread_park(move || {
            let pause = moderation.lock().unwrap_or_else(PoisonError::into_inner).pause();
            pause.into_iter().for_each(std::thread::sleep);
        })
        .build()?;
    let end = runtime.block_on(async {
        let mut signals = Signals::new()?;
        serve(told, tunnels, terminal, warnings, async || signals.next().await).await
    });
    // A name look-up that hangs must not keep the process from its end.
    runtime.shutdown_background();
    end
}

/// Keeps all tunnels up until the last has stopped. `asked` completes each time that the user wants it to end.
async fn serve(
    told: &Told,
    tunnels: Vec<TunnelConfig>,
    terminal: &Terminal,
    warnings: &[Warning],
    mut asked: impl AsyncFnMut(),
) -> std::io::Result<End> {
    let stop = CancellationToken::new();
    if let (Told::InEvents(stdout), Some(tunnel)) = (told, tunnels.first()) {
        let notices = warnings.iter().map(|warning| events::notice(tunnel.name.as_str(), warning));
        stdout.tell(notices.collect(), terminal).await;
    }
    let company = if tunnels.len() > 1 { Company::Several } else { Company::Alone };
    let mut running = JoinSet::new();
    for (lane, config) in tunnels.into_iter().enumerate() {
        let terminal = terminal.in_lane(lane);
        let story = match told {
            Told::InEvents(stdout) => Story::Events(Events::new(&config), stdout.clone(), terminal),
            Told::InWords => Story::Talk(Talk::new(terminal, &config, company, warnings.iter().map(Explain::code))),
        };
        running.spawn(keep(config, company, story, stop.clone()));
    }
    let mut stopped = Vec::new();
    loop {
        tokio::select! {
            ended = running.join_next() => match ended {
                None if stop.is_cancelled() => return Ok(End::Asked),
                None => return Ok(End::Stopped(stopped)),
                Some(Ok(None)) => {}
                Some(Ok(Some(one))) => {
                    if !running.is_empty() && !stop.is_cancelled() {
                        let text = format!("{}: stopped: {}", one.gateway, explained(&one.cause, "  "));
                        terminal.say(Mood::Warning, &text);
                    }
                    stopped.push(one);
                }
                Some(Err(panicked)) => return Err(std::io::Error::other(panicked)),
            },
            () = asked() => {
                if stop.is_cancelled() {
                    // Dropping the engines kills what they started.
                    running.shutdown().await;
                    return Ok(End::Interrupted);
                }
                if matches!(told, Told::InWords) {
                    terminal.say(Mood::Info, "stopping; Ctrl-C again ends at once");
                }
                stop.cancel();
            }
        }
    }
}

/// Keeps one tunnel up and its story told; returns why it stopped, unless that was asked for.
async fn keep(config: TunnelConfig, company: Company, story: Story, stop: CancellationToken) -> Option<Stopped> {
    let (name, gateway) = (config.name.to_string(), config.gateway.to_string());
    let (sender, receiver) = watch::channel(Status::Off);
    let bearer = config.token.clone().map_or_else(Bearer::none, Bearer::fixed);
    let outside = Outside { bearer, ..Outside::default() };
    let engine = culvert_tunnel::run(config, outside, sender, stop, fastrand::Rng::new());
    let cause = match company {
        Company::Alone => tokio::join!(engine, story.tell(receiver)).1,
        Company::Several => {
            // Lines of the log say whose they are.
            let span = tracing::error_span!("tunnel", %gateway);
            tokio::join!(engine.instrument(span), story.tell(receiver)).1
        }
    };
    cause.map(|cause| Stopped { name, gateway, cause })
}

#[cfg(test)]
mod tests;
