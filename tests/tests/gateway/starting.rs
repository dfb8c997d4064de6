//! Starting and stopping: addresses, secrets, TLS, state, and what is refused.

use culvert_tests::culvert::Finished;
use culvert_tests::http::Request;
use culvert_tests::own_gateway::{OwnGateway, SECRET};
use culvert_tests::{Authority, CulvertCommand, Fixture};
use std::os::unix::fs::PermissionsExt as _;

fn gateway() -> CulvertCommand {
    CulvertCommand::bare().args(["gateway", "--listen", "127.0.0.1:0", "--json"])
}

fn assert_refused(finished: &Finished, code: &str, words: &[&str]) {
    assert!(finished.code.is_some_and(|exit| exit != 0), "{finished:#?}");
    let failure = finished.failure();
    assert_eq!(failure["code"], code, "{failure}");
    let [.., what, next] = finished.err.lines().collect::<Vec<_>>()[..] else { panic!("two lines: {finished:#?}") };
    assert!(what.starts_with("culvert: ") && what.ends_with(&format!("[{code}]")), "{what}");
    assert!(next.starts_with("  → "), "{next}");
    for word in words {
        assert!(what.contains(word) || next.contains(word), "{word} is missing in:\n{what}\n{next}");
    }
}

#[tokio::test]
async fn it_is_healthy_for_everybody_by_get_and_head() {
    let gateway = OwnGateway::start().await;
    for path in ["/healthz", "/health"] {
        let health = Request::new("GET", gateway.address(), path).send().await;
        assert_eq!((health.status, health.json()["status"].as_str()), (200, Some("healthy")));
        let head = Request::new("HEAD", gateway.address(), path).send().await;
        assert_eq!((head.status, head.body.as_str()), (200, ""));
    }
    gateway.culvert.stop().await;
}

#[tokio::test]
async fn without_json_it_tells_on_stderr_where_it_listens() {
    let culvert =
        CulvertCommand::bare().args(["gateway", "--listen", "127.0.0.1:0"]).env("JWT_SECRET_KEY", SECRET).start();
    culvert.says("gateway: listening on http://127.0.0.1:").await;
    let finished = culvert.stop().await;
    assert!(finished.out.is_empty(), "stdout is data: {:?}", finished.out);
    assert!(!finished.err.contains(SECRET));
}

#[tokio::test]
async fn a_made_secret_is_private_told_and_used_by_token_create() {
    let state = tempfile::tempdir().unwrap();
    let command = gateway().arg("--state-dir").arg(state.path());
    let gateway = OwnGateway::start_as(command).await;
    let secret = state.path().join("jwt-secret");
    gateway.culvert.says(secret.to_str().unwrap()).await;
    assert_eq!(std::fs::metadata(&secret).unwrap().permissions().mode() & 0o777, 0o600);

    let made = CulvertCommand::bare().args(["token", "create", "-u", "me"]).arg("--state-dir").arg(state.path());
    let made = made.finish().await;
    assert_eq!(made.out.len(), 1, "{made:#?}");
    assert_eq!(gateway.catalog(&made.out[0]).await.len(), 0);

    let words = gateway.culvert.stop().await.err;
    let text = std::fs::read_to_string(&secret).unwrap();
    assert!(!words.contains(text.trim()), "the place is told, the secret is not");
}

#[tokio::test]
async fn a_secret_file_signs_and_a_second_line_is_still_taken() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    let (new, old) = ("new-secret-0123456789-abcdefghijkl", "old-secret-0123456789-abcdefghijkl");
    std::fs::write(&file, format!("{new}\n{old}\n")).unwrap();
    let gateway = OwnGateway::start_as(gateway().arg("--jwt-secret-file").arg(&file)).await;
    for secret in [new, old] {
        gateway.catalog(&OwnGateway::token("me", secret).await).await;
    }
    let foreign = OwnGateway::token("me", "third-secret-0123456789-abcdefghij").await;
    assert_eq!(gateway.request("GET", "/servers", &foreign).send().await.status, 401);
    gateway.culvert.stop().await;
}

