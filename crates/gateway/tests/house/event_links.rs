//! The two endpoints of links over SSE + POST: who is let in, and how such a link ends.

use std::time::Duration;

use culvert_link::{Carriage, Dialler, Frame, LinkEnd, Request};
use culvert_protocol::Secret;
use culvert_protocol::claims::Right;
use culvert_protocol::sse::{Event, EventReader, MAX_BODY};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::gateway::{PATIENCE, TestGateway, make, narrow, token};
use crate::http::{Answer, request};

/// A connection by hand: the head of the answer, where POSTs go, and the stream.
struct ByHand {
    head: String,
    path: String,
    key: String,
    _stream: TcpStream,
}

async fn open(gateway: &TestGateway, token: &Secret) -> ByHand {
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    let ask = format!(
        "GET /v1/reverse-proxy/sse HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n\r\n",
        gateway.address,
        token.expose()
    );
    stream.write_all(ask.as_bytes()).await.unwrap();
    let mut read = Vec::new();
    let opened = async {
        loop {
            stream.read_buf(&mut read).await.unwrap();
            let text = String::from_utf8_lossy(&read).into_owned();
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            // The sizes of chunks stand on lines of their own, which an event stream skips.
            let mut events = Vec::new();
            EventReader::default().read(body.as_bytes(), &mut events).unwrap();
            if let Some(Event::Open { connection, key }) = events.pop() {
                return (head.to_owned(), connection, key);
            }
        }
    };
    let (head, connection, key) = timeout(PATIENCE, opened).await.expect("no opening in time");
    ByHand { head, path: format!("/reverse-proxy/sse/{connection}"), key: key.expose().to_owned(), _stream: stream }
}

async fn post(gateway: &TestGateway, token: &Secret, path: &str, more: &[(&str, &str)], body: &str) -> Answer {
    let (host, bearer) = (gateway.address.to_string(), format!("Bearer {}", token.expose()));
    let headers: Vec<_> =
        [("Host", &*host), ("Authorization", &*bearer)].into_iter().chain(more.iter().copied()).collect();
    request(gateway.address, "POST", path, &headers, body).await
}

#[tokio::test]
async fn the_stream_is_passed_on_at_once_and_a_post_needs_bearer_key_and_number() {
    let gateway = TestGateway::start().await;
    let me = token("me");
    let link = open(&gateway, &me).await;
    let head = link.head.to_ascii_lowercase();
    for header in ["200 ok", "content-type: text/event-stream", "cache-control: no-store", "x-accel-buffering: no"] {
        assert!(head.contains(header), "{head}");
    }
    let (key, number) = (("X-Culvert-Key", &*link.key), ("X-Culvert-Number", "0"));
    let denied = |answer: Answer| (answer.status, answer.code());
    let unknown = (404, "connection.unknown".to_owned());
    assert_eq!(denied(post(&gateway, &me, &link.path, &[number], "").await), unknown, "no key");
    assert_eq!(denied(post(&gateway, &me, &link.path, &[("X-Culvert-Key", "x"), number], "").await), unknown);
    assert_eq!(denied(post(&gateway, &me, &link.path, &[key, key, number], "").await), unknown, "two keys");
    assert_eq!(denied(post(&gateway, &me, "/reverse-proxy/sse/x", &[key, number], "").await), unknown);
    assert_eq!(denied(post(&gateway, &token("them"), &link.path, &[key, number], "").await), unknown);
    assert_eq!(denied(post(&gateway, &Secret::new("no"), &link.path, &[key, number], "").await).0, 401);
    let caller = narrow("me", &[Right::Call], &["git"]);
    assert_eq!(denied(post(&gateway, &caller, &link.path, &[key, number], "").await).1, "auth.forbidden");
    for bad in ["", "-1", "x"] {
        let answer = post(&gateway, &me, &link.path, &[key, ("X-Culvert-Number", bad)], "").await;
        assert_eq!(denied(answer), (400, "request.number".to_owned()), "{bad:?}");
    }
    let large = "x".repeat(MAX_BODY + 1);
    assert_eq!(denied(post(&gateway, &me, &link.path, &[key, number], &large).await).1, "request.too_large");
    // None of that has harmed the link.
    for _ in 0..2 {
        let taken = post(&gateway, &me, &link.path, &[key, number, ("Content-Length", "0")], "").await;
        assert_eq!(taken.status, 204);
    }
    let broken = post(&gateway, &me, &link.path, &[key, ("X-Culvert-Number", "1")], "\u{1}x").await;
    assert_eq!(denied(broken), (400, "request.body".to_owned()));
    assert_eq!(denied(post(&gateway, &me, &link.path, &[key, ("X-Culvert-Number", "2")], "").await), unknown);
    let (host, bearer) = (gateway.address.to_string(), format!("Bearer {}", caller.expose()));
    let headers = [("Host", &*host), ("Authorization", &*bearer)];
    let refused = request(gateway.address, "GET", "/reverse-proxy/sse", &headers, "").await;
    assert_eq!(denied(refused).1, "auth.forbidden");
}

