//! The command line: it reads what is wanted, starts the engine or the gateway, and says what happens.

mod args;
mod doctor;
mod events;
mod exit;
mod gateway;
mod handover;
mod health;
mod logging;
mod manual;
mod moment;
mod notify;
mod profile_args;
mod profiles;
mod run;
#[cfg(test)]
mod sample;
mod saved;
mod sessions;
mod signals;
mod state;
mod status;
mod stdout;
mod story;
mod support;
mod talk;
mod terminal;
mod token;
mod token_flags;
#[cfg(test)]
mod troubleshooting_tests;
mod way_args;
mod writer;

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use culvert_tunnel::reaper;

use crate::args::{Cli, Command};
use crate::exit::Exit;
use crate::terminal::Terminal;

fn main() -> ExitCode {
    if reaper::attend_if_asked() {
        return ExitCode::SUCCESS;
    }
    let command = Cli::parse().command;
    let token = match &command {
        Command::Run(args) => args.profile.token.literal(),
        Command::Doctor(args) => args.profile.token.literal(),
        Command::Sessions(args) => args.literal(),
        _ => None,
    };
    if let Some(token) = token {
        handover::leave_arguments(token);
    }
    let exit = match Terminal::stderr() {
        Ok(terminal) => {
            let _retained = reaper::retain();
            let exit = match command {
                Command::Run(args) => run::run(*args, &terminal),
                Command::Gateway(args) => gateway::run(*args, &terminal),
                Command::Up(args) => saved::up(&args, &terminal),
                Command::Down(args) => saved::down(&args, &terminal),
                Command::Status(args) => status::run(&args, &terminal),
                Command::Doctor(args) => doctor::run(*args, &terminal),
                Command::Sessions(args) => sessions::run(*args, &terminal),
                Command::SupportBundle(args) => support::run(&args, &terminal),
                Command::Profiles(args) => profiles::run(*args, &terminal),
                Command::Tools(args) => profiles::tools::run(args, &terminal),
                Command::Completions(args) => manual::completions(&args, &terminal),
                Command::Man(args) => manual::man(&args, &terminal),
                Command::Token(args) => token::run(args, &terminal),
            };
            terminal.finish();
            exit
        }
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "culvert: the system gives no thread: {error}");
            Exit::Internal
        }
    };
    ExitCode::from(exit.code())
}
