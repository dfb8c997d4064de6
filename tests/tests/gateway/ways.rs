//! The way out to a gateway: through proxies that ask who comes, with a certificate of one's own, and never through a
//! proxy of the environment to this machine.

use std::net::SocketAddr;
use std::path::Path;

use culvert_tests::mcp::McpSession;
use culvert_tests::own_gateway::{OwnGateway, SECRET};
use culvert_tests::peers::if_any;
use culvert_tests::proxy::AskingProxy;
use culvert_tests::watched::PATIENCE;
use culvert_tests::{Authority, CulvertCommand, Fixture};
use serde_json::json;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

async fn serves_calls(gateway: &OwnGateway, token: &str) {
    let session = McpSession::begin(gateway, "fixture", token).await;
    let answer = session.call(1, "echo", json!({"text": "over there"})).await;
    assert_eq!(answer["result"]["content"][0]["text"], "over there");
}

#[tokio::test]
async fn a_tunnel_goes_through_a_proxy_that_asks_who_comes_over_either_carriage() {
    let (gateway, proxy) = (OwnGateway::start().await, AskingProxy::start("me", "hunter2").await);
    let token = OwnGateway::token("me", SECRET).await;
    for transport in ["ws", "sse"] {
        let tunnel = gateway
            .tunnel(&Fixture::default(), "fixture", &token)
            .args(["--proxy", "env:OUR_PROXY", "--transport", transport])
            .env("OUR_PROXY", format!("http://me:hunter2@{}", proxy.address))
            .start();
        tunnel.online().await;
        serves_calls(&gateway, &token).await;
        let finished = tunnel.stop().await;
        assert!(!format!("{finished:?}").contains("hunter2"), "{finished:?}");
    }
    let target = format!("localhost:{}", gateway.address().port());
    let led = proxy.led();
    assert!(led.len() >= 3 && led.iter().all(|to| *to == target), "{led:?}");
    gateway.culvert.stop().await;
}

#[tokio::test]
async fn a_proxy_that_does_not_take_us_stops_the_tunnel_and_doctor_says_so() {
    let (gateway, proxy) = (OwnGateway::start().await, AskingProxy::start("me", "hunter2").await);
    let token = OwnGateway::token("me", SECRET).await;
    let wrong = format!("http://me:hunter3@{}", proxy.address);
    let tunnel = gateway.tunnel(&Fixture::default(), "fixture", &token).args(["--proxy", "env:OUR_PROXY"]);
    let finished = tunnel.env("OUR_PROXY", &wrong).finish().await;
    assert_eq!((finished.code, finished.failure()["code"].as_str()), (Some(7), Some("proxy.rejected")), "{finished:?}");
    assert!(!format!("{finished:?}").contains("hunter3"));
    let doctor = |proxy: &str| {
        CulvertCommand::bare()
            .args([
                "doctor",
                "--json",
                "--server-name",
                "fixture",
                "--proxy",
                "env:OUR_PROXY",
                "--gateway",
                &gateway.url,
            ])
            .server(&Fixture::default())
            .env("OUR_PROXY", proxy)
            .env("REVERSE_PROXY_TOKEN", &token)
    };
    let result = |finished: &culvert_tests::culvert::Finished, check: &str| {
        let found = finished.events().into_iter().find(|finding| finding["check"] == check);
        found.unwrap_or_else(|| panic!("{check}: {finished:?}"))["result"].as_str().unwrap().to_owned()
    };
    let refused = doctor(&wrong).finish().await;
    assert_eq!((result(&refused, "tcp"), result(&refused, "proxy")), ("ok".to_owned(), "failed".to_owned()));
    assert_eq!(result(&refused, "registration"), "skipped");
    let good = doctor(&format!("http://me:hunter2@{}", proxy.address)).finish().await;
    assert_eq!((good.code, result(&good, "proxy")), (Some(0), "ok".to_owned()), "{good:?}");
    gateway.culvert.stop().await;
}

