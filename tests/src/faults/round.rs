//! One round: callers at every tunnel at once, while things go wrong.

use std::cell::Cell;
use std::collections::HashMap;
use std::time::Duration;

use fastrand::Rng;
use futures_util::future::join_all;

use super::caller::{Caller, Mood};
use super::house::House;
use super::mishaps::{self, Mishaps};
use super::tally::Tally;

/// Clients of each tunnel.
const CALLERS: usize = 3;

/// How long an answer may take: a link that is given up for silence, the grace after it, and a timeout.
const LONGEST: Duration = Duration::from_secs(100);

/// Makes so many calls, shared out among all tunnels, and looks that each got its one answer and reached its server once
/// if it was answered with a result, and else once at most.
///
/// # Panics
/// With the seed, when one did not.
pub async fn round(house: &House, seed: u64, calls: usize, what: Mishaps) -> Tally {
    let told = format!("seed {seed}");
    let mut records: Vec<_> = house.tunnels.iter().map(|tunnel| tunnel.fixture.follow()).collect();
    let networks = |house: &House| house.tunnels.iter().map(|tunnel| tunnel.cutter.mishaps()).sum::<usize>();
    let before = networks(house);
    house.tunnels.iter().for_each(|tunnel| tunnel.cutter.begin());
    let mut random = Rng::with_seed(seed);
    let each = calls.div_ceil(house.tunnels.len() * CALLERS);
    let mut callers = Vec::new();
    for tunnel in &house.tunnels {
        for number in 0..CALLERS {
            let name = format!("{seed}-{}-{number}", tunnel.name);
            let (random, told) = (random.fork(), told.clone());
            let (server, mood, bound) = (&tunnel.name, Mood::Wild, LONGEST);
            callers.push(Caller { house, server, name, mood, bound, random, told, session: None }.talk(each));
        }
    }
    let happened = Cell::new(0);
    let ended = tokio::select! {
        ended = join_all(callers) => ended,
        () = mishaps::happen(house, what, random.fork(), &happened) => Vec::new(),
    };
    house.tunnels.iter().for_each(|tunnel| tunnel.cutter.calm());
    let mut tally = Tally { cuts: networks(house) - before, mishaps: happened.get(), ..Tally::default() };
    let mut returned = Vec::new();
    for (part, texts) in ended {
        tally.add(part);
        returned.extend(texts);
    }
    assert_eq!(tally.calls(), each * house.tunnels.len() * CALLERS, "{told}: every call has one fate");
    let mut reached: HashMap<String, usize> = HashMap::new();
    for line in records.iter_mut().flat_map(|record| record.so_far()) {
        if let Some((_, text)) = line.split_once(r#""text":""#) {
            let key = text.split(['x', '"']).next().unwrap_or_default().to_owned();
            *reached.entry(key).or_default() += 1;
        }
    }
    for (text, times) in &reached {
        assert_eq!(*times, 1, "{told}: the call {text} reached its server more than once");
    }
    for text in returned {
        assert!(reached.contains_key(&text), "{told}: the call {text} was answered and reached no server");
    }
    tally
}
