//! What machines may ask on an address of its own: the gateway's figures, and whether it lives and works.
//!
//! Off unless asked for. What is there names no server, owner, client or address, so that the number of figures does
//! not grow with them and nothing is told about them.

mod text;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use culvert_protocol::Secret;
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::config::MetricsConfig;
use crate::denial::Denial;
use crate::error::GatewayError;
use crate::hosts::Hosts;
use crate::house::House;
use crate::ready;
use crate::reply::{self, Body};

/// Connections that are served at once; more wait.
const CONNECTIONS: usize = 16;

/// How long one connection may last.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long a request's head may take to come in.
const HEAD_PATIENCE: Duration = Duration::from_secs(5);

/// What Prometheus asks for, and what is written.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Listens, and does not answer yet.
#[derive(Debug)]
pub(crate) struct Metrics {
    listener: TcpListener,
    address: SocketAddr,
    token: Option<Secret>,
}

impl Metrics {
    /// Begins to listen.
    ///
    /// # Errors
    /// [`GatewayError::MetricsListen`], [`GatewayError::MetricsToken`].
    pub(crate) async fn bind(config: &MetricsConfig) -> Result<Self, GatewayError> {
        let failed =
            |error: std::io::Error| GatewayError::MetricsListen { address: config.listen, detail: error.to_string() };
        let token = config.token_file.as_ref().map(|file| {
            let failed = |detail: String| GatewayError::MetricsToken { path: file.clone(), detail };
            let token = std::fs::read_to_string(file).map(Secret::new).map_err(|error| failed(error.to_string()))?;
            if token.is_empty() { Err(failed("it is empty".to_owned())) } else { Ok(token) }
        });
        let token = token.transpose()?;
        let listener = TcpListener::bind(config.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address, token })
    }

    /// Where it listens, with the port that it got.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers for as long as it is polled.
    pub(crate) async fn serve(self, house: Arc<House>) {
        // A page on the web whose name leads here must not read what is here; beyond loopback, names are what scrapers use.
        let hosts = self.address.ip().is_loopback().then(|| Hosts::new(self.address, None));
        let answers = Arc::new(Answers { house, hosts, token: self.token, begun: SystemTime::now() });
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        let mut connections = JoinSet::new();
        loop {
            while connections.try_join_next().is_some() {}
            let place = places.clone().acquire_owned().await;
            let Ok((stream, _)) = self.listener.accept().await else {
                // No descriptor left, most likely.
                sleep(Duration::from_millis(200)).await;
                continue;
            };
            let answers = answers.clone();
            connections.spawn(async move {
                let _place = place;
                let service = service_fn(move |request| {
                    let response = answers.answer(&request).unwrap_or_else(Denial::into_response);
                    async move { Ok::<_, Infallible>(response) }
                });
                let mut http = http1::Builder::new();
                http.timer(TokioTimer::new()).header_read_timeout(HEAD_PATIENCE);
                let _ = timeout(PATIENCE, http.serve_connection(TokioIo::new(stream), service)).await;
            });
        }
    }
}

/// The gateway as it is asked about.
struct Answers {
    house: Arc<House>,
    /// The names that are answered to; any, where the network asks.
    hosts: Option<Hosts>,
    token: Option<Secret>,
    begun: SystemTime,
}

impl Answers {
    fn answer(&self, request: &Request<Incoming>) -> Result<Response<Body>, Denial> {
        if let Some(hosts) = &self.hosts {
            hosts.check(request)?;
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return Err(Denial::Method("GET, HEAD"));
        }
        match request.uri().path() {
            "/healthz" | "/health" => Ok(reply::json(StatusCode::OK, &json!({"status": "healthy"}))),
            "/readyz" | "/ready" => Ok(ready::answer(&self.house)),
            "/metrics" => {
                self.ask_for_bearer(request)?;
                self.metrics()
            }
            _ => Err(Denial::Path),
        }
    }

    fn ask_for_bearer(&self, request: &Request<Incoming>) -> Result<(), Denial> {
        let Some(token) = &self.token else { return Ok(()) };
        let given = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        match given.and_then(|value| value.strip_prefix("Bearer ")) {
            Some(given) if token.is(given) => Ok(()),
            _ => Err(Denial::MetricsToken),
        }
    }

    fn metrics(&self) -> Result<Response<Body>, Denial> {
        let unwritable = || Denial::Internal("the figures cannot be written".to_owned());
        let text = text::of(&self.house, self.begun).ok_or_else(unwritable)?;
        let mut response = reply::json_text(StatusCode::OK, text);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(OPENMETRICS));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok(response)
    }
}
