//! Culvert with the released ContextForge 1.0.7, from the first registration to a restart of the gateway.

use culvert_tests::contextforge::{ContextForge, token_signed_with};
use culvert_tests::peers::peer;
use culvert_tests::tap::{Sender, Tap};
use culvert_tests::watched::PATIENCE;
use culvert_tests::{Culvert, CulvertCommand};
use serde_json::{Value, json};
use std::time::Instant;

const NAME: &str = "time in utc";

fn tunnel(url: &str, token: &str) -> CulvertCommand {
    let server = shell_words::join([peer("TIME").to_str().unwrap(), "--local-timezone", "UTC"]);
    CulvertCommand::run()
        .args(["--local-stdio", &server, "--server-name", NAME, "--gateway", url, "--token", token])
        .args(["--reconnect-delay", "0.2", "--keepalive", "1"])
}

/// The one session of our name, once the gateway lists it, and it is not `old`.
async fn session(gateway: &ContextForge, old: Option<&str>) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let sessions = gateway.sessions(NAME).await;
        match &sessions[..] {
            [one] if Some(one.as_str()) != old => return one.clone(),
            more => assert!(Instant::now() < deadline, "one new session named {NAME:?} should be there: {more:?}"),
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}

/// This gateway never initialises: its client does the handshake itself, through the session.
async fn use_session(gateway: &ContextForge, tap: &Tap, session: &str, round: u32) {
    let id = |what: &str| Value::from(format!("{what}-{round}"));
    let post = |message: Value| async move { gateway.post(session, &message).await };

    let client =
        json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
    post(json!({"jsonrpc": "2.0", "id": id("hello"), "method": "initialize", "params": client})).await;
    let hello = tap.answer(&id("hello")).await;
    assert!(hello["result"]["serverInfo"]["name"].as_str().is_some_and(|name| name.contains("time")), "{hello}");
    post(json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;

    post(json!({"jsonrpc": "2.0", "id": id("list"), "method": "tools/list", "params": {}})).await;
    let list = tap.answer(&id("list")).await;
    assert!(list["result"]["tools"].as_array().is_some_and(|tools| tools.len() == 2), "{list}");

    let call = json!({"name": "get_current_time", "arguments": {"timezone": "UTC"}});
    post(json!({"jsonrpc": "2.0", "id": id("call"), "method": "tools/call", "params": call})).await;
    let time = tap.answer(&id("call")).await;
    assert!(time["result"]["content"][0]["text"].as_str().is_some_and(|text| text.contains("UTC")), "{time}");
}

#[tokio::test]
async fn the_released_contextforge_lists_carries_deletes_and_restarts() {
    let mut gateway = ContextForge::start().await;
    let tap = Tap::before(gateway.address()).await;
    let culvert = tunnel(&tap.url(), gateway.token()).start();

    let online = culvert.online().await;
    assert_eq!(online["tools"], 2);
    assert!(online["url"].is_null(), "{online}");
    culvert.notice("gateway.no_routing").await;
    let first = session(&gateway, None).await;
    use_session(&gateway, &tap, &first, 1).await;

    let ask = |arguments: &[&str]| {
        let url = format!("http://{}", gateway.address());
        let command = CulvertCommand::bare().arg("sessions").args(arguments).args(["--gateway", &url]);
        command.env("REVERSE_PROXY_TOKEN", gateway.token()).finish()
    };
    let listed = ask(&["list"]).await;
    assert_eq!(listed.code, Some(0), "{listed:#?}");
    let (head, row) = (&listed.out[0], &listed.out[1]);
    assert!(head.starts_with("SERVER") && head.contains("LAST SEEN") && !head.contains("CALLS"), "{listed:#?}");
    assert!(row.contains(NAME) && row.contains(&first), "{listed:#?}");
    let ended = ask(&["disconnect", NAME]).await;
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    let second = session(&gateway, Some(&first)).await;
    use_session(&gateway, &tap, &second, 2).await;

    gateway.down().await;
    waiting_again(&culvert).await;
    gateway.up().await;
    let third = session(&gateway, Some(&second)).await;
    use_session(&gateway, &tap, &third, 3).await;

    // Three acknowledgements are three seconds: had they been answered, there would be thousands of frames by then.
    let before = tap.count(Sender::Client, "heartbeat");
    tap.count_reaches(Sender::Gateway, "heartbeat", tap.count(Sender::Gateway, "heartbeat") + 3).await;
    let beats = tap.count(Sender::Client, "heartbeat") - before;
    assert!((3..=5).contains(&beats), "{beats} heartbeats");

    culvert.stop().await;
    assert_eq!(tap.count(Sender::Client, "unregister"), 1);
    assert!(gateway.sessions(NAME).await.is_empty());
    gateway.down().await;
}

/// The second time that it waits: the first was after the DELETE.
async fn waiting_again(culvert: &Culvert) {
    culvert.event_number("waiting", 2, |event| event["status"] == "waiting").await;
}

#[tokio::test]
async fn the_released_contextforge_refuses_a_token_of_another_secret() {
    let mut gateway = ContextForge::start().await;
    let token = token_signed_with("quite-another-secret-0123456789abcdef").await;
    let finished = tunnel(&format!("http://{}", gateway.address()), &token).finish().await;
    assert_eq!(finished.code, Some(6), "{finished:#?}");
    assert_eq!(finished.failure()["code"], "auth.forbidden");

    // Nothing need be removed there: it lists sessions, and a doctor's ends with its registration.
    let server = shell_words::join([peer("TIME").to_str().unwrap(), "--local-timezone", "UTC"]);
    let url = format!("http://{}", gateway.address());
    let doctor = CulvertCommand::bare().args(["doctor", "--json", "--local-stdio", &server, "--server-name", NAME]);
    let finished = doctor.args(["--gateway", &url]).env("REVERSE_PROXY_TOKEN", gateway.token()).finish().await;
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    let registration = finished.events().into_iter().find(|finding| finding["check"] == "registration").unwrap();
    assert_eq!(registration["code"], "gateway.no_routing", "{registration}");
    for path in ["/reverse-proxy/sessions", "/gateways?include_inactive=true", "/servers?include_inactive=true"] {
        let listed = gateway.request("GET", path).send().await;
        assert_eq!(listed.status, 200, "{path}: {listed:?}");
        assert!(!listed.body.contains("doctor"), "{path}: {}", listed.body);
    }
    gateway.down().await;
}
