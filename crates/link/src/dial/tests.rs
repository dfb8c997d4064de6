//! Real certificates on a real socket: which of them are taken, and what is said of the others.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use culvert_protocol::{Cause, GatewayAddress, Secret};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::{Dialler, Request};
use crate::identity::{BadFile, Wrong, inspect};
use crate::outbound::{Identity, Outbound};
use crate::proxy::Proxy;

/// An authority, and files of what it signs.
struct Authority {
    folder: TempDir,
    params: CertificateParams,
    key: KeyPair,
    der: CertificateDer<'static>,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let root = params.self_signed(&key).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), root.pem()).unwrap();
        Self { folder, params, key, der: root.der().clone() }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    fn signed(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        change(&mut params);
        let issuer = Issuer::from_params(&self.params, &self.key);
        (params.signed_by(&key, &issuer).unwrap(), key)
    }

    /// Files of a client's certificate and its key.
    fn client(&self) -> Identity {
        let (certificate, key) =
            self.signed("me", |params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]);
        let write = |name: &str, text: String| {
            let path = self.folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let certificate = write("me.pem", certificate.pem());
        Identity { certificate, key: Some(write("me.key", key.serialize_pem())), passphrase: None }
    }
}

/// A server that takes TLS and then answers whatever is asked with 404, so that this is what a way that is open shows.
struct Server {
    port: u16,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve((certificate, key): (rcgen::Certificate, KeyPair), clients: Option<&Authority>) -> Server {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions().unwrap();
    let config = match clients {
        None => config.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(authority.der.clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
            config.with_client_cert_verifier(verifier)
        }
    };
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = config.with_single_cert(vec![certificate.der().clone()], key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let task = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").await;
                let _ = stream.shutdown().await;
            });
        }
    });
    Server { port, task }
}

async fn dial(server: &Server, outbound: Outbound) -> Cause {
    let gateway = GatewayAddress::parse(&format!("https://localhost:{}", server.port)).unwrap();
    let request = Request { gateway: &gateway, endpoint: None, token: None, session_id: "s", max_message: 1 << 20 };
    let dialler = Dialler::new(outbound);
    let over_websocket = dialler.dial(request).await.unwrap_err();
    let over_sse = dialler.dial_sse(&request).await.unwrap_err();
    match (&over_websocket, &over_sse) {
        (Cause::NoEndpoint { .. }, Cause::NoSse { .. }) => {}
        (websocket, sse) => assert_eq!(websocket, sse, "both carriages say the same"),
    }
    let asked = dialler.ask(&gateway, None, http::Method::GET, "/sessions").await;
    match (&over_websocket, asked) {
        (Cause::NoEndpoint { .. }, Ok(answer)) => assert_eq!(answer.status(), 404),
        (cause, asked) => assert_eq!(Some(cause), asked.as_ref().err()),
    }
    over_websocket
}

fn tls(cause: &Cause) -> &str {
    match cause {
        Cause::Tls { detail, .. } => detail,
        other => panic!("{other:?}"),
    }
}

fn trusting(authority: &Authority) -> Outbound {
    Outbound { ca_cert: Some(authority.file()), ..Outbound::default() }
}

