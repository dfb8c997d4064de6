//! TLS with real certificates: a new one is taken up while the gateway runs, clients may have to show one of their own.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use culvert_gateway::GatewayConfig;
use culvert_gateway::config::{MetricsConfig, TlsFiles};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::gateway::{PATIENCE, TestGateway, token};
use crate::http::request;

/// An authority that gives out certificates.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    der: CertificateDer<'static>,
}

/// A certificate and its key, as PEM.
struct Pair {
    certificate: String,
    key: String,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let root = params.self_signed(&key).unwrap();
        Self { pem: root.pem(), der: root.der().clone(), issuer: Issuer::new(params, key) }
    }

    fn gives(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Pair {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        change(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Pair { certificate: certificate.pem(), key: key.serialize_pem() }
    }
}

struct Files(tempfile::TempDir);

impl Files {
    fn of(pair: &Pair) -> Self {
        let files = Self(tempfile::tempdir().unwrap());
        files.take(pair);
        files
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn take(&self, pair: &Pair) {
        fs::write(self.at("key.pem"), &pair.key).unwrap();
        fs::write(self.at("cert.pem"), &pair.certificate).unwrap();
    }

    async fn gateway(&self, client_ca: Option<&Path>, change: impl FnOnce(&mut GatewayConfig)) -> TestGateway {
        let client_ca = client_ca.map(Path::to_owned);
        let tls = TlsFiles { certificate: self.at("cert.pem"), key: self.at("key.pem"), client_ca };
        TestGateway::start_with(|config| {
            config.tls = Some(tls);
            change(config);
        })
        .await
    }
}

/// What `/healthz` answers over TLS to a client that trusts `roots`, and shows a certificate if it has one.
async fn health(gateway: &TestGateway, roots: &[&Authority], own: Option<&Pair>) -> Result<String, String> {
    use rustls_pki_types::pem::PemObject as _;
    let mut trusted = RootCertStore::empty();
    for root in roots {
        trusted.add(root.der.clone()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(trusted);
    let config = match own {
        None => config.with_no_client_auth(),
        Some(pair) => {
            let chain = vec![CertificateDer::from_pem_slice(pair.certificate.as_bytes()).unwrap()];
            let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
            config.with_client_auth_cert(chain, key).unwrap()
        }
    };
    let asked = async {
        let stream = TcpStream::connect(gateway.address).await?;
        let name = ServerName::try_from("localhost").unwrap();
        let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    tokio::time::timeout(PATIENCE, asked).await.expect("no end to it").map_err(|error| error.to_string())
}

fn is_healthy(answer: &Result<String, String>) -> bool {
    answer.as_ref().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
}

#[tokio::test]
async fn a_new_certificate_is_taken_up_and_an_unusable_one_is_not() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let files = Files::of(&old.gives("localhost", |_| ()));
    let wish = MetricsConfig { listen: ([127, 0, 0, 1], 0).into(), token_file: None };
    let gateway = files.gateway(None, |config| config.metrics = Some(wish)).await;
    let figures = gateway.metrics.unwrap();
    assert!(is_healthy(&health(&gateway, &[&old], None).await));
    let wrong = health(&gateway, &[&new], None).await.unwrap_err();
    assert!(wrong.contains("UnknownIssuer"), "{wrong}");
    let host = figures.to_string();
    let told = request(figures, "GET", "/metrics", &[("Host", &host)], "").await;
    assert!(told.text().contains("\nculvert_gateway_certificate_expires_seconds "), "{}", told.text());

    // Half of a change: the key is another's. What was there goes on.
    let next = new.gives("localhost", |_| ());
    fs::write(files.at("key.pem"), &next.key).unwrap();
    let unusable = async {
        loop {
            let ready = request(figures, "GET", "/readyz", &[("Host", &host)], "").await;
            if ready.json()["warnings"][0] == "certificate.unusable" {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, unusable).await.expect("nobody is told");
    assert!(is_healthy(&health(&gateway, &[&old], None).await));

    files.take(&next);
    let taken = async {
        while !is_healthy(&health(&gateway, &[&new], None).await) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, taken).await.expect("the new certificate is not taken up");
    assert!(health(&gateway, &[&old], None).await.is_err());
}

#[tokio::test]
async fn a_client_without_a_good_certificate_does_not_get_in() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let files = Files::of(&ours.gives("localhost", |_| ()));
    fs::write(files.at("ca.pem"), &ours.pem).unwrap();
    let gateway = files.gateway(Some(&files.at("ca.pem")), |_| ()).await;
    let good = ours.gives("client", |_| ());
    assert!(is_healthy(&health(&gateway, &[&ours], Some(&good)).await));
    let over = ours.gives("client", |params| {
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2021, 1, 1);
    });
    for (what, own) in [
        ("none", None),
        ("another authority's", Some(&theirs.gives("client", |_| ()))),
        ("one that is over", Some(&over)),
    ] {
        let answer = health(&gateway, &[&ours], own).await;
        assert!(answer.is_err(), "{what}: {answer:?}");
    }
    assert!(is_healthy(&health(&gateway, &[&ours], Some(&good)).await));
}

#[tokio::test]
async fn a_client_that_does_not_finish_the_handshake_loses_its_connection() {
    let ours = Authority::new("ours");
    let files = Files::of(&ours.gives("localhost", |_| ()));
    let gateway = files.gateway(None, |config| config.limits.slow_client = Duration::from_millis(100)).await;
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    stream.write_all(b"\x16\x03\x01").await.unwrap();
    let mut rest = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("it stays open").unwrap();
    assert!(is_healthy(&health(&gateway, &[&ours], None).await));
}

#[tokio::test]
async fn only_a_trusted_proxy_tells_where_a_tunnel_comes_from() {
    for (trusted, is_believed) in [("127.0.0.0/8", true), ("10.0.0.0/8", false)] {
        let gateway = TestGateway::start_with(|config| config.trusted_proxies = vec![trusted.parse().unwrap()]).await;
        let me = token("me");
        let mut stream = TcpStream::connect(gateway.address).await.unwrap();
        let (host, bearer) = (gateway.address.to_string(), me.expose());
        let open = format!(
            "GET /reverse-proxy/ws HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {bearer}\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             X-Forwarded-For: 127.0.0.1, 198.51.100.7\r\nX-Forwarded-Host: evil.example\r\n\r\n"
        );
        stream.write_all(open.as_bytes()).await.unwrap();
        let (sender, receiver) = {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
            culvert_link::connect(stream, 1 << 20).await
        };
        let mut client = crate::base_client::BaseClient::over(sender, receiver);
        client.register("git").await;
        client.serve_until_complete().await;
        let listed = gateway.get("/reverse-proxy/sessions", &me).await.json();
        let remote = listed["sessions"][0]["remote"].as_str().unwrap();
        match is_believed {
            true => assert_eq!(remote, "198.51.100.7"),
            false => assert!(remote.starts_with("127.0.0.1:"), "{remote}"),
        }
    }
}
