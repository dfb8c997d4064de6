//! nginx and Caddy with the files of `deploy/`, run for real before a gateway: tunnels come in over TLS, calls are
//! answered, and events come when they happen.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use culvert_tests::http::Request;
use culvert_tests::mcp::McpSession;
use culvert_tests::own_gateway::{OwnGateway, SECRET};
use culvert_tests::peers::if_any;
use culvert_tests::watched::PATIENCE;
use culvert_tests::{Authority, Culvert, CulvertCommand, Fixture};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{free_address, text};

/// Where a proxy is to listen, and what it is to lead to.
struct Way {
    tls: SocketAddr,
    /// The same without TLS, for the callers here, who speak none.
    plain: SocketAddr,
    certificate: PathBuf,
    key: PathBuf,
    gateway: SocketAddr,
}

/// `text` with `old` replaced, which must be there.
fn with(text: &str, old: &str, new: &str) -> String {
    assert!(text.contains(old), "{old} is not in the file any more");
    text.replace(old, new)
}

fn nginx(program: &Path, way: &Way) -> CulvertCommand {
    let (tls, plain) = (way.tls, way.plain);
    let site = text("nginx/culvert.conf");
    let site = with(&site, "listen 443 ssl http2;", &format!("listen {tls} ssl http2;\n    listen {plain};"));
    let site = with(&site, "http://127.0.0.1:4444", &format!("http://{}", way.gateway));
    let site = with(&site, "/etc/ssl/gateway.example.com.pem", way.certificate.to_str().unwrap());
    let site = with(&site, "/etc/ssl/gateway.example.com.key", way.key.to_str().unwrap());
    let command = CulvertCommand::program(program);
    command.write("site.conf", &site);
    let folder = command.home().to_str().unwrap().to_owned();
    let own =
        ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(|kind| format!("{kind}_temp_path {folder}/{kind};\n"));
    let main = format!(
        // The gateway asks for itself not to be held back; here the file must say so, too.
        "daemon off;\nmaster_process off;\npid {folder}/pid;\nerror_log stderr info;\nevents {{}}\nhttp {{\n{}proxy_ignore_headers X-Accel-Buffering;\naccess_log off;\n\
         include {folder}/site.conf;\n}}\n",
        own.concat()
    );
    let main = command.write("nginx.conf", &main);
    command.args(["-p", &folder, "-e", "stderr", "-c"]).arg(main)
}

fn caddy(program: &Path, way: &Way) -> CulvertCommand {
    let site = text("caddy/Caddyfile");
    let name = "{$CULVERT_SITE:gateway.example.com} {";
    let (certificate, key) = (way.certificate.display(), way.key.display());
    let tls = with(&site, name, &format!("https://localhost:{} {{\n\ttls {certificate} {key}", way.tls.port()));
    let plain = with(&site, name, &format!("http://localhost:{}, http://127.0.0.1:{0} {{", way.plain.port()));
    let main = format!("{{\n\tadmin off\n\tauto_https disable_redirects\n\tdefault_bind 127.0.0.1\n}}\n{tls}\n{plain}");
    let command = CulvertCommand::program(program);
    let main = command.write("Caddyfile", &main);
    command
        .args(["run", "--adapter", "caddyfile", "--config"])
        .arg(main)
        .env("CULVERT_UPSTREAM", way.gateway.to_string())
}

/// Whether it answers by now; it must not have ended.
async fn listens(proxy: &Culvert, address: SocketAddr) {
    let answers = async {
        while Request::new("GET", address, "/healthz").try_send().await.is_none_or(|answer| answer.status != 200) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, answers).await.is_ok(), "the proxy does not answer:\n{}", proxy.words());
}

/// Sends a request and reads until `text` has come, while the answer, and maybe the request, goes on.
async fn read_until(address: SocketAddr, request: &str, text: &str) -> String {
    let (mut stream, mut sending) = TcpStream::connect(address).await.unwrap().into_split();
    let mut answer = Vec::new();
    let reading = async {
        while !String::from_utf8_lossy(&answer).contains(text) {
            let count = stream.read_buf(&mut answer).await.unwrap();
            assert_ne!(count, 0, "it ends before {text:?}: {}", String::from_utf8_lossy(&answer));
        }
    };
    let sending = async {
        // Whoever has heard enough may hang up.
        let _ = sending.write_all(request.as_bytes()).await;
        std::future::pending::<()>().await
    };
    let both = async {
        tokio::select! {
            () = reading => {}
            () = sending => {}
        }
    };
    let done = tokio::time::timeout(PATIENCE, both).await;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    assert!(done.is_ok(), "{text:?} is held back; so far there is: {answer}");
    answer
}