/// A link over SSE that has not said anything.
async fn dial(gateway: &TestGateway, token: &Secret) -> culvert_link::Dialled {
    let request =
        Request { gateway: &gateway.url, endpoint: None, token: Some(token), session_id: "ours", max_message: 1 << 20 };
    let dialled = Dialler::default().dial_sse(&request).await.unwrap();
    assert_eq!(dialled.carriage, Carriage::Sse);
    dialled
}

async fn end(link: &mut culvert_link::Dialled) -> (Vec<Value>, LinkEnd) {
    let mut frames = Vec::new();
    loop {
        match timeout(PATIENCE, link.receiver.recv()).await.expect("the link did not end") {
            Ok(Frame::Text(text)) => frames.push(serde_json::from_str(&text).unwrap()),
            Ok(Frame::Binary(_)) => {}
            Err(end) => return (frames, end),
        }
    }
}

#[tokio::test]
async fn a_client_of_the_base_dialect_is_told_to_use_websocket() {
    let gateway = TestGateway::start().await;
    let mut link = dial(&gateway, &token("me")).await;
    let register = json!({"type": "register", "sessionId": "ours", "server": {"name": "git", "protocol": "mcp"}});
    link.sender.send(register.to_string()).await.unwrap();
    let (frames, end) = end(&mut link).await;
    assert_eq!(frames.last().unwrap()["status"], "error");
    assert!(frames.last().unwrap()["message"].as_str().unwrap().contains("channels"), "{frames:?}");
    assert_eq!(end, LinkEnd::Closed { code: 1008, reason: "register.refused".to_owned() });
}

#[tokio::test]
async fn such_links_end_as_others_do() {
    let gateway = TestGateway::start().await;
    let me = make("me", |new| new.lifetime = culvert_gateway::tokens::Lifetime::Minutes(60));
    let register = json!({"type": "register", "sessionId": "ours", "server": {"name": "git", "protocol": "mcp"},
        "extensions": {"channels": 1, "resume": 1}})
    .to_string();
    let mut twice = dial(&gateway, &me).await;
    twice.sender.send(register.clone()).await.unwrap();
    twice.sender.send(register).await.unwrap();
    let (frames, ended) = end(&mut twice).await;
    assert!(frames.iter().any(|frame| frame["type"] == "register_ack" && frame["extensions"]["channels"] == 1));
    assert_eq!(ended, LinkEnd::Closed { code: 1008, reason: "register.twice".to_owned() });

    let mut leaving = dial(&gateway, &me).await;
    leaving.sender.send(json!({"type": "unregister"}).to_string()).await.unwrap();
    assert_eq!(end(&mut leaving).await.1, LinkEnd::Closed { code: 1000, reason: String::new() });

    let mut stopped = dial(&gateway, &me).await;
    gateway.begin_to_stop();
    assert_eq!(end(&mut stopped).await.1, LinkEnd::Closed { code: 1001, reason: "gateway.stopping".to_owned() });
    drop(stopped);
    let stopping = tokio::time::Instant::now();
    gateway.stop().await;
    assert!(stopping.elapsed() < Duration::from_secs(4), "nothing was waited for in vain");
}
