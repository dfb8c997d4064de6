//! Who is turned away, and how.

use culvert_gateway::config::Auth;
use culvert_protocol::claims::Right;
use culvert_protocol::{Explain as _, GatewayAddress, Secret};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::base_client::BaseClient;
use crate::gateway::{PATIENCE, TestGateway, narrow, token};
use crate::http::request;

#[tokio::test]
async fn health_is_for_everyone_and_nothing_else_is() {
    let gateway = TestGateway::start().await;
    let host = gateway.address.to_string();
    for path in ["/healthz", "/health"] {
        let answer = request(gateway.address, "GET", path, &[("Host", &host)], "").await;
        assert_eq!((answer.status, answer.json()), (200, json!({"status": "healthy"})));
        assert_eq!(request(gateway.address, "HEAD", path, &[("Host", &host)], "").await.status, 200);
        let post = request(gateway.address, "POST", path, &[("Host", &host)], "").await;
        assert_eq!((post.status, post.header("Allow")), (405, Some("GET, HEAD")));
    }
    for (method, path) in [
        ("GET", "/servers"),
        ("DELETE", "/servers/x"),
        ("POST", "/servers/x/mcp"),
        ("GET", "/servers/x/mcp"),
        ("GET", "/reverse-proxy/ws"),
        ("GET", "/v1/reverse-proxy/ws"),
        ("GET", "/reverse-proxy/sessions"),
        ("DELETE", "/reverse-proxy/sessions/x"),
        ("POST", "/reverse-proxy/sessions/x/request"),
        ("POST", "/tokens"),
    ] {
        let answer = request(gateway.address, method, path, &[("Host", &host)], "").await;
        assert_eq!((answer.status, answer.header("WWW-Authenticate")), (401, Some("Bearer")), "{method} {path}");
        let body = answer.json();
        assert_eq!(body["error"]["code"], "auth.missing");
        assert_eq!(body["detail"], body["error"]["message"]);
        assert!(body["error"]["action"].as_str().unwrap().contains("Authorization"), "{body}");
        let query = format!("{path}?token={}&access_token={0}", token("me").expose());
        assert_eq!(request(gateway.address, method, &query, &[("Host", &host)], "").await.status, 401, "{path}?token");
    }
    assert_eq!(gateway.get("/nowhere", &token("me")).await.code(), "request.path");
}

