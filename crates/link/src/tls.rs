//! TLS as a client: the system's roots (and `SSL_CERT_FILE`), and what went wrong in words.

use std::io;
use std::sync::Arc;

pub use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use rustls::{CertificateError, Error as TlsError, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Trusts what this machine trusts. `SSL_CERT_FILE` and `SSL_CERT_DIR` replace the system's roots, as everywhere.
///
/// # Errors
/// When no root certificate at all could be read.
pub fn system_config() -> Result<Arc<ClientConfig>, String> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        let why = found.errors.first().map(|error| format!(": {error}")).unwrap_or_default();
        return Err(format!("this machine has no root certificates{why}"));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// Secures a connection to `host`.
///
/// # Errors
/// What was wrong with the peer's certificate or protocol, in words.
pub async fn connect(config: Arc<ClientConfig>, host: &str, stream: TcpStream) -> Result<TlsStream<TcpStream>, String> {
    let name = ServerName::try_from(host.to_owned()).map_err(|_| format!("{host:?} is no name for a certificate"))?;
    TlsConnector::from(config).connect(name, stream).await.map_err(|error| explain(&error))
}

fn explain(error: &io::Error) -> String {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>());
    let words = match tls {
        Some(TlsError::InvalidCertificate(CertificateError::UnknownIssuer)) => {
            "its certificate is signed by an authority that this machine does not trust"
        }
        Some(TlsError::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        )) => "its certificate is for another name",
        Some(TlsError::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. })) => {
            "its certificate has expired"
        }
        Some(TlsError::InvalidCertificate(
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. },
        )) => "its certificate is not valid yet",
        Some(TlsError::InvalidMessage(_)) => "it does not speak TLS on this port",
        Some(other) => return other.to_string(),
        None => return error.to_string(),
    };
    words.to_owned()
}
