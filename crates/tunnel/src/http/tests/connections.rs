//! Connections: used again, made anew, protected, refused.

use std::sync::Arc;
use std::time::Duration;

use culvert_protocol::Explain as _;
use rustls::pki_types::PrivateKeyDer;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

use super::server::{Reply, Script, speak};
use super::{Place, Roots, answer, in_session, request};
use crate::http::HttpServer;
use crate::http::headers::Headers;
use crate::http::url::ServerUrl;
use crate::local::Letter;
use crate::output::Output;

#[tokio::test(start_paused = true)]
async fn a_connection_is_used_again_while_it_is_fresh() {
    let mut scene = in_session(|seen| match seen.member("id").as_u64() {
        Some(2) => Reply::events(super::event("1", &answer(seen, json!({})))),
        _ => Reply::json(200, answer(seen, json!({}))),
    });
    scene.greet().await;
    for id in 1..20 {
        scene.say(request(id, "tools/call")).await;
        scene.message().await;
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    let used = scene.connections();
    assert!(used <= 3, "{used} connections");
    tokio::time::sleep(Duration::from_secs(5)).await;
    scene.say(request(30, "tools/call")).await;
    scene.message().await;
    assert_eq!(scene.connections(), used + 1, "the server may just be closing an old one");
}

/// One conversation with a server at `url`, up to its first word.
async fn first_word(url: String, roots: Roots) -> Output {
    let place = Place {
        url: ServerUrl::parse(&url).unwrap(),
        headers: Headers::default(),
        max_message: 1000,
        roots,
        ledger: Arc::default(),
        memory: None,
    };
    let mut server = HttpServer::streamable(place, fastrand::Rng::with_seed(7));
    let line = request(1, "initialize").to_string().into();
    server.input.send(Letter { line, credentials: None }).await.unwrap();
    let word = tokio::time::timeout(Duration::from_secs(30), server.next()).await.unwrap();
    server.end().await;
    word
}

#[tokio::test]
async fn nothing_there_is_said_as_such() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let Output::Exited(exit) = first_word(format!("http://{free}/mcp"), Roots::default()).await else { panic!() };
    let cause = exit.clone().first();
    assert_eq!(cause.code(), "server.unreachable");
    assert_eq!(
        cause.to_string(),
        format!("the local server at http://{free}/mcp cannot be reached: connection refused")
    );
    assert_eq!(exit.later().code(), "server.lost");
}

#[tokio::test]
async fn tls_is_checked() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = made.cert.der().clone();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let acceptor = rustls::ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(acceptor));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let script: Script = Arc::new(super::initialized);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            if let Ok(stream) = acceptor.accept(stream).await {
                tokio::spawn(speak(stream, script.clone(), mpsc::unbounded_channel().0));
            }
        }
    });
    let mut known = rustls::RootCertStore::empty();
    known.add(certificate).unwrap();
    let trusting = |roots| {
        let config = rustls::ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Roots::given(Arc::new(config))
    };
    let url = |host| format!("https://{host}:{port}/mcp");
    let good = first_word(url("localhost"), trusting(known.clone())).await;
    assert!(matches!(good, Output::Line(_)), "{good:?}");
    for (host, roots, words) in [
        ("localhost", rustls::RootCertStore::empty(), "does not trust"),
        ("127.0.0.1", known, "its certificate is for another name"),
    ] {
        let Output::Exited(exit) = first_word(url(host), trusting(roots)).await else { panic!() };
        let cause = exit.first();
        assert_eq!(cause.code(), "server.unreachable");
        assert!(cause.to_string().contains(words), "{cause}");
    }
}
