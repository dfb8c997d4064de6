//! What a gateway is started with, and which of it is refused.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use culvert_protocol::{GatewayAddress, Secret, limits};

use crate::error::GatewayError;
pub use crate::proxies::Network;
use crate::publish::PublishConfig;

/// Everything a gateway is started with.
#[derive(Debug, Clone)]
pub struct GatewayConfig {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Who may come in.
    pub auth: Auth,
    /// Folder of the catalog, the revoked tokens and the made secret. It is created, for this user only.
    pub state_dir: PathBuf,
    /// Certificate and key; none means plaintext.
    pub tls: Option<TlsFiles>,
    /// Whether plaintext may leave this machine.
    pub plaintext: Plaintext,
    /// The address that others know the gateway by, with a path prefix if a proxy adds one.
    pub public_url: Option<GatewayAddress>,
    /// Proxies whose word on where a request comes from is taken.
    pub trusted_proxies: Vec<Network>,
    /// Where machines may ask for its figures; none means nowhere.
    pub metrics: Option<MetricsConfig>,
    /// Where its servers are published, if anywhere.
    pub publish: Option<PublishConfig>,
    /// The file in which each call leaves a line, if any does.
    pub audit_log: Option<PathBuf>,
    /// What bounds it.
    pub limits: GatewayLimits,
}

/// Who may come in.
#[derive(Debug, Clone)]
pub enum Auth {
    /// Bearers of tokens signed with one of these secrets.
    Bearers(SecretSource),
    /// Everybody, as the subject `anonymous`. Loopback only.
    Open,
}

/// Where the signing secrets come from.
#[derive(Debug, Clone)]
pub enum SecretSource {
    /// Handed in, as `JWT_SECRET_KEY` and `JWT_SECRET_KEY_PREVIOUS`. The first signs, both are taken.
    Given {
        /// Signs, and is taken.
        current: Secret,
        /// Is taken too while tokens of the secret before live on.
        previous: Option<Secret>,
    },
    /// A file, a secret a line: the first signs, all are taken. Looked at again when it changes.
    File(PathBuf),
    /// The file `jwt-secret` of the state folder, made when it is not there.
    State,
}

/// PEM files of a certificate with its chain, and of its private key.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The certificate, then its chain.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
    /// Authorities of which one must have signed a client's certificate; none means that clients need none.
    pub client_ca: Option<PathBuf>,
}

/// Where machines may ask for the gateway's figures, in plain HTTP.
#[derive(Debug, Clone)]
pub struct MetricsConfig {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// A file whose first line is the bearer that `/metrics` asks for; none means that it asks for none.
    pub token_file: Option<PathBuf>,
}

/// Whether plaintext may leave this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plaintext {
    /// Only to loopback.
    Loopback,
    /// Anywhere: TLS ends in front of the gateway, or the user wants it so.
    Allowed,
}

/// What bounds a gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayLimits {
    /// Bytes of one frame on a link, and of one HTTP body.
    pub max_message: usize,
    /// Connections at once, links included.
    pub connections: usize,
    /// MCP sessions at once; and as many subjects whose requests stand alone.
    pub sessions: usize,
    /// Calls of one MCP session that may be in flight, and messages of one batch.
    pub session_calls: usize,
    /// Calls that may be in flight at one process of a server, of all that share it.
    pub shared_calls: usize,
    /// Bytes that may wait on each stream of an MCP session for a client that does not read; and that are kept of
    /// streams that are over, for one that comes back.
    pub session_backlog: usize,
    /// Bytes of a request's head, at least 8192.
    pub head: usize,
    /// Headers of a request.
    pub headers: usize,
    /// What each subject may use.
    pub per_subject: SubjectLimits,
    /// How long a request's head, its body, or a TLS handshake may take to come in, and how long an answer may wait
    /// for its client to read on.
    pub slow_client: Duration,
    /// How long the answer to `POST …/request` may take.
    pub answer: Duration,
    /// A call of an MCP client that gets neither answer nor progress for so long is cancelled, and its caller gets an
    /// error.
    pub request_timeout: Duration,
    /// An MCP session that has no call in flight, no open stream and no use for so long ends; so does the process of a
    /// subject whose requests stand alone.
    pub session_idle: Duration,
    /// Where a tunnel takes no more sessions, one that nobody has used for so long makes room for another of the same
    /// subject.
    pub abandoned: Duration,
    /// How long a link whose connection broke can be resumed; its calls wait as long.
    pub grace: Duration,
    /// How long open connections have to end once the gateway is to stop.
    pub drain: Duration,
}

/// What one subject may use, so that none can take the gateway from the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubjectLimits {
    /// Requests in a second; as many at once. 0: any number.
    pub requests: u32,
    /// Connections at once, links included.
    pub connections: usize,
    /// Bytes of bodies at once, each until its request is answered; one body alone may be larger.
    pub bodies: usize,
    /// Tunnels at once.
    pub tunnels: usize,
    /// MCP sessions at once, each a channel on its tunnel; and as many servers used with requests that stand alone.
    pub sessions: usize,
    /// Servers in the catalog; the one that is gone longest makes room.
    pub servers: usize,
}

