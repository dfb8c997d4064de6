//! Local servers that die, and their children: every call is answered, every process ended.

use culvert_tests::{CulvertCommand, FakeGateway, Fixture};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

#[tokio::test]
async fn calls_in_flight_are_answered_at_once_when_the_server_exits() {
    let gateway = FakeGateway::next().await;
    let server = Fixture::default();
    let culvert = CulvertCommand::tunnel(&server, &gateway).start();
    let link = gateway.registered().await;
    let mut calls = vec![];
    for _ in 0..3 {
        calls.push(link.post_call("hang", json!({})).await);
    }
    calls.push(link.post_call("exit", json!({"code": 3, "stderr": "out of cheese"})).await);
    for id in &calls {
        let answer = link.answer(id).await;
        assert_eq!(answer["error"]["data"]["code"], "server.exited", "{answer}");
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.contains("code 3") && message.contains("out of cheese"), "{message}");
    }
    let well = gateway.call_until_well("echo", json!({"text": "again"})).await;
    assert_eq!(well["result"]["content"][0]["text"], "again");
    for id in &calls {
        assert_eq!(link.answers(id), 1);
    }
    culvert.stop().await;
}

#[tokio::test]
async fn a_server_killed_by_a_signal_is_told_as_such() {
    let gateway = FakeGateway::next().await;
    let culvert = CulvertCommand::tunnel(&Fixture::default(), &gateway).start();
    let link = gateway.registered().await;
    let answer = link.call("abort", json!({})).await;
    assert!(answer["error"]["message"].as_str().is_some_and(|message| message.contains("signal 6")), "{answer}");
    gateway.call_until_well("echo", json!({"text": "again"})).await;
    culvert.stop().await;
}

/// A second server must not see a call before it has been introduced.
#[tokio::test]
async fn initialize_comes_first_in_every_server_that_is_started() {
    let gateway = FakeGateway::next().await;
    let server = Fixture::default();
    let culvert = CulvertCommand::tunnel(&server, &gateway).start();
    let link = gateway.registered().await;
    link.call("exit", json!({"code": 1})).await;
    // Sent while the new one is on its way up, where the link is still there.
    link.post_call("echo", json!({"text": "early"})).await;
    gateway.call_until_well("echo", json!({"text": "again"})).await;
    culvert.stop().await;

    let record = server.recorded();
    let started: Vec<&Value> =
        record.iter().filter(|event| event["event"] == "start").map(|event| &event["pid"]).collect();
    assert!(started.len() >= 2, "{record:#?}");
    for pid in started {
        let methods: Vec<String> = record
            .iter()
            .filter(|event| event["pid"] == *pid && event["event"] == "line")
            .filter_map(|event| serde_json::from_str::<Value>(event["text"].as_str()?).ok())
            .map(|message| message["method"].as_str().unwrap_or_default().to_owned())
            .collect();
        assert_eq!(methods[..2], ["initialize", "notifications/initialized"], "{methods:?}");
    }
}

#[tokio::test]
async fn a_server_that_stumbles_at_its_restart_is_tried_again() {
    let gateway = FakeGateway::next().await;
    let server = Fixture::new(&["--stumble", "2"]);
    let culvert = CulvertCommand::tunnel(&server, &gateway).start();
    let link = gateway.registered().await;
    link.call("exit", json!({"code": 1})).await;
    gateway.call_until_well("echo", json!({"text": "third time"})).await;
    assert_eq!(server.events("start").len(), 4);
    culvert.stop().await;
}

#[tokio::test]
async fn a_server_that_ends_again_and_again_is_waited_for_longer_and_longer_and_says_so() {
    let gateway = FakeGateway::next().await;
    let server = Fixture::default();
    let culvert = CulvertCommand::tunnel(&server, &gateway).start();
    for end in 1..=5 {
        let link = gateway.registered_number(end).await;
        link.post_call("exit", json!({"code": 1, "stderr": "out of luck"})).await;
        let is_it = |event: &Value| event["status"] == "waiting" && event["cause"]["code"] == "server.exited";
        let waiting = culvert.event_number("waiting for server.exited", end, is_it).await;
        assert_eq!(waiting["attempt"], end, "it had no time to prove itself: {waiting}");
        let said = waiting["cause"]["message"].as_str().unwrap();
        assert!(said.contains("out of luck"), "{said}");
    }
    let link = gateway.registered_number(6).await;
    assert_eq!(link.call_text("echo", json!({"text": "in the end"})).await, "in the end");
    assert_eq!(server.events("start").len(), 6, "started once after each end");
    culvert.stop().await;
}

