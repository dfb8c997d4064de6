//! Dialling a gateway: look-up, TCP, TLS and the upgrade to WebSocket, all within one time limit.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use culvert_protocol::address::Endpoint;
use culvert_protocol::{Cause, GatewayAddress, Secret, limits};
use http::header::{AUTHORIZATION, HeaderValue, USER_AGENT};
use rustls::ClientConfig;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_tungstenite::client_async_with_config;
use tokio_tungstenite::tungstenite::Error as WsError;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use crate::activity::Watched;
use crate::carriage::{Carriage, FrameReceiver, FrameSender};
use crate::refusal::{self, Bearer};
use crate::{tls, websocket};

/// How long one address of several may take before the next is tried.
const PER_ADDRESS: Duration = Duration::from_secs(6);

/// How we introduce ourselves.
const AGENT: &str = concat!("culvert/", env!("CARGO_PKG_VERSION"));

/// Dials gateways. One per process is enough: it reads the system's root certificates once, when first needed.
#[derive(Debug, Default)]
pub struct Dialler {
    tls: OnceLock<Arc<ClientConfig>>,
}

/// Whom to dial, and as whom.
#[derive(Debug)]
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

/// How an attempt at one endpoint failed.
enum Failed {
    /// The gateway answered the upgrade with something else.
    Refused(Box<http::Response<Option<Vec<u8>>>>),
    /// It never came to that.
    Before(Cause),
}

impl Dialler {
    /// Opens a link. Tries the canonical endpoint too where the old one is gone or switched off.
    ///
    /// # Errors
    /// The [`Cause`], ready to be shown; it tells whether trying again can help.
    pub async fn dial(&self, request: Request<'_>) -> Result<Dialled, Cause> {
        let gateway = request.gateway;
        match timeout(limits::DIAL_TIMEOUT, self.try_endpoints(&request)).await {
            Ok(result) => result,
            Err(_) => Err(Cause::Unreachable {
                gateway: gateway.to_string(),
                detail: format!("no answer within {} s", limits::DIAL_TIMEOUT.as_secs()),
            }),
        }
    }

    async fn try_endpoints(&self, request: &Request<'_>) -> Result<Dialled, Cause> {
        let bearer = if request.token.is_some() { Bearer::Sent } else { Bearer::Absent };
        let refused = |response: &http::Response<_>| refusal::cause(request.gateway, bearer, response);
        let first = request.gateway.endpoint().or(request.endpoint).unwrap_or(Endpoint::Plain);
        let answer = match self.try_endpoint(request, first).await {
            Ok(dialled) => return Ok(dialled),
            Err(Failed::Before(cause)) => return Err(cause),
            Err(Failed::Refused(answer)) => answer,
        };
        let written_out = request.gateway.endpoint().is_some();
        if written_out || !refusal::may_have_moved(&answer) {
            return Err(refused(&answer));
        }
        let other = match first {
            Endpoint::Plain => Endpoint::V1,
            Endpoint::V1 => Endpoint::Plain,
        };
        match self.try_endpoint(request, other).await {
            Ok(dialled) => Ok(dialled),
            // The place that says more is the one to believe: a 404 tells least.
            Err(Failed::Refused(second)) if answer.status() == http::StatusCode::NOT_FOUND => Err(refused(&second)),
            Err(_) => Err(refused(&answer)),
        }
    }

    async fn try_endpoint(&self, request: &Request<'_>, endpoint: Endpoint) -> Result<Dialled, Failed> {
        let gateway = request.gateway;
        let stream = connect(gateway).await.map_err(Failed::Before)?;
        let watched = if gateway.is_encrypted() {
            let failed = |detail| Failed::Before(Cause::Tls { gateway: gateway.to_string(), detail });
            let config = self.tls().map_err(failed)?;
            Watched::new(tls::connect(config, &gateway.host(), stream).await.map_err(failed)?)
        } else {
            Watched::new(stream)
        };
        let activity = watched.activity();
        let upgrade = upgrade_request(request, endpoint).map_err(Failed::Before)?;
        let config = Some(websocket::config(request.max_message));
        match client_async_with_config(upgrade, watched, config).await {
            Ok((socket, _)) => {
                let (sender, receiver) = websocket::carry(socket, activity, request.max_message);
                Ok(Dialled { sender, receiver, endpoint, carriage: Carriage::WebSocket })
            }
            Err(WsError::Http(response)) => Err(Failed::Refused(response)),
            Err(WsError::Io(error)) => Err(Failed::Before(Cause::LinkLost { detail: error.to_string() })),
            Err(error) => Err(Failed::Before(Cause::Upgrade {
                gateway: gateway.to_string(),
                status: "something that is no WebSocket".to_owned(),
                detail: culvert_protocol::cause::because(&error.to_string()),
            })),
        }
    }

    fn tls(&self) -> Result<Arc<ClientConfig>, String> {
        if let Some(config) = self.tls.get() {
            return Ok(config.clone());
        }
        let config = tls::system_config()?;
        Ok(self.tls.get_or_init(|| config).clone())
    }
}

fn upgrade_request(request: &Request<'_>, endpoint: Endpoint) -> Result<http::Request<()>, Cause> {
    let internal = |detail: String| Cause::Internal { detail };
    let mut upgrade = request
        .gateway
        .link_url(endpoint)
        .into_client_request()
        .map_err(|error| internal(format!("the gateway's URL makes no request: {error}")))?;
    let headers = upgrade.headers_mut();
    headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    if let Ok(id) = HeaderValue::from_str(request.session_id) {
        headers.insert("X-Session-ID", id);
    }
    if let Some(token) = request.token {
        let mut value =
            HeaderValue::from_str(&format!("Bearer {}", token.expose())).map_err(|_| Cause::TokenRejected {
                gateway: request.gateway.to_string(),
                detail: ": it has characters that no HTTP header can carry".to_owned(),
            })?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    Ok(upgrade)
}

/// TCP to the first of the gateway's addresses that answers.
async fn connect(gateway: &GatewayAddress) -> Result<TcpStream, Cause> {
    let addresses: Vec<SocketAddr> = match lookup_host((gateway.host(), gateway.port())).await {
        Ok(found) => found.collect(),
        Err(error) => {
            let detail = error.to_string();
            let detail = detail.strip_prefix("failed to lookup address information: ").unwrap_or(&detail).to_owned();
            return Err(Cause::Lookup { gateway: gateway.to_string(), detail });
        }
    };
    let mut last = io::Error::new(io::ErrorKind::NotFound, "its name has no address");
    for address in addresses {
        match timeout(PER_ADDRESS, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // Small frames must not wait for one another; without the option all still works.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(error)) => last = error,
            Err(_) => last = io::Error::new(io::ErrorKind::TimedOut, format!("no answer from {address}")),
        }
    }
    let gateway = gateway.to_string();
    Err(match last.kind() {
        io::ErrorKind::ConnectionRefused => Cause::Refused { gateway },
        _ => Cause::Unreachable { gateway, detail: last.to_string() },
    })
}