#[tokio::test]
async fn a_gateway_on_this_machine_is_reached_without_the_proxy_of_the_environment() {
    let gateway = OwnGateway::start().await;
    let token = OwnGateway::token("me", SECRET).await;
    let nowhere = "http://127.0.0.1:1";
    let tunnel = gateway.tunnel(&Fixture::default(), "fixture", &token);
    let tunnel = tunnel.env("HTTP_PROXY", nowhere).env("HTTPS_PROXY", nowhere).env("ALL_PROXY", nowhere).start();
    tunnel.online().await;
    tunnel.stop().await;
    let listed = CulvertCommand::bare()
        .args(["sessions", "--json", "--gateway", &gateway.url])
        .env("ALL_PROXY", nowhere)
        .env("REVERSE_PROXY_TOKEN", &token);
    assert_eq!(listed.finish().await.code, Some(0));
    gateway.culvert.stop().await;
}

#[tokio::test]
async fn both_ends_show_certificates_to_each_other() {
    let authority = Authority::new();
    let (certificate, key) = authority.server_files();
    let command = OwnGateway::command().arg("--tls-cert").arg(&certificate).arg("--tls-key").arg(&key);
    let gateway = OwnGateway::start_as(command.arg("--tls-client-ca").arg(authority.root())).await;
    let token = OwnGateway::token("me", SECRET).await;
    let tunnel = || {
        let tunnel = gateway.tunnel(&Fixture::default(), "fixture", &token);
        tunnel.arg("--ca-cert").arg(authority.root())
    };
    let with = tunnel().arg("--client-cert").arg(&certificate).env("REVERSE_PROXY_CLIENT_KEY", &key).start();
    with.online().await;
    with.stop().await;
    let sessions = CulvertCommand::bare()
        .args(["sessions", "--gateway", &gateway.url])
        .env("REVERSE_PROXY_CA_CERT", authority.root())
        .env("REVERSE_PROXY_CLIENT_CERT", &certificate)
        .env("REVERSE_PROXY_CLIENT_KEY", &key)
        .env("REVERSE_PROXY_TOKEN", &token);
    assert_eq!(sessions.finish().await.code, Some(0));
    for transport in ["ws", "sse"] {
        let without = tunnel().args(["--max-retries", "1", "--transport", transport]).finish().await;
        assert_eq!(without.code, Some(7), "{without:?}");
        assert!(without.failure().to_string().contains("asks for a client certificate"), "{without:?}");
    }
    let doctor = async |certificates: &[(&str, &Path)]| {
        let doctor = CulvertCommand::bare().args(["doctor", "--json", "--server-name", "fixture"]);
        let mut doctor = doctor.args(["--gateway", &gateway.url]).server(&Fixture::default());
        for (variable, file) in certificates {
            doctor = doctor.env(variable, file);
        }
        let finished = doctor.env("REVERSE_PROXY_TOKEN", &token).finish().await;
        let found = finished.events().into_iter().find(|finding| finding["check"] == "tls");
        let found = found.unwrap_or_else(|| panic!("{finished:?}"));
        (found["result"].as_str().unwrap().to_owned(), found["evidence"].as_str().unwrap().to_owned())
    };
    let root = authority.root();
    let all = [
        ("REVERSE_PROXY_CA_CERT", root.as_path()),
        ("REVERSE_PROXY_CLIENT_CERT", &certificate),
        ("REVERSE_PROXY_CLIENT_KEY", &key),
    ];
    assert_eq!(doctor(&all).await.0, "ok");
    let (result, why) = doctor(&all[..1]).await;
    assert!(result == "failed" && why.contains("asks for a client certificate"), "{why}");
    let (result, why) = doctor(&all[1..]).await;
    assert!(result == "failed" && why.contains("does not trust"), "{why}");
    gateway.culvert.stop().await;
}

