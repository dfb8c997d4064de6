//! The suite `base`: one tunnel client at a time, measured from the gateway's side.

mod clients;
mod floors;
pub(crate) mod gateway;
mod load;
mod report;
mod wire;

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use clap::Args;
use serde::Serialize;
use tokio::time::{sleep, timeout};

use crate::answer::body;
use crate::base::clients::Filled;
use crate::base::gateway::{Failure, Gateway, Tunnel};
use crate::base::load::{Load, Until};
pub(crate) use crate::base::report::Report;
use crate::figures::{Clocks, Figures, Startup, mib, ms};
use crate::peers::{self, Peer, PeerError};
use crate::process::{self, PeerProcess};
use crate::procfs;

/// How long a peer has from its spawn to the end of its registration.
const REGISTRATION: Duration = Duration::from_secs(60);

/// Between registration and the reading of idle memory.
const SETTLE: Duration = Duration::from_secs(1);

#[derive(Args, Debug, Serialize)]
pub(crate) struct BaseArgs {
    /// Peers to measure: culvert, mcp-reverse-proxy-client, contextforge [default: all]
    #[serde(skip)]
    pub(crate) peers: Vec<String>,
    /// Measure this command too (only this, if no peer is named); {gateway}, {token},
    /// {name}, {server} and {config} are filled in
    #[arg(long = "cmd", value_name = "[NAME=]COMMAND")]
    #[serde(skip)]
    pub(crate) commands: Vec<String>,
    /// Bytes of the echoed argument, each in a fresh process
    #[arg(long, value_delimiter = ',', default_values_t = [200, 49_152, 102_400, 921_600])]
    pub(crate) sizes: Vec<usize>,
    /// Calls in flight
    #[arg(long, value_delimiter = ',', default_values_t = [1, 64], value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) concurrency: Vec<u16>,
    /// Seconds per load
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) seconds: u64,
    /// Runs, of which the medians are shown
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) runs: u32,
    /// Seconds without any answer after which a load has failed
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) timeout: u64,
    /// Microseconds that the gateway is busy after each call it sends, as a slower one is
    #[arg(long, default_value_t = 0)]
    pub(crate) spacing: u64,
}

/// All that one suite measured.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Measured {
    pub(crate) starts: Vec<Start>,
    pub(crate) loads: Vec<LoadRun>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Start {
    pub(crate) peer: String,
    pub(crate) startup: Startup,
}

#[derive(Debug, Serialize)]
pub(crate) struct LoadRun {
    pub(crate) peer: String,
    pub(crate) size: usize,
    pub(crate) concurrency: u16,
    pub(crate) outcome: Result<Figures, String>,
}

/// What all sittings have in common.
struct Bench<'a> {
    args: &'a BaseArgs,
    echo: &'a Path,
}

/// The clients that `args` asks for, all of which are there.
pub(crate) fn chosen(args: &BaseArgs, programs: &Path) -> Result<Vec<Peer>, PeerError> {
    let known = clients::known(programs, &peers::folder());
    let free = args.commands.iter().map(|command| Peer::free(command));
    let peers = peers::chosen(&known, |peer| &peer.name, &args.peers, free)?;
    peers.iter().try_for_each(Peer::check)?;
    Ok(peers)
}

/// Measures each peer at each size in turn, and all of that `runs` times: what disturbs
/// the machine for a while then disturbs all peers alike.
pub(crate) async fn run(args: &BaseArgs, peers: &[Peer], echo: &Path) -> io::Result<Measured> {
    let bench = Bench { args, echo };
    let mut measured = Measured::default();
    for run in 1..=args.runs {
        for &size in &args.sizes {
            for peer in peers {
                let label = format!("run {run}/{}  {size:>7} B  {}", args.runs, peer.name);
                bench.sit(peer, size, &label, &mut measured).await?;
            }
        }
    }
    Ok(measured)
}

