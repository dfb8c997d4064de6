//! TLS as a client: whom to trust, who we are, and what went wrong in words. Nothing switches the checks off.

use std::error::Error;
use std::io;
use std::sync::Arc;

pub use rustls::ClientConfig;
use rustls::client::WantsClientCert;
use rustls::pki_types::ServerName;
use rustls::{AlertDescription, CertificateError, ConfigBuilder, Error as TlsError, RootCertStore};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::activity::Io;
use crate::identity::{self, BadFile, Wrong};
use crate::outbound::Identity;

/// Trusts what this machine trusts. `SSL_CERT_FILE` and `SSL_CERT_DIR` replace the system's roots, as everywhere.
///
/// # Errors
/// When no root certificate at all could be read.
pub fn system_config() -> Result<Arc<ClientConfig>, String> {
    Ok(Arc::new(trusting(system_roots()?).with_no_client_auth()))
}

/// What this machine trusts.
pub(crate) fn system_roots() -> Result<RootCertStore, String> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        let why = found.errors.first().map(|error| format!(": {error}")).unwrap_or_default();
        return Err(format!("this machine has no root certificates{why}"));
    }
    Ok(roots)
}

/// Trusts `roots`, and shows no certificate.
pub(crate) fn anonymous(roots: RootCertStore) -> Arc<ClientConfig> {
    Arc::new(trusting(roots).with_no_client_auth())
}

/// Trusts `roots`, and shows the certificate of `identity` to whoever asks for one.
pub(crate) fn with_identity(roots: RootCertStore, identity: &Identity) -> Result<Arc<ClientConfig>, BadFile> {
    let loaded = identity::load(identity)?;
    let config = trusting(roots).with_client_auth_cert(loaded.chain, loaded.key);
    config.map(Arc::new).map_err(|error| BadFile {
        file: identity::shown(&identity.certificate),
        wrong: Wrong::NoPair(error.to_string()),
    })
}

fn trusting(roots: RootCertStore) -> ConfigBuilder<ClientConfig, WantsClientCert> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    #[allow(clippy::expect_used, reason = "a fact about the library, the same at every call")]
    let versions = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has the cipher suites of both versions");
    versions.with_root_certificates(roots)
}

/// Secures a connection to `host`.
///
/// # Errors
/// What was wrong with the peer's certificate or protocol, in words.
pub async fn connect<S: Io>(config: Arc<ClientConfig>, host: &str, stream: S) -> Result<TlsStream<S>, String> {
    let name = ServerName::try_from(host.to_owned()).map_err(|_| format!("{host:?} is no name for a certificate"))?;
    TlsConnector::from(config).connect(name, stream).await.map_err(|error| explain(&error))
}

/// What a peer said against our certificate, if that is what ended a connection. With TLS 1.3 it comes when the
/// handshake is over here already, in place of the first answer.
pub(crate) fn refused_identity(error: &(dyn Error + 'static)) -> Option<String> {
    let mut error = Some(error);
    while let Some(one) = error {
        let inner = one.downcast_ref::<io::Error>().and_then(|io| io.get_ref()).and_then(|inner| inner.downcast_ref());
        if let Some(TlsError::AlertReceived(alert)) = inner.or_else(|| one.downcast_ref()) {
            return about_identity(*alert).map(str::to_owned);
        }
        error = one.source();
    }
    None
}

fn about_identity(alert: AlertDescription) -> Option<&'static str> {
    match alert {
        AlertDescription::CertificateRequired => Some("it asks for a client certificate, and got none"),
        AlertDescription::UnknownCA => {
            Some("it does not take our client certificate: it does not know the authority that signed it")
        }
        AlertDescription::CertificateExpired => {
            Some("it does not take our client certificate: the certificate has expired")
        }
        AlertDescription::CertificateRevoked => {
            Some("it does not take our client certificate: the certificate was revoked")
        }
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateUnknown
        | AlertDescription::AccessDenied => Some("it does not take our client certificate"),
        _ => None,
    }
}

fn explain(error: &io::Error) -> String {
    if let Some(refused) = refused_identity(error) {
        return refused;
    }
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