/// Where a gateway publishes may lie behind a proxy too, and have a certificate of a company's own authority. Another
/// gateway of ours stands in for ContextForge: that it is reached at all is what matters here.
#[tokio::test]
async fn contextforge_is_reached_through_a_proxy_and_with_an_authority_of_its_own() {
    let (authority, proxy) = (Authority::new(), AskingProxy::start("me", "hunter2").await);
    let (secured, plain) = (OwnGateway::with_tls(&authority, SECRET).await, OwnGateway::start().await);
    let publishing = |to: &str| {
        let command = OwnGateway::command().args(["--allow-plaintext", "--public-url", "https://gw.example"]);
        let file = command.write("publishing-token", "a.b.c");
        command.args(["--publish-to", to, "--publish-token-file"]).arg(file)
    };
    let said = async |command: CulvertCommand| {
        let gateway = OwnGateway::start_as(command).await;
        gateway.culvert.says("code=\"publish.").await;
        gateway.culvert.stop().await.err
    };

    let named = format!("contextforge.example:{}", plain.address().port());
    let with_password = format!("http://me:hunter2@{}", proxy.address);
    let words = said(publishing(&format!("http://{named}")).env("http_proxy", &with_password)).await;
    assert!(!words.contains("publish.unreachable") && !words.contains("hunter2"), "{words}");
    assert_eq!(proxy.led(), [named]);

    // A flag shows no password, and this proxy asks for one.
    let flag = format!("http://{}", proxy.address);
    let words = said(publishing(&secured.url).args(["--publish-proxy", &flag])).await;
    assert!(words.contains("publish.unreachable") && words.contains(&flag), "{words}");

    let words = said(publishing(&secured.url)).await;
    assert!(words.contains("publish.unreachable") && words.contains("no secure connection"), "{words}");
    let words = said(publishing(&secured.url).arg("--publish-ca-cert").arg(authority.root())).await;
    assert!(!words.contains("publish.unreachable"), "{words}");
    secured.culvert.stop().await;
    plain.culvert.stop().await;
}

/// Waits until something listens at `address`.
async fn listens(address: SocketAddr) {
    let deadline = Instant::now() + PATIENCE;
    while TcpStream::connect(address).await.is_err() {
        assert!(Instant::now() < deadline, "nothing listens at {address}");
        sleep(std::time::Duration::from_millis(20)).await;
    }
}

async fn leads(peer: &str, scheme: &str, command: impl FnOnce(&Path, SocketAddr) -> CulvertCommand) {
    let Some(program) = if_any(peer) else { return };
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let proxy = command(&program, address).start();
    listens(address).await;
    let gateway = OwnGateway::start().await;
    let token = OwnGateway::token("me", SECRET).await;
    for (password, is_good) in [("hunter2", true), ("hunter3", false)] {
        let tunnel = gateway
            .tunnel(&Fixture::default(), "fixture", &token)
            .args(["--proxy", "env:OUR_PROXY"])
            .env("OUR_PROXY", format!("{scheme}://me:{password}@{address}"));
        if is_good {
            let tunnel = tunnel.start();
            tunnel.online().await;
            serves_calls(&gateway, &token).await;
            tunnel.stop().await;
        } else {
            let refused = tunnel.finish().await;
            assert_eq!(refused.failure()["code"], "proxy.rejected", "{refused:?}");
        }
    }
    gateway.culvert.stop().await;
    // Some know no other end than a signal.
    drop(proxy);
}

#[tokio::test]
async fn tinyproxy_leads_to_the_gateway() {
    leads("TINYPROXY", "http", |program, address| {
        let command = CulvertCommand::program(program);
        let port = address.port();
        let file = format!("Port {port}\nListen 127.0.0.1\nTimeout 600\nMaxClients 50\nBasicAuth me hunter2\n");
        let file = command.write("tinyproxy.conf", &file);
        command.args(["-d", "-c"]).arg(file)
    })
    .await;
}

#[tokio::test]
async fn microsocks_leads_to_the_gateway() {
    leads("MICROSOCKS", "socks5", |program, address| {
        let port = address.port().to_string();
        CulvertCommand::program(program).args(["-i", "127.0.0.1", "-p", &port, "-u", "me", "-P", "hunter2"])
    })
    .await;
}
