//! Networks, children and the gateway itself fail while calls run: each call gets exactly one answer.

#![allow(clippy::print_stdout, reason = "what became of the calls, for whoever runs it by hand")]

use culvert_tests::cutter::{Plan, Swallowed, Trick};
use culvert_tests::faults::{House, Mishaps, Tally, base_round, round};
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
    // A gateway that is killed has its tunnels register anew. Two registrations of one name are another story, so then
    // nothing is said twice.
    let mut plan = plan;
    let what = match seed % 2 {
        0 => Mishaps::Children,
        _ => {
            plan.tricks.retain(|trick| *trick != Trick::Again);
            Mishaps::ChildrenAndGateway
        }
    };
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
        let (house, base) = tokio::join!(in_a_house(seed, 600, plan.clone()), base_round(seed, 400, plan));
        all.add(house);
        all.add(base);
        if all.calls() >= 10_000 {
            break;
        }
    }
    println!("in all: {all}");
}
