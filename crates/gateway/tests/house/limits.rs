//! Each limit of docs/security.md is reached once, and says what is too much and when to come back.

use std::time::{Duration, Instant};

use culvert_gateway::GatewayConfig;
use culvert_link::LinkEnd;
use culvert_protocol::{Explain as _, Secret};
use culvert_tunnel::Transport;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::base_client::BaseClient;
use crate::gateway::{PATIENCE, TestGateway, token};
use crate::http::{Answer, request};
use crate::mcp_client::Client;
use crate::tunnel::Tunnel;

async fn gateway(change: impl FnOnce(&mut GatewayConfig)) -> TestGateway {
    TestGateway::start_with(change).await
}

fn wait(answer: &Answer) -> u64 {
    answer.header("Retry-After").unwrap_or_else(|| panic!("{answer:?}")).parse().unwrap()
}

/// The code of a JSON-RPC error.
fn code(answer: &Answer) -> Value {
    answer.json()["error"]["data"]["code"].clone()
}

#[tokio::test]
async fn requests_of_a_subject_beyond_its_rate_get_429_and_others_go_on() {
    let gateway = gateway(|config| config.limits.per_subject.requests = 5).await;
    let me = token("me");
    let answers = async {
        let mut answers = vec![];
        for _ in 0..60 {
            answers.push(gateway.get("/servers", &me).await);
        }
        answers
    };
    let began = Instant::now();
    let answers = answers.await;
    let passed = answers.iter().filter(|answer| answer.status == 200).count();
    let most = 5 + 5 * (began.elapsed().as_secs() as usize + 1);
    assert!((5..=most).contains(&passed), "{passed} passed in {:?}", began.elapsed());
    let refused = answers.iter().find(|answer| answer.status == 429).expect("sixty at once are too many");
    assert_eq!((refused.code().as_str(), wait(refused)), ("limit.requests", 1));
    assert_eq!(gateway.get("/servers", &token("you")).await.status, 200, "another subject has its own");
    // Whoever does as told gets through.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(gateway.get("/servers", &me).await.status, 200);
}

#[tokio::test]
async fn connections_of_a_subject_beyond_its_number_get_429_and_are_closed() {
    let gateway = gateway(|config| config.limits.per_subject.connections = 2).await;
    let me = token("me");
    // A link keeps its connection's place.
    let link = gateway.register(&me, "git").await;
    let mut kept = TcpStream::connect(gateway.address).await.unwrap();
    let host = gateway.address.to_string();
    let ask = |token: &Secret| {
        format!("GET /servers HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {}\r\n\r\n", token.expose())
    };
    kept.write_all(ask(&me).as_bytes()).await.unwrap();
    let mut head = [0; 15];
    kept.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200 OK");
    // This one would stay open if it could.
    let mut third = TcpStream::connect(gateway.address).await.unwrap();
    third.write_all(ask(&me).as_bytes()).await.unwrap();
    let mut said = String::new();
    let closed = tokio::time::timeout(PATIENCE, third.read_to_string(&mut said)).await;
    closed.expect("the connection is not closed").unwrap();
    assert!(said.starts_with("HTTP/1.1 429") && said.contains("limit.connections"), "{said}");
    assert!(said.to_ascii_lowercase().contains("retry-after: 5"), "{said}");
    assert_eq!(gateway.get("/servers", &token("you")).await.status, 200);
    drop(kept);
    gateway.until("/servers", &me, |answer| answer.status == 200).await;
    drop(link);
}

#[tokio::test]
async fn tunnels_of_a_subject_beyond_its_number_are_turned_away_at_the_door_and_at_the_desk() {
    let gateway = gateway(|config| config.limits.per_subject.tunnels = 1).await;
    let me = token("me");
    // It was at the door before there was another.
    let mut early = BaseClient::dial(&gateway.url, &me).await.unwrap();
    let first = gateway.register(&me, "git").await;
    let refused = BaseClient::dial(&gateway.url, &me).await.err().unwrap();
    assert_eq!(refused.code(), "gateway.unavailable", "which is tried again: {refused}");
    let (host, bearer) = (gateway.address.to_string(), format!("Bearer {}", me.expose()));
    let headers = [("Host", host.as_str()), ("Authorization", &bearer)];
    for path in ["/reverse-proxy/ws", "/reverse-proxy/sse"] {
        let answer = request(gateway.address, "GET", path, &headers, "").await;
        assert_eq!((answer.status, answer.code().as_str(), wait(&answer)), (429, "limit.tunnels", 30), "{path}");
    }
    early.register("time").await;
    let complete = early.next("register_complete").await;
    assert_eq!(complete["status"], "error");
    assert!(complete["message"].as_str().unwrap().contains("has 1 tunnels already"), "{complete}");
    let _theirs = gateway.register(&token("you"), "git").await;
    drop(first);
    gateway.until("/reverse-proxy/sessions", &me, |answer| answer.json()["total"] == 0).await;
    gateway.register(&me, "time").await;
}

