//! The saved profiles: where they are, who runs them, and the commands that have them up or down.

use std::borrow::Cow;
use std::fmt;
use std::path::Path;

use clap::Args;
use culvert_instance::control::{Asked, Control, ControlError, NotAsked, Question, ask};
use culvert_instance::{Lock, LockError, Places, at_start};
use culvert_profiles::{ConfigError, Loaded, ProfileKey};
use culvert_protocol::Explain;

use crate::exit::{Exit, say};
use crate::health::HealthArgs;
use crate::run::{self, Plan, Stay};
use crate::status;
use crate::terminal::{Mood, Terminal};

/// Which saved profiles.
#[derive(Debug, Args)]
pub(crate) struct UpArgs {
    /// Their names; all where none is given
    names: Vec<String>,

    /// Those that were up when they last ran, and those that always start: for a service, which runs them itself
    #[arg(long, conflicts_with = "names")]
    last: bool,

    #[command(flatten)]
    health: HealthArgs,

    #[command(flatten)]
    output: crate::args::OutputArgs,
}

/// Which saved profiles.
#[derive(Debug, Args)]
pub(crate) struct DownArgs {
    /// Their names; all where none is given
    names: Vec<String>,
}

/// Where everything about this user's saved profiles is.
///
/// # Errors
/// [`NoPlace`] when no home folder is known.
pub(crate) fn places() -> Result<Places, NoPlace> {
    Places::of_this_user().ok_or(NoPlace::Home)
}

/// Asks whoever runs them.
pub(crate) fn asked(places: &Places, question: &Question) -> std::io::Result<Asked> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(ask(&places.socket(), question)))
}

/// Why nothing can be done with the saved profiles.
#[derive(Debug)]
pub(crate) enum NoPlace {
    /// Nobody knows where they are.
    Home,
    /// Another process runs them, and does not answer.
    Lock(LockError),
    /// Nobody could ask this one.
    Socket(ControlError),
    /// What is wanted cannot be saved.
    Wanted(std::io::Error),
    /// There is no profile at all.
    Nothing,
    /// There is no profile of this name; there are those.
    Unknown(String, Vec<String>),
    /// Whoever runs them said no.
    Refused(culvert_instance::report::Problem),
    /// Whoever runs them gave no answer.
    Mute(String),
    /// The system gives no runtime.
    System(std::io::Error),
}

impl fmt::Display for NoPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Home => f.write_str("no home folder is known, so there are no saved profiles"),
            Self::Lock(error) => error.fmt(f),
            Self::Socket(error) => error.fmt(f),
            Self::Wanted(error) => write!(f, "what is wanted cannot be saved: {error}"),
            Self::Nothing => f.write_str("no profiles are saved yet"),
            Self::Unknown(name, _) => write!(f, "no saved profile is called {name:?}"),
            Self::Refused(problem) => f.write_str(&problem.message),
            Self::Mute(why) => f.write_str(why),
            Self::System(error) => error.fmt(f),
        }
    }
}

impl Explain for NoPlace {
    fn code(&self) -> &'static str {
        match self {
            Self::Home => "saved.no_home",
            Self::Lock(LockError::Taken(_)) => "saved.locked",
            Self::Lock(LockError::File { .. }) => "saved.lock_file",
            Self::Socket(_) => "saved.socket",
            Self::Wanted(_) => "saved.wanted",
            Self::Nothing => "saved.none",
            Self::Unknown(..) => "profile.unknown",
            Self::Refused(problem) => match problem.code.as_str() {
                "profile.unknown" => "profile.unknown",
                "wanted.unsaved" => "wanted.unsaved",
                "control.question" => "control.question",
                "instance.ending" => "instance.ending",
                "tools.nothing_held" => "tools.nothing_held",
                "tools.stale" => "tools.stale",
                "tools.unsaved" => "tools.unsaved",
                // Of a newer version, or of the configuration that it could not read again.
                _ => "saved.refused",
            },
            Self::Mute(_) => "saved.mute",
            Self::System(_) => "internal",
        }
    }

    fn action(&self) -> Cow<'static, str> {
        match self {
            Self::Home => "Set HOME.".into(),
            Self::Lock(LockError::Taken(_)) => "End that one, or ask it with `culvert status`.".into(),
            Self::Lock(LockError::File { .. }) | Self::Socket(_) | Self::Wanted(_) => {
                "Check the state folder, its permissions and its disk.".into()
            }
            Self::Nothing => "Add one with `culvert profiles add`, or see what `culvert profiles import` finds.".into(),
            Self::Unknown(_, known) if known.is_empty() => "Add one with `culvert profiles add`.".into(),
            Self::Unknown(_, known) => format!("There are: {}.", known.join(", ")).into(),
            Self::Refused(problem) => problem.action.clone().into(),
            Self::Mute(_) => "End that Culvert and start it again.".into(),
            Self::System(_) => "Check how much this user may run.".into(),
        }
    }
}

/// The right to run the saved profiles, where `config` is their own folder.
///
/// # Errors
/// [`NoPlace`] when another process runs them.
pub(crate) fn lock_if_own(config: Option<&Path>) -> Result<Option<Lock>, NoPlace> {
    let (Some(config), Ok(places)) = (config, places()) else { return Ok(None) };
    let same = |path: &Path| std::fs::canonicalize(path).ok();
    if same(config).is_none() || same(config) != same(&places.0.profiles()) {
        return Ok(None);
    }
    let who = format!("culvert run, process {}", std::process::id());
    Lock::take(&places.lock(), &who).map(Some).map_err(NoPlace::Lock)
}