#[tokio::test]
async fn beyond_loopback_it_wants_tls_or_a_word_that_plaintext_is_meant() {
    let listen = ["gateway", "--json", "--listen", "0.0.0.0:0"];
    let bare = || CulvertCommand::bare().args(listen).env("JWT_SECRET_KEY", SECRET);
    assert_refused(&bare().finish().await, "gateway.plaintext", &["0.0.0.0", "--tls-cert", "--allow-plaintext"]);
    let open = bare().args(["--no-auth", "--allow-plaintext"]).finish().await;
    assert_refused(&open, "gateway.open", &["--no-auth"]);
    OwnGateway::start_as(bare().arg("--allow-plaintext")).await.culvert.stop().await;

    let authority = Authority::new();
    let (certificate, key) = authority.server_files();
    let with_tls = bare().arg("--tls-cert").arg(certificate).arg("--tls-key").arg(key);
    let gateway = OwnGateway::start_as(with_tls).await;
    assert!(gateway.url.starts_with("https://"), "{}", gateway.url);
    gateway.culvert.stop().await;
}

#[tokio::test]
async fn a_tunnel_through_tls_with_a_private_ca_serves_calls() {
    let authority = Authority::new();
    let gateway = OwnGateway::with_tls(&authority, SECRET).await;
    let token = OwnGateway::token("me", SECRET).await;
    let tunnel = gateway.tunnel(&Fixture::default(), "fixture", &token).env("SSL_CERT_FILE", authority.root()).start();
    let url = tunnel.online().await["url"].as_str().unwrap().to_owned();
    assert!(url.starts_with("https://localhost:"), "{url}");
    tunnel.stop().await;
    gateway.culvert.stop().await;
}

#[tokio::test]
async fn what_cannot_be_used_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let nonsense = folder.path().join("nonsense.pem");
    std::fs::write(&nonsense, "no certificate").unwrap();
    let tls = gateway().env("JWT_SECRET_KEY", SECRET).arg("--tls-cert").arg(&nonsense).arg("--tls-key").arg(&nonsense);
    assert_refused(&tls.finish().await, "gateway.tls", &["nonsense.pem"]);

    let missing = gateway().args(["--jwt-secret-file", "/nowhere/secret"]).finish().await;
    assert_refused(&missing, "gateway.secret", &["/nowhere/secret"]);

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let listen = CulvertCommand::bare().args(["gateway", "--json", "--listen", &address]).env("JWT_SECRET_KEY", SECRET);
    assert_refused(&listen.finish().await, "gateway.listen", &[&address]);
}

#[tokio::test]
async fn one_state_folder_serves_one_gateway() {
    let state = tempfile::tempdir().unwrap();
    let command = || gateway().env("JWT_SECRET_KEY", SECRET).arg("--state-dir").arg(state.path());
    let first = OwnGateway::start_as(command()).await;
    assert_refused(&command().finish().await, "gateway.state_in_use", &["--state-dir"]);
    first.culvert.stop().await;
    OwnGateway::start_as(command()).await.culvert.stop().await;
}

#[tokio::test]
async fn a_public_url_with_a_prefix_is_printed_and_taken_as_host() {
    let public = "https://mcp.example.com/culvert";
    let culvert = OwnGateway::command().args(["--public-url", public]).start();
    let listening = culvert.event("listening", |event| event["event"] == "listening").await;
    assert_eq!(listening["url"], public);
    let address = listening["listen"].as_str().unwrap().parse().unwrap();
    for (host, path, status) in [
        ("mcp.example.com", "/culvert/healthz", 200),
        ("mcp.example.com", "/healthz", 200),
        ("evil.example.com", "/healthz", 403),
    ] {
        let answer = Request::new("GET", address, path).header("host", host).send().await;
        assert_eq!(answer.status, status, "{host} {path}: {answer:?}");
    }
    culvert.stop().await;
}

#[tokio::test]
async fn pages_of_elsewhere_may_not_call_it() {
    let gateway = OwnGateway::start().await;
    let token = OwnGateway::token("me", SECRET).await;
    let from = |origin: &str| gateway.request("GET", "/servers", &token).header("origin", origin);
    assert_eq!(from("https://evil.example.com").send().await.status, 403);
    assert_eq!(from(&format!("http://{}", gateway.address())).send().await.status, 200);
    gateway.culvert.stop().await;
}
