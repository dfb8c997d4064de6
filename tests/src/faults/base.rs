//! The same on a base tunnel: a ContextForge's link, a bad network, one child. There a call ends with its link, and no
//! answer may come twice, late on another link, or to a call that nobody made.

use std::collections::{HashMap, HashSet};

use fastrand::Rng;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use super::tally::Tally;
use crate::culvert::CulvertCommand;
use crate::cutter::{Cutter, Plan};
use crate::fixture::Fixture;
use crate::gateway::{FakeGateway, Link, LinkState, Manner};

/// Calls that are made at once.
const AT_ONCE: usize = 8;

/// How much longer links live than those that can be resumed.
const SELDOM: usize = 8;

/// How often the child ends. One that does so again and again is started ever later, up to a minute: no test waits for that.
const FALLS: usize = 3;

/// Makes so many calls through `culvert run` as a base gateway does, while links break and children end.
///
/// # Panics
/// With the seed, when one was not answered as it should.
pub async fn base_round(seed: u64, calls: usize, mut plan: Plan) -> Tally {
    // A test waits no longer for an answer than a silent link is kept.
    plan.half_open.clear();
    // A link that was up for half a minute at most makes the next wait longer: not too many of them.
    plan.longest *= SELDOM;
    let told = format!("seed {seed}, base");
    let gateway = FakeGateway::start(Manner::next()).await;
    let cutter = Cutter::before(gateway.address(), plan).await;
    let fixture = Fixture::default();
    let culvert = CulvertCommand::run()
        .server(&fixture)
        .args(["--gateway", &cutter.url(), "--server-name", "fixture", "--reconnect-delay", "0.05"])
        .args(["--request-timeout", "4"])
        .start();
    gateway.registered().await;
    cutter.begin();
    let mut random = Rng::with_seed(seed);
    let (mut tally, mut number) = (Tally::default(), 0);
    let mut asked: HashMap<String, usize> = HashMap::new();
    let mut falls = 0;
    while number < calls {
        // What the network says twice makes links too, which come to nothing.
        let is_up = |link: &LinkState| link.registered && !link.ended;
        let count = gateway
            .state()
            .until(&format!("{told}: a link"), |state| state.links.iter().rposition(is_up).map(|found| found + 1))
            .await;
        let link = gateway.link_number(count).await;
        let mut ids = Vec::new();
        for _ in 0..AT_ONCE.min(calls - number) {
            let text = format!("{seed}:{number}:{}", "x".repeat(random.usize(..3_000)));
            let id = match random.u32(0..1000) {
                0..900 => link.post_call("echo", json!({"text": text})).await,
                900..950 => link.post_call("slow", json!({"ms": random.u32(1..200)})).await,
                950..990 => link.post_call("large", json!({"bytes": random.usize(..200_000)})).await,
                990..993 => link.post_call("hang", json!({})).await,
                993.. if falls < FALLS => {
                    falls += 1;
                    link.post_call("exit", json!({"code": 3})).await
                }
                _ => link.post_call("echo", json!({"text": text})).await,
            };
            asked.insert(id.as_str().unwrap_or_default().to_owned(), count);
            ids.push(id);
            number += 1;
        }
        if random.u32(0..20) == 0
            && falls < FALLS
            && let Some(child) = culvert.servers().pop()
        {
            falls += 1;
            let _ = kill(Pid::from_raw(child.pid), Signal::SIGKILL);
            tally.mishaps += 1;
        }
        for id in ids {
            match answer_or_end(&link, &id).await {
                Some(answer) if answer.get("result").is_some() => tally.results += 1,
                Some(answer) => tally.error(answer["error"]["data"]["code"].as_str().unwrap_or("none")),
                None => tally.lost += 1,
            }
        }
    }
    cutter.calm();
    tally.cuts = cutter.mishaps();
    // What was said on each link, to the last; where the network said it again, it is no new answer.
    let mut connections = HashSet::new();
    for count in 1..=gateway.links() {
        let link = gateway.link_number(count).await;
        if !connections.insert(link.look(|link| link.request.header("x-session-id").map(str::to_owned))) {
            continue;
        }
        let mut seen: HashMap<String, usize> = HashMap::new();
        for frame in link.frames("response") {
            let Some(id) = frame.value["payload"]["id"].as_str().map(str::to_owned) else { continue };
            if let Some(on) = asked.get(&id) {
                assert_eq!(*on, count, "{told}: {id} was answered on another link");
                *seen.entry(id).or_default() += 1;
            }
        }
        assert!(seen.values().all(|times| *times == 1), "{told}: answered more than once on link {count}: {seen:?}");
    }
    let mut reached: HashMap<String, usize> = HashMap::new();
    for call in fixture.received("tools/call") {
        if let Some(text) = call["params"]["arguments"]["text"].as_str() {
            *reached.entry(text.trim_end_matches('x').to_owned()).or_default() += 1;
        }
    }
    assert!(reached.values().all(|times| *times == 1), "{told}: a call was made twice: {reached:?}");
    culvert.stop().await;
    tally
}

/// The one answer, or nothing where the link ended before it.
async fn answer_or_end(link: &Link, id: &Value) -> Option<Value> {
    link.until(&format!("the answer to {id}, or the link's end"), |state| {
        let is_it = |value: &Value| value["type"] == "response" && value["payload"]["id"] == *id;
        let answer = state.frames.iter().rev().map(|frame| &frame.value).find(|value| is_it(value));
        match answer {
            Some(answer) => Some(Some(answer["payload"].clone())),
            None if state.ended => Some(None),
            None => None,
        }
    })
    .await
}