/// `culvert up`: whoever runs the saved profiles has them up; where nobody does, this process does from now on.
pub(crate) fn up(args: &UpArgs, terminal: &Terminal) -> Exit {
    let places = match places() {
        Ok(places) => places,
        Err(error) => return failed(terminal, &error),
    };
    let asked = if args.last {
        Ok(Err(NotAsked::Nobody))
    } else {
        asked(&places, &Question::Up { profiles: args.names.clone() })
    };
    match asked {
        Ok(Ok(report)) => {
            status::print(&report, terminal);
            Exit::Asked
        }
        Ok(Err(NotAsked::Nobody)) => match take_over(&places, args) {
            Ok(plan) => {
                let folder = places.0.profiles();
                let text = format!("running the profiles of {} until Ctrl-C", folder.display());
                terminal.say(Mood::Info, &text);
                run::follow(plan, args.output, terminal)
            }
            Err(Stuck::Place(error)) => failed(terminal, &error),
            Err(Stuck::Config(error)) => {
                say(terminal, &error);
                Exit::from(&error)
            }
        },
        Ok(Err(error)) => failed(terminal, &unasked(error)),
        Err(error) => failed(terminal, &NoPlace::System(error)),
    }
}

/// Why the profiles are not run.
enum Stuck {
    Place(NoPlace),
    Config(ConfigError),
}

/// Takes the lock, and makes ready to run what is wanted and what was asked for.
fn take_over(places: &Places, args: &UpArgs) -> Result<Plan, Stuck> {
    let who = format!("culvert up, process {}", std::process::id());
    let lock = Lock::take(&places.lock(), &who).map_err(|error| Stuck::Place(NoPlace::Lock(error)))?;
    let source = places.source();
    let loaded = source.read().map_err(Stuck::Config)?;
    // A service is there before the first profile.
    if loaded.profiles.is_empty() && loaded.broken.is_empty() && !args.last {
        return Err(Stuck::Place(NoPlace::Nothing));
    }
    let file = places.wanted();
    let (before, _) = file.read();
    let mut wanted = at_start(&loaded.profiles, before);
    if !args.last {
        named(&loaded, &args.names).map_err(Stuck::Place)?.iter().for_each(|key| wanted.up(key));
    }
    file.write(&wanted).map_err(|error| Stuck::Place(NoPlace::Wanted(error)))?;
    let control = Control::bind(&places.socket(), file);
    let up = loaded.profiles.iter().map(|profile| profile.key.clone()).filter(|key| wanted.is_up(key)).collect();
    Ok(Plan {
        wanted: Some(up),
        source,
        loaded,
        health: args.health.clone(),
        how_long: None,
        stay: Stay::UntilAsked,
        saved: Some((lock, Some(control.map_err(|error| Stuck::Place(NoPlace::Socket(error)))?))),
    })
}

/// The keys of the profiles that have these names; all where none is named.
pub(crate) fn named(loaded: &Loaded, names: &[String]) -> Result<Vec<ProfileKey>, NoPlace> {
    let all = &loaded.profiles;
    if names.is_empty() {
        return Ok(all.iter().map(|profile| profile.key.clone()).collect());
    }
    let find = |name: &String| {
        let found = all.iter().find(|profile| profile.name.as_str() == name || profile.key.as_str() == name);
        let known = || all.iter().map(|profile| profile.name.to_string()).collect();
        found.map(|profile| profile.key.clone()).ok_or_else(|| NoPlace::Unknown(name.clone(), known()))
    };
    names.iter().map(find).collect()
}

/// `culvert down`: they are not wanted any more, whether somebody runs them now or not.
pub(crate) fn down(args: &DownArgs, terminal: &Terminal) -> Exit {
    let places = match places() {
        Ok(places) => places,
        Err(error) => return failed(terminal, &error),
    };
    match asked(&places, &Question::Down { profiles: args.names.clone() }) {
        Ok(Ok(report)) => {
            status::print(&report, terminal);
            Exit::Asked
        }
        Ok(Err(NotAsked::Nobody)) => match forget(&places, &args.names) {
            Ok(()) => {
                terminal.say(Mood::Info, "nothing runs them; they will not be started");
                Exit::Asked
            }
            Err(Stuck::Place(error)) => failed(terminal, &error),
            Err(Stuck::Config(error)) => {
                say(terminal, &error);
                Exit::from(&error)
            }
        },
        Ok(Err(error)) => failed(terminal, &unasked(error)),
        Err(error) => failed(terminal, &NoPlace::System(error)),
    }
}

fn forget(places: &Places, names: &[String]) -> Result<(), Stuck> {
    let loaded = places.source().read().map_err(Stuck::Config)?;
    let file = places.wanted();
    let (mut wanted, _) = file.read();
    for key in named(&loaded, names).map_err(Stuck::Place)? {
        wanted.down(&key);
    }
    file.write(&wanted).map_err(|error| Stuck::Place(NoPlace::Wanted(error)))
}

/// The end of a command that could not ask.
pub(crate) fn unasked(error: NotAsked) -> NoPlace {
    match error {
        NotAsked::Refused(problem) => NoPlace::Refused(problem),
        other => NoPlace::Mute(other.to_string()),
    }
}

pub(crate) fn failed(terminal: &Terminal, error: &NoPlace) -> Exit {
    say(terminal, error);
    match error {
        NoPlace::Nothing | NoPlace::Unknown(..) | NoPlace::Refused(_) => Exit::Configuration,
        _ => Exit::Internal,
    }
}
