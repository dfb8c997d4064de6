//! Narrower tokens, secrets that rotate, and the secret that is made.

use culvert_gateway::config::{Auth, SecretSource};
use culvert_gateway::tokens::{UnixTime, Verdict, inspect, signing_secret};
use culvert_protocol::Secret;
use culvert_protocol::claims::{Right, peek};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::base_client::closed;
use crate::gateway::{PATIENCE, TestGateway, make, revoke, secret, token};
use crate::http::request;

#[tokio::test]
async fn a_bearer_makes_a_narrower_token_for_a_friend() {
    let gateway = TestGateway::start().await;
    let me = token("me");
    let (git, time) = (gateway.register(&me, "git").await, gateway.register(&me, "time").await);
    let (_git, _time) = (git.serve(), time.serve());
    let wish = r#"{"can":["call"],"servers":["git"],"minutes":5}"#;
    let made = gateway.ask("POST", "/tokens", &me, wish).await;
    assert_eq!(made.status, 201);
    assert_eq!(made.header("Cache-Control"), Some("no-store"));
    let friend = Secret::new(made.json()["token"].as_str().unwrap());
    let claims = peek(friend.expose()).unwrap();
    assert_eq!((claims.sub.as_deref(), claims.can), (Some("me"), Some(vec![Right::Call])));
    assert_eq!(json!(claims.jti), made.json()["id"]);
    assert!(made.json()["expires_at"].as_str().unwrap().ends_with('Z'));

    assert_ne!(gateway.ask("POST", "/servers/git/mcp", &friend, "{}").await.status, 404);
    assert_eq!(gateway.ask("POST", "/servers/time/mcp", &friend, "{}").await.status, 404);
    assert_eq!(gateway.get("/reverse-proxy/sessions", &friend).await.status, 403);
    for wider in [r#"{"can":["call","tunnel"]}"#, r#"{"servers":["git","time"]}"#, r#"{"minutes":6}"#] {
        let answer = gateway.ask("POST", "/tokens", &friend, wider).await;
        assert_eq!((answer.status, answer.code()), (403, "auth.wider".to_owned()), "{wider}");
    }
    for bad in ["[1]", r#"{"sub":"root"}"#, r#"{"can":["admin"]}"#, r#"{"servers":["a@b"]}"#] {
        assert_eq!(gateway.ask("POST", "/tokens", &me, bad).await.code(), "request.body", "{bad}");
    }

    // Revoking the token that it was made from takes this one back too.
    revoke(&gateway.state_dir(), &me);
    gateway.until("/servers", &friend, |answer| answer.status == 401).await;
}

#[tokio::test]
async fn an_open_event_stream_ends_with_its_token() {
    let gateway = TestGateway::start().await;
    let (me, friend) = (token("me"), token("me"));
    let _serving = gateway.register(&me, "git").await.serve();
    let (host, bearer) = (gateway.address.to_string(), format!("Bearer {}", friend.expose()));
    let headers = [
        ("Host", host.as_str()),
        ("Authorization", &bearer),
        ("Accept", "application/json, text/event-stream"),
        ("Content-Type", "application/json"),
    ];
    let initialize = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18",
        "capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#;
    let opened = request(gateway.address, "POST", "/servers/git/mcp", &headers, initialize).await;
    assert_eq!(opened.status, 200, "{opened:?}");
    let session = opened.header("Mcp-Session-Id").unwrap().to_owned();
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    let ask = format!(
        "GET /servers/git/mcp HTTP/1.1\r\nHost: {host}\r\nAuthorization: {bearer}\r\n\
         Accept: text/event-stream\r\nMcp-Session-Id: {session}\r\n\r\n"
    );
    stream.write_all(ask.as_bytes()).await.unwrap();
    let mut head = [0; 15];
    stream.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200 OK");
    revoke(&gateway.state_dir(), &friend);
    // The last chunk of a body, which has no bytes, ends the stream.
    let mut rest = Vec::new();
    while !rest.ends_with(b"0\r\n\r\n") {
        let read = tokio::time::timeout(PATIENCE, stream.read_buf(&mut rest)).await;
        assert_ne!(read.expect("the stream goes on").unwrap(), 0);
    }
    assert!(String::from_utf8(rest).unwrap().contains("text/event-stream"));
    assert_eq!(gateway.get("/servers", &friend).await.code(), "auth.revoked");
}

#[tokio::test]
async fn secrets_rotate_under_open_links() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secrets");
    std::fs::write(&file, secret().expose()).unwrap();
    let gateway = TestGateway::start_with(|config| config.auth = Auth::Bearers(SecretSource::File(file.clone()))).await;
    let (old, new) = (make("me", |_| ()), "the next secret, just as long as the first");
    let link = gateway.register(&old, "git").await.serve();
    std::fs::write(&file, format!("{new}\n{}\n", secret().expose())).unwrap();
    let fresh = {
        let new_token = culvert_gateway::tokens::NewToken {
            subject: "me".into(),
            standing: culvert_gateway::tokens::Standing::User,
            lifetime: culvert_gateway::tokens::Lifetime::Forever,
            can: None,
            servers: None,
        };
        culvert_gateway::tokens::create(&Secret::new(new), &new_token, UnixTime::now()).unwrap()
    };
    gateway.until("/servers", &fresh, |answer| answer.status == 200).await;
    assert_eq!(gateway.get("/servers", &old).await.status, 200);
    assert!(!link.is_finished());
    std::fs::write(&file, new).unwrap();
    assert_eq!(closed(link).await, (4401, "auth.rejected".to_owned()));
    assert_eq!(gateway.get("/servers", &old).await.code(), "auth.rejected");
    assert_eq!(gateway.get("/servers", &fresh).await.status, 200);
}

#[tokio::test]
async fn tokens_made_beside_the_gateway_with_its_own_secret_are_good() {
    let gateway = TestGateway::start_with(|config| config.auth = Auth::Bearers(SecretSource::State)).await;
    let secret = signing_secret(&SecretSource::State, &gateway.state_dir()).unwrap();
    let new = culvert_gateway::tokens::NewToken {
        subject: "me".into(),
        standing: culvert_gateway::tokens::Standing::User,
        lifetime: culvert_gateway::tokens::Lifetime::Minutes(1),
        can: None,
        servers: None,
    };
    let token = culvert_gateway::tokens::create(&secret, &new, UnixTime::now()).unwrap();
    assert_eq!(gateway.get("/servers", &token).await.status, 200);
    let found = inspect(&token, &SecretSource::State, &gateway.state_dir(), UnixTime::now()).unwrap().unwrap();
    assert_eq!(found.verdict, Verdict::Good);
}
