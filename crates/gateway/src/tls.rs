//! The gateway's certificate, and whose certificates it asks its clients for; both may change while it runs.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::SystemTime;

use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::{Error as PemError, PemObject as _};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::config::TlsFiles;
use crate::error::GatewayError;
use crate::state_dir::Stamp;

/// TLS with what is in its files, which are looked at again while the gateway runs.
pub(crate) struct Tls {
    files: TlsFiles,
    seen: Mutex<Seen>,
    now: RwLock<Now>,
}

/// The files as they were when last read.
type Seen = [Option<Stamp>; 3];

/// What connections get at one moment.
#[derive(Clone)]
struct Now {
    acceptor: TlsAcceptor,
    good_until: Option<SystemTime>,
    /// Whether the files are what is in use.
    is_current: bool,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("files", &self.files).finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// [`GatewayError::Tls`] with the file at fault.
    pub(crate) fn establish(files: TlsFiles) -> Result<Self, GatewayError> {
        let seen = Mutex::new(look(&files));
        let now = RwLock::new(read(&files)?);
        Ok(Self { files, seen, now })
    }

    /// For the next connection; those that are open go on as they began.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        self.now.read().unwrap_or_else(PoisonError::into_inner).acceptor.clone()
    }

    /// Until when the certificate is good, where that can be read.
    pub(crate) fn good_until(&self) -> Option<SystemTime> {
        self.now.read().unwrap_or_else(PoisonError::into_inner).good_until
    }

    /// Whether what is in the files is in use.
    pub(crate) fn is_current(&self) -> bool {
        self.now.read().unwrap_or_else(PoisonError::into_inner).is_current
    }

    /// Looks at the files again. What cannot be used is told in the log, and what was in use before goes on: certificate
    /// and key change one after the other.
    pub(crate) fn refresh(&self) {
        let look = look(&self.files);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if *seen == look {
            return;
        }
        *seen = look;
        let read = read(&self.files);
        let mut now = self.now.write().unwrap_or_else(PoisonError::into_inner);
        match read {
            Ok(read) => {
                *now = read;
                tracing::info!("the certificate changed; new connections get the new one");
            }
            Err(error) => {
                now.is_current = false;
                tracing::error!(%error, "the certificate changed and cannot be used yet; the old one goes on");
            }
        }
    }
}

fn look(files: &TlsFiles) -> Seen {
    let stamp = |path: &Path| Stamp::of(path);
    [stamp(&files.certificate), stamp(&files.key), files.client_ca.as_deref().and_then(stamp)]
}

fn read(files: &TlsFiles) -> Result<Now, GatewayError> {
    let failed = |path: &Path, detail: String| GatewayError::Tls { path: path.to_owned(), detail };
    let chain = certificates(&files.certificate)?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| failed(&files.key, explain(&error)))?;
    let good_until = chain.first().and_then(|own| culvert_link::good_until(own));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(&files.certificate, error.to_string()))?;
    let config = match &files.client_ca {
        None => config.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(path)? {
                roots.add(certificate).map_err(|error| failed(path, error.to_string()))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            config.with_client_cert_verifier(verifier.map_err(|error| failed(path, error.to_string()))?)
        }
    };
    let mut config =
        config.with_single_cert(chain, key).map_err(|error| failed(&files.certificate, error.to_string()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Now { acceptor: TlsAcceptor::from(Arc::new(config)), good_until, is_current: true })
}

/// All certificates of a file, at least one.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, GatewayError> {
    let failed = |detail: String| GatewayError::Tls { path: path.to_owned(), detail };
    let chain = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| failed(explain(&error)))?;
    if chain.is_empty() { Err(failed("it has no certificate in it".to_owned())) } else { Ok(chain) }
}

fn explain(error: &PemError) -> String {
    match error {
        PemError::NoItemsFound => "nothing of that kind is in it".to_owned(),
        PemError::Io(error) => error.to_string(),
        other => format!("it is no PEM file: {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::ClientConfig;
    use std::fs;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
    use tokio_rustls::TlsConnector;

    fn files(folder: &Path, certificate: &str, key: &str) -> TlsFiles {
        let files = TlsFiles { certificate: folder.join("cert.pem"), key: folder.join("key.pem"), client_ca: None };
        fs::write(&files.certificate, certificate).unwrap();
        fs::write(&files.key, key).unwrap();
        files
    }

    #[tokio::test]
    async fn a_client_that_trusts_the_certificate_gets_through() {
        let made = rcgen::generate_simple_self_signed(["gw.test".to_owned()]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let files = files(folder.path(), &made.cert.pem(), &made.signing_key.serialize_pem());
        let acceptor = Tls::establish(files).unwrap().acceptor();
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let (ours, theirs) = duplex(16 * 1024);
        let served = tokio::spawn(async move { acceptor.accept(ours).await.unwrap().write_all(b"in").await });
        let name = rustls_pki_types::ServerName::try_from("gw.test").unwrap();
        let mut client = TlsConnector::from(Arc::new(config)).connect(name, theirs).await.unwrap();
        let mut read = [0; 2];
        client.read_exact(&mut read).await.unwrap();
        assert_eq!(&read, b"in");
        served.await.unwrap().unwrap();
    }

    #[test]
    fn the_file_at_fault_is_named() {
        let (made, other) = (
            rcgen::generate_simple_self_signed(["a".to_owned()]).unwrap(),
            rcgen::generate_simple_self_signed(["b".to_owned()]).unwrap(),
        );
        let (cert, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        let folder = tempfile::tempdir().unwrap();
        for (certificate, key, at_fault) in [
            ("", key.as_str(), "cert.pem"),
            ("nonsense", &key, "cert.pem"),
            (&cert, "", "key.pem"),
            (&cert, &cert, "key.pem"),
            (&cert, &other.signing_key.serialize_pem(), "cert.pem"),
        ] {
            match Tls::establish(files(folder.path(), certificate, key)) {
                Err(GatewayError::Tls { path, .. }) => assert!(path.ends_with(at_fault), "{}", path.display()),
                _ => panic!("an unusable pair was taken"),
            }
        }
        let none = TlsFiles { certificate: "/nonexistent".into(), key: "/nonexistent".into(), client_ca: None };
        assert!(matches!(Tls::establish(none), Err(GatewayError::Tls { .. })));
    }
}
