//! Dialling a gateway: look-up, TCP, TLS, and what it takes until frames can pass, all within one time limit.

pub(crate) mod way;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use culvert_protocol::address::Endpoint;
use culvert_protocol::{Cause, GatewayAddress, Secret, limits};
use http::HeaderMap;
use http::header::{AUTHORIZATION, HeaderValue, USER_AGENT};
use rustls::{ClientConfig, RootCertStore};
use tokio::time::timeout;
use tokio_tungstenite::client_async_with_config;
use tokio_tungstenite::tungstenite::Error as WsError;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use crate::carriage::{Carriage, FrameReceiver, FrameSender};
use crate::identity::{self, BadFile};
use crate::outbound::Outbound;
use crate::proxy::Kind;
use crate::refusal::{self, Bearer, Suspicion};
use crate::{tls, websocket};

pub(crate) use way::{Through, Way};

/// How we introduce ourselves.
const AGENT: &str = concat!("culvert/", env!("CARGO_PKG_VERSION"));

/// Dials gateways, all in the same way. It reads the system's root certificates once, when first needed, and files that
/// the configuration names anew for each link.
#[derive(Debug, Default)]
pub struct Dialler {
    outbound: Outbound,
    roots: OnceLock<RootCertStore>,
    tls: OnceLock<Arc<ClientConfig>>,
}

/// Whom to dial, and as whom.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The gateway.
    pub gateway: &'a GatewayAddress,
    /// The endpoint that worked last, tried first.
    pub endpoint: Option<Endpoint>,
    /// The bearer.
    pub token: Option<&'a Secret>,
    /// Our own id of the session, sent as `X-Session-ID`.
    pub session_id: &'a str,
    /// Frames over this many bytes end the link.
    pub max_message: usize,
}

/// A link that is up.
#[derive(Debug)]
pub struct Dialled {
    /// Frames to the gateway.
    pub sender: FrameSender,
    /// Frames from it.
    pub receiver: FrameReceiver,
    /// The endpoint that took us.
    pub endpoint: Endpoint,
    /// What carries it.
    pub carriage: Carriage,
}

/// A WebSocket that did not come about.
#[derive(Debug)]
pub struct Undialled {
    /// Why, ready to be shown; it tells whether trying again can help.
    pub cause: Cause,
    /// Whether something on the way may let no WebSocket pass.
    pub suspicion: Suspicion,
}

/// How an attempt at one endpoint failed.
pub(crate) enum Failed {
    /// The gateway answered the request with something else.
    Refused(Box<http::Response<Option<Vec<u8>>>>),
    /// No answer came, or none that makes sense.
    Unanswered(Cause),
    /// It never came to the request.
    Before(Cause),
}

impl Dialler {
    /// One that goes out like this.
    pub fn new(outbound: Outbound) -> Self {
        Self { outbound, ..Self::default() }
    }

    /// Opens a link over WebSocket.
    ///
    /// # Errors
    /// As [`dial_websocket`](Self::dial_websocket).
    pub async fn dial(&self, request: Request<'_>) -> Result<Dialled, Cause> {
        self.dial_websocket(&request).await.map_err(|undialled| undialled.cause)
    }

    /// Opens a link over WebSocket. Tries the canonical endpoint too where the old one is gone or switched off.
    ///
    /// # Errors
    /// [`Undialled`]: the cause, and whether another carriage is worth a try.
    pub async fn dial_websocket(&self, request: &Request<'_>) -> Result<Dialled, Undialled> {
        let asked = AtomicBool::new(false);
        let dial = self.try_endpoints(request, |endpoint| self.try_websocket(request, endpoint, &asked));
        let failed = match timeout(limits::DIAL_TIMEOUT, dial).await {
            Ok(Ok(dialled)) => return Ok(dialled),
            Ok(Err(failed)) => failed,
            Err(_) if asked.load(Ordering::Relaxed) => Failed::Unanswered(overdue(request.gateway)),
            Err(_) => Failed::Before(overdue(request.gateway)),
        };
        Err(match failed {
            Failed::Before(cause) => Undialled { cause, suspicion: Suspicion::None },
            Failed::Unanswered(cause) => Undialled { cause, suspicion: Suspicion::Strong },
            Failed::Refused(answer) => {
                let suspicion = refusal::suspicion(&answer);
                Undialled { cause: refusal::cause(request.gateway, request.bearer(), &answer), suspicion }
            }
        })
    }

    /// Tries one place of the endpoint, and the other where the first is gone or switched off.
    pub(crate) async fn try_endpoints<F>(
        &self,
        request: &Request<'_>,
        attempt: impl Fn(Endpoint) -> F,
    ) -> Result<Dialled, Failed>
    where
        F: Future<Output = Result<Dialled, Failed>>,
    {
        let first = request.gateway.endpoint().or(request.endpoint).unwrap_or(Endpoint::Plain);
        let answer = match attempt(first).await {
            Err(Failed::Refused(answer)) => answer,
            done => return done,
        };
        let written_out = request.gateway.endpoint().is_some();
        if written_out || !refusal::may_have_moved(&answer) {
            return Err(Failed::Refused(answer));
        }
        let other = match first {
            Endpoint::Plain => Endpoint::V1,
            Endpoint::V1 => Endpoint::Plain,
        };
        match attempt(other).await {
            Ok(dialled) => Ok(dialled),
            // The place that says more is the one to believe: a 404 tells least.
            Err(Failed::Refused(second)) if answer.status() == http::StatusCode::NOT_FOUND => {
                Err(Failed::Refused(second))
            }
            Err(_) => Err(Failed::Refused(answer)),
        }
    }

