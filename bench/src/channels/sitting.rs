//! One sitting: what stands between is started, one load is made through it, and it is
//! ended with all that it started.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::sleep;

use crate::answer::{body, excerpt};
use crate::channels::bridges::{Between, Bridge, Filled, What};
use crate::channels::echo_call::EchoCall;
use crate::channels::http::Connection;
use crate::channels::lane::{HttpLane, Lane, PipeLane};
use crate::channels::load::{self, Load};
use crate::channels::session::{Session, Target};
use crate::channels::trouble::Failure;
use crate::figures::{Clocks, Figures, ms};
use crate::peers::Peer;
use crate::process::{self, PeerProcess};

/// How long a bridge has from its start to its first session.
const READY: Duration = Duration::from_secs(60);

/// Between two tries to reach it.
const AGAIN: Duration = Duration::from_millis(5);

/// How long the end of a process is waited for that may have broken a load.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Lets interpreters and their compilers reach their pace.
const WARM_UP: Duration = Duration::from_secs(1);

/// What all sittings have in common.
#[derive(Debug)]
pub(crate) struct Room<'a> {
    pub(crate) echo: &'a Path,
    pub(crate) time: Duration,
    pub(crate) patience: Duration,
}

/// The figures of one load, and how long the first session took from the first start.
pub(crate) struct Sat {
    pub(crate) figures: Figures,
    pub(crate) ready_ms: f64,
}

impl Room<'_> {
    /// Tells also how many processes had to be killed.
    pub(crate) async fn sit(&self, between: &Between, load: Load) -> (Result<Sat, Failure>, usize) {
        match &between.what {
            What::Nothing => (self.over_pipes(load).await, 0),
            What::Bridge(bridge) => {
                let mut processes = Vec::new();
                let mut outcome = self.over_http(bridge, load, &mut processes).await;
                if outcome.is_err() {
                    // What broke down is better described by its last words than by the
                    // connections that broke with it.
                    sleep(LAST_WORDS).await;
                    if let Some(ended) = processes.iter_mut().find_map(PeerProcess::ended_already) {
                        outcome = Err(ended.into());
                    }
                }
                let mut left = 0;
                for process in processes.into_iter().rev() {
                    left += process.stop().await;
                }
                (outcome, left)
            }
        }
    }

    async fn over_pipes(&self, load: Load) -> Result<Sat, Failure> {
        let begun = Instant::now();
        let depth = load.at_once() / load.sessions();
        let lanes: Result<Vec<_>, _> = (0..load.sessions()).map(|_| PipeLane::start(self.echo, depth)).collect();
        let lanes = lanes?;
        let ready_ms = ms(begun.elapsed());
        let pids: Vec<_> = lanes.iter().filter_map(PipeLane::pid).collect();
        let lanes = lanes.into_iter().map(|lane| Lane::Pipe(Box::new(lane))).collect();
        Ok(Sat { figures: self.measure(lanes, load, &pids).await?, ready_ms })
    }

    async fn over_http(&self, bridge: &Bridge, load: Load, processes: &mut Vec<PeerProcess>) -> Result<Sat, Failure> {
        let begun = Instant::now();
        let target = self.start(bridge, processes).await?;
        let first = first_session(&target, begun + READY, processes).await?;
        let ready_ms = ms(begun.elapsed());
        let mut sessions = vec![first];
        while sessions.len() < load.sessions() {
            let mut connection = Connection::open(target.address).await?;
            sessions.push(Session::open(&target, &mut connection).await?);
        }
        let mut lanes = Vec::new();
        for (number, session) in sessions.iter().cycle().take(load.at_once()).enumerate() {
            let connection = Connection::open(target.address).await?;
            lanes.push(Lane::Http(Box::new(HttpLane::new(connection, session.clone(), number, load.at_once()))));
        }
        let pids: Vec<_> = processes.iter().map(PeerProcess::pid).collect();
        Ok(Sat { figures: self.measure(lanes, load, &pids).await?, ready_ms })
    }

    /// Starts the bridge's processes in a folder of their own.
    pub(crate) async fn start(&self, bridge: &Bridge, processes: &mut Vec<PeerProcess>) -> Result<Target, Failure> {
        let folder = process::folder().map_err(Failure::Driver)?;
        let port = free_port().map_err(Failure::Driver)?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut filled = Filled { port, server: self.echo, state: folder.path(), token: "" };
        let bearer = match &bridge.token {
            Some(maker) => Some(made_by(maker, &filled).await?),
            None => None,
        };
        filled.token = bearer.as_deref().unwrap_or_default();
        for peer in &bridge.processes {
            if !processes.is_empty() {
                listening(address, processes).await?;
            }
            let process = PeerProcess::start(filled.command(peer), peer.env(), &folder);
            processes.push(process.map_err(Failure::Driver)?);
        }
        Ok(Target { address, path: bridge.path.clone(), bearer })
    }

    async fn measure(&self, lanes: Vec<Lane>, load: Load, pids: &[u32]) -> Result<Figures, Failure> {
        let call = Arc::new(EchoCall::new(body(load.size())));
        let (lanes, _) = load::run(lanes, &call, WARM_UP.min(self.time), self.patience).await?;
        let before = Clocks::read(pids, self.echo);
        let (lanes, outcome) = load::run(lanes, &call, self.time, self.patience).await?;
        let after = Clocks::read(pids, self.echo);
        drop(lanes);
        Ok(Figures::new(&outcome, before, after))
    }
}

/// Waits until something takes connections.
pub(crate) async fn listening(address: SocketAddr, processes: &mut [PeerProcess]) -> Result<(), Failure> {
    let until = Instant::now() + READY;
    while TcpStream::connect(address).await.is_err() {
        patient(until, "nothing listens", processes).await?;
    }
    Ok(())
}

/// Tries until a session is there.
async fn first_session(target: &Target, until: Instant, processes: &mut [PeerProcess]) -> Result<Session, Failure> {
    loop {
        let tried = async {
            let mut connection = Connection::open(target.address).await?;
            Session::open(target, &mut connection).await
        };
        match tried.await {
            Ok(session) => return Ok(session),
            Err(failure) => patient(until, &failure.to_string(), processes).await?,
        }
    }
}

/// Waits a little, unless the time is up or a process has ended.
async fn patient(until: Instant, last: &str, processes: &mut [PeerProcess]) -> Result<(), Failure> {
    if let Some(ended) = processes.iter_mut().find_map(PeerProcess::ended_already) {
        return Err(ended.into());
    }
    if Instant::now() >= until {
        let said = processes.last().map(PeerProcess::said).unwrap_or_default();
        return Err(Failure::NotReady { patience: READY, last: last.to_owned(), said });
    }
    sleep(AGAIN).await;
    Ok(())
}

/// A port that was free a moment ago; the system gives it to nobody else for a while.
fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// What the command prints, as a word.
async fn made_by(maker: &Peer, filled: &Filled<'_>) -> Result<String, Failure> {
    let mut words = filled.command(maker).into_iter();
    let mut command = Command::new(words.next().unwrap_or_default());
    let output = command.args(words).envs(maker.env().iter().copied()).output().await.map_err(Failure::Driver)?;
    let said = String::from_utf8_lossy(if output.status.success() { &output.stdout } else { &output.stderr });
    match output.status.success() {
        true => Ok(said.trim().to_owned()),
        false => Err(Failure::Token(excerpt(&said))),
    }
}
