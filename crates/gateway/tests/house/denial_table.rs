//! The denial table of docs/security.md, asked over HTTP; and that each test that the page names is there.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use culvert_gateway::tokens::UnixTime;
use ring::hmac;
use serde_json::{Value, json};

use crate::base_client::BaseClient;
use crate::gateway::{TestGateway, secret, token};
use crate::http::request;
use culvert_protocol::{Explain as _, Secret};

const ENDPOINTS: [(&str, &str); 12] = [
    ("GET", "/servers"),
    ("DELETE", "/servers/git"),
    ("POST", "/servers/git/mcp"),
    ("GET", "/servers/git/mcp"),
    ("DELETE", "/servers/git/mcp"),
    ("GET", "/servers/git/sse"),
    ("POST", "/servers/git/messages"),
    ("GET", "/reverse-proxy/ws"),
    ("GET", "/reverse-proxy/sse"),
    ("GET", "/v1/reverse-proxy/sessions"),
    ("POST", "/reverse-proxy/sessions/x/request"),
    ("POST", "/tokens"),
];

/// A token of this head and these claims, signed with HMAC-SHA-256.
fn signed(head: &Value, claims: &Value, key: &str) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let text = format!("{}.{}", part(head), part(claims));
    let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes()), text.as_bytes());
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn claims(change: impl FnOnce(&mut Value)) -> Value {
    let now = UnixTime::now().0;
    let mut claims = json!({"sub": "me", "iss": "mcpgateway", "aud": "mcpgateway-api", "exp": now + 600, "jti": "j"});
    change(&mut claims);
    claims
}

#[tokio::test]
async fn each_bad_token_is_refused_everywhere() {
    let gateway = TestGateway::start().await;
    let _link = gateway.register(&token("me"), "git").await;
    let ours = secret();
    let (head, key) = (json!({"alg": "HS256", "typ": "JWT"}), ours.expose());
    let with = |name: &str, value: Value| signed(&head, &claims(|claims| claims[name] = value), key);
    let good = signed(&head, &claims(|_| ()), key);
    assert_eq!(gateway.get("/servers", &Secret::new(good.clone())).await.status, 200, "the rest differs in one thing");
    let of = |head: Value| signed(&head, &claims(|_| ()), key);
    let unsigned = format!("{}.", of(json!({"alg": "none"})).rsplit_once('.').unwrap().0);
    let tampered = {
        let parts: Vec<_> = good.split('.').collect();
        let admin = URL_SAFE_NO_PAD.encode(claims(|claims| claims["user"] = json!({"is_admin": true})).to_string());
        format!("{}.{admin}.{}", parts[0], parts[2])
    };
    let bad = [
        ("nonsense", "nonsense".to_owned(), "auth.rejected"),
        ("three empty parts", "..".to_owned(), "auth.rejected"),
        ("of another secret", signed(&head, &claims(|_| ()), "another secret"), "auth.rejected"),
        ("changed after it was signed", tampered, "auth.rejected"),
        ("algorithm none", unsigned, "auth.rejected"),
        ("algorithm none, signed", of(json!({"alg": "none"})), "auth.rejected"),
        ("algorithm RS256", of(json!({"alg": "RS256"})), "auth.rejected"),
        ("algorithm HS512", of(json!({"alg": "HS512"})), "auth.rejected"),
        ("an unknown extension", of(json!({"alg": "HS256", "crit": ["x"]})), "auth.rejected"),
        ("expired", with("exp", json!(UnixTime::now().0 - 1)), "auth.expired"),
        ("not valid yet", with("nbf", json!(UnixTime::now().0 + 600)), "auth.rejected"),
        ("wrong audience", with("aud", json!("another-api")), "auth.rejected"),
        ("no audience", with("aud", Value::Null), "auth.rejected"),
        ("wrong issuer", with("iss", json!("another")), "auth.rejected"),
        ("no subject", with("sub", json!("")), "auth.rejected"),
        ("no id", with("jti", Value::Null), "auth.rejected"),
    ];
    let host = gateway.address.to_string();
    for (what, token, code) in &bad {
        let bearer = format!("Bearer {token}");
        for (method, path) in ENDPOINTS {
            let headers = [("Host", host.as_str()), ("Authorization", &bearer)];
            let answer = request(gateway.address, method, path, &headers, "").await;
            assert_eq!((answer.status, answer.code().as_str()), (401, *code), "{what}: {method} {path}");
            let challenge = answer.header("WWW-Authenticate").unwrap();
            assert!(challenge.starts_with("Bearer error=\"invalid_token\""), "{what}: {challenge}");
            assert!(!answer.text().contains(token.as_str()), "{what}: the token is told");
        }
        let dialled = BaseClient::dial(&gateway.url, &Secret::new(token.clone())).await.err().unwrap();
        assert_eq!(dialled.code(), "auth.rejected", "{what}: what a tunnel's owner sees");
    }
    for (what, headers) in [
        ("another scheme", vec![("Authorization", "Basic YTpi")]),
        ("no scheme", vec![("Authorization", good.as_str())]),
        ("a cookie", vec![("Cookie", good.as_str())]),
        ("ContextForge's other header", vec![("X-API-Key", good.as_str())]),
    ] {
        let headers: Vec<_> = headers.into_iter().chain([("Host", host.as_str())]).collect();
        let answer = request(gateway.address, "GET", "/servers", &headers, "").await;
        assert_eq!((answer.status, answer.code().as_str()), (401, "auth.missing"), "{what}");
    }
}

