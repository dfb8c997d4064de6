//! Networks, children and the gateway itself fail while calls run: each call gets exactly one answer.

#![allow(clippy::print_stdout, reason = "what became of the calls, for whoever runs it by hand")]

use culvert_tests::cutter::{Plan, Swallowed, Trick};
use culvert_tests::faults::{Gateway, House, Mishaps, Remote, Tally, base_round, remote_round, round};
use culvert_tests::seed;

/// The links of a house.
const TRANSPORTS: [&str; 2] = ["ws", "sse"];

/// Every way in which bytes may go wrong that is over soon.
fn plan(seed: u64) -> Plan {
    let tricks = vec![Trick::Bytes, Trick::Drip, Trick::Again];
    Plan { seed, longest: 60_000, pauses: 20..400, half_open: vec![], tricks }
}

/// A house of its own for this seed.
async fn in_a_house(seed: u64, calls: usize, plan: Plan) -> Tally {
    let what = if seed.is_multiple_of(2) { Mishaps::Children } else { Mishaps::ChildrenAndGateway };
    let house = House::open(&TRANSPORTS, &plan).await;
    let tally = round(&house, seed, calls, what).await;
    house.close().await;
    println!("seed {seed}: {tally}");
    tally
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_fails_every_request_gets_exactly_one_answer() {
    let seed = seed::fresh();
    let tally = in_a_house(seed, 200, plan(seed)).await;
    assert!(tally.results >= tally.calls() / 2, "most of it works: {tally}");
    assert!(tally.cuts > 0 && tally.mishaps > 0, "something went wrong: {tally}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_base_tunnel_no_request_is_answered_twice_or_on_another_link() {
    let seed = seed::fresh();
    let tally = base_round(seed, 400, plan(seed)).await;
    println!("seed {seed}: {tally}");
    assert!(tally.results >= tally.calls() / 3 && tally.cuts > 0, "{tally}");
}

/// A client by hand toward our gateway, which knows the base dialect alone.
async fn a_base_client(seed: u64, calls: usize, mut plan: Plan) -> Tally {
    plan.half_open = vec![Swallowed::ToGateway, Swallowed::ToClient];
    // Each link costs its calls: they live long enough to carry some.
    plan.longest = 200_000;
    let house = House::open(&[], &plan).await;
    let mut remotes = [Remote::by_hand(&house, plan).await];
    let gateway = if seed.is_multiple_of(2) { Gateway::Lives } else { Gateway::Dies };
    let tally = remote_round(&house, &mut remotes, seed, calls, gateway).await;
    println!("seed {seed}, a base client: {tally}");
    for remote in remotes {
        remote.stop().await;
    }
    house.close().await;
    tally
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_our_gateway_a_base_client_on_a_bad_network_leaves_no_call_without_its_one_answer() {
    let seed = seed::fresh();
    let tally = a_base_client(seed, 200, plan(seed)).await;
    assert!(tally.results >= tally.calls() / 3 && tally.cuts > 0, "{tally}");
}

/// At least ten thousand calls, over as many seeds as that takes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: ten thousand calls"]
async fn whatever_fails_every_request_gets_exactly_one_answer_over_many_seeds() {
    let first = seed::fresh();
    let mut all = Tally::default();
    for seed in first.. {
        let mut plan = plan(seed);
        if seed % 5 == 0 {
            plan.half_open = vec![Swallowed::ToGateway, Swallowed::Both];
        }
        let (house, base, remote) = tokio::join!(
            in_a_house(seed, 600, plan.clone()),
            base_round(seed, 400, plan.clone()),
            a_base_client(seed, 200, plan),
        );
        [house, base, remote].into_iter().for_each(|part| all.add(part));
        if all.calls() >= 10_000 {
            break;
        }
    }
    println!("in all: {all}");
}
