//! Sleep, stops, and networks that change: a tunnel is back within two seconds of the sign.

#![allow(clippy::print_stdout, reason = "what was measured, for whoever runs it by hand")]

use std::time::{Duration, Instant};

use culvert_tests::cutter::{Cutter, Plan};
use culvert_tests::mcp::McpSession;
use culvert_tests::network::Network;
use culvert_tests::own_gateway::{OwnGateway, SECRET};
use culvert_tests::sleep::{Asleep, Clock, Logind};
use culvert_tests::{Culvert, CulvertCommand, Fixture};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

/// What is promised.
const BACK: Duration = Duration::from_secs(2);

/// The clock is looked at once a second; the rest is for a busy machine.
const BACK_BY_CLOCK: Duration = Duration::from_secs(4);

/// A wait that can be told from one that was ended.
const LONG_MS: u64 = 15_000;

/// A tunnel through a cutter, and a client's session on it.
struct Scene {
    gateway: OwnGateway,
    cutter: Cutter,
    fixture: Fixture,
    tunnel: Culvert,
    session: McpSession,
}

impl Scene {
    async fn set(transport: &str, prepare: impl FnOnce(CulvertCommand) -> CulvertCommand) -> Self {
        let gateway = OwnGateway::start().await;
        let token = OwnGateway::token("me@example.com", SECRET).await;
        let cutter = Cutter::before(gateway.address(), Plan::breaks(0, 60_000)).await;
        let fixture = Fixture::default();
        let tunnel = OwnGateway::tunnel_through(&cutter.url(), &fixture, "sleeper", &token);
        let tunnel = prepare(tunnel.args(["--transport", transport])).start();
        tunnel.online().await;
        let session = McpSession::begin(&gateway, "sleeper", &token).await;
        Self { gateway, cutter, fixture, tunnel, session }
    }

    /// The network goes dead without a word, something gives the sign, and a call that is made then is answered: how long
    /// after the sign?
    async fn back_after(&self, sign: impl AsyncFnOnce()) -> Duration {
        self.cutter.freeze();
        sign().await;
        let begun = Instant::now();
        let answer = self.session.call(1, "echo", json!({"text": "awake"})).await;
        assert_eq!(answer["result"]["content"][0]["text"], "awake", "{answer}");
        begun.elapsed()
    }

    async fn end(self) {
        assert_eq!(self.fixture.events("start").len(), 2, "no server was started anew");
        self.tunnel.stop().await;
        self.gateway.culvert.stop().await;
    }
}

