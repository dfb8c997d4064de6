//! The gateway as a process sees it: it listens, serves every connection, looks after its state, and stops in order.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use culvert_audit::Log;
use culvert_protocol::GatewayAddress;
use culvert_protocol::rpc_error::RpcError;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::accounts::{Accounts, Charge};
use crate::catalog_file;
use crate::clock::UnixTime;
use crate::config::{GatewayConfig, GatewayLimits};
use crate::counts::Counts;
use crate::error::GatewayError;
use crate::event_link::EventLinks;
use crate::front::{Front, Limits};
use crate::half_open::end_if_peer_vanishes;
use crate::hosts::Hosts;
use crate::house::House;
use crate::metrics::Metrics;
use crate::patient::Patient;
use crate::proxies::Proxies;
use crate::publish::Publisher;
use crate::registry::Registry;
use crate::resumable::Resumables;
use crate::routes;
use crate::session::Ending;
use crate::state_dir::StateDir;
use crate::tls::Tls;
use crate::trust::Trust;

/// How often secrets, revoked tokens and the bearers of open links are looked at.
const REVIEW: Duration = Duration::from_secs(1);

/// Connections that may wait in the system to be taken.
const BACKLOG: u32 = 1024;

/// The least that hyper takes for a request's head; it answers more than what is allowed with 431.
const MIN_HEAD: usize = 8 * 1024;

/// The headers that hyper takes of a request unless told otherwise, without memory of its own for each request.
const UNASKED_HEADERS: usize = 100;

/// How long to wait when the system has no descriptor left for a connection.
const OUT_OF_DESCRIPTORS: Duration = Duration::from_millis(200);

/// A gateway that listens and does not serve yet.
#[derive(Debug)]
pub struct Gateway {
    listener: TcpListener,
    address: SocketAddr,
    house: Arc<House>,
    state: StateDir,
    metrics: Option<Metrics>,
    made_secret: Option<PathBuf>,
    publisher: Option<Publisher>,
}

impl Gateway {
    /// Reads the state and begins to listen.
    ///
    /// # Errors
    /// [`GatewayError`]: an unsafe or used address, unusable files.
    pub async fn bind(config: GatewayConfig) -> Result<Self, GatewayError> {
        config.check()?;
        let tls = config.tls.clone().map(Tls::establish).transpose()?;
        let state = StateDir::take(&config.state_dir)?;
        let catalog = catalog_file::load(&state.file(CATALOG))?;
        let (trust, made_secret) = Trust::establish(&config.auth, &config.state_dir, UnixTime::now())?;
        let failed = |error: std::io::Error| GatewayError::Listen { address: config.listen, detail: error.to_string() };
        let listener = listen(config.listen).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let metrics = match &config.metrics {
            Some(metrics) => Some(Metrics::bind(metrics).await?),
            None => None,
        };
        let base = base(&config, address)?;
        let prefix = url::Url::parse(&base.to_string()).map(|url| url.path().trim_end_matches('/').to_owned());
        let publish = config.publish.map(|publish| Publisher::new(publish, &base, fastrand::Rng::new()));
        let publisher = publish.transpose()?;
        let audit = config.audit_log.map(Log::begin).transpose();
        let audit = audit.unwrap_or_else(|error| {
            tracing::warn!("there is no audit log: {error}");
            None
        });
        let audit = audit.map(Arc::new);
        let house = House {
            tls,
            proxies: Proxies::new(config.trusted_proxies),
            counts: Counts::default(),
            accounts: Accounts::new(config.limits.per_subject),
            publishing: publisher.as_ref().map(Publisher::watch),
            places: Arc::new(Semaphore::new(config.limits.connections)),
            resumable: Resumables::default(),
            event_links: EventLinks::default(),
            trust,
            hosts: Hosts::new(address, config.public_url.as_ref()),
            registry: Registry::new(catalog, config.limits.per_subject),
            front: Front::new(front_limits(&config.limits), audit.clone()),
            audit,
            limits: config.limits,
            base,
            prefix: prefix.unwrap_or_default(),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        };
        Ok(Self { listener, address, house: Arc::new(house), state, metrics, made_secret, publisher })
    }

    /// Where it listens, with the port that it got.
    pub fn local_address(&self) -> SocketAddr {
        self.address
    }

    /// The address to give to others: the public URL, or where it listens.
    pub fn url(&self) -> &GatewayAddress {
        &self.house.base
    }

