//! A gateway on a free port, with a state folder of its own, stopped when dropped.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use culvert_gateway::config::{Auth, SecretSource};
use culvert_gateway::tokens::{self, Lifetime, NewToken, Standing, UnixTime};
use culvert_gateway::{Gateway, GatewayConfig};
use culvert_protocol::claims::Right;
use culvert_protocol::{GatewayAddress, Secret, ServerName};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::base_client::BaseClient;
use crate::http::{Answer, request};

/// The longest that any test waits for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct TestGateway {
    pub(crate) address: SocketAddr,
    pub(crate) url: GatewayAddress,
    pub(crate) metrics: Option<SocketAddr>,
    stop: CancellationToken,
    running: Option<JoinHandle<()>>,
    folder: tempfile::TempDir,
}

/// The signing secret of every test gateway.
pub(crate) fn secret() -> Secret {
    Secret::new("a secret for tests that is long enough")
}

impl TestGateway {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| ()).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut GatewayConfig)) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), change).await
    }

    async fn start_in(folder: tempfile::TempDir, change: impl FnOnce(&mut GatewayConfig)) -> Self {
        let mut config = GatewayConfig::new(folder.path().join("state"));
        config.listen = SocketAddr::from(([127, 0, 0, 1], 0));
        config.auth = Auth::Bearers(SecretSource::Given { current: secret(), previous: None });
        change(&mut config);
        let gateway = Gateway::bind(config).await.unwrap();
        let (address, url) = (gateway.local_address(), gateway.url().clone());
        let metrics = gateway.metrics_address();
        let stop = CancellationToken::new();
        let running = Some(tokio::spawn(gateway.run(stop.clone())));
        Self { address, url, metrics, stop, running, folder }
    }

    /// Stops it in order; its state folder can be used again.
    pub(crate) async fn stop(mut self) -> tempfile::TempDir {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, self.running.take().unwrap()).await.unwrap().unwrap();
        std::mem::replace(&mut self.folder, tempfile::tempdir().unwrap())
    }

    /// Stops it and starts another on the same state.
    pub(crate) async fn restart(self) -> Self {
        let folder = self.stop().await;
        Self::start_in(folder, |_| ()).await
    }

    /// Asks it to stop and does not wait.
    pub(crate) fn begin_to_stop(&self) {
        self.stop.cancel();
    }

    pub(crate) fn state_dir(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// Any request with a bearer.
    pub(crate) async fn ask(&self, method: &str, path: &str, token: &Secret, body: &str) -> Answer {
        let bearer = format!("Bearer {}", token.expose());
        let host = self.address.to_string();
        request(self.address, method, path, &[("Host", &host), ("Authorization", &bearer)], body).await
    }

    pub(crate) async fn get(&self, path: &str, token: &Secret) -> Answer {
        self.ask("GET", path, token, "").await
    }

    /// Registers `name` and waits until that is complete.
    pub(crate) async fn register(&self, token: &Secret, name: &str) -> BaseClient {
        let mut client = BaseClient::dial(&self.url, token).await.unwrap();
        client.register(name).await;
        client.serve_until_complete().await;
        client
    }

    /// Waits until `GET path` gives what satisfies `check`.
    pub(crate) async fn until(&self, path: &str, token: &Secret, check: impl Fn(&Answer) -> bool) -> Answer {
        let poll = async {
            loop {
                let answer = self.get(path, token).await;
                if check(&answer) {
                    return answer;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, poll).await.expect("the condition never came true")
    }
}

impl Drop for TestGateway {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// A token for `subject`, good for an hour, with all its rights.
pub(crate) fn token(subject: &str) -> Secret {
    make(subject, |_| ())
}

/// An admin's token.
pub(crate) fn admin() -> Secret {
    make("root", |new| new.standing = Standing::Admin)
}

/// A token with these rights on these servers.
pub(crate) fn narrow(subject: &str, can: &[Right], servers: &[&str]) -> Secret {
    make(subject, |new| {
        new.can = Some(can.to_vec());
        new.servers = Some(servers.iter().map(|name| ServerName::new(name).unwrap()).collect());
    })
}

pub(crate) fn make(subject: &str, change: impl FnOnce(&mut NewToken)) -> Secret {
    let mut new = NewToken {
        subject: subject.into(),
        standing: Standing::User,
        lifetime: Lifetime::Minutes(60),
        can: None,
        servers: None,
    };
    change(&mut new);
    tokens::create(&secret(), &new, UnixTime::now()).unwrap()
}

/// Revokes as the command line does, beside the running gateway.
pub(crate) fn revoke(state_dir: &Path, token: &Secret) {
    let id = culvert_protocol::claims::peek(token.expose()).unwrap().jti.unwrap();
    tokens::revoke(state_dir, &id, None).unwrap();
}
