//! Links that end: reconnecting without a leak, without a second register, without a fight.

use culvert_tests::gateway::{Outcome, Refusal};
use culvert_tests::{Culvert, CulvertCommand, FakeGateway, Fixture};
use serde_json::json;

/// Waits until exactly one server runs; in between, an old one may be on its way out.
async fn one_server(culvert: &Culvert, fixture: &Fixture) {
    fixture.until("exactly one running server", |_| (culvert.servers().len() == 1).then_some(())).await;
}

#[tokio::test]
async fn a_reconnect_leaks_no_child() {
    let gateway = FakeGateway::next().await;
    let server = Fixture::new(&["--grandchild"]);
    let culvert = CulvertCommand::tunnel(&server, &gateway).start();
    for number in 1..=6 {
        let link = gateway.registered_number(number).await;
        assert_eq!(link.call_text("echo", json!({"text": "here"})).await, "here");
        one_server(&culvert, &server).await;
        let running = culvert.processes().len();
        assert!(running <= 3, "culvert, its server and that one's child: {:#?}", culvert.processes());
        link.drop_tcp().await;
    }
    gateway.registered_number(7).await;
    culvert.stop().await;
}

#[tokio::test]
async fn each_connection_registers_once() {
    let gateway = FakeGateway::next().await;
    let server = Fixture::default();
    let culvert = CulvertCommand::tunnel(&server, &gateway).start();
    gateway.registered().await.drop_tcp().await;
    gateway.registered_number(2).await.close(1001, "restarting").await;
    let link = gateway.registered_number(3).await;
    link.call("exit", json!({"code": 1})).await;
    gateway.call_until_well("echo", json!({"text": "back"})).await;
    for link in &gateway.state().look().links {
        assert_eq!(link.frames.iter().filter(|frame| frame.kind() == "register").count(), 1);
    }
    culvert.stop().await;
}

#[tokio::test]
async fn a_lost_link_is_named_and_comes_back_under_the_same_name() {
    let gateway = FakeGateway::next().await;
    let culvert = CulvertCommand::tunnel(&Fixture::default(), &gateway).start();
    let first = gateway.registered().await;
    first.drop_tcp().await;
    let waiting = culvert.waiting("link.lost").await;
    assert!(waiting["attempt"].is_u64() && waiting["retry_in_ms"].is_u64(), "{waiting}");
    let second = gateway.registered_number(2).await;
    assert_eq!(first.name(), second.name());
    culvert.stop().await;
}

#[tokio::test]
async fn two_clients_with_one_name_do_not_displace_each_other_for_ever() {
    let gateway = FakeGateway::next().await;
    let servers = [Fixture::default(), Fixture::default()];
    let first = CulvertCommand::tunnel(&servers[0], &gateway).start();
    gateway.registered().await;
    let second = CulvertCommand::tunnel(&servers[1], &gateway).start();
    let waiting = tokio::select! {
        waiting = first.waiting("register.displaced") => waiting,
        waiting = second.waiting("register.displaced") => waiting,
    };
    let cause = &waiting["cause"];
    assert!(cause["message"].as_str().is_some_and(|message| message.contains("fixture")), "{cause}");
    assert!(cause["action"].as_str().is_some_and(|action| action.contains("--server-name")), "{cause}");
    assert!(waiting["retry_in_ms"].as_u64().is_some_and(|wait| wait >= 5_000), "backs off hard: {waiting}");
    assert!(gateway.links() <= 6, "{} links", gateway.links());
    first.stop().await;
    second.stop().await;
}

#[tokio::test]
async fn a_bare_1000_right_after_registering_counts_as_displaced_the_second_time() {
    let gateway = FakeGateway::next().await;
    gateway.next_outcome(Outcome::CompleteThenClose(1000));
    gateway.next_outcome(Outcome::CompleteThenClose(1000));
    let culvert = CulvertCommand::tunnel(&Fixture::default(), &gateway).start();
    culvert.waiting("register.removed").await;
    culvert.waiting("register.displaced").await;
    assert_eq!(gateway.links(), 2);
    culvert.stop().await;
}

#[tokio::test]
async fn a_gateway_that_was_never_up_is_waited_for_and_said_once() {
    let address = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let culvert = CulvertCommand::run()
        .server(&Fixture::default())
        .args(["--gateway", &format!("http://{address}")])
        .args(["--reconnect-delay", "0.05"])
        .start();
    let is_waiting =
        |event: &serde_json::Value| event["status"] == "waiting" && event["cause"]["code"] == "gateway.refused";
    let waiting = culvert.event_number("waiting", 3, is_waiting).await;
    assert!(
        waiting["cause"]["message"].as_str().is_some_and(|text| text.starts_with("Connection refused")),
        "{waiting}"
    );
    assert!(waiting["attempt"].as_u64().is_some_and(|attempt| attempt >= 2), "{waiting}");
    let said = culvert.words().matches("Connection refused").count();
    assert!(said <= 1, "said {said} times:\n{}", culvert.words());
    let gateway = FakeGateway::listen(&address.to_string(), culvert_tests::Manner::next(), None).await;
    gateway.registered().await;
    culvert.online().await;
    culvert.stop().await;
}

#[tokio::test]
async fn a_gateway_that_asks_for_patience_gets_it() {
    for status in [503, 429] {
        let gateway = FakeGateway::next().await;
        gateway.refuse_next(Refusal::bare(status).header("retry-after", "1"));
        let culvert = CulvertCommand::tunnel(&Fixture::default(), &gateway).start();
        let waiting = culvert.waiting("gateway.unavailable").await;
        // What is left of the second when the event was written.
        assert!(waiting["retry_in_ms"].as_u64().is_some_and(|wait| wait >= 900), "{waiting}");
        gateway.registered().await;
        culvert.stop().await;
    }
}

#[tokio::test]
async fn a_page_in_place_of_an_upgrade_is_named_and_tried_again() {
    let gateway = FakeGateway::next().await;
    gateway.refuse_next(Refusal { status: 200, headers: vec![], body: "<h1>Sign in to this network</h1>".into() });
    let culvert = CulvertCommand::tunnel(&Fixture::default(), &gateway).start();
    let waiting = culvert.waiting("gateway.upgrade").await;
    let message = waiting["cause"]["message"].as_str().unwrap();
    assert!(message.starts_with("WebSocket connection failed") && message.contains("200"), "{message}");
    gateway.registered().await;
    culvert.stop().await;
}

#[tokio::test]
async fn many_servers_register_one_after_the_other() {
    let gateway = FakeGateway::next().await;
    let servers: Vec<_> = (0..6).map(|_| Fixture::default()).collect();
    let entry =
        |(number, server): (usize, &Fixture)| json!({"name": format!("s{number}"), "command": server.command()});
    let entries: Vec<_> = servers.iter().enumerate().map(entry).collect();
    let culvert = CulvertCommand::run().config(&json!({"gateway": gateway.url(), "servers": entries})).start();
    gateway.registered_number(servers.len()).await;
    for number in 0..servers.len() {
        let name = format!("s{number}");
        culvert.event(&name, |event| event["event"] == "online" && event["name"] == name).await;
    }
    assert_eq!(gateway.state().look().registering, (0, 1), "never two at once");
    culvert.stop().await;
}
