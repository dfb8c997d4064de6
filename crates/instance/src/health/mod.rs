//! What machines may ask over HTTP: whether the process lives, whether every wanted tunnel works, and its figures.

mod metrics;
mod ready;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use culvert_link::asked::{Asked, OPENMETRICS, shows};
use culvert_protocol::Secret;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HOST, HeaderValue, WWW_AUTHENTICATE};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::sync::watch;

use self::metrics::Metrics;
pub use self::ready::{NotReady, not_ready};
use crate::overview::Overview;

/// What [`Health`] answers with besides the status of tunnels.
#[derive(Debug, Clone, Default)]
pub struct HealthConfig {
    /// The bearer that `/metrics` asks for, and for which `/readyz` names tunnels; without one `/metrics` asks for
    /// none, and `/readyz` never names any.
    pub token: Option<Secret>,
}

/// Listens, and does not answer yet.
#[derive(Debug)]
pub struct Health {
    asked: Asked,
    config: HealthConfig,
}

impl Health {
    /// Begins to listen.
    ///
    /// # Errors
    /// When the address cannot be had.
    pub async fn bind(address: SocketAddr, config: HealthConfig) -> io::Result<Self> {
        Ok(Self { asked: Asked::bind(address).await?, config })
    }

    /// Where it listens, with the port that it got.
    pub fn address(&self) -> SocketAddr {
        self.asked.address()
    }

    /// Answers for as long as it is polled.
    pub async fn serve(self, overview: watch::Receiver<Arc<Overview>>) -> Infallible {
        let is_local = self.address().ip().is_loopback();
        let answers = Answers { overview, config: self.config, begun: SystemTime::now(), is_local };
        self.asked.serve(move |request| answers.answer(request)).await
    }
}

/// The instance as it is asked about.
struct Answers {
    overview: watch::Receiver<Arc<Overview>>,
    config: HealthConfig,
    begun: SystemTime,
    /// Whether only this machine can ask.
    is_local: bool,
}

impl Answers {
    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
        }
        // A page on the web whose name leads here must not read what is here.
        if self.is_local && request.headers().get(HOST).is_some_and(is_name) {
            return text(StatusCode::FORBIDDEN, "ask by address, or as localhost\n");
        }
        match request.uri().path() {
            "/healthz" => text(StatusCode::OK, "ok\n"),
            "/readyz" => self.readyz(request),
            "/metrics" if self.config.token.is_some() && !self.has_bearer(request) => {
                let mut response = text(StatusCode::UNAUTHORIZED, "show the bearer\n");
                response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
                response
            }
            "/metrics" => {
                let overview = self.overview.borrow().clone();
                match Metrics::new(overview, self.begun).into_text() {
                    Some(body) => {
                        let mut response = text(StatusCode::OK, body);
                        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(OPENMETRICS));
                        response
                    }
                    None => text(StatusCode::INTERNAL_SERVER_ERROR, "the figures cannot be written\n"),
                }
            }
            _ => text(StatusCode::NOT_FOUND, "there are /healthz, /readyz and /metrics\n"),
        }
    }

    fn readyz(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let overview = self.overview.borrow().clone();
        let reasons = not_ready(&overview, tokio::time::Instant::now());
        let mut body = String::new();
        let may_name = self.has_bearer(request);
        for reason in &reasons {
            body.push_str(&reason.line(may_name));
            body.push('\n');
        }
        for warning in ready::expiring(&overview, SystemTime::now()) {
            body.push_str(&warning.line(may_name));
            body.push('\n');
        }
        match reasons.is_empty() {
            true => text(StatusCode::OK, format!("ready\n{body}")),
            false => text(StatusCode::SERVICE_UNAVAILABLE, body),
        }
    }

    /// Whether the one who asks shows the bearer.
    fn has_bearer(&self, request: &Request<Incoming>) -> bool {
        self.config.token.as_ref().is_some_and(|token| shows(request.headers(), token))
    }
}

/// Whether a `Host` names anything but an address or this machine.
fn is_name(host: &HeaderValue) -> bool {
    let Ok(host) = host.to_str() else { return true };
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name != "localhost" && name.parse::<std::net::IpAddr>().is_err()
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_and_localhost_are_asked() {
        let is_name = |host: &str| is_name(&HeaderValue::from_str(host).unwrap());
        for address in ["127.0.0.1:9464", "[::1]:9464", "10.0.0.7", "localhost:1", "[fe80::1]"] {
            assert!(!is_name(address), "{address}");
        }
        for name in ["evil.example:9464", "localhost.evil.example", "", "[evil]"] {
            assert!(is_name(name), "{name}");
        }
    }
}