    /// Where it tells its figures, with the port that it got.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics.as_ref().map(Metrics::address)
    }

    /// The file of the signing secret that was made because there was none.
    pub fn made_secret(&self) -> Option<&Path> {
        self.made_secret.as_deref()
    }

    /// Serves until `stop` is cancelled, then takes out what it has published, ends every link and connection and writes
    /// the catalog.
    pub async fn run(mut self, stop: CancellationToken) {
        // To the end, so that what happens while it stops can be seen too.
        let metrics = self.metrics.take().map(|metrics| tokio::spawn(metrics.serve(self.house.clone())));
        let catalog = self.state.file(CATALOG);
        let mut publisher = self.publisher.take();
        tokio::select! {
            () = self.attend(&catalog) => {}
            () = serve_publisher(publisher.as_mut(), &self.house) => {}
            () = stop.cancelled() => {}
        }
        if let Some(publisher) = &mut publisher {
            // ContextForge looks at the servers while they are taken out there.
            tokio::select! {
                () = self.attend(&catalog) => {}
                () = publisher.leave(&self.house) => {}
            }
        }
        let Self { listener, house, state, .. } = self;
        drop(listener);
        house.stop.cancel();
        house.front.end(&RpcError::tunnel("gateway.stopping", "the gateway stops"));
        house.registry.end_all(Ending::Stopping);
        house.tasks.close();
        if timeout(house.limits.drain, house.tasks.wait()).await.is_err() {
            tracing::warn!(connections = house.tasks.len(), "stopped with connections still open");
        }
        house.registry.write_rest(catalog).await;
        if let Some(audit) = &house.audit {
            audit.finish();
        }
        if let Some(metrics) = metrics {
            metrics.abort();
        }
        drop(state);
    }

    /// All that a gateway does by itself, for ever.
    async fn attend(&self, catalog: &Path) {
        tokio::select! {
            () = self.take_connections() => {}
            () = self.house.registry.keep_writing(catalog.to_owned()) => {}
            () = self.review() => {}
        }
    }

    async fn take_connections(&self) {
        loop {
            // Beyond the limit, connections wait in the system's own queue.
            let Ok(place) = self.house.places.clone().acquire_owned().await else { return };
            match self.listener.accept().await {
                Ok((stream, peer)) => self.take(stream, peer, place),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be taken");
                    sleep(OUT_OF_DESCRIPTORS).await;
                }
            }
        }
    }

    fn take(&self, stream: TcpStream, peer: SocketAddr, place: OwnedSemaphorePermit) {
        // Small answers must not wait for one another; without the option all still works.
        let _ = stream.set_nodelay(true);
        // Twice, because a client that is only slow is given up with a word.
        let _ = end_if_peer_vanishes(&stream, 2 * self.house.limits.slow_client);
        let house = self.house.clone();
        let tls = self.house.tls.as_ref().map(Tls::acceptor);
        self.house.tasks.spawn(async move {
            let Some(tls) = tls else { return connection(house, stream, peer, place).await };
            match timeout(house.limits.slow_client, tls.accept(stream)).await {
                Ok(Ok(stream)) => connection(house, stream, peer, place).await,
                Ok(Err(error)) => tracing::debug!(%peer, %error, "no TLS with a client"),
                Err(_) => tracing::debug!(%peer, "a client did not finish the TLS handshake"),
            }
        });
    }

    /// Looks at secrets and revoked tokens, and ends links whose bearer is no longer good.
    async fn review(&self) {
        let mut ticks = interval(REVIEW);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let now = UnixTime::now();
            self.house.trust.refresh(now);
            if let Some(tls) = &self.house.tls {
                tls.refresh();
            }
            self.house.registry.review(&self.house.trust, now);
            self.house.accounts.review();
        }
    }
}

fn front_limits(limits: &GatewayLimits) -> Limits {
    Limits {
        max_body: limits.max_message,
        max_sessions: limits.sessions,
        subject_sessions: limits.per_subject.sessions,
        session_calls: limits.session_calls,
        shared_calls: limits.shared_calls,
        backlog: limits.session_backlog,
        arrival: limits.slow_client,
        request_timeout: limits.request_timeout,
        idle: limits.session_idle,
        abandoned: limits.abandoned,
        ..Limits::default()
    }
}

async fn serve_publisher(publisher: Option<&mut Publisher>, house: &House) {
    match publisher {
        Some(publisher) => publisher.serve(house).await,
        None => std::future::pending().await,
    }
}

/// Name of the catalog's file in the state folder.
const CATALOG: &str = "catalog.json";

/// A connection's place among all that are allowed at once.
#[derive(Debug)]
pub(crate) struct Place {
    _permit: OwnedSemaphorePermit,
    cut: CancellationToken,
    /// Whom it counts for.
    pub(crate) charge: Charge,
}

impl Place {
    /// Ends the connection at once, whatever is still to be sent.
    pub(crate) fn cut(&self) {
        self.cut.cancel();
    }
}

/// Serves one connection to its end. An upgraded one goes on in a task of its own and takes its place along.
async fn connection<S>(house: Arc<House>, stream: S, peer: SocketAddr, place: OwnedSemaphorePermit)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let place = Arc::new(Place { _permit: place, cut: CancellationToken::new(), charge: Charge::default() });
    // Boxed, for hyper keeps room for such a future on every connection, and most have no request under way.
    let service = service_fn(|request| Box::pin(routes::answer(house.clone(), request, peer, place.clone())));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(house.limits.slow_client)
        .max_buf_size(house.limits.head.max(MIN_HEAD));
    if house.limits.headers != UNASKED_HEADERS {
        http.max_headers(house.limits.headers);
    }
    let connection =
        http.serve_connection(TokioIo::new(Patient::new(stream, house.limits.slow_client)), service).with_upgrades();
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = house.stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
        () = place.cut.cancelled() => return tracing::debug!(%peer, "connection cut"),
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "connection ended");
    }
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // So that a restart does not have to wait for connections of the gateway before; on Windows it would let two
    // processes share the port.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// The address to print: the public URL, or the address listened on, for which loopback stands where that is all.
fn base(config: &GatewayConfig, address: SocketAddr) -> Result<GatewayAddress, GatewayError> {
    if let Some(url) = &config.public_url {
        return Ok(url.clone());
    }
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    let host = match address.ip() {
        ip if ip.is_unspecified() => format!("localhost:{}", address.port()),
        _ => address.to_string(),
    };
    GatewayAddress::parse(&format!("{scheme}://{host}"))
        .map_err(|error| GatewayError::Listen { address, detail: error.to_string() })
}
