//! What machines may ask on an address of its own: the gateway's figures, and whether it lives and works.
//!
//! Off unless asked for. What is there names no server, owner, client or address, so that the number of figures does
//! not grow with them and nothing is told about them.

mod text;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use culvert_link::asked::{Asked, OPENMETRICS, shows};
use culvert_protocol::Secret;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use serde_json::json;

use crate::config::MetricsConfig;
use crate::denial::Denial;
use crate::error::GatewayError;
use crate::hosts::Hosts;
use crate::house::House;
use crate::ready;
use crate::reply::{self, Body};

/// Listens, and does not answer yet.
#[derive(Debug)]
pub(crate) struct Metrics {
    asked: Asked,
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
        Ok(Self { asked: Asked::bind(config.listen).await.map_err(failed)?, token })
    }

    /// Where it listens, with the port that it got.
    pub(crate) fn address(&self) -> SocketAddr {
        self.asked.address()
    }

    /// Answers for as long as it is polled.
    pub(crate) async fn serve(self, house: Arc<House>) {
        // A page on the web whose name leads here must not read what is here; beyond loopback, names are what scrapers use.
        let address = self.address();
        let hosts = address.ip().is_loopback().then(|| Hosts::new(address, None));
        let answers = Answers { house, hosts, token: self.token, begun: SystemTime::now() };
        let answer = move |request: &Request<Incoming>| answers.answer(request).unwrap_or_else(Denial::into_response);
        match self.asked.serve(answer).await {}
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
        match &self.token {
            Some(token) if !shows(request.headers(), token) => Err(Denial::MetricsToken),
            _ => Ok(()),
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
