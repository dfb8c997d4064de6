//! Tunnel clients that know the base dialect alone, toward `culvert gateway`, through bad networks: those that others
//! have written, or one by hand. Whatever happens to their links, who calls through the gateway gets one answer, in time.

use std::collections::HashMap;
use std::time::Duration;

use fastrand::Rng;
use futures_util::future::join_all;

use super::caller::{Caller, Mood};
use super::house::House;
use super::tally::Tally;
use crate::base_client::BaseClient;
use crate::culvert::Culvert;
use crate::cutter::{Cutter, Plan};
use crate::fixture::{Fixture, Lines};

/// Who calls through each of them.
const CALLERS: usize = 3;

/// How long an answer may take: the gateway's own timeout for calls, and the time that a busy machine needs for all else.
/// No answer waits for a silent link to be given up.
const LONGEST: Duration = Duration::from_secs(15);

/// How long a client may take to register: ContextForge's own loads much of ContextForge first.
const START: Duration = Duration::from_secs(90);

/// One of these clients and its network.
#[derive(Debug)]
pub struct Remote {
    name: String,
    network: Cutter,
    running: Running,
}

/// What it is.
#[derive(Debug)]
enum Running {
    Program(Box<Culvert>, Lines),
    ByHand(BaseClient),
}

/// Whether the gateway is killed while calls run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gateway {
    /// It lives.
    Lives,
    /// It is killed once, and comes back.
    Dies,
}

impl Remote {
    /// One by hand, online.
    pub async fn by_hand(house: &House, plan: Plan) -> Self {
        let network = Cutter::before(house.address, plan).await;
        let before = house.online().await;
        let client = BaseClient::start(&network.url(), "by-hand", &house.token);
        Self { name: house.newcomer(&before, START).await, network, running: Running::ByHand(client) }
    }

    /// The program that `start` starts toward a base URL, online, with this server behind it.
    pub async fn program(house: &House, plan: Plan, server: &Fixture, start: impl FnOnce(&str) -> Culvert) -> Self {
        let network = Cutter::before(house.address, plan).await;
        let before = house.online().await;
        let (program, lines) = (start(&network.url()), server.follow());
        let name = house.newcomer(&before, START).await;
        Self { name, network, running: Running::Program(Box::new(program), lines) }
    }

    /// How often each call for an echo reached the server, by what its text begins with.
    fn reached(&mut self) -> HashMap<String, usize> {
        let (mut reached, key) =
            (HashMap::new(), |text: &str| text.split(['x', '"']).next().unwrap_or_default().to_owned());
        match &mut self.running {
            Running::ByHand(client) => {
                for (text, times) in client.echoes() {
                    *reached.entry(key(&text)).or_default() += times;
                }
            }
            Running::Program(_, lines) => {
                for line in lines.so_far() {
                    // Some write JSON anew, with blanks in it.
                    if let Some((_, text)) = line.split_once(r#""text""#) {
                        *reached.entry(key(text.trim_start_matches([':', ' ', '"']))).or_default() += 1;
                    }
                }
            }
        }
        reached
    }

    /// Ends it. No process of it may be left.
    pub async fn stop(self) {
        self.network.calm();
        if let Running::Program(program, _) = self.running {
            program.stop().await;
        }
    }
}

/// Makes so many calls, shared out among all clients, and looks that each got its one answer in time, and reached its
/// server once if it was answered with a result, and else once at most.
///
/// # Panics
/// With the seed, when one did not.
pub async fn remote_round(house: &House, remotes: &mut [Remote], seed: u64, calls: usize, gateway: Gateway) -> Tally {
    let told = format!("seed {seed}, base clients");
    remotes.iter().for_each(|remote| remote.network.begin());
    let mut random = Rng::with_seed(seed);
    let each = calls.div_ceil(remotes.len() * CALLERS);
    let mut callers = Vec::new();
    for (place, remote) in remotes.iter().enumerate() {
        for number in 0..CALLERS {
            let (server, name, mood) = (&remote.name, format!("{seed}-{place}-{number}"), Mood::Tame);
            let (random, told) = (random.fork(), told.clone());
            callers.push(Caller { house, server, name, mood, bound: LONGEST, random, told, session: None }.talk(each));
        }
    }
    let dies = async {
        if gateway == Gateway::Dies {
            tokio::time::sleep(Duration::from_millis(random.u64(500..2_500))).await;
            house.restart_gateway().await;
        }
    };
    let (ended, ()) = tokio::join!(join_all(callers), dies);
    let mut tally = Tally { mishaps: usize::from(gateway == Gateway::Dies), ..Tally::default() };
    let mut returned = Vec::new();
    for (part, texts) in ended {
        tally.add(part);
        returned.extend(texts);
    }
    assert_eq!(tally.calls(), each * remotes.len() * CALLERS, "{told}: every call has one fate");
    let mut reached: HashMap<String, usize> = HashMap::new();
    for remote in remotes {
        remote.network.calm();
        tally.cuts += remote.network.mishaps();
        reached.extend(remote.reached());
    }
    for (text, times) in &reached {
        assert_eq!(*times, 1, "{told}: the call {text} reached its server more than once");
    }
    for text in returned {
        assert!(reached.contains_key(&text), "{told}: the call {text} was answered and reached no server");
    }
    tally
}
