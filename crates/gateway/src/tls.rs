//! The gateway's certificate.

use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls_pki_types::pem::{Error as PemError, PemObject as _};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::config::TlsFiles;
use crate::error::GatewayError;

/// Reads certificate and key.
///
/// # Errors
/// [`GatewayError::Tls`] with the file at fault.
pub(crate) fn acceptor(files: &TlsFiles) -> Result<TlsAcceptor, GatewayError> {
    let failed = |path: &Path, detail: String| GatewayError::Tls { path: path.to_owned(), detail };
    let chain = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| failed(&files.certificate, explain(&error)))?;
    if chain.is_empty() {
        return Err(failed(&files.certificate, "it has no certificate in it".to_owned()));
    }
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| failed(&files.key, explain(&error)))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(&files.certificate, error.to_string()))?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| failed(&files.certificate, error.to_string()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
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
    use rustls::{ClientConfig, RootCertStore};
    use std::fs;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
    use tokio_rustls::TlsConnector;

    fn files(folder: &Path, certificate: &str, key: &str) -> TlsFiles {
        let files = TlsFiles { certificate: folder.join("cert.pem"), key: folder.join("key.pem") };
        fs::write(&files.certificate, certificate).unwrap();
        fs::write(&files.key, key).unwrap();
        files
    }

    #[tokio::test]
    async fn a_client_that_trusts_the_certificate_gets_through() {
        let made = rcgen::generate_simple_self_signed(["gw.test".to_owned()]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let files = files(folder.path(), &made.cert.pem(), &made.signing_key.serialize_pem());
        let acceptor = acceptor(&files).unwrap();
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
            match acceptor(&files(folder.path(), certificate, key)) {
                Err(GatewayError::Tls { path, .. }) => assert!(path.ends_with(at_fault), "{}", path.display()),
                _ => panic!("an unusable pair was taken"),
            }
        }
        let none = TlsFiles { certificate: "/nonexistent".into(), key: "/nonexistent".into() };
        assert!(matches!(acceptor(&none), Err(GatewayError::Tls { .. })));
    }
}