    async fn try_websocket(
        &self,
        request: &Request<'_>,
        endpoint: Endpoint,
        asked: &AtomicBool,
    ) -> Result<Dialled, Failed> {
        let gateway = request.gateway;
        let watched = self.way(gateway).map_err(Failed::Before)?.open().await.map_err(Failed::Before)?;
        let activity = watched.activity();
        let upgrade = upgrade_request(request, endpoint).map_err(Failed::Before)?;
        let config = Some(websocket::config(request.max_message));
        asked.store(true, Ordering::Relaxed);
        match client_async_with_config(upgrade, watched, config).await {
            Ok((socket, _)) => {
                let (sender, receiver) = websocket::carry(socket, activity, request.max_message);
                Ok(Dialled { sender, receiver, endpoint, carriage: Carriage::WebSocket })
            }
            Err(WsError::Http(response)) => Err(Failed::Refused(response)),
            Err(WsError::Io(error)) => Err(match tls::refused_identity(&error) {
                Some(detail) => Failed::Before(Cause::Tls { gateway: gateway.to_string(), detail }),
                None => Failed::Unanswered(Cause::LinkLost { detail: error.to_string() }),
            }),
            Err(error) => Err(Failed::Unanswered(Cause::Upgrade {
                gateway: gateway.to_string(),
                status: "something that is no WebSocket".to_owned(),
                detail: culvert_protocol::cause::because(&error.to_string()),
            })),
        }
    }

    /// The way to `gateway`, good for any number of connections.
    pub(crate) fn way(&self, gateway: &GatewayAddress) -> Result<Way, Cause> {
        let failed = |detail| Cause::Tls { gateway: gateway.to_string(), detail };
        let tls = gateway.is_encrypted().then(|| self.tls(gateway)).transpose()?;
        let through = match &self.outbound.proxy {
            None => None,
            Some(proxy) if proxy.kind == Kind::Https => Some(Through {
                proxy: proxy.clone(),
                tls: Some(tls::anonymous(self.roots().map_err(|bad| bad.cause(failed))?)),
            }),
            Some(proxy) => Some(Through { proxy: proxy.clone(), tls: None }),
        };
        Ok(Way { gateway: gateway.clone(), tls, through })
    }

    fn tls(&self, gateway: &GatewayAddress) -> Result<Arc<ClientConfig>, Cause> {
        let failed = |detail| Cause::Tls { gateway: gateway.to_string(), detail };
        match (&self.outbound.identity, &self.outbound.ca_cert) {
            (None, None) => {
                if let Some(config) = self.tls.get() {
                    return Ok(config.clone());
                }
                let config = tls::anonymous(self.roots().map_err(|bad| bad.cause(failed))?);
                Ok(self.tls.get_or_init(|| config).clone())
            }
            (None, Some(_)) => self.roots().map(tls::anonymous).map_err(|bad| bad.cause(failed)),
            (Some(identity), _) => {
                let roots = self.roots().map_err(|bad| bad.cause(failed))?;
                tls::with_identity(roots, identity).map_err(|bad| Cause::Certificate { detail: bad.to_string() })
            }
        }
    }

    fn roots(&self) -> Result<RootCertStore, NoRoots> {
        match (&self.outbound.ca_cert, self.roots.get()) {
            (Some(path), _) => identity::roots(path).map_err(NoRoots::File),
            (None, Some(roots)) => Ok(roots.clone()),
            (None, None) => {
                let roots = tls::system_roots().map_err(NoRoots::System)?;
                Ok(self.roots.get_or_init(|| roots).clone())
            }
        }
    }
}

/// Why there is nobody to trust.
enum NoRoots {
    File(BadFile),
    System(String),
}

impl NoRoots {
    fn cause(self, system: impl Fn(String) -> Cause) -> Cause {
        match self {
            Self::File(bad) => Cause::Certificate { detail: bad.to_string() },
            Self::System(detail) => system(detail),
        }
    }
}

impl Request<'_> {
    pub(crate) fn bearer(&self) -> Bearer {
        if self.token.is_some() { Bearer::Sent } else { Bearer::Absent }
    }

    /// The headers that every request of a link has: who we are.
    pub(crate) fn headers(&self) -> Result<HeaderMap, Cause> {
        let mut headers = HeaderMap::new();
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        if let Ok(id) = HeaderValue::from_str(self.session_id) {
            headers.insert("X-Session-ID", id);
        }
        if let Some(token) = self.token {
            let mut value =
                HeaderValue::from_str(&format!("Bearer {}", token.expose())).map_err(|_| Cause::TokenRejected {
                    gateway: self.gateway.to_string(),
                    detail: ": it has characters that no HTTP header can carry".to_owned(),
                })?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        Ok(headers)
    }
}

fn upgrade_request(request: &Request<'_>, endpoint: Endpoint) -> Result<http::Request<()>, Cause> {
    let internal = |detail: String| Cause::Internal { detail };
    let mut upgrade = request
        .gateway
        .link_url(endpoint)
        .into_client_request()
        .map_err(|error| internal(format!("the gateway's URL makes no request: {error}")))?;
    upgrade.headers_mut().extend(request.headers()?);
    Ok(upgrade)
}

pub(crate) fn overdue(gateway: &GatewayAddress) -> Cause {
    let detail = format!("no answer within {} s", limits::DIAL_TIMEOUT.as_secs());
    Cause::Unreachable { gateway: gateway.to_string(), detail }
}

#[cfg(test)]
mod tests;
