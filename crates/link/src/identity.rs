//! Certificates and keys in PEM files of the user's: read, decrypted where a passphrase is given, and told apart by
//! what is wrong with them. Nothing of a key gets into an error.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::time::SystemTime;

use pkcs8::der::pem::PemLabel as _;
use pkcs8::{EncryptedPrivateKeyInfoRef, SecretDocument};
use rustls::RootCertStore;
use rustls::pki_types::pem::{Error as PemError, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use thiserror::Error;

use crate::certificate::good_until;
use crate::outbound::Identity;

/// The largest file that is read, in bytes: the whole list of a system's authorities has some 250 KiB.
const LARGEST: u64 = 4 << 20;

/// Why a certificate or key file cannot be used: which, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{file}: {wrong}")]
pub struct BadFile {
    /// The file's path, fit to be shown.
    pub file: String,
    /// What is wrong with it.
    pub wrong: Wrong,
}

/// What is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Wrong {
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Unreadable(String),
    /// It is larger than 4 MiB.
    #[error("it is larger than 4 MiB, so it is no certificate or key")]
    TooLarge,
    /// No certificate in it.
    #[error("there is no certificate in it (expected PEM: -----BEGIN CERTIFICATE-----)")]
    NoCertificate,
    /// No key in it.
    #[error("there is no private key in it (expected PEM: -----BEGIN PRIVATE KEY-----)")]
    NoKey,
    /// It is no PEM that can be read.
    #[error("it is not well-formed PEM: {0}")]
    Malformed(String),
    /// A key that needs a passphrase, and none is given.
    #[error("the private key is encrypted, and no passphrase is given")]
    PassphraseMissing,
    /// The passphrase does not fit.
    #[error("the passphrase does not open the private key")]
    PassphraseWrong,
    /// Encrypted in a way that is too old.
    #[error(
        "the private key is encrypted in a form that is not supported; `openssl pkcs8 -topk8 -v2 aes-256-cbc` writes one that is"
    )]
    OldEncryption,
    /// Key and certificate are no pair, or of a kind that is not supported.
    #[error("certificate and private key cannot be used together: {0}")]
    NoPair(String),
}

/// A certificate of our own with its key, ready for a handshake.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: PrivateKeyDer<'static>,
}

/// The authorities in a file.
pub(crate) fn roots(path: &Path) -> Result<RootCertStore, BadFile> {
    let bad = |wrong| BadFile { file: shown(path), wrong };
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(certificates(path)?);
    if added == 0 { Err(bad(Wrong::NoCertificate)) } else { Ok(roots) }
}

/// Our certificate and its key.
pub(crate) fn load(identity: &Identity) -> Result<Loaded, BadFile> {
    let chain = certificates(&identity.certificate)?;
    let path = identity.key.as_ref().unwrap_or(&identity.certificate);
    let pem = read(path)?;
    let key = key(&pem, identity.passphrase.as_ref().map(culvert_protocol::Secret::expose));
    Ok(Loaded { chain, key: key.map_err(|wrong| BadFile { file: shown(path), wrong })? })
}

/// Until when our certificate is good, where it can be used; also checks that the key belongs to it.
///
/// # Errors
/// [`BadFile`].
pub fn inspect(identity: &Identity) -> Result<Option<SystemTime>, BadFile> {
    let until = certificates(&identity.certificate)?.first().and_then(|own| good_until(own));
    crate::tls::with_identity(RootCertStore::empty(), identity).map(|_| until)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, BadFile> {
    let bad = |wrong| BadFile { file: shown(path), wrong };
    let pem = read(path)?;
    let found = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>();
    match found.map_err(|error| bad(Wrong::Malformed(error.to_string())))? {
        none if none.is_empty() => Err(bad(Wrong::NoCertificate)),
        found => Ok(found),
    }
}

fn key(pem: &[u8], passphrase: Option<&str>) -> Result<PrivateKeyDer<'static>, Wrong> {
    let text = std::str::from_utf8(pem).map_err(|_| Wrong::NoKey)?;
    if let Some(block) = block(text, EncryptedPrivateKeyInfoRef::PEM_LABEL) {
        return decrypted(block, passphrase.ok_or(Wrong::PassphraseMissing)?);
    }
    if text.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(Wrong::OldEncryption);
    }
    PrivateKeyDer::from_pem_slice(pem).map_err(|error| match error {
        PemError::NoItemsFound => Wrong::NoKey,
        other => Wrong::Malformed(other.to_string()),
    })
}

fn decrypted(block: &str, passphrase: &str) -> Result<PrivateKeyDer<'static>, Wrong> {
    let malformed = |error: &dyn std::fmt::Display| Wrong::Malformed(error.to_string());
    let (_, der) = SecretDocument::from_pem(block).map_err(|error| malformed(&error))?;
    let info = EncryptedPrivateKeyInfoRef::try_from(der.as_bytes()).map_err(|error| malformed(&error))?;
    // A wrong passphrase shows as bad padding, or as bytes that are no key.
    let is_known = matches!(info.encryption_algorithm, pkcs8::pkcs5::EncryptionScheme::Pbes2(_));
    let plain = info.decrypt(passphrase).map_err(|_| match is_known {
        true => Wrong::PassphraseWrong,
        false => Wrong::OldEncryption,
    })?;
    Ok(PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(plain.as_bytes().to_vec())))
}

/// The first block of this label, with its lines of beginning and end.
fn block<'t>(text: &'t str, label: &str) -> Option<&'t str> {
    let start = text.find(&format!("-----BEGIN {label}-----"))?;
    let end = format!("-----END {label}-----");
    let length = text[start..].find(&end)? + end.len();
    Some(&text[start..start + length])
}

fn read(path: &Path) -> Result<Vec<u8>, BadFile> {
    let bad = |wrong| BadFile { file: shown(path), wrong };
    let unreadable = |error: std::io::Error| bad(Wrong::Unreadable(error.kind().to_string()));
    let file = File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > LARGEST { Err(bad(Wrong::TooLarge)) } else { Ok(bytes) }
}

pub(crate) fn shown(path: &Path) -> String {
    culvert_protocol::text::clean(&path.display().to_string(), 300)
}