/// Whose the limit on bodies is.
#[derive(PartialEq)]
enum Limit {
    /// The proxy's as well: it says so itself.
    Kept,
    /// The gateway's alone. Its refusal may get lost while the body is still sent.
    Left,
}

async fn leads_to_the_gateway(peer: &str, limit: Limit, command: impl FnOnce(&Path, &Way) -> CulvertCommand) {
    let Some(program) = if_any(peer) else { return };
    let authority = Authority::new();
    let (certificate, key) = authority.server_files();
    let (tls, plain) = (free_address(), free_address());
    let public = format!("https://localhost:{}", tls.port());
    let gateway = OwnGateway::start_as(OwnGateway::command().args(["--public-url", &public])).await;
    // What it says of itself is how others know it; where it is, its port tells.
    let listening = gateway.culvert.event("listening", |event| event["event"] == "listening").await;
    let address: SocketAddr = listening["listen"].as_str().unwrap().parse().unwrap();
    let proxy = command(&program, &Way { tls, plain, certificate, key, gateway: address }).start();
    listens(&proxy, plain).await;
    let token = OwnGateway::token("me", SECRET).await;

    for transport in ["ws", "sse"] {
        let fixture = Fixture::default();
        let tunnel = OwnGateway::tunnel_through(&public, &fixture, "fixture", &token)
            .args(["--transport", transport])
            .env("SSL_CERT_FILE", authority.root())
            .start();
        let online = tunnel.online().await;
        assert_eq!(online["transport"], transport);
        assert_eq!(online["url"], format!("{public}/servers/fixture/mcp"));
        let post = Request::new("POST", plain, "/servers/fixture/mcp").bearer(&token);
        let session = McpSession::begin_at(post).await;
        // Twice what nginx takes when it is not told.
        let long = "x".repeat(2 << 20);
        let answer = session.call(1, "echo", json!({"text": long})).await;
        assert_eq!(answer["result"]["content"][0]["text"], long);
        tunnel.stop().await;
    }

    let tunnel = OwnGateway::tunnel_through(&public, &Fixture::default(), "fixture", &token)
        .env("SSL_CERT_FILE", authority.root())
        .start();
    tunnel.online().await;
    let head = format!("host: {plain}\r\nauthorization: Bearer {token}\r\n");
    let events = format!("GET /servers/fixture/sse HTTP/1.1\r\n{head}accept: text/event-stream\r\n\r\n");
    // The stream goes on, and has said no more than this.
    read_until(plain, &events, "event: endpoint").await;

    let post = Request::new("POST", plain, "/servers/fixture/mcp").bearer(&token);
    let session = McpSession::begin_at(post).await;
    let arguments = json!({"text": "a step", "steps": 1000, "ms": 100});
    let params = json!({"name": "steps", "arguments": arguments, "_meta": {"progressToken": 1}});
    let call = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": params}).to_string();
    let call = format!(
        "POST /servers/fixture/mcp HTTP/1.1\r\n{head}accept: application/json, text/event-stream\r\nmcp-session-id: {}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{call}",
        session.id(),
        call.len()
    );
    let progress = read_until(plain, &call, "a step").await;
    assert!(!progress.contains("\"result\""), "progress comes before the end: {progress}");

    if limit == Limit::Kept {
        let length = (16 << 20) + 1;
        let large = format!("POST /servers/fixture/mcp HTTP/1.1\r\n{head}content-length: {length}\r\n\r\n");
        read_until(plain, &large, "HTTP/1.1 413 ").await;
    }

    tunnel.stop().await;
    gateway.culvert.stop().await;
    proxy.stop().await;
}

#[tokio::test]
async fn nginx_leads_to_the_gateway() {
    leads_to_the_gateway("NGINX", Limit::Kept, nginx).await;
}

#[tokio::test]
async fn caddy_leads_to_the_gateway() {
    leads_to_the_gateway("CADDY", Limit::Left, caddy).await;
}
