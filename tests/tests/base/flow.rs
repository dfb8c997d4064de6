//! The main flow: up, used, ended.

use culvert_tests::gateway::Paths;
use culvert_tests::{CulvertCommand, FakeGateway, Fixture, Manner};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

#[tokio::test]
async fn a_tunnel_comes_up_carries_calls_and_says_goodbye() {
    let gateway = FakeGateway::start(Manner::next().token("t0ken")).await;
    let server = Fixture::default();
    let culvert = CulvertCommand::tunnel(&server, &gateway)
        .args(["--token", "t0ken", "--server-description", "says \"hello\""])
        .start();

    let online = culvert.online().await;
    assert_eq!(online["name"], "fixture");
    assert_eq!(online["tools"], culvert_tests::fixture::TOOLS);
    assert_eq!(online["gateway"], gateway.url());

    let link = gateway.registered().await;
    link.look(|link| {
        assert_eq!(link.request.path, "/reverse-proxy/ws");
        assert_eq!(link.request.bearer(), Some("t0ken"));
        let session = link.request.header("x-session-id").unwrap();
        assert!(uuid::Uuid::parse_str(session).is_ok(), "{session}");
        let server = json!({"name": "fixture", "description": "says \"hello\"", "protocol": "mcp"});
        let mut register = link.frames[0].value.clone();
        // What it offers beyond the base dialect, which other gateways pass over.
        register.as_object_mut().unwrap().remove("extensions");
        let client = register.as_object_mut().unwrap().remove("client").unwrap();
        assert_eq!((&client["name"], client["host"].is_string()), (&json!("culvert"), true));
        assert_eq!(register, json!({"type": "register", "sessionId": session, "server": server}));
    });
    assert_eq!(link.call_text("echo", json!({"text": "héllo\n"})).await, "héllo\n");

    culvert.stop().await;
    link.ended().await;
    assert_eq!(link.frames("unregister").len(), 1);
    assert_eq!(server.events("start").len(), 1, "one tunnel, one server, from start to end");
}

#[tokio::test]
async fn compression_is_off_unless_asked_for() {
    let gateway = FakeGateway::next().await;
    let culvert = CulvertCommand::tunnel(&Fixture::default(), &gateway).start();
    let offer =
        gateway.registered().await.look(|link| link.request.header("sec-websocket-extensions").map(str::to_owned));
    assert_eq!(offer, None);
    culvert.stop().await;
}

#[tokio::test]
async fn every_status_is_told_in_its_order() {
    let gateway = FakeGateway::next().await;
    let culvert = CulvertCommand::tunnel(&Fixture::default(), &gateway).start();
    culvert.online().await;
    culvert.signal(Signal::SIGINT);
    let finished = culvert.end().await;
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    let events = finished.events();
    for event in &events {
        let time = event["time"].as_str().unwrap();
        assert!(time.len() >= 20 && time.as_bytes()[10] == b'T', "RFC 3339: {time}");
    }
    let statuses: Vec<&str> =
        events.iter().filter(|event| event["event"] == "status").filter_map(|event| event["status"].as_str()).collect();
    // One that is over before it could be told may be missing; none comes twice or too early.
    let order = ["starting", "connecting", "registering", "online", "stopping", "stopped"];
    let places: Vec<_> = statuses.iter().map(|status| order.iter().position(|known| known == status)).collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted_by(|a, b| a < b), "{statuses:?}");
    for needed in ["starting", "online", "stopped"] {
        assert!(statuses.contains(&needed), "{needed} is missing: {statuses:?}");
    }
    assert_eq!(events.iter().filter(|event| event["event"] == "online").count(), 1);
}

#[tokio::test]
async fn without_json_it_talks_on_stderr_and_leaves_stdout_alone() {
    let gateway = FakeGateway::next().await;
    let culvert = CulvertCommand::bare()
        .args(["run", "--server-name", "fixture", "--gateway", &gateway.url()])
        .server(&Fixture::default())
        .start();
    gateway.registered().await;
    culvert.says(&format!("{} tools", culvert_tests::fixture::TOOLS)).await;
    let finished = culvert.stop().await;
    assert!(finished.out.is_empty(), "{:?}", finished.out);
    assert!(finished.err.contains("fixture"), "{}", finished.err);
    assert!(finished.err.contains(&gateway.url()), "{}", finished.err);
}

