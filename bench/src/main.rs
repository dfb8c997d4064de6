//! Benchmarks of Culvert against its peers. Figures go to stdout, progress to stderr.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command that prints its figures")]

mod base;
mod figures;
mod floors;
mod gateway;
mod load;
mod machine;
mod peers;
mod process;
mod procfs;
mod report;
mod wire;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::base::BaseArgs;
use crate::machine::Machine;
use crate::peers::{Peer, PeerError};
use crate::report::Report;

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
    let Cli { suite: Suite::Base(args), output } = Cli::parse();
    // Dropping the suite ends the peer that it has just started.
    let outcome = tokio::select! {
        outcome = base(&args, &output) => outcome,
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

async fn base(args: &BaseArgs, output: &Output) -> Result<(), Box<dyn Error>> {
    let programs = std::env::current_exe()?.canonicalize()?.parent().map(PathBuf::from).unwrap_or_default();
    let echo = programs.join("bench-echo");
    if !echo.exists() {
        return Err("the echo server is missing\n  → cargo build --release -p culvert-bench".into());
    }
    let peers = chosen(args, &Peer::known(&programs, &installed()))?;
    let machine = Machine::here();
    let measured = base::run(args, &peers, &echo).await?;
    let report = Report { machine, options: args, measured };
    let markdown = report.markdown();
    println!("{markdown}");
    if let Some(file) = &output.json {
        std::fs::write(file, serde_json::to_vec_pretty(&report)?)?;
    }
    if let Some(file) = &output.embed {
        report::embed(file, "base", &markdown)?;
    }
    Ok(())
}

/// Where setup.sh installs the peers.
fn installed() -> PathBuf {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache"))).unwrap_or_default();
    cache.join("culvert/peers/bench")
}

/// Named peers and free commands; all known peers if neither is given.
fn chosen(args: &BaseArgs, known: &[Peer]) -> Result<Vec<Peer>, PeerError> {
    let mut peers = Vec::new();
    for name in &args.peers {
        let peer = known.iter().find(|peer| peer.name == *name);
        peers.push(peer.cloned().ok_or_else(|| PeerError::Unknown(name.clone()))?);
    }
    for command in &args.commands {
        peers.push(Peer::free(command)?);
    }
    if peers.is_empty() {
        peers.extend_from_slice(known);
    }
    peers.iter().try_for_each(Peer::check)?;
    Ok(peers)
}
