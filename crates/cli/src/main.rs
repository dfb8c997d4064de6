//! The command line: it reads what is wanted, starts the engine or the gateway, and says what happens.

mod args;
mod events;
mod exit;
mod gateway;
mod logging;
mod moment;
mod run;
#[cfg(test)]
mod sample;
mod signals;
mod state;
mod talk;
mod terminal;
mod token;

use std::process::ExitCode;

use clap::Parser as _;

use crate::args::{Cli, Command};

fn main() -> ExitCode {
    let exit = match Cli::parse().command {
        Command::Run(args) => run::run(*args),
        Command::Gateway(args) => gateway::run(*args),
        Command::Token(args) => token::run(args),
    };
    ExitCode::from(exit.code())
}