#[tokio::test]
async fn path_tricks_lead_nowhere_over_http() {
    let gateway = TestGateway::start().await;
    let me = token("me");
    let _link = gateway.register(&me, "git").await;
    for path in [
        "/servers/../tokens",
        "/servers/%2e%2e/tokens",
        "/servers/..%2ftokens",
        "//servers",
        "/servers//mcp",
        "/./servers",
        "/SERVERS",
        "/servers;x=1",
        "/servers%2f",
        "/reverse-proxy%2fws",
        "/reverse-proxy/sessions/..%2f..%2fservers",
        "/servers/git%00/mcp",
        "/servers/git%2fmcp",
        "/servers/%67%69%74%2e%2e/mcp",
        "/servers/git/mcp/../../../tokens",
        "/healthz/../servers",
        "/servers/%zz/mcp",
        "/v2/reverse-proxy/ws",
    ] {
        for method in ["GET", "POST", "DELETE"] {
            let answer = gateway.ask(method, path, &me, "").await;
            let is_nowhere = answer.status == 404 || (answer.status == 405 && answer.header("Allow").is_some());
            assert!(is_nowhere, "{method} {path}: {answer:?}");
        }
    }
    // One encoding is undone once, and names what it spells.
    assert_eq!(gateway.ask("POST", "/servers/%67it/mcp", &me, "{}").await.status, 415);
    assert_eq!(gateway.get("/servers", &me).await.json()["servers"][0]["status"], "online", "nothing was deleted");
}

/// All Rust sources of the crates, and the tests that cross them.
fn sources() -> String {
    let mut folders = vec![here().join(".."), here().join("../../tests")];
    let mut text = String::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.extension() {
                _ if path.is_dir() => folders.push(path),
                Some(end) if end == "rs" => text += &fs::read_to_string(path).unwrap(),
                _ => {}
            }
        }
    }
    text
}

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

#[test]
fn each_test_that_the_security_page_names_is_there() {
    let page = include_str!("../../../../docs/security.md");
    let sources = sources();
    let rows: Vec<_> = page.lines().filter(|line| line.starts_with("| ") && !line.contains("shown by")).collect();
    assert!(rows.len() > 30, "{}", rows.len());
    for row in rows {
        let last = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        let names: Vec<_> = last.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "nothing shows {row}");
        for name in names {
            assert!(sources.contains(&format!("fn {name}(")), "there is no test {name}");
        }
    }
}
