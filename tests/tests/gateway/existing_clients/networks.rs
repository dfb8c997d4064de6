//! Their links on bad networks, and a gateway that is killed: whoever calls gets one answer, in time.

#![allow(clippy::print_stdout, reason = "what became of the calls, for whoever runs it by hand")]

use culvert_tests::cutter::{Plan, Swallowed, Trick};
use culvert_tests::faults::{Gateway, House, Remote, Tally, remote_round};
use culvert_tests::{Fixture, seed};

use super::Existing;

/// As much of each line is kept as tells which call it is, in bytes.
const CUT: &str = "300";

async fn a_round(client: Existing, seed: u64, calls: usize, half_open: Vec<Swallowed>, gateway: Gateway) -> Tally {
    let tricks = vec![Trick::Bytes, Trick::Drip, Trick::Again];
    // They wait twice as long after each break: links live long enough to carry calls.
    let plan = Plan { seed, longest: 200_000, pauses: 20..400, half_open, tricks };
    let house = House::open(&[], &plan).await;
    let server = Fixture::new(&["--cut", CUT]);
    let start = |url: &str| client.command(url, &server.arguments(), &house.token).start();
    let mut remotes = [Remote::program(&house, plan, &server, start).await];
    let tally = remote_round(&house, &mut remotes, seed, calls, gateway).await;
    println!("seed {seed}, {client:?}: {tally}");
    for remote in remotes {
        remote.stop().await;
    }
    house.close().await;
    tally
}

async fn calls_get_one_answer(client: Existing) {
    let seed = seed::fresh();
    let tally = a_round(client, seed, 150, vec![], Gateway::Lives).await;
    assert!(tally.results >= tally.calls() / 3 && tally.cuts > 0, "{tally}");
}

async fn calls_get_one_answer_over_many_seeds(client: Existing) {
    let first = seed::fresh();
    let mut all = Tally::default();
    for seed in first..first + 3 {
        let half_open = vec![Swallowed::ToGateway, Swallowed::ToClient, Swallowed::Both];
        let gateway = if seed.is_multiple_of(2) { Gateway::Lives } else { Gateway::Dies };
        all.add(a_round(client, seed, 400, half_open, gateway).await);
    }
    println!("{client:?}, in all: {all}");
    assert!(all.results >= all.calls() / 3, "{all}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_bad_network_contextforges_own_client_leaves_no_call_without_its_one_answer() {
    calls_get_one_answer(Existing::ContextForge).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_bad_network_pypis_client_leaves_no_call_without_its_one_answer() {
    calls_get_one_answer(Existing::PyPi).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: waits for silent links to be given up"]
async fn contextforges_own_client_leaves_no_call_without_its_one_answer_over_many_seeds() {
    calls_get_one_answer_over_many_seeds(Existing::ContextForge).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: waits for silent links to be given up"]
async fn pypis_client_leaves_no_call_without_its_one_answer_over_many_seeds() {
    calls_get_one_answer_over_many_seeds(Existing::PyPi).await;
}
