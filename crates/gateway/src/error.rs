//! Why a gateway does not start, or a token cannot be made: each with a code and what to do.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::path::PathBuf;

use culvert_protocol::Explain;
use thiserror::Error;

/// What keeps the gateway, or a token command, from its work.
#[derive(Debug, Error)]
pub enum GatewayError {
    /// The address cannot be listened on.
    #[error("the gateway cannot listen on {address}: {detail}")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        detail: String,
    },
    /// The address for the figures cannot be listened on.
    #[error("the gateway's figures cannot be told at {address}: {detail}")]
    MetricsListen {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        detail: String,
    },
    /// The file with the bearer for the figures is unusable.
    #[error("no token for the figures in {path}: {detail}", path = path.display())]
    MetricsToken {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// Bearers and messages would cross the network readable by all.
    #[error("the gateway would listen on {address}, beyond this machine, without TLS")]
    Plaintext {
        /// The address asked for.
        address: SocketAddr,
    },
    /// Everybody on the network could register and call servers.
    #[error("without authentication the gateway listens on loopback only, not on {address}")]
    Open {
        /// The address asked for.
        address: SocketAddr,
    },
    /// Certificate or key are unusable.
    #[error("no TLS with {path}: {detail}", path = path.display())]
    Tls {
        /// The file at fault.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// A file of the state folder cannot be read or written.
    #[error("the state file {path} is unusable: {detail}", path = path.display())]
    State {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        detail: String,
    },
    /// Another gateway runs on this state folder.
    #[error("another gateway uses the state folder {path}", path = path.display())]
    StateInUse {
        /// The folder.
        path: PathBuf,
    },
    /// The file of the signing secret is missing, unreadable or empty.
    #[error("no signing secret in {path}: {detail}", path = path.display())]
    SecretFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// ContextForge, on another machine, could not follow the address that the gateway listens on.
    #[error("ContextForge at {contextforge} cannot find this gateway: it listens on {address} and has no --public-url")]
    PublishAddress {
        /// The ContextForge.
        contextforge: String,
        /// Where the gateway listens.
        address: SocketAddr,
    },
    /// The token for ContextForge would cross the network readable by all.
    #[error("the publishing token would go to {contextforge} without TLS")]
    PublishPlaintext {
        /// The ContextForge.
        contextforge: String,
    },
    /// There is no token for ContextForge.
    #[error("no publishing token in {path}: {detail}", path = path.display())]
    PublishToken {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// A signing secret of no characters signs for everybody.
    #[error("the signing secret is empty")]
    SecretEmpty,
}

impl GatewayError {
    /// A failure on a file of the state folder.
    pub(crate) fn state(path: impl Into<PathBuf>, detail: impl ToString) -> Self {
        Self::State { path: path.into(), detail: detail.to_string() }
    }
}

impl Explain for GatewayError {
    fn code(&self) -> &'static str {
        match self {
            Self::Listen { .. } => "gateway.listen",
            Self::MetricsListen { .. } => "metrics.listen",
            Self::MetricsToken { .. } => "metrics.token",
            Self::Plaintext { .. } => "gateway.plaintext",
            Self::Open { .. } => "gateway.open",
            Self::Tls { .. } => "gateway.tls",
            Self::State { .. } => "gateway.state",
            Self::StateInUse { .. } => "gateway.state_in_use",
            Self::PublishAddress { .. } => "publish.address",
            Self::PublishPlaintext { .. } => "publish.plaintext",
            Self::PublishToken { .. } => "publish.token",
            Self::SecretFile { .. } | Self::SecretEmpty => "gateway.secret",
        }
    }

    fn action(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Listen { .. } => "Choose another --listen address, or end what uses it; port 0 takes a free one.",
            Self::MetricsListen { .. } => "Choose another --metrics-listen address; port 0 takes a free one.",
            Self::MetricsToken { .. } => "Put a bearer of your choice into it, in one line.",
            Self::Plaintext { .. } => {
                "Give --tls-cert and --tls-key, or, if TLS ends at a proxy in front of it, --allow-plaintext."
            }
            Self::Open { .. } => "Drop --no-auth, or listen on 127.0.0.1.",
            Self::Tls { .. } => "Give PEM files: the certificate with its chain, and its private key.",
            Self::State { .. } => "Check the folder's owner, permissions and free space, or name another --state-dir.",
            Self::StateInUse { .. } => "End the other one, or give this one a --state-dir of its own.",
            Self::SecretFile { .. } => "Put the secret on the first line of that file, readable for this user.",
            Self::PublishAddress { .. } => {
                "Give --public-url the address under which ContextForge reaches this gateway."
            }
            Self::PublishPlaintext { .. } => {
                "Give an https address, or --allow-plaintext if that network is yours alone."
            }
            Self::PublishToken { .. } => "Put a ContextForge token on the first line of that file.",
            Self::SecretEmpty => "Set JWT_SECRET_KEY to at least 32 random characters.",
        })
    }
}
