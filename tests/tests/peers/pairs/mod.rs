//! A real client and a real server who meet through `culvert run` and `culvert gateway`: all that the pair can do.

pub(crate) mod client;
pub(crate) mod findings;
pub(crate) mod house;
pub(crate) mod inspector;
pub(crate) mod local;
pub(crate) mod payload;
pub(crate) mod step;
pub(crate) mod tapped;

use client::{Client, Target};
use findings::Session;
use house::House;
use local::Local;
use payload::Payload;
use serde_json::{Value, json};
use step::Step;
use tapped::Tapped;

/// How many sessions are open at once when they must not hear each other.
pub(crate) const CROWD: usize = 32;
pub(crate) const MIB: usize = 1 << 20;

/// The mark of one of them. All have the same length, so none is part of another.
pub(crate) fn marker(session: usize) -> String {
    format!("m{session:02}")
}

/// One session does all that this client can do with this server: list, calls, payloads of these sizes, progress, a
/// call given up, and answers to whatever the server asks.
pub(crate) async fn meet(client: Client, local: &dyn Local, sizes: &[usize]) {
    let who = format!("{client:?} with {}", local.name());
    let house = House::open().await;
    let tapped = Tapped::new(local);
    let (tunnel, url) = house.share(local, tapped.command(), &[]).await;
    let folder = tempfile::tempdir().unwrap();
    let payloads: Vec<_> = sizes.iter().map(|size| Payload::new(folder.path(), *size)).collect();
    let steps = local.steps("m00", &payloads);
    let wish = json!({"marker": "m00", "calls": calls(&steps)});

    let found = client.carry_out(Target::Url(&url, &house.token), local, json!([wish])).await.remove(0);
    match client.revision_with(local) {
        Some(revision) => {
            assert_eq!((&found.refused, &found.closed_by), (&None, &None), "{who}");
            assert_eq!(found.protocol.as_deref(), Some(revision), "{who}: {found:#?}");
            let expected = client.asks_who_it_is().then(|| local.says_it_is());
            assert_eq!(found.server.as_deref(), expected, "{who}");
            assert_eq!(found.tools, local.tools(client), "{who}");
            judge(&steps, &found, &who);
            for payload in &payloads {
                local.holds(payload).await;
            }
            for given_up in steps.iter().filter(|step| step.is_given_up()) {
                tapped.hears_of_cancel(&given_up.call).await;
            }
        }
        None => {
            assert!(found.refused.is_some(), "{who}: there is nothing to fall back to: {found:#?}");
            let command = Target::Command(&local.command());
            let directly = client.carry_out(command, local, json!([wish])).await.remove(0);
            assert!(
                directly.refused.is_some(),
                "{who}: refused through Culvert, so it must be directly: {directly:#?}"
            );
        }
    }
    house.close(tunnel).await;
}

/// Many sessions at once, each with marks of its own; then as many calls at once in one session.
pub(crate) async fn crowd(client: Client, local: &dyn Local) {
    let who = format!("{CROWD} times {client:?} with {}", local.name());
    let house = House::open().await;
    let (tunnel, url) = house.share(local, local.command(), &["--max-sessions", "40"]).await;

    let all: Vec<_> = (0..CROWD).map(|session| local.marked(&marker(session))).collect();
    let wishes = all.iter().enumerate().map(|(n, steps)| json!({"marker": marker(n), "calls": calls(steps)}));
    let found = client.carry_out(Target::Url(&url, &house.token), local, wishes.collect()).await;
    assert_eq!(found.len(), CROWD, "{who}");
    let Some(revision) = client.revision_with(local) else {
        assert!(found.iter().all(|session| session.refused.is_some()), "{who}: {found:#?}");
        return house.close(tunnel).await;
    };
    for (n, (steps, found)) in all.iter().zip(&found).enumerate() {
        judge(steps, found, &format!("{who}, session {n}"));
    }
    let open_at_once = |event: &Value| event["callers"].as_array().map_or(0, Vec::len);
    let most = tunnel.events().iter().map(open_at_once).max();
    // Requests that stand alone share a process, which counts as one session; finding out whether a server takes them
    // is one for a moment.
    let expected = if revision == client::MODERN { 1..=1 } else { CROWD..=CROWD + 1 };
    assert!(most.is_some_and(|most| expected.contains(&most)), "{who}: {most:?} sessions were in use at once");

    let firsts: Vec<Step> = all.into_iter().filter_map(|steps| steps.into_iter().next()).collect();
    let wish = json!({"marker": "m00", "at_once": true, "calls": calls(&firsts)});
    let found = client.carry_out(Target::Url(&url, &house.token), local, json!([wish])).await.remove(0);
    judge(&firsts, &found, &format!("{who}, all calls in one session"));
    house.close(tunnel).await;
}

/// An answer beyond the default limit is an error that says so, and the session goes on.
pub(crate) async fn meet_the_limit(client: Client, local: &dyn Local) {
    let who = format!("{client:?} with {} at the default limit", local.name());
    let house = House::plain().await;
    let (tunnel, url) = house.share(local, local.command(), &[]).await;
    let folder = tempfile::tempdir().unwrap();
    let too_large = local.gives(&Payload::new(folder.path(), 8 * MIB)).unwrap();
    let large = local.gives(&Payload::new(folder.path(), MIB)).unwrap();
    let steps = [too_large.but_raises("the limit is 16777216"), large];
    let wish = json!({"marker": "m00", "calls": calls(&steps)});
    let found = client.carry_out(Target::Url(&url, &house.token), local, json!([wish])).await.remove(0);
    judge(&steps, &found, &who);
    house.close(tunnel).await;
}

fn calls(steps: &[Step]) -> Value {
    steps.iter().map(|step| step.call.clone()).collect()
}

fn judge(steps: &[Step], found: &Session, who: &str) {
    assert_eq!((&found.refused, &found.closed_by), (&None, &None), "{who}");
    assert_eq!(found.calls.len(), steps.len(), "{who}: {found:#?}");
    for (step, call) in steps.iter().zip(&found.calls) {
        step.judge(call, who);
    }
}