impl Bench<'_> {
    /// One process of one peer, one size, every concurrency.
    async fn sit(&self, peer: &Peer, size: usize, label: &str, measured: &mut Measured) -> io::Result<()> {
        let gateway = Gateway::bind().await?;
        let mut process = self.spawn(peer, &gateway.url()?)?;
        let mut failed = None;
        let mut tunnel = match self.start(gateway, &mut process).await {
            Ok((tunnel, startup)) => {
                eprintln!("{label}: ready after {:.0} ms", startup.ready_ms);
                measured.starts.push(Start { peer: peer.name.clone(), startup });
                Some(tunnel)
            }
            Err(failure) => {
                failed = Some(failure.to_string());
                None
            }
        };
        for &concurrency in &self.args.concurrency {
            let outcome = match (&mut tunnel, &failed) {
                (Some(tunnel), None) => self.load(tunnel, &mut process, size, concurrency).await,
                (_, failed) => Err(failed.clone().unwrap_or_default()),
            };
            match &outcome {
                Ok(f) => eprintln!(
                    "{label}, {concurrency} at once: p50 {:.3} ms, {:.0} calls/s, {:.1} µs CPU per call",
                    f.p50_ms, f.per_s, f.cpu_us
                ),
                Err(why) => eprintln!("{label}, {concurrency} at once: {why}"),
            }
            // A tunnel that failed once is in no state to be measured further.
            failed = failed.or_else(|| outcome.as_ref().err().cloned());
            measured.loads.push(LoadRun { peer: peer.name.clone(), size, concurrency, outcome });
        }
        let left = process.stop().await;
        if left > 0 {
            eprintln!("{label}: left {left} processes behind, which were killed");
        }
        Ok(())
    }

    fn spawn(&self, peer: &Peer, gateway: &str) -> io::Result<PeerProcess> {
        let folder = process::folder()?;
        let config = folder.path().join("mcp-servers.json");
        std::fs::write(&config, clients::config_file(self.echo).to_string())?;
        let words = Filled { gateway, server: self.echo, config: &config }.command(peer);
        PeerProcess::start(words, peer.env(), &folder)
    }

    async fn start(&self, gateway: Gateway, process: &mut PeerProcess) -> Result<(Tunnel, Startup), Failure> {
        let (spawned, pid) = (process.spawned, process.pid());
        let registering = async {
            let mut tunnel = gateway.accept().await?;
            let connected = Instant::now();
            tunnel.registration().await?;
            let registered = Instant::now();
            tunnel.initialize().await?;
            Ok::<_, Failure>((tunnel, connected, registered, Instant::now()))
        };
        let outcome = tokio::select! {
            outcome = timeout(REGISTRATION, registering) => outcome.ok(),
            ended = process.ended() => return Err(ended.into()),
        };
        let Some(outcome) = outcome else {
            return Err(Failure::NotRegistered { patience: REGISTRATION, said: process.said() });
        };
        let (tunnel, connected, registered, ready) = outcome?;
        sleep(SETTLE).await;
        let startup = Startup {
            connect_ms: ms(connected - spawned),
            register_ms: ms(registered - spawned),
            ready_ms: ms(ready - spawned),
            idle_mib: mib(procfs::usage(&[pid], self.echo).resident),
        };
        Ok((tunnel, startup))
    }

    async fn load(
        &self,
        tunnel: &mut Tunnel,
        process: &mut PeerProcess,
        size: usize,
        concurrency: u16,
    ) -> Result<Figures, String> {
        let body = body(size);
        let patience = Duration::from_secs(self.args.timeout);
        let warm_up = Until::Calls(if size < 10_000 { 20 } else { 3 });
        let warm_up = Load {
            body: &body,
            concurrency: 1,
            until: warm_up,
            patience,
            spacing: Duration::from_micros(self.args.spacing),
        };
        let until = Until::Elapsed(Duration::from_secs(self.args.seconds));
        let measured = Load { concurrency, until, ..warm_up };
        let pid = process.pid();
        let clocks = || Clocks::read(&[pid], self.echo);
        let both = async {
            warm_up.run(tunnel).await?;
            let before = clocks();
            let outcome = measured.run(tunnel).await?;
            Ok(Figures::new(&outcome, before, clocks()))
        };
        let failure: Failure = match both.await {
            Ok(figures) => return Ok(figures),
            Err(failure) => failure,
        };
        // A peer that broke down is better described by its last words than by the
        // connection that broke with it.
        let last = timeout(SETTLE, process.ended()).await;
        Err(last.map_or_else(|_| format!("{failure}{}", process.said()), |ended| ended.to_string()))
    }
}