#[tokio::test]
async fn the_whole_process_tree_ends_though_it_ignores_stdin_and_sigterm() {
    let gateway = FakeGateway::next().await;
    let server = Fixture::new(&["--ignore-eof", "--ignore-sigterm", "--grandchild"]);
    let culvert = CulvertCommand::tunnel(&server, &gateway).start();
    gateway.registered().await;
    assert_eq!(culvert.processes().len(), 3);
    // `stop` asserts that none is left.
    culvert.stop().await;
}

#[tokio::test]
async fn a_server_is_first_asked_to_end_by_the_end_of_its_input() {
    let gateway = FakeGateway::next().await;
    let server = Fixture::default();
    let culvert = CulvertCommand::tunnel(&server, &gateway).start();
    gateway.registered().await;
    culvert.stop().await;
    assert_eq!(server.events("eof").len(), 1);
}

#[tokio::test]
async fn what_an_exiting_server_leaves_behind_is_ended_before_the_next_starts() {
    let gateway = FakeGateway::next().await;
    let server = Fixture::new(&["--grandchild"]);
    let culvert = CulvertCommand::tunnel(&server, &gateway).start();
    gateway.registered().await.call("exit", json!({"code": 1})).await;
    gateway.call_until_well("echo", json!({"text": "again"})).await;
    let processes = culvert.processes();
    assert_eq!(processes.len(), 3, "culvert, one server, one grandchild: {processes:#?}");
    culvert.stop().await;
}

#[tokio::test]
async fn the_childs_environment_holds_no_token() {
    for how in ["environment", "flag", "file"] {
        let gateway = FakeGateway::next().await;
        let server = Fixture::default();
        let tunnel = || CulvertCommand::tunnel(&server, &gateway);
        let command = match how {
            "environment" => tunnel().env("REVERSE_PROXY_TOKEN", "sesame"),
            "flag" => tunnel().args(["--token", "sesame"]),
            _ => CulvertCommand::run().config(&json!({
                "local_stdio": server.command(), "gateway": gateway.url(), "token": "sesame",
            })),
        };
        let command = command.env("KEPT", "yes");
        let culvert = command.start();
        let link = gateway.registered().await;
        assert_eq!(link.look(|link| link.request.bearer().map(str::to_owned)).as_deref(), Some("sesame"));
        let environment = link.call_text("environment", json!({})).await;
        assert!(
            !environment.contains("sesame") && !environment.contains("REVERSE_PROXY_TOKEN"),
            "{how}: {environment}"
        );
        assert!(environment.contains("KEPT"), "the rest is inherited: {environment}");
        culvert.stop().await;
    }
}

#[tokio::test]
async fn a_killed_culvert_leaves_no_server_behind() {
    kill_and_look(&Fixture::new(&["--ignore-eof", "--grandchild"]), 10).await;
    kill_and_look(&Fixture::new(&["--ignore-eof", "--ignore-sigterm", "--grandchild"]), 1).await;
}

#[tokio::test]
#[ignore = "takes minutes"]
async fn a_thousand_killed_culverts_leave_no_server_behind() {
    kill_and_look(&Fixture::new(&["--ignore-eof", "--grandchild"]), 1000).await;
}

/// Kills Culvert so many times at any moment after its server has started.
async fn kill_and_look(server: &Fixture, times: usize) {
    let gateway = FakeGateway::next().await;
    for time in 0..times {
        let culvert = CulvertCommand::tunnel(server, &gateway).start();
        if time % 2 == 0 {
            server
                .until("another start", |events| {
                    let starts = events.iter().filter(|event| event["event"] == "start").count();
                    (starts > time).then_some(())
                })
                .await;
        } else {
            culvert.online().await;
        }
        culvert.signal(Signal::SIGKILL);
        // Asserts that none is left.
        culvert.end().await;
    }
}
