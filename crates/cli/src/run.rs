//! `culvert run`: settings in, one engine, its story told until it ends.

use culvert_profiles::{ConfigError, ConfigFile, LogLevel, Surroundings, Warning, effective};
use culvert_protocol::{Cause, Explain};
use culvert_tunnel::{Status, TunnelConfig};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::args::RunArgs;
use crate::events::{self, Events, Stdout};
use crate::exit::{Exit, explained, say};
use crate::logging;
use crate::signals::Signals;
use crate::talk::Talk;
use crate::terminal::{Mood, Terminal};

/// How the story is told.
enum Face {
    /// To people.
    Talk(Box<Talk>),
    /// To programs.
    Events(Box<Events>, Stdout),
}

/// Runs until told to end, or until only the user can help.
pub(crate) fn run(args: RunArgs) -> Exit {
    let terminal = Terminal::stderr("culvert");
    let (config, level, warnings) = match configured(&args) {
        Ok(configured) => configured,
        Err(error) => return failed(&args, &terminal, None, &error, Exit::from(&error)),
    };
    logging::start(level, &terminal);
    terminal.set_level(level);
    for warning in &warnings {
        terminal.say(Mood::Warning, &explained(warning, "  "));
    }
    let name = config.name.to_string();
    match in_runtime(&args, &terminal, config, &warnings) {
        Ok(End::Asked) => Exit::Asked,
        Ok(End::Interrupted) => Exit::Interrupted,
        Ok(End::Stopped(cause)) => failed(&args, &terminal, Some(&name), &cause, Exit::from(&cause)),
        Err(error) => {
            let cause = Cause::Internal { detail: error.to_string() };
            failed(&args, &terminal, Some(&name), &cause, Exit::Internal)
        }
    }
}

fn configured(args: &RunArgs) -> Result<(TunnelConfig, LogLevel, Vec<Warning>), ConfigError> {
    let file = args.config.as_deref().map(ConfigFile::read).transpose()?;
    effective(args.settings(), file, &Surroundings::of_this_process())?.single()
}

fn failed(args: &RunArgs, terminal: &Terminal, name: Option<&str>, error: &dyn Explain, exit: Exit) -> Exit {
    say(terminal, error);
    if args.json() {
        // stderr has the words as well; a reader of stdout that went away misses nothing more.
        let _ = events::print(&[events::failed(name, error, exit)]);
    }
    exit
}

/// How it ended.
enum End {
    Asked,
    Interrupted,
    Stopped(Cause),
}

fn in_runtime(args: &RunArgs, terminal: &Terminal, config: TunnelConfig, warnings: &[Warning]) -> std::io::Result<End> {
    // One thread: an idle tunnel stays small, and a message never changes threads.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let face = if args.json() {
        Face::Events(Box::new(Events::new(&config)), Stdout::new())
    } else {
        Face::Talk(Box::new(Talk::new(terminal.clone(), &config, warnings.iter().map(Explain::code))))
    };
    let end = runtime.block_on(serve(config, face, terminal, warnings));
    // A name look-up that hangs must not keep the process from its end.
    runtime.shutdown_background();
    end
}

async fn serve(
    config: TunnelConfig,
    mut face: Face,
    terminal: &Terminal,
    warnings: &[Warning],
) -> std::io::Result<End> {
    let mut signals = Signals::new()?;
    let stop = CancellationToken::new();
    let (sender, receiver) = watch::channel(Status::Off);
    if let Face::Events(events, stdout) = &mut face {
        let lines = warnings.iter().map(|warning| events.notice(warning)).collect();
        told(stdout.write(lines).await, terminal);
    }
    let engine = culvert_tunnel::run(config, sender, stop.clone(), fastrand::Rng::new());
    let (heard, story) = (stop.clone(), tell(face, receiver, terminal, &stop));
    let work = async { tokio::join!(engine, story).1 };
    tokio::pin!(work);
    loop {
        tokio::select! {
            cause = &mut work => return Ok(cause.map_or(End::Asked, End::Stopped)),
            () = signals.next() => {
                if heard.is_cancelled() {
                    // Dropping the engine kills what it started.
                    return Ok(End::Interrupted);
                }
                heard.cancel();
            }
        }
    }
}

/// Why the story goes on.
enum Woken {
    Changed,
    Tick,
    Stop,
}

/// Tells every status until the last one, and returns its cause.
async fn tell(
    mut face: Face,
    mut status: watch::Receiver<Status>,
    terminal: &Terminal,
    stop: &CancellationToken,
) -> Option<Cause> {
    let mut stop = std::pin::pin!(stop.cancelled());
    let mut is_stopping = false;
    let mut next_tick = None;
    loop {
        let tick = async {
            match next_tick {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let woken = tokio::select! {
            // The wish to end comes before its consequences.
            biased;
            () = &mut stop, if !is_stopping => Woken::Stop,
            changed = status.changed() => match changed {
                Ok(()) => Woken::Changed,
                // The engine has ended, and its last status was told.
                Err(_) => return status.borrow().cause().cloned(),
            },
            () = tick => Woken::Tick,
        };
        let now = Instant::now();
        match (&mut face, woken) {
            (Face::Talk(talk), Woken::Changed) => {
                let current = status.borrow_and_update().clone();
                next_tick = talk.status(&current, now);
            }
            (Face::Talk(talk), Woken::Tick) => next_tick = talk.tick(now),
            (Face::Talk(talk), Woken::Stop) => {
                is_stopping = true;
                talk.stopping();
            }
            (Face::Events(events, stdout), Woken::Changed) => {
                let lines = events.status(&status.borrow_and_update(), now);
                told(stdout.write(lines).await, terminal);
            }
            (Face::Events(..), Woken::Tick) => {}
            (Face::Events(..), Woken::Stop) => is_stopping = true,
        }
    }
}

fn told(result: std::io::Result<()>, terminal: &Terminal) {
    if let Err(error) = result {
        terminal.say(Mood::Warning, &format!("events are no longer written, stdout does not take them: {error}"));
    }
}