#[tokio::test]
async fn sessions_beyond_a_subjects_number_get_429_and_beyond_the_gateways_503() {
    for (of_one, of_all, status, expected) in [(1, 10, 429, "limit.sessions"), (10, 1, 503, "sessions.too_many")] {
        let gateway = gateway(|config| {
            config.limits.per_subject.sessions = of_one;
            config.limits.sessions = of_all;
        })
        .await;
        let me = token("me");
        let mut tunnel = Tunnel::start(&gateway.url, &me, Transport::WebSocket);
        tunnel.online(|_| true).await;
        let first = Client::begin(&gateway, &me).await;
        let second = Client::hello(&gateway, &me).await;
        assert_eq!((second.status, code(&second), wait(&second)), (status, json!(expected), 5));
        assert_eq!(first.call("echo").await, "echo", "the one that is there goes on");
        tunnel.stop().await;
    }
}

#[tokio::test]
async fn what_is_too_large_is_refused_with_413_and_431() {
    let gateway = gateway(|config| {
        config.limits.max_message = 8 * 1024;
        config.limits.head = 16 * 1024;
    })
    .await;
    let me = token("me");
    let mut tunnel = Tunnel::start(&gateway.url, &me, Transport::WebSocket);
    tunnel.online(|_| true).await;
    let client = Client::begin(&gateway, &me).await;
    let large = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"x": "y".repeat(9000)}});
    let answer = client.post(&large).await;
    assert_eq!((answer.status, code(&answer)), (413, json!("message.too_large")));
    assert_eq!(client.call("echo").await, "echo");
    let wish = gateway.ask("POST", "/tokens", &me, &format!("{{\"x\":\"{}\"}}", "y".repeat(70_000))).await;
    assert_eq!((wish.status, wish.code().as_str()), (413, "request.too_large"));
    let names: Vec<_> = (0..1000).map(|at| format!("name-{at}")).collect();
    let wish = gateway.ask("POST", "/tokens", &me, &json!({"servers": names}).to_string()).await;
    assert_eq!((wish.status, wish.code().as_str()), (400, "request.body"), "no token that nobody would take");

    let host = gateway.address.to_string();
    for (length, status) in [(8 * 1024, 200), (20 * 1024, 431)] {
        let padding = "x".repeat(length);
        let headers = [("Host", host.as_str()), ("X-Padding", &padding)];
        assert_eq!(request(gateway.address, "GET", "/healthz", &headers, "").await.status, status, "{length}");
    }
    let many: Vec<_> = (0..200).map(|at| format!("X-{at}")).collect();
    let headers: Vec<_> = many.iter().map(|name| (name.as_str(), "x")).chain([("Host", host.as_str())]).collect();
    assert_eq!(request(gateway.address, "GET", "/healthz", &headers, "").await.status, 431, "many headers");
    tunnel.stop().await;
    let roomy = TestGateway::start_with(|config| config.limits.headers = 300).await;
    let host = roomy.address.to_string();
    let headers: Vec<_> = many.iter().map(|name| (name.as_str(), "x")).chain([("Host", host.as_str())]).collect();
    assert_eq!(request(roomy.address, "GET", "/healthz", &headers, "").await.status, 200, "as many as it may have");
}