#[tokio::test]
async fn a_gateway_without_auth_needs_no_token() {
    let gateway = FakeGateway::next().await;
    let culvert = CulvertCommand::tunnel(&Fixture::default(), &gateway).start();
    let authorization = gateway.registered().await.look(|link| link.request.header("authorization").map(str::to_owned));
    assert_eq!(authorization, None);
    culvert.stop().await;
}

#[tokio::test]
async fn the_whole_websocket_address_works_as_the_base_url_does() {
    let gateway = FakeGateway::next().await;
    for path in ["/reverse-proxy/ws", "/v1/reverse-proxy/ws", "/", ""] {
        let url = format!("ws://{}{path}", gateway.address());
        let culvert = CulvertCommand::run().server(&Fixture::default()).args(["--gateway", &url]).start();
        culvert.online().await;
        culvert.stop().await;
    }
    let paths: Vec<_> = gateway.state().look().links.iter().map(|link| link.request.path.clone()).collect();
    assert_eq!(paths, ["/reverse-proxy/ws", "/v1/reverse-proxy/ws", "/reverse-proxy/ws", "/reverse-proxy/ws"]);
}

#[tokio::test]
async fn where_the_old_path_is_switched_off_the_canonical_one_is_found() {
    let gateway = FakeGateway::start(Manner::next().paths(Paths::V1Only)).await;
    let culvert = CulvertCommand::tunnel(&Fixture::default(), &gateway).start();
    culvert.online().await;
    assert_eq!(gateway.link().await.look(|link| link.request.path.clone()), "/v1/reverse-proxy/ws");
    culvert.stop().await;
}

#[tokio::test]
async fn bodies_pass_untouched_and_as_one_line() {
    let gateway = FakeGateway::next().await;
    let server = Fixture::default();
    let culvert = CulvertCommand::tunnel(&server, &gateway).start();
    let link = gateway.registered().await;

    // Spacing, number spelling, escapes, an unknown member, line ends between the tokens.
    let params = "{\"name\":\"echo\", \"arguments\":{\"text\":\"\\u00e9\\/\",\"n\":1.50,\"big\":12345678901234567890123}\r\n,\"_meta\":{\"progressToken\":\"p 1\"}}";
    let frame = format!(
        r#"{{"type":"request","sessionId":"s","payload":{{"jsonrpc":"2.0","id":"exact","method":"tools/call","params":{params}}}}}"#
    );
    link.send_text(frame).await;
    assert_eq!(link.answer(&"exact".into()).await["result"]["content"][0]["text"], "é/");

    let line = server
        .until("the call", |record| {
            record
                .iter()
                .filter_map(|event| event["text"].as_str())
                .find(|text| text.contains("exact"))
                .map(str::to_owned)
        })
        .await;
    assert!(line.contains(&params.replace("\r\n", "  ")), "{line}");
    assert!(server.events("unreadable").is_empty());
    culvert.stop().await;
}

#[tokio::test]
async fn many_calls_at_once_get_one_answer_each() {
    let gateway = FakeGateway::next().await;
    let culvert = CulvertCommand::tunnel(&Fixture::default(), &gateway).start();
    let link = gateway.registered().await;
    let mut calls = vec![];
    for n in 0..300 {
        calls.push((link.post_call("echo", json!({"text": format!("{n}")})).await, n));
    }
    for (id, n) in &calls {
        assert_eq!(link.answer(id).await["result"]["content"][0]["text"], format!("{n}"));
    }
    for (id, _) in &calls {
        assert_eq!(link.answers(id), 1);
    }
    culvert.stop().await;
}

#[tokio::test]
async fn credentials_in_an_envelope_are_never_logged() {
    let gateway = FakeGateway::start(Manner::next().token("sesame-token")).await;
    let culvert = CulvertCommand::tunnel(&Fixture::default(), &gateway)
        .args(["--token", "sesame-token", "--log-level", "DEBUG"])
        .start();
    let link = gateway.registered().await;
    link.send(json!({
        "type": "request", "sessionId": link.session(), "authType": "headers",
        "authentication": {"X-Api-Key": "sesame-key"},
        "payload": {"jsonrpc": "2.0", "id": "a", "method": "ping"},
    }))
    .await;
    assert_eq!(link.answer(&Value::from("a")).await["result"], json!({}));
    let finished = culvert.stop().await;
    let all = finished.out.join("\n") + &finished.err;
    assert!(!all.contains("sesame"), "{all}");
}
