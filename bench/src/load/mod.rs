//! The suite `load`: one gateway with many tunnels and an MCP session on each, what that takes, and how quick it is then.

mod callers;
mod light;
mod report;
mod trouble;

use std::path::Path;
use std::time::{Duration, Instant};

use clap::Args;
use futures_util::StreamExt as _;
use futures_util::stream;
use serde::Serialize;
use tokio::time::sleep;

use self::callers::Callers;
use self::light::LightTunnel;
pub(crate) use self::report::Report;
use self::trouble::Trouble;
use crate::channels::{Room, Target, gateway_alone, listening};
use crate::figures::{Clocks, Figures, mib};
use crate::process::PeerProcess;
use crate::procfs;

/// Tunnels and sessions that are being opened at once.
const OPENING: usize = 32;

/// How long the gateway is left alone before its memory is read: what it frees later counts as held.
const SETTLE: Duration = Duration::from_secs(2);

/// How long it is watched while nobody calls.
const IDLE: Duration = Duration::from_secs(20);

#[derive(Args, Debug, Serialize)]
pub(crate) struct LoadArgs {
    /// Tunnels, with a session each
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) tunnels: u16,
    /// Calls per second of all sessions together, in the steady load
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    pub(crate) rate: u32,
    /// Seconds per load
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) seconds: u64,
    /// Runs, of which the medians are shown
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) runs: u32,
    /// Open no event stream beside each session, as most clients do
    #[arg(long)]
    pub(crate) without_streams: bool,
}

/// What the gateway holds at one moment, and what led there.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Stage {
    /// Resident memory in MiB.
    pub(crate) resident_mib: f64,
    /// Open descriptors.
    pub(crate) descriptors: usize,
    /// Seconds from the stage before.
    pub(crate) seconds: f64,
}

/// One run.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Run {
    /// Just started.
    pub(crate) empty: Stage,
    /// All tunnels are online.
    pub(crate) tunnels: Stage,
    /// Its share of one core while nobody calls.
    pub(crate) idle_busy: f64,
    /// Each tunnel has a session.
    pub(crate) sessions: Stage,
    /// Calls at an even rate.
    pub(crate) steady: Figures,
    /// Every session calls again as soon as it is answered.
    pub(crate) full: Figures,
    /// After both loads.
    pub(crate) after: Stage,
}

/// Measures `args.runs` times, each with a gateway of its own.
pub(crate) async fn run(args: &LoadArgs, programs: &Path, echo: &Path) -> Result<Vec<Run>, Box<dyn std::error::Error>> {
    let mut runs = Vec::new();
    for number in 1..=args.runs {
        eprintln!("run {number} of {}", args.runs);
        let mut processes = Vec::new();
        let run = one(args, programs, echo, &mut processes).await;
        for process in processes {
            process.stop().await;
        }
        runs.push(run?);
    }
    Ok(runs)
}

async fn one(args: &LoadArgs, programs: &Path, echo: &Path, processes: &mut Vec<PeerProcess>) -> Result<Run, Trouble> {
    let time = Duration::from_secs(args.seconds);
    let room = Room { echo, time, patience: Duration::from_secs(30) };
    let target = room.start(&gateway_alone(programs), processes).await?;
    listening(target.address, processes).await?;
    let pids: Vec<_> = processes.iter().map(PeerProcess::pid).collect();
    let watch = Watch { pids: &pids, echo };
    let empty = watch.stage(Instant::now()).await;

    let begun = Instant::now();
    let open = (0..args.tunnels).map(|number| LightTunnel::open(&target, name(number)));
    let tunnels = collected(open).await?;
    let with_tunnels = watch.stage(begun).await;
    eprintln!("  {} tunnels: {:.1} MiB", tunnels.len(), with_tunnels.resident_mib);
    let idle_busy = watch.busy(IDLE).await;

    let begun = Instant::now();
    let open = (0..args.tunnels).map(|number| {
        let path = format!("/servers/{}/mcp", name(number));
        callers::open(Target { path, ..target.clone() }, !args.without_streams)
    });
    let mut callers = Callers::new(collected(open).await?);
    let with_sessions = watch.stage(begun).await;
    eprintln!("  a session on each: {:.1} MiB", with_sessions.resident_mib);

    let every = Duration::from_secs(1) * u32::from(args.tunnels) / args.rate;
    let steady = watch.load(callers.call_every(every, time)).await?;
    eprintln!("  {} calls/s: p50 {:.2} ms, p99 {:.2} ms", args.rate, steady.p50_ms, steady.p99_ms);
    let full = watch.load(callers.call_at_once(time)).await?;
    eprintln!("  all at once: {:.0} calls/s, p50 {:.2} ms, p99 {:.2} ms", full.per_s, full.p50_ms, full.p99_ms);
    let after = watch.stage(Instant::now()).await;
    let down = tunnels.iter().filter(|tunnel| !tunnel.is_up()).count();
    if down > 0 {
        return Err(Trouble::Down { down, of: tunnels.len() });
    }
    Ok(Run { empty, tunnels: with_tunnels, idle_busy, sessions: with_sessions, steady, full, after })
}

fn name(number: u16) -> String {
    format!("light-{number}")
}

/// All of them, some at a time.
async fn collected<T>(open: impl Iterator<Item = impl Future<Output = Result<T, Trouble>>>) -> Result<Vec<T>, Trouble> {
    let mut opening = stream::iter(open).buffered(OPENING);
    let mut all = Vec::new();
    while let Some(one) = opening.next().await {
        all.push(one?);
    }
    Ok(all)
}

/// Looks at the gateway's process.
#[derive(Clone, Copy)]
struct Watch<'a> {
    pids: &'a [u32],
    echo: &'a Path,
}

impl Watch<'_> {
    async fn stage(&self, begun: Instant) -> Stage {
        let seconds = begun.elapsed().as_secs_f64();
        sleep(SETTLE).await;
        let resident = procfs::usage(self.pids, self.echo).resident;
        let descriptors = self.pids.iter().map(|pid| procfs::descriptors(*pid)).sum();
        Stage { resident_mib: mib(resident), descriptors, seconds }
    }

    async fn busy(&self, time: Duration) -> f64 {
        let before = procfs::usage(self.pids, self.echo).cpu;
        sleep(time).await;
        procfs::usage(self.pids, self.echo).cpu.saturating_sub(before).as_secs_f64() / time.as_secs_f64()
    }

    async fn load(
        &self,
        calls: impl Future<Output = Result<crate::figures::Outcome, Trouble>>,
    ) -> Result<Figures, Trouble> {
        let before = Clocks::read(self.pids, self.echo);
        let outcome = calls.await?;
        Ok(Figures::new(&outcome, before, Clocks::read(self.pids, self.echo)))
    }
}
