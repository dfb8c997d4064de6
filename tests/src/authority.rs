//! A private certificate authority: what a company's own gateway has.

use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tempfile::TempDir;

/// The authority and the one certificate that it gave out, for `localhost`.
#[derive(Debug)]
pub struct Authority {
    folder: TempDir,
    server: Arc<ServerConfig>,
}

/// OpenSSL takes a certificate whose issuer is called as its subject for self-signed.
fn name(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl Authority {
    /// Makes a new one.
    pub fn new() -> Self {
        let mut authority = CertificateParams::new([]).expect("no names");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        authority.distinguished_name = name("Culvert test authority");
        let key = KeyPair::generate().expect("a key");
        let root = authority.self_signed(&key).expect("a root");
        let issuer = Issuer::from_params(&authority, &key);

        let server_key = KeyPair::generate().expect("a key");
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut certificate = CertificateParams::new(names).expect("names");
        certificate.distinguished_name = name("localhost");
        let certificate = certificate.signed_by(&server_key, &issuer).expect("a certificate");

        let folder = tempfile::tempdir().expect("a temporary folder");
        let write = |name: &str, pem: String| std::fs::write(folder.path().join(name), pem).expect("a file");
        write("ca.pem", root.pem());
        write("server.pem", certificate.pem());
        write("server.key", server_key.serialize_pem());

        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let server = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring has TLS 1.2 and 1.3")
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(server_key.serialize_der())),
            )
            .expect("key and certificate fit");
        Self { folder, server: Arc::new(server) }
    }

    /// The root certificate, for `SSL_CERT_FILE`.
    pub fn root(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Certificate and key of `localhost`, as files.
    pub fn server_files(&self) -> (PathBuf, PathBuf) {
        (self.folder.path().join("server.pem"), self.folder.path().join("server.key"))
    }

    /// Certificate and key of `localhost`, ready for use.
    pub fn server_config(&self) -> Arc<ServerConfig> {
        self.server.clone()
    }
}
