//! Benchmarks of Culvert against its peers. Figures go to stdout, progress to stderr.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command that prints its figures")]

mod answer;
mod base;
mod channels;
mod chart;
mod desktop;
mod echo;
mod figures;
mod herd;
mod load;
mod machine;
mod peers;
mod process;
mod procfs;
mod report;
mod soak;
mod tunnels;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use serde::Serialize;

use crate::base::BaseArgs;
use crate::channels::ChannelsArgs;
use crate::desktop::DesktopArgs;
use crate::herd::HerdArgs;
use crate::load::LoadArgs;
use crate::machine::Machine;
use crate::soak::SoakArgs;
use crate::tunnels::TunnelsArgs;

#[derive(Parser)]
#[command(about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    suite: Suite,
    #[command(flatten)]
    output: Output,
}

#[derive(Subcommand)]
enum Suite {
    /// Tunnel clients on a base gateway: calls, latency, CPU, memory, startup
    Base(BaseArgs),
    /// Bridges from HTTP to a stdio server, whole: calls, latency, CPU, memory
    Channels(ChannelsArgs),
    /// The app: start to tray item, memory, CPU when idle
    Desktop(DesktopArgs),
    /// One gateway with many tunnels and sessions: memory, latency, CPU
    Load(LoadArgs),
    /// How a thousand clients come back to a gateway that was away: a simulation
    Herd(HerdArgs),
    /// Calls over bad networks for hours: one answer each, memory and descriptors flat
    Soak(SoakArgs),
    /// Many tunnels in one process: what a further one costs in memory
    Tunnels(TunnelsArgs),
}

#[derive(Args)]
struct Output {
    /// Write every single run as JSON here
    #[arg(long, value_name = "FILE", global = true)]
    json: Option<PathBuf>,
    /// Put the figures between this file's markers, as in bench/README.md
    #[arg(long, value_name = "FILE", global = true)]
    embed: Option<PathBuf>,
}

// One thread: the driver shall cost little and take no core from what it measures.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    // Dropping the suite ends the peer that it has just started.
    let outcome = tokio::select! {
        outcome = run(&cli) => outcome,
        _ = tokio::signal::ctrl_c() => Err("stopped before the end, no figures".into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(Cli { suite, output }: &Cli) -> Result<(), Box<dyn Error>> {
    let programs = std::env::current_exe()?.canonicalize()?.parent().map(PathBuf::from).unwrap_or_default();
    let echo = programs.join("bench-echo");
    if !echo.exists() {
        return Err("the echo server is missing\n  → cargo build --release -p culvert-bench".into());
    }
    let machine = Machine::here();
    match suite {
        Suite::Base(args) => {
            let measured = base::run(args, &base::chosen(args, &programs)?, &echo).await?;
            let report = base::Report { machine, options: args, measured };
            output.put("base", &report.markdown(), &report)
        }
        Suite::Channels(args) => {
            let between = channels::chosen(args, &programs)?;
            let measured = channels::run(args, &between, &echo).await;
            let report = channels::Report { machine, options: args, measured };
            output.put("channels", &report.markdown(), &report)
        }
        Suite::Desktop(args) => {
            let measured = desktop::run(args, &programs, &echo).await;
            let report = desktop::Report { machine, options: args, measured };
            output.put("desktop", &report.markdown(), &report)
        }
        Suite::Load(args) => {
            let runs = load::run(args, &programs, &echo).await?;
            let report = load::Report { machine, options: args, runs };
            output.put("load", &report.markdown(), &report)
        }
        Suite::Herd(args) => {
            println!("{}", herd::run(args)?);
            Ok(())
        }
        Suite::Soak(args) => {
            println!("{}", soak::run(args).await?);
            Ok(())
        }
        Suite::Tunnels(args) => {
            let runs = tunnels::run(args, &echo).await;
            let report = tunnels::Report { machine, options: args, runs };
            output.put("tunnels", &report.markdown(), &report)
        }
    }
}

impl Output {
    fn put(&self, suite: &str, markdown: &str, runs: &impl Serialize) -> Result<(), Box<dyn Error>> {
        println!("{markdown}");
        if let Some(file) = &self.json {
            std::fs::write(file, serde_json::to_vec_pretty(runs)?)?;
        }
        if let Some(file) = &self.embed {
            report::embed(file, suite, markdown)?;
        }
        Ok(())
    }
}