#[tokio::test]
async fn a_tunnel_that_never_registers_is_sent_away() {
    let gateway = gateway(|config| config.limits.slow_client = Duration::from_millis(300)).await;
    let mut link = BaseClient::dial(&gateway.url, &token("me")).await.unwrap();
    link.send(json!({"type": "heartbeat", "sessionId": "ours"})).await;
    assert_eq!(link.recv().await.unwrap()["type"], "error");
    match link.recv().await {
        Err(LinkEnd::Closed { code: 1008, reason }) => assert_eq!(reason, "register.missing"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_subject_has_so_many_servers_in_the_catalog_and_the_one_that_is_gone_makes_room() {
    let gateway = gateway(|config| config.limits.per_subject.servers = 1).await;
    let me = token("me");
    let _theirs = gateway.register(&token("you"), "git").await;
    drop(gateway.register(&me, "git").await);
    gateway.until("/reverse-proxy/sessions", &me, |answer| answer.json()["total"] == 0).await;
    let _second = gateway.register(&me, "time").await;
    let mine = gateway.get("/servers", &me).await.json();
    assert_eq!((&mine["total"], &mine["servers"][0]["name"]), (&json!(1), &json!("time")));
    assert_eq!(gateway.get("/servers", &token("you")).await.json()["total"], 1, "others keep theirs");
}

#[tokio::test]
async fn who_does_not_end_when_the_gateway_stops_is_cut_after_the_drain() {
    let gateway = gateway(|config| config.limits.drain = Duration::from_millis(100)).await;
    let mut half = TcpStream::connect(gateway.address).await.unwrap();
    half.write_all(b"GET /healthz HTTP/1.1\r\nHost: ").await.unwrap();
    // So that the half request is there.
    assert_eq!(gateway.get("/servers", &token("me")).await.status, 200);
    let began = Instant::now();
    gateway.stop().await;
    assert!(began.elapsed() < Duration::from_secs(4), "by default it would be five seconds: {:?}", began.elapsed());
}

#[tokio::test]
async fn slow_clients_are_given_up() {
    let gateway = gateway(|config| config.limits.slow_client = Duration::from_millis(300)).await;
    let me = token("me");
    let mut tunnel = Tunnel::start(&gateway.url, &me, Transport::WebSocket);
    tunnel.online(|_| true).await;
    let (host, bearer) = (gateway.address.to_string(), format!("Bearer {}", me.expose()));
    let mut headers = vec![("Host", host.as_str()), ("Authorization", &bearer), ("Content-Length", "100")];
    let body = request(gateway.address, "POST", "/tokens", &headers, "{").await;
    assert_eq!((body.status, body.code().as_str()), (408, "request.slow"));
    headers.extend([("Content-Type", "application/json"), ("Accept", "application/json, text/event-stream")]);
    let body = request(gateway.address, "POST", "/servers/sh/mcp", &headers, "{").await;
    assert_eq!((body.status, code(&body)), (408, json!("http.body")));

    // One that asks and asks, and never reads an answer.
    let mut greedy = TcpStream::connect(gateway.address).await.unwrap();
    let ask = format!("GET /servers HTTP/1.1\r\nHost: {host}\r\nAuthorization: {bearer}\r\n\r\n");
    let asking = async { while greedy.write_all(ask.as_bytes()).await.is_ok() {} };
    tokio::time::timeout(PATIENCE, asking).await.expect("the connection is kept for who does not read");
    tunnel.stop().await;
}

#[tokio::test]
async fn calls_without_an_answer_and_sessions_without_a_use_end_in_their_time() {
    let gateway = gateway(|config| {
        config.limits.request_timeout = Duration::from_millis(300);
        config.limits.session_idle = Duration::from_millis(600);
    })
    .await;
    let me = token("me");
    let mut tunnel = Tunnel::start(&gateway.url, &me, Transport::WebSocket);
    tunnel.online(|_| true).await;
    let client = Client::begin(&gateway, &me).await;
    assert_eq!(client.ask("wait").await["error"]["data"]["code"], "call.timeout");
    assert_eq!(client.call("echo").await, "echo", "every other call goes on");
    tunnel.online(|online| online.in_use_by.is_empty()).await;
    let late = client.post(&json!({"jsonrpc": "2.0", "id": 9, "method": "ping"})).await;
    assert_eq!((late.status, code(&late)), (404, json!("session.unknown")));
    tunnel.stop().await;
}

#[tokio::test]
async fn bodies_of_a_subject_beyond_its_bytes_at_once_get_429_and_others_go_on() {
    let gateway = gateway(|config| config.limits.per_subject.bodies = 64 * 1024).await;
    let (me, you) = (token("me"), token("you"));
    let _serving = gateway.register(&me, "git").await.serve();
    let sessions = gateway.get("/reverse-proxy/sessions", &me).await.json();
    let path = format!("/reverse-proxy/sessions/{}/request", sessions["sessions"][0]["session_id"].as_str().unwrap());
    let large = json!({"jsonrpc": "2.0", "id": 1, "method": "echo", "params": {"x": "y".repeat(40_000)}}).to_string();
    assert_eq!(gateway.ask("POST", &path, &me, &large).await.status, 200);
    // One comes in but for its last byte.
    let mut slow = TcpStream::connect(gateway.address).await.unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Length: {}\r\n\r\n",
        gateway.address,
        me.expose(),
        large.len()
    );
    slow.write_all(head.as_bytes()).await.unwrap();
    slow.write_all(&large.as_bytes()[..large.len() - 1]).await.unwrap();
    let refused = async {
        loop {
            let answer = gateway.ask("POST", &path, &me, &large).await;
            if answer.status != 200 {
                return answer;
            }
        }
    };
    let refused = tokio::time::timeout(PATIENCE, refused).await.expect("it is never too much");
    assert_eq!((refused.status, refused.code().as_str(), wait(&refused)), (429, "limit.bodies", 1));
    let mcp = [("Host", gateway.address.to_string()), ("Authorization", format!("Bearer {}", me.expose()))];
    let mut mcp: Vec<_> = mcp.iter().map(|(name, value)| (*name, value.as_str())).collect();
    mcp.extend([("Content-Type", "application/json"), ("Accept", "application/json, text/event-stream")]);
    let refused = request(gateway.address, "POST", "/servers/git/mcp", &mcp, &large).await;
    assert_eq!((refused.status, refused.code().as_str()), (429, "limit.bodies"), "at every door");
    let others = gateway.ask("POST", "/tokens", &you, "{}").await;
    assert_eq!(others.status, 201, "others go on");
    slow.write_all(&large.as_bytes()[large.len() - 1..]).await.unwrap();
    let mut answered = [0; 15];
    slow.read_exact(&mut answered).await.unwrap();
    assert_eq!(&answered, b"HTTP/1.1 200 OK", "the first one goes on");
    assert_eq!(gateway.ask("POST", &path, &me, &large).await.status, 200);
}