#[tokio::test]
async fn a_bad_token_is_named_in_the_challenge() {
    let gateway = TestGateway::start().await;
    let other = GatewayAddress::parse(&gateway.url.to_string()).unwrap();
    let stolen = {
        let me = token("me");
        let (signed, _) = me.expose().rsplit_once('.').unwrap();
        Secret::new(format!("{signed}.{}", "A".repeat(43)))
    };
    let answer = gateway.get("/servers", &stolen).await;
    assert_eq!((answer.status, answer.code()), (401, "auth.rejected".to_owned()));
    let challenge = answer.header("WWW-Authenticate").unwrap();
    assert!(
        challenge.starts_with(r#"Bearer error="invalid_token", error_description="the token is not"#),
        "{challenge}"
    );
    let refused = BaseClient::dial(&other, &stolen).await.err().unwrap();
    assert_eq!(refused.code(), "auth.rejected");
    assert!(refused.to_string().contains("not signed with this gateway's secret"), "{refused}");
}

#[tokio::test]
async fn rights_are_kept_apart() {
    let gateway = TestGateway::start().await;
    let me = token("me");
    let git = gateway.register(&me, "git").await;
    let time = gateway.register(&me, "time").await;
    let (call, tunnel) = (narrow("me", &[Right::Call], &["git"]), narrow("me", &[Right::Tunnel], &["git"]));
    let refused = BaseClient::dial(&gateway.url, &call).await.err().unwrap();
    assert_eq!(refused.code(), "auth.forbidden");
    let [git_path, time_path] = [git, time].map(|client| {
        let path = format!("/reverse-proxy/sessions/{}", client.session);
        drop(client.serve());
        path
    });
    let listed = |answer: crate::http::Answer| answer.json()["total"].as_u64();
    assert_eq!(listed(gateway.get("/servers", &call).await), Some(1));
    assert_eq!(listed(gateway.get("/reverse-proxy/sessions", &tunnel).await), Some(1));
    let echo = r#"{"jsonrpc":"2.0","id":1,"method":"echo","params":{}}"#;
    let request = |path: &str| format!("{path}/request");
    for (what, token, method, path, body, expected) in [
        ("call lists sessions", &call, "GET", "/reverse-proxy/sessions".to_owned(), "", (403, "auth.forbidden")),
        ("call ends a session", &call, "DELETE", git_path.clone(), "", (403, "auth.forbidden")),
        ("call forgets a server", &call, "DELETE", "/servers/git".to_owned(), "", (403, "auth.forbidden")),
        ("tunnel calls", &tunnel, "POST", "/servers/git/mcp".to_owned(), "{}", (403, "auth.forbidden")),
        ("tunnel asks", &tunnel, "POST", request(&git_path), echo, (403, "auth.forbidden")),
        ("unlisted server", &call, "POST", "/servers/time/mcp".to_owned(), "{}", (404, "server.unknown")),
        ("unlisted session", &call, "POST", request(&time_path), echo, (404, "session.unknown")),
        ("unlisted tunnel", &tunnel, "DELETE", time_path.clone(), "", (404, "session.unknown")),
    ] {
        let answer = gateway.ask(method, &path, token, body).await;
        assert_eq!((answer.status, answer.code()), (expected.0, expected.1.to_owned()), "{what}");
        if answer.status == 403 {
            let challenge = answer.header("WWW-Authenticate").unwrap();
            assert!(challenge.contains("insufficient_scope"), "{what}: {challenge}");
        }
    }
    assert_eq!(gateway.ask("POST", &request(&git_path), &call, echo).await.status, 200);
}

#[tokio::test]
async fn foreign_hosts_and_origins_are_refused_everywhere() {
    let gateway = TestGateway::start().await;
    let bearer = format!("Bearer {}", token("me").expose());
    let local = gateway.address.to_string();
    for path in ["/healthz", "/servers", "/servers/x/mcp", "/reverse-proxy/ws", "/nowhere"] {
        let ask = |host: &'static str, origin: &'static str| {
            let (local, bearer) = (local.clone(), bearer.clone());
            async move {
                let host = if host.is_empty() { local.as_str() } else { host };
                let mut headers = vec![("Host", host), ("Authorization", bearer.as_str())];
                if !origin.is_empty() {
                    headers.push(("Origin", origin));
                }
                request(gateway.address, "GET", path, &headers, "").await
            }
        };
        let rebound = ask("evil.example.com", "").await;
        assert_eq!((rebound.status, rebound.code()), (403, "request.host".to_owned()), "{path}");
        let page = ask("", "https://evil.example.com").await;
        assert_eq!((page.status, page.code()), (403, "request.origin".to_owned()), "{path}");
        assert_ne!(ask("", "http://localhost:5173").await.status, 403, "{path}");
    }
}

#[tokio::test]
async fn bodies_and_heads_are_bounded() {
    let gateway = TestGateway::start_with(|config| {
        config.limits.max_message = 8 * 1024;
        config.limits.slow_client = std::time::Duration::from_millis(300);
    })
    .await;
    let me = token("me");
    let client = gateway.register(&me, "git").await;
    let path = format!("/reverse-proxy/sessions/{}/request", client.session);
    let serving = client.serve();
    let call = |padding: usize| {
        json!({"jsonrpc": "2.0", "id": 1, "method": "echo", "params": {"x": "y".repeat(padding)}}).to_string()
    };
    let large = gateway.ask("POST", &path, &me, &call(9000)).await;
    assert_eq!((large.status, large.code()), (413, "request.too_large".to_owned()));
    // It fits the body's limit, and no longer when it is in its envelope: an answer, and the link lives.
    let body = call(8 * 1024 - call(0).len());
    let tight = gateway.ask("POST", &path, &me, &body).await.json();
    assert_eq!(tight["error"]["data"]["code"], "message.too_large", "{tight}");
    assert_eq!(gateway.ask("POST", &path, &me, &call(10)).await.status, 200);
    assert!(!serving.is_finished());

    let (host, bearer) = (gateway.address.to_string(), format!("Bearer {}", me.expose()));
    let slow = [("Host", host.as_str()), ("Authorization", &bearer), ("Content-Length", "100")];
    let slow = request(gateway.address, "POST", &path, &slow, "{").await;
    assert_eq!((slow.status, slow.code()), (408, "request.slow".to_owned()));
}

#[tokio::test]
async fn a_client_that_does_not_finish_its_head_loses_its_connection() {
    let gateway =
        TestGateway::start_with(|config| config.limits.slow_client = std::time::Duration::from_millis(100)).await;
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: ").await.unwrap();
    let mut rest = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("the connection stays open").unwrap();
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_a_place() {
    let gateway = TestGateway::start_with(|config| config.limits.connections = 2).await;
    let me = token("me");
    // A link keeps its connection's place.
    let link = gateway.register(&me, "git").await;
    let idle = TcpStream::connect(gateway.address).await.unwrap();
    let mut waits = Box::pin(gateway.get("/servers", &me));
    let early = tokio::time::timeout(std::time::Duration::from_millis(200), &mut waits).await;
    assert!(early.is_err(), "three connections are served where two may be");
    drop(idle);
    assert_eq!(waits.await.json()["servers"][0]["status"], "online");
    drop(link);
}

#[tokio::test]
async fn a_public_url_adds_its_name_and_its_prefix() {
    let gateway = TestGateway::start_with(|config| {
        config.public_url = Some(GatewayAddress::parse("https://gw.example.com/pre").unwrap());
    })
    .await;
    assert_eq!(gateway.url.to_string(), "https://gw.example.com/pre");
    for path in ["/healthz", "/pre/healthz"] {
        let answer = request(gateway.address, "GET", path, &[("Host", "gw.example.com")], "").await;
        assert_eq!(answer.status, 200, "{path}");
    }
    let inside = GatewayAddress::parse(&format!("http://{}/pre", gateway.address)).unwrap();
    let mut client = BaseClient::dial(&inside, &token("me")).await.unwrap();
    client.register("git").await;
    client.serve_until_complete().await;
    let server = gateway.get("/pre/servers", &token("me")).await.json()["servers"][0].clone();
    let url = format!("https://gw.example.com/pre/servers/{}/mcp", server["id"].as_str().unwrap());
    assert_eq!(server["url"], json!(url));
}

#[tokio::test]
async fn without_authentication_everybody_is_the_same_subject() {
    let gateway = TestGateway::start_with(|config| config.auth = Auth::Open).await;
    let _client = gateway.register(&Secret::default(), "git").await;
    let host = gateway.address.to_string();
    let servers = request(gateway.address, "GET", "/servers", &[("Host", &host)], "").await.json();
    assert_eq!((&servers["total"], &servers["servers"][0]["owner"]), (&json!(1), &json!("anonymous")));
    let tokens = request(gateway.address, "POST", "/tokens", &[("Host", &host)], "{}").await;
    assert_eq!((tokens.status, tokens.code()), (400, "request.body".to_owned()));
    let rebound = request(gateway.address, "GET", "/servers", &[("Host", "evil.com")], "").await;
    assert_eq!(rebound.status, 403, "the Host check matters most where nothing else protects");
}
