//! `culvert profiles`: the saved profiles are listed, shown, added, taken over from other clients, and removed.

mod add;
mod import;
mod show;
pub(crate) mod tools;
mod vetting;

use std::io;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use culvert_instance::Undecided;
use culvert_profiles::import::Open;
use culvert_profiles::{
    ConfigError, Folders, KeychainError, ProfileId, SecretError, Store, StoreError, Surroundings, System,
};
use culvert_protocol::{Cause, Explain};

use crate::exit::{Exit, fail, say};
use crate::saved::NoPlace;
use crate::terminal::{Mood, Terminal};
use crate::token_flags::NoToken;

/// List, show, add, import, export or remove saved profiles.
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub(crate) struct ProfilesArgs {
    #[command(subcommand)]
    command: ProfilesCommand,

    /// The folder of the saved profiles [default: $XDG_CONFIG_HOME/culvert/profiles, or ~/.config/culvert/profiles]
    #[arg(long, value_name = "DIR", global = true)]
    #[cfg_attr(windows, arg(help = r"The folder of the saved profiles [default: %APPDATA%\Culvert\profiles]"))]
    folder: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum ProfilesCommand {
    /// List the saved profiles
    List(show::ListArgs),
    /// Show one profile as it is saved, without secrets
    Show(show::ShowArgs),
    /// Save a new profile
    Add(Box<add::AddArgs>),
    /// Find the servers of other MCP clients, and save those that are named
    Import(Box<import::ImportArgs>),
    /// Print a profile for another machine: without its id and secrets
    Export(show::ShowArgs),
    /// Remove a profile
    Remove(show::RemoveArgs),
}

/// Does one of the commands.
pub(crate) fn run(args: ProfilesArgs, terminal: &Terminal) -> Exit {
    match run_inner(args, terminal) {
        Ok(()) => Exit::Asked,
        Err(failure) => failure.tell(terminal),
    }
}

fn run_inner(args: ProfilesArgs, terminal: &Terminal) -> Result<(), Failure> {
    let store = store(args.folder)?;
    match args.command {
        ProfilesCommand::List(args) => show::list(&store, &args),
        ProfilesCommand::Show(args) => show::show(&store, &args, show::Purpose::Look, terminal),
        ProfilesCommand::Export(args) => show::show(&store, &args, show::Purpose::Export, terminal),
        ProfilesCommand::Remove(args) => show::remove(&store, &args, terminal),
        ProfilesCommand::Add(args) => add::add(&store, *args, terminal),
        ProfilesCommand::Import(args) => import::import(&store, &args, terminal),
    }
}

/// The saved profiles in `folder`, or where they usually are.
fn store(folder: Option<PathBuf>) -> Result<Store, Failure> {
    Ok(match folder {
        Some(folder) => Store::new(folder),
        None => Store::new(Folders::of(System::here(), &home()?, &variable).profiles()),
    })
}

/// Why a command does not work out.
#[derive(Debug)]
enum Failure {
    Store(StoreError),
    Config(ConfigError),
    Keychain(KeychainError),
    Secret(SecretError),
    NoToken(NoToken),
    Usage(String),
    /// What an imported server needs and was not given.
    Open(String, Vec<Open>),
    Io(io::Error),
    /// Whoever runs the saved profiles, or keeps their state, cannot help.
    Place(NoPlace),
    /// What was approved cannot be changed.
    Undecided(Undecided),
    /// The local server does not come up.
    Server(Cause),
}

impl Failure {
    fn tell(self, terminal: &Terminal) -> Exit {
        let told = |error: &dyn Explain, exit| {
            say(terminal, error);
            exit
        };
        match self {
            Self::Store(error) => told(&error, Exit::Configuration),
            Self::Config(error) => fail(terminal, &error),
            Self::Keychain(error) => told(&error, Exit::Token),
            Self::Secret(error) => told(&error, Exit::Token),
            Self::NoToken(error) => told(&error, Exit::Usage),
            Self::Usage(text) => {
                terminal.say(Mood::Error, &text);
                Exit::Usage
            }
            Self::Open(name, open) => {
                let flags: Vec<_> = open.iter().map(|what| format!("--value {}=…", import::called(what))).collect();
                let flags = flags.join(" ");
                let text = format!(
                    "{name} needs a value first\n  → Give it with {flags}; for a secret say where it is, as in env:NAME."
                );
                terminal.say(Mood::Error, &text);
                Exit::Usage
            }
            Self::Place(error) => told(&error, Exit::Configuration),
            Self::Undecided(error) => told(&error, Exit::Configuration),
            Self::Server(cause) => told(&cause, Exit::from(&cause)),
            Self::Io(error) => {
                terminal.say(Mood::Error, &format!("stdout: {error}"));
                Exit::Internal
            }
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

fn home() -> Result<PathBuf, Failure> {
    let home = std::env::home_dir().filter(|home| home.is_absolute());
    home.ok_or_else(|| Failure::Usage("no home folder is known: give --folder".to_owned()))
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn surroundings() -> Surroundings<'static> {
    Surroundings::of_this_process()
}

/// An id that no other profile has.
fn new_id() -> ProfileId {
    let mut bits = [0; 16];
    // The generator's seed is the system's randomness; ids are no secrets.
    fastrand::Rng::new().fill(&mut bits);
    ProfileId::of_random(bits)
}

/// Does what needs a runtime, such as asking the keychain.
fn in_runtime<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let done = runtime.block_on(work);
    runtime.shutdown_background();
    Ok(done)
}

#[cfg(test)]
mod tests;
