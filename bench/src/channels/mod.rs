//! The suite `channels`: the same HTTP client calls the same stdio server through Culvert,
//! through other bridges, and with nothing between.

mod bridges;
mod echo_call;
mod events;
#[cfg(test)]
mod fake;
mod floors;
mod http;
mod lane;
mod load;
mod report;
mod session;
mod sitting;
mod trouble;

use std::path::Path;
use std::time::Duration;

use clap::Args;
use serde::Serialize;

pub(crate) use crate::channels::bridges::{Between, gateway_alone};
pub(crate) use crate::channels::echo_call::EchoCall;
pub(crate) use crate::channels::http::Connection;
use crate::channels::load::Load;
pub(crate) use crate::channels::report::Report;
pub(crate) use crate::channels::session::{Session, Target};
pub(crate) use crate::channels::sitting::{Room, listening};
pub(crate) use crate::channels::trouble::Failure;
use crate::figures::Figures;
use crate::peers::PeerError;

#[derive(Args, Debug, Serialize)]
pub(crate) struct ChannelsArgs {
    /// What stands between client and server: culvert, supergateway, npm-mcp-proxy,
    /// py-mcp-proxy, pipe (nothing); with an audit log at both ends: culvert-audited [default: all but that]
    #[serde(skip)]
    pub(crate) between: Vec<String>,
    /// Measure this bridge too (only this, if none is named), which serves /mcp; {port},
    /// {server} and {command} (the server as typed in a shell) are filled in
    #[arg(long = "cmd", value_name = "[NAME=]COMMAND")]
    #[serde(skip)]
    pub(crate) commands: Vec<String>,
    /// The loads to make, each on fresh processes [default: all]
    #[arg(long, value_delimiter = ',', value_enum)]
    pub(crate) loads: Vec<Load>,
    /// Seconds per load
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) seconds: u64,
    /// Rounds, of which the medians are shown
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) runs: u32,
    /// Seconds after its end that a load waits for answers
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) timeout: u64,
}

/// All that one suite measured.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Measured {
    pub(crate) starts: Vec<Start>,
    pub(crate) loads: Vec<LoadRun>,
}

/// From the start of the first process to the first session.
#[derive(Debug, Serialize)]
pub(crate) struct Start {
    pub(crate) between: String,
    pub(crate) ready_ms: f64,
}

#[derive(Debug, Serialize)]
pub(crate) struct LoadRun {
    pub(crate) between: String,
    pub(crate) load: Load,
    pub(crate) outcome: Result<Figures, String>,
}

/// What `args` asks for, all of which is there.
pub(crate) fn chosen(args: &ChannelsArgs, programs: &Path) -> Result<Vec<Between>, PeerError> {
    Between::chosen(&args.between, &args.commands, programs)
}

/// Makes each load through each in turn, and all of that `runs` times: what disturbs the
/// machine for a while then disturbs all alike.
pub(crate) async fn run(args: &ChannelsArgs, between: &[Between], echo: &Path) -> Measured {
    let seconds = Duration::from_secs;
    let room = Room { echo, time: seconds(args.seconds), patience: seconds(args.timeout) };
    let mut measured = Measured::default();
    for run in 1..=args.runs {
        for load in args.loads() {
            for between in between {
                let label = format!("run {run}/{}  {}, {}", args.runs, load.label(), between.name);
                let (outcome, left) = room.sit(between, load).await;
                match &outcome {
                    Ok(sat) => eprintln!(
                        "{label}: p50 {:.3} ms, {:.0} calls/s, {:.1} µs CPU per call",
                        sat.figures.p50_ms, sat.figures.per_s, sat.figures.cpu_us
                    ),
                    Err(why) => eprintln!("{label}: {why}"),
                }
                if left > 0 {
                    eprintln!("{label}: left {left} processes behind, which were killed");
                }
                let name = || between.name.clone();
                if let Ok(sat) = &outcome {
                    measured.starts.push(Start { between: name(), ready_ms: sat.ready_ms });
                }
                let outcome = outcome.map(|sat| sat.figures).map_err(|failure| failure.to_string());
                measured.loads.push(LoadRun { between: name(), load, outcome });
            }
        }
    }
    measured
}

impl ChannelsArgs {
    /// The loads asked for, in their own order.
    pub(crate) fn loads(&self) -> impl Iterator<Item = Load> {
        Load::ALL.into_iter().filter(|load| self.loads.is_empty() || self.loads.contains(load))
    }
}
