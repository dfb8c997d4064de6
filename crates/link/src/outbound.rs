//! How a connection to a gateway is made: whom to trust, who we are, and through which proxy.

use std::path::PathBuf;

use culvert_protocol::Secret;

use crate::proxy::Proxy;

/// What a configuration says of the way out. The default trusts what this machine trusts, shows no certificate and goes
/// straight to the gateway.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outbound {
    /// A PEM file with the authorities that are trusted, instead of this machine's.
    pub ca_cert: Option<PathBuf>,
    /// Who we are, for gateways that ask for a certificate.
    pub identity: Option<Identity>,
    /// What stands between.
    pub proxy: Option<Proxy>,
}

/// A certificate of our own, in files that are read anew for each link, so that a renewed one is taken up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// A PEM file: our certificate, and those that lead from it to its authority.
    pub certificate: PathBuf,
    /// A PEM file with its private key; `None`: in the same file.
    pub key: Option<PathBuf>,
    /// What the key is encrypted with (PKCS #8, PBES2).
    pub passphrase: Option<Secret>,
}