impl Default for SubjectLimits {
    fn default() -> Self {
        Self {
            requests: 50_000,
            connections: 4096,
            bodies: 256 * 1024 * 1024,
            tunnels: 1024,
            sessions: 1024,
            servers: 1000,
        }
    }
}

impl Default for GatewayLimits {
    fn default() -> Self {
        Self {
            max_message: limits::MAX_MESSAGE_DEFAULT,
            connections: 8192,
            sessions: 4096,
            session_calls: 1024,
            shared_calls: 8192,
            session_backlog: 1024 * 1024,
            head: 64 * 1024,
            headers: 100,
            per_subject: SubjectLimits::default(),
            slow_client: Duration::from_secs(60),
            answer: Duration::from_secs(60),
            request_timeout: limits::REQUEST_TIMEOUT_DEFAULT,
            session_idle: Duration::from_secs(10 * 60),
            abandoned: Duration::from_secs(120),
            grace: Duration::from_secs(120),
            drain: Duration::from_secs(5),
        }
    }
}

impl GatewayConfig {
    /// The default address to listen on.
    pub const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 4444);

    /// The defaults, with all state in `state_dir`.
    pub fn new(state_dir: impl Into<PathBuf>) -> Self {
        Self {
            listen: Self::LISTEN,
            auth: Auth::Bearers(SecretSource::State),
            state_dir: state_dir.into(),
            tls: None,
            plaintext: Plaintext::Loopback,
            public_url: None,
            trusted_proxies: Vec::new(),
            metrics: None,
            publish: None,
            audit_log: None,
            limits: GatewayLimits::default(),
        }
    }

    /// The folder for the state unless one is named: `$XDG_STATE_HOME/culvert/gateway`, else
    /// `~/.local/state/culvert/gateway`; on Windows `%LOCALAPPDATA%\Culvert\gateway`. `None` without a home. `variable`
    /// reads the environment.
    pub fn default_state_dir(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
        let absolute = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
        if cfg!(windows) {
            let local = || absolute("USERPROFILE").map(|home| home.join("AppData").join("Local"));
            return Some(absolute("LOCALAPPDATA").or_else(local)?.join("Culvert").join("gateway"));
        }
        let base = absolute("XDG_STATE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".local/state")))?;
        Some(base.join("culvert/gateway"))
    }

    /// Refuses what would be unsafe.
    ///
    /// # Errors
    /// [`GatewayError::Open`] and [`GatewayError::Plaintext`], beyond loopback; and what publishing cannot work with.
    pub fn check(&self) -> Result<(), GatewayError> {
        let address = self.listen;
        if let Some(publish) = &self.publish {
            publish.check(address, self.public_url.as_ref(), self.plaintext)?;
        }
        if address.ip().to_canonical().is_loopback() {
            return Ok(());
        }
        if matches!(self.auth, Auth::Open) {
            return Err(GatewayError::Open { address });
        }
        if self.tls.is_none() && self.plaintext == Plaintext::Loopback {
            return Err(GatewayError::Plaintext { address });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use culvert_protocol::Explain as _;

    fn checked(listen: &str, change: impl FnOnce(&mut GatewayConfig)) -> Option<&'static str> {
        let mut config = GatewayConfig { listen: listen.parse().unwrap(), ..GatewayConfig::new("/x") };
        change(&mut config);
        config.check().err().map(|error| error.code())
    }

    #[test]
    fn what_would_be_unsafe_is_refused() {
        let tls = || Some(TlsFiles { certificate: "c".into(), key: "k".into(), client_ca: None });
        assert_eq!(checked("127.0.0.1:1", |_| ()), None);
        assert_eq!(checked("[::1]:1", |config| config.auth = Auth::Open), None);
        assert_eq!(checked("[::ffff:127.0.0.1]:1", |_| ()), None);
        assert_eq!(checked("0.0.0.0:1", |_| ()), Some("gateway.plaintext"));
        assert_eq!(checked("192.168.0.1:1", |config| config.plaintext = Plaintext::Allowed), None);
        assert_eq!(checked("0.0.0.0:1", |config| config.tls = tls()), None);
        let open = |config: &mut GatewayConfig| {
            (config.auth, config.tls, config.plaintext) = (Auth::Open, tls(), Plaintext::Allowed);
        };
        assert_eq!(checked("0.0.0.0:1", open), Some("gateway.open"));
    }

    #[test]
    fn the_state_folder_follows_the_environment() {
        let with = |vars: &'static [(&str, &str)]| {
            GatewayConfig::default_state_dir(|name| {
                vars.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value))
            })
        };
        assert_eq!(with(&[("HOME", "/h")]), Some("/h/.local/state/culvert/gateway".into()));
        assert_eq!(with(&[("HOME", "/h"), ("XDG_STATE_HOME", "/s")]), Some("/s/culvert/gateway".into()));
        assert_eq!(with(&[("HOME", "/h"), ("XDG_STATE_HOME", "relative")]), with(&[("HOME", "/h")]));
        assert_eq!(with(&[]), None);
    }
}