async fn a_dead_link_is_replaced_when_logind_says_so(transport: &str) {
    let logind = Logind::start().await;
    let scene = Scene::set(transport, |tunnel| tunnel.env("DBUS_SYSTEM_BUS_ADDRESS", logind.address())).await;
    logind.heard_by(1).await;
    logind.prepare_for_sleep(Asleep::Soon).await;
    let took = scene.back_after(async || logind.prepare_for_sleep(Asleep::NoMore).await).await;
    println!("{transport}: a call was answered {} ms after the sign", took.as_millis());
    assert!(took < BACK, "{took:?}");
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_computer_that_wakes_up_is_back_within_two_seconds() {
    a_dead_link_is_replaced_when_logind_says_so("ws").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_computer_that_wakes_up_is_back_within_two_seconds_over_sse() {
    a_dead_link_is_replaced_when_logind_says_so("sse").await;
}

/// A tunnel whose first wait may be a minute.
fn patient_tunnel(url: &str, fixture: &Fixture, token: &str) -> CulvertCommand {
    CulvertCommand::run()
        .server(fixture)
        .args(["--server-name", "patient", "--gateway", url, "--reconnect-delay", "60"])
        .env("REVERSE_PROXY_TOKEN", token)
}

/// One that waits long before its next try, as `waiting` tells.
async fn one_that_waits_long(begin: impl Fn() -> CulvertCommand) -> Culvert {
    loop {
        let tunnel = begin().start();
        let waiting = tunnel.event("waiting", |event: &Value| event["status"] == "waiting").await;
        if waiting["retry_in_ms"].as_u64() > Some(LONG_MS) {
            return tunnel;
        }
        tunnel.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_computer_that_wakes_up_ends_the_wait_between_tries() {
    let logind = Logind::start().await;
    let gateway = OwnGateway::start().await;
    let token = OwnGateway::token("me@example.com", SECRET).await;
    let cutter = Cutter::before(gateway.address(), Plan::breaks(0, 60_000)).await;
    cutter.block();
    let fixture = Fixture::default();
    let tunnel = one_that_waits_long(|| {
        patient_tunnel(&cutter.url(), &fixture, &token).env("DBUS_SYSTEM_BUS_ADDRESS", logind.address())
    })
    .await;
    logind.heard_by(1).await;
    cutter.unblock();
    logind.prepare_for_sleep(Asleep::NoMore).await;
    let begun = Instant::now();
    tunnel.online().await;
    println!("online {} ms after the sign", begun.elapsed().as_millis());
    assert!(begun.elapsed() < BACK, "{:?}", begun.elapsed());
    tunnel.stop().await;
    gateway.culvert.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_jumps_puts_the_link_to_the_test() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::new(folder.path());
    let with_clock = |tunnel: CulvertCommand| {
        clock.environment().into_iter().fold(tunnel, |tunnel, (name, value)| tunnel.env(name, value))
    };
    let scene = Scene::set("ws", with_clock).await;
    let took = scene.back_after(async || clock.set("+600")).await;
    println!("a call was answered {} ms after the jump", took.as_millis());
    assert!(took < BACK_BY_CLOCK, "{took:?}");
    // Set back, even by a day, it disturbs nothing.
    clock.set("-1d");
    let answer = scene.session.call(2, "slow", json!({"ms": 2500})).await;
    assert!(answer["result"].is_object(), "{answer}");
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_route_that_comes_ends_the_wait_between_tries() {
    let Some(network) = Network::new().await else { return };
    let token = OwnGateway::token("me@example.com", SECRET).await;
    let address = "127.0.0.1:4444";
    let fixture = Fixture::default();
    let tunnel =
        one_that_waits_long(|| network.enter(patient_tunnel(&format!("http://{address}"), &fixture, &token))).await;
    let gateway = CulvertCommand::bare().args(["gateway", "--listen", address, "--json"]).env("JWT_SECRET_KEY", SECRET);
    let gateway = OwnGateway::start_as(network.enter(gateway)).await;
    network.run("ip route add 10.20.0.0/16 dev lo").await;
    let begun = Instant::now();
    tunnel.online().await;
    println!("online {} ms after the route", begun.elapsed().as_millis());
    assert!(begun.elapsed() < BACK, "{:?}", begun.elapsed());
    tunnel.stop().await;
    gateway.culvert.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: a silent link is given up after 28 s"]
async fn a_link_whose_traffic_is_dropped_is_noticed_within_thirty_seconds() {
    let Some(network) = Network::new().await else { return };
    let token = OwnGateway::token("me@example.com", SECRET).await;
    let address = "127.0.0.1:4444";
    let gateway = CulvertCommand::bare().args(["gateway", "--listen", address, "--json"]).env("JWT_SECRET_KEY", SECRET);
    let gateway = OwnGateway::start_as(network.enter(gateway)).await;
    for transport in ["ws", "sse"] {
        let fixture = Fixture::default();
        let tunnel = OwnGateway::tunnel_through(&format!("http://{address}"), &fixture, transport, &token);
        let tunnel = network.enter(tunnel.args(["--transport", transport])).start();
        tunnel.online().await;
        let begun = Instant::now();
        network
            .run("nft 'add table ip dark; add chain ip dark in { type filter hook input priority 0; policy drop; }'")
            .await;
        // More than a test waits otherwise.
        while !tunnel.events().iter().any(|event| event["status"] == "waiting") {
            assert!(begun.elapsed() < Duration::from_secs(32), "{transport}: {:?}", tunnel.events());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        println!("{transport}: noticed after {} ms", begun.elapsed().as_millis());
        assert!(begun.elapsed() < Duration::from_secs(30), "{transport}: {:?}", begun.elapsed());
        network.run("nft delete table ip dark").await;
        tunnel.event_number("online again", 2, |event| event["status"] == "online").await;
        tunnel.stop().await;
    }
    gateway.culvert.stop().await;
}

/// Both ends stand still for so long, one after the other, with calls in flight; all of them are answered.
async fn stopped_for(time: Duration) {
    let scene = Scene::set("ws", |tunnel| tunnel).await;
    for (number, process) in (0..).zip([&scene.tunnel, &scene.gateway.culvert]) {
        let calls: Vec<_> = (0..4)
            .map(|nth| {
                let (session, id) = (scene.session.clone(), 10 + number * 4 + nth);
                tokio::spawn(async move { session.call(id, "slow", json!({"ms": 500})).await })
            })
            .collect();
        let reached = (number as usize + 1) * 4;
        let enough = |_: &[Value]| (scene.fixture.received("tools/call").len() >= reached).then_some(());
        scene.fixture.until("the calls", enough).await;
        process.signal(Signal::SIGSTOP);
        tokio::time::sleep(time).await;
        process.signal(Signal::SIGCONT);
        for call in calls {
            let answer = call.await.unwrap();
            assert!(answer["result"].is_object(), "{answer}");
        }
    }
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_is_stopped_for_a_while_loses_no_call() {
    stopped_for(Duration::from_secs(6)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: each end stands still for a minute"]
async fn a_process_that_is_stopped_for_a_minute_loses_no_call() {
    stopped_for(Duration::from_secs(60)).await;
}
