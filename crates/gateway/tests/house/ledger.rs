//! What a tunnel keeps account of, what its gateway knows of it, and how it comes to its end: the client's engine and
//! the gateway, real processes behind them.

use std::process::Command;
use std::time::Duration;

use culvert_protocol::Explain as _;
use culvert_tunnel::activity::{Caller, Outcome};
use culvert_tunnel::figures::{Method, MethodSnapshot};
use culvert_tunnel::{Server, Status};
use serde_json::json;
use tokio::time::timeout;

use crate::gateway::{PATIENCE, TestGateway, token};
use crate::mcp_client::Client;
use crate::tunnel::Tunnel;

fn signal(name: &str, process: u32) {
    assert!(Command::new("kill").args([name, &process.to_string()]).status().unwrap().success());
}

#[tokio::test]
async fn a_session_is_listed_with_host_version_labels_and_calls() {
    let gateway = TestGateway::start().await;
    let me = token("me");
    let mut tunnel = Tunnel::start_with(&gateway.url, &me, |_| {});
    tunnel.online(|_| true).await;
    let client = Client::begin(&gateway, &me).await;
    client.call("echo").await;
    client.call("echo").await;
    let listed = gateway.get("/reverse-proxy/sessions", &me).await.json();
    let session = &listed["sessions"][0];
    assert_eq!((&session["host"], &session["labels"]), (&json!("test-host"), &json!({"team": "tools"})));
    assert_eq!(session["client_version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(session["calls"], 3, "initialize is one");
    tunnel.stop().await;
}

#[tokio::test]
async fn who_called_what_is_in_the_ledger_and_nothing_that_was_said() {
    let gateway = TestGateway::start().await;
    let me = token("me");
    let mut tunnel = Tunnel::start_with(&gateway.url, &me, |_| {});
    let online = tunnel.online(|online| online.server == Server::Ready).await;
    assert!(tunnel.ledger.last_answer().is_some_and(|last| last <= online.since));
    let client = Client::begin(&gateway, &me).await;
    client.call("echo").await;

    let calls = timeout(PATIENCE, async {
        let mut calls = Vec::new();
        while !calls.iter().any(|call: &culvert_tunnel::activity::Call| call.head.about.is_some()) {
            calls.extend(tunnel.ledger.activity().calls().wait(calls.len() as u64).await.items);
        }
        calls
    });
    let calls = calls.await.unwrap();
    let call = calls.last().unwrap();
    let caller = Caller::Client { subject: Some("me".into()), client: Some("t 1".into()) };
    assert_eq!((&*call.head.caller, &*call.head.method), (&caller, "tools/call"));
    assert_eq!((call.head.about.as_deref(), call.outcome), (Some("echo"), Outcome::Ok));
    assert!(call.head.bytes_in > 50 && call.bytes_out > 50);
    let by_the_gateway = calls.iter().filter(|call| *call.head.caller == Caller::Gateway);
    assert_eq!(by_the_gateway.map(|call| &*call.head.method).collect::<Vec<_>>(), ["tools/list"]);

    let figures = tunnel.ledger.figures().snapshot();
    let of = |name| figures.methods.iter().find(|(method, _)| *method == Method::of(name)).unwrap().1;
    assert_eq!(of("tools/call"), MethodSnapshot { calls: 1, ..MethodSnapshot::default() });
    assert_eq!(of("initialize").calls, 1);
    assert_eq!((figures.registrations, figures.resumes, figures.in_flight), (1, 0, 0));
    assert!(figures.to_server.messages >= 4 && figures.from_server.messages >= 3);
    assert!(figures.calls.count() >= 3);

    let log = timeout(PATIENCE, tunnel.ledger.server_log().lines().wait(1)).await.unwrap();
    assert_eq!(&*log.items[0].text, "here I am");
    assert_eq!(log.items[0].pid, Some(tunnel.process(1)), "the second process is the client's");
    tunnel.stop().await;
}

#[tokio::test]
async fn a_server_that_dies_is_restarting_until_it_is_back() {
    let gateway = TestGateway::start().await;
    let mut tunnel = Tunnel::start_with(&gateway.url, &token("me"), |_| {});
    tunnel.online(|online| online.server == Server::Ready).await;
    signal("-KILL", tunnel.process(0));
    let online = tunnel.online(|online| matches!(online.server, Server::Restarting { .. })).await;
    let Server::Restarting { cause } = online.server else { unreachable!() };
    assert_eq!(cause.code(), "server.exited");
    let again = tunnel.online(|online| online.server == Server::Ready).await;
    assert_eq!(again.since, online.since, "the tunnel was online all the time");
    let figures = tunnel.ledger.figures().snapshot();
    assert_eq!((figures.exits, figures.restarts), (1, 1));
    tunnel.stop().await;
}

#[tokio::test]
async fn a_server_that_hangs_on_a_live_link_shows_and_so_does_its_recovery() {
    let gateway = TestGateway::start().await;
    let me = token("me");
    let mut tunnel = Tunnel::start_with(&gateway.url, &me, |config| config.probe_interval = Duration::from_millis(300));
    tunnel.online(|online| online.server == Server::Ready).await;
    signal("-STOP", tunnel.process(0));
    let online = tunnel.online(|online| matches!(online.server, Server::Silent { .. })).await;
    assert_eq!(online.server, Server::Silent { since: tunnel.ledger.last_answer().unwrap() });
    signal("-CONT", tunnel.process(0));
    tunnel.online(|online| online.server == Server::Ready).await;

    // Only the answer of a client's process is heard now: it is a child of this tunnel as well.
    signal("-STOP", tunnel.process(0));
    tunnel.online(|online| matches!(online.server, Server::Silent { .. })).await;
    let client = Client::begin(&gateway, &me).await;
    assert_eq!(client.call("echo").await, "echo");
    tunnel.online(|online| online.server == Server::Ready).await;
    signal("-CONT", tunnel.process(0));
    tunnel.stop().await;
}

#[tokio::test]
async fn calls_in_flight_come_to_their_end_before_a_tunnel_stops_and_new_ones_are_refused() {
    let gateway = TestGateway::start().await;
    let me = token("me");
    let mut tunnel = Tunnel::start_with(&gateway.url, &me, |config| config.drain = PATIENCE);
    tunnel.online(|_| true).await;
    let (busy, idle) = (Client::begin(&gateway, &me).await, Client::begin(&gateway, &me).await);
    let meanwhile = async {
        tunnel.waiting(1).await;
        tunnel.begin_to_stop();
        tunnel.until(|status| *status == Status::Stopping).await;
        let refused = busy.ask("echo").await;
        assert_eq!(refused["error"]["data"]["code"], "tunnel.stopping", "{refused}");
        assert_eq!(gateway.get("/reverse-proxy/sessions", &me).await.json()["total"], 1, "still registered");
        tunnel.go();
    };
    let (answer, ()) = tokio::join!(busy.call("wait"), meanwhile);
    assert_eq!(answer, "waited");
    tunnel.until(|status| matches!(status, Status::Stopped { cause: None })).await;
    gateway.until("/reverse-proxy/sessions", &me, |answer| answer.json()["total"] == 0).await;
    let gone = idle.post(&json!({"jsonrpc": "2.0", "id": 9, "method": "tools/list"})).await;
    assert!(gone.status == 404 || gone.status == 503, "{gone:?}");
    tunnel.stop().await;
}

#[tokio::test]
async fn a_call_that_does_not_end_is_cut_off_with_an_error_when_the_time_is_over() {
    let gateway = TestGateway::start().await;
    let me = token("me");
    let mut tunnel = Tunnel::start_with(&gateway.url, &me, |config| config.drain = Duration::from_millis(200));
    tunnel.online(|_| true).await;
    let client = Client::begin(&gateway, &me).await;
    let meanwhile = async {
        tunnel.waiting(1).await;
        tunnel.begin_to_stop();
    };
    let (answer, ()) = tokio::join!(client.ask("wait"), meanwhile);
    assert_eq!(answer["error"]["data"]["code"], "tunnel.stopped", "{answer}");
    tunnel.until(|status| matches!(status, Status::Stopped { cause: None })).await;
    let calls = tunnel.ledger.activity().calls().read(0).items;
    assert_eq!(calls.last().map(|call| call.outcome), Some(Outcome::Ended));
    tunnel.stop().await;
}