#[tokio::test]
async fn only_a_good_certificate_of_a_known_authority_is_taken() {
    let (ours, other) = (Authority::new("ours"), Authority::new("other"));
    let server = serve(ours.signed("localhost", |_| {}), None).await;
    assert!(matches!(dial(&server, trusting(&ours)).await, Cause::NoEndpoint { .. }));
    assert!(tls(&dial(&server, trusting(&other)).await).contains("does not trust"));
    let wrong_name = serve(ours.signed("gw.example", |_| {}), None).await;
    assert!(tls(&dial(&wrong_name, trusting(&ours)).await).contains("another name"));
    let expired = serve(
        ours.signed("localhost", |params| {
            (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
        }),
        None,
    );
    assert!(tls(&dial(&expired.await, trusting(&ours)).await).contains("expired"));
    let early = serve(ours.signed("localhost", |params| params.not_before = date_time_ymd(2999, 1, 1)), None).await;
    assert!(tls(&dial(&early, trusting(&ours)).await).contains("not valid yet"));
}

#[tokio::test]
async fn a_gateway_that_asks_for_a_certificate_gets_ours_and_says_what_is_wrong_with_another() {
    let (ours, other) = (Authority::new("ours"), Authority::new("other"));
    let server = serve(ours.signed("localhost", |_| {}), Some(&ours)).await;
    let with = |identity| Outbound { identity, ..trusting(&ours) };
    assert!(matches!(dial(&server, with(Some(ours.client()))).await, Cause::NoEndpoint { .. }));
    assert!(tls(&dial(&server, with(None)).await).contains("asks for a client certificate"));
    assert!(tls(&dial(&server, with(Some(other.client()))).await).contains("does not take our client certificate"));
}

#[tokio::test]
async fn files_that_cannot_be_used_are_named() {
    let ours = Authority::new("ours");
    let server = serve(ours.signed("localhost", |_| {}), None).await;
    let missing = Outbound { ca_cert: Some("/nonexistent/ca.pem".into()), ..Outbound::default() };
    assert!(
        matches!(dial(&server, missing).await, Cause::Certificate { detail } if detail.starts_with("/nonexistent/ca.pem"))
    );
    let strangers = Identity { key: Authority::new("other").client().key, ..ours.client() };
    let gone = inspect(&strangers).unwrap_err();
    assert!(matches!(gone.wrong, Wrong::Unreadable(_)), "its folder is gone: {gone}");
    let other = Authority::new("other");
    let no_pair = inspect(&Identity { key: other.client().key, ..ours.client() }).unwrap_err();
    assert!(matches!(no_pair.wrong, Wrong::NoPair(_)), "{no_pair}");
    assert!(inspect(&ours.client()).unwrap().is_some());
    let no_key = inspect(&Identity { key: None, ..ours.client() }).unwrap_err();
    assert_eq!(no_key.wrong, Wrong::NoKey);
}

/// Encrypted by OpenSSL, as users do it; the plain key comes from rcgen.
fn encrypted(identity: &Identity, options: &[&str]) -> Option<PathBuf> {
    let plain = identity.key.as_ref().unwrap();
    let path = plain.with_extension("encrypted");
    let made = std::process::Command::new("openssl")
        .args(["pkcs8", "-topk8", "-passout", "pass:hunter2", "-in"])
        .args([plain.as_path(), Path::new("-out"), &path])
        .args(options)
        .output();
    made.ok().filter(|made| made.status.success()).map(|_| path)
}

#[test]
fn an_encrypted_key_opens_with_its_passphrase_only() {
    let ours = Authority::new("ours");
    let client = ours.client();
    for options in [&["-v2", "aes-256-cbc"][..], &["-v2", "aes-128-cbc", "-v2prf", "hmacWithSHA512"], &["-scrypt"]] {
        let Some(key) = encrypted(&client, options) else { return };
        let with = |passphrase: Option<&str>| {
            let passphrase = passphrase.map(Secret::new);
            inspect(&Identity { key: Some(key.clone()), passphrase, ..client.clone() })
                .map_err(|BadFile { wrong, .. }| wrong)
        };
        assert!(with(Some("hunter2")).unwrap().is_some(), "{options:?}");
        assert_eq!(with(Some("hunter3")).unwrap_err(), Wrong::PassphraseWrong);
        assert_eq!(with(None).unwrap_err(), Wrong::PassphraseMissing);
    }
    let Some(old) = encrypted(&client, &["-v1", "PBE-SHA1-3DES"]) else { return };
    let old = inspect(&Identity { key: Some(old), passphrase: Some(Secret::new("hunter2")), ..client });
    assert!(matches!(old.unwrap_err().wrong, Wrong::OldEncryption | Wrong::Malformed(_)));
}

#[tokio::test]
async fn a_proxy_that_is_not_there_is_told_as_such() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let proxy = Proxy::parse(&format!("http://u:hunter2@{closed}")).ok();
    let gateway = GatewayAddress::parse("https://gw.example").unwrap();
    let request = Request { gateway: &gateway, endpoint: None, token: None, session_id: "s", max_message: 1 << 20 };
    let cause = Dialler::new(Outbound { proxy, ..Outbound::default() }).dial(request).await.unwrap_err();
    assert!(matches!(&cause, Cause::Proxy { detail, .. } if detail == "nothing listens there"), "{cause:?}");
    assert!(!format!("{cause:?}").contains("hunter2"));
}

#[tokio::test]
async fn a_proxy_over_tls_shows_a_good_certificate_before_it_hears_who_comes() {
    let (ours, other) = (Authority::new("ours"), Authority::new("other"));
    let through = |server: &Server, authority: &Authority| Outbound {
        proxy: Proxy::parse(&format!("https://me:hunter2@localhost:{}", server.port)).ok(),
        ..trusting(authority)
    };
    let said = async |server: &Server, authority: &Authority| match dial(server, through(server, authority)).await {
        Cause::Proxy { detail, .. } => detail,
        cause => panic!("{cause:?}"),
    };
    let good = serve(ours.signed("localhost", |_| {}), None).await;
    let refused = said(&good, &ours).await;
    assert!(refused.contains("404"), "it was asked, and does not lead anywhere: {refused}");
    let strange = said(&good, &other).await;
    assert!(!strange.contains("404") && !strange.contains("hunter2"), "{strange}");
    let wrong_name = serve(ours.signed("proxy.example", |_| {}), None).await;
    let wrong_name = said(&wrong_name, &ours).await;
    assert!(!wrong_name.contains("404") && wrong_name != strange, "{wrong_name}");
}
