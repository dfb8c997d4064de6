//! The way to a gateway one step at a time, for whoever wants to know how far it leads: look-up, TCP, TLS, and one
//! plain request.

use std::net::SocketAddr;
use std::time::SystemTime;

use bytes::Bytes;
use culvert_protocol::cause::because;
use culvert_protocol::{Cause, GatewayAddress, Secret};
use http::Method;
use http::header::{AUTHORIZATION, CONTENT_TYPE, DATE, HOST};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use rustls::ProtocolVersion;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::activity::{Io, Watched};
use crate::certificate::{good_until, http_date};
use crate::dial::{Dialler, Way};
use crate::outbound::Outbound;
use crate::proxy::Proxy;
use crate::tls;

/// The most bytes of an answer that are read.
const MOST: usize = 64 << 10;

/// What TLS came to.
#[derive(Debug)]
pub struct Secured {
    /// The connection.
    pub stream: Watched,
    /// Until when the gateway's own certificate is good, where that can be read.
    pub good_until: Option<SystemTime>,
    /// `TLS 1.3`, `TLS 1.2`.
    pub version: &'static str,
}

/// What a plain request was answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The gateway's clock (`Date`), where it tells.
    pub date: Option<SystemTime>,
}

/// The way to one gateway, to be gone step by step.
#[derive(Debug)]
pub struct Road(Way);

impl Road {
    /// The way that links of a tunnel like this take.
    ///
    /// # Errors
    /// [`Cause::Certificate`] or [`Cause::Tls`], when there are no authorities to trust or our own certificate cannot
    /// be used.
    pub async fn new(gateway: &GatewayAddress, outbound: &Outbound) -> Result<Self, Cause> {
        let (gateway, dialler) = (gateway.clone(), Dialler::new(outbound.clone()));
        // The system's authorities take a while to read.
        let way = tokio::task::spawn_blocking(move || dialler.way(&gateway)).await;
        way.map_err(|error| Cause::Internal { detail: error.to_string() })?.map(Self)
    }

    /// The proxy on the way.
    pub fn proxy(&self) -> Option<&Proxy> {
        self.0.through.as_ref().map(|through| &through.proxy)
    }

    /// The addresses behind the name of whatever comes first: the proxy, else the gateway.
    ///
    /// # Errors
    /// [`Cause::Lookup`] or [`Cause::Proxy`]. The resolver's patience is the system's: give it a limit.
    pub async fn look_up(&self) -> Result<Vec<SocketAddr>, Cause> {
        let addresses = self.0.look_up().await?;
        match addresses.is_empty() {
            true => {
                Err(Cause::Lookup { gateway: self.0.gateway.to_string(), detail: "its name has no address".to_owned() })
            }
            false => Ok(addresses),
        }
    }

    /// TCP to the first of these addresses that answers.
    ///
    /// # Errors
    /// [`Cause::Refused`], [`Cause::Unreachable`] or [`Cause::Proxy`]; each address has 6 s.
    pub async fn connect(&self, addresses: Vec<SocketAddr>) -> Result<TcpStream, Cause> {
        self.0.connect(addresses).await
    }

    /// Through the proxy, if there is one.
    ///
    /// # Errors
    /// [`Cause::Proxy`], [`Cause::ProxyRejected`].
    pub async fn pass(&self, stream: TcpStream) -> Result<Box<dyn Io>, Cause> {
        self.0.pass(stream).await
    }

    /// TLS on a connection to the gateway: chain, name and time are checked.
    ///
    /// # Errors
    /// [`Cause::Tls`] says which of them is wrong.
    pub async fn secure(&self, stream: Box<dyn Io>) -> Result<Secured, Cause> {
        let config = self.0.tls.clone().ok_or_else(|| self.0.insecure("its address has no TLS".to_owned()))?;
        let stream = tls::connect(config, &self.0.gateway.host(), stream).await;
        let stream = stream.map_err(|detail| self.0.insecure(detail))?;
        let (_, session) = stream.get_ref();
        let good_until = session.peer_certificates().and_then(|chain| chain.first()).and_then(|own| good_until(own));
        let version = match session.protocol_version() {
            Some(ProtocolVersion::TLSv1_3) => "TLS 1.3",
            Some(ProtocolVersion::TLSv1_2) => "TLS 1.2",
            _ => "TLS",
        };
        Ok(Secured { stream: Watched::new(stream), good_until, version })
    }

    /// All of that at once.
    ///
    /// # Errors
    /// As the steps.
    pub async fn open(&self) -> Result<Watched, Cause> {
        self.0.open().await
    }
}

/// GET of `path` below the gateway's prefix, without a token, over a connection to it, which is used up.
///
/// # Errors
/// [`Cause::LinkLost`] when no HTTP answer comes.
pub async fn get(
    gateway: &GatewayAddress,
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    path: &str,
) -> Result<Answer, Cause> {
    let request = http::Request::builder().method(Method::GET);
    let (head, _) = ask(gateway, stream, path, request, Bytes::new()).await?;
    let date = head.headers.get(DATE).and_then(|date| date.to_str().ok()).and_then(http_date);
    Ok(Answer { status: head.status.as_u16(), date })
}

/// POST of JSON to `path` below the gateway's prefix, with a bearer, over a connection to it, which is used up: the
/// status, and up to 64 KiB of what was answered.
///
/// # Errors
/// [`Cause::LinkLost`] when no whole HTTP answer comes.
pub async fn post(
    gateway: &GatewayAddress,
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    path: &str,
    bearer: Option<&Secret>,
    body: Bytes,
) -> Result<(u16, Bytes), Cause> {
    let mut request = http::Request::builder().method(Method::POST).header(CONTENT_TYPE, "application/json");
    if let Some(bearer) = bearer {
        request = request.header(AUTHORIZATION, format!("Bearer {}", bearer.expose()));
    }
    let (head, body) = ask(gateway, stream, path, request, body).await?;
    Ok((head.status.as_u16(), body))
}

async fn ask(
    gateway: &GatewayAddress,
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    path: &str,
    request: http::request::Builder,
    body: Bytes,
) -> Result<(http::response::Parts, Bytes), Cause> {
    let lost = |detail: String| Cause::LinkLost { detail: format!("no HTTP answer{}", because(&detail)) };
    let internal = |error: &dyn std::fmt::Display| Cause::Internal { detail: error.to_string() };
    let uri: http::Uri = gateway.http_url(path).parse().map_err(|error| internal(&error))?;
    let host = uri.authority().map(ToString::to_string).unwrap_or_default();
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    let request = request.uri(target).header(HOST, host).body(Full::new(body)).map_err(|error| internal(&error))?;
    let shaken = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut requests, connection) = shaken.map_err(|error| lost(error.to_string()))?;
    let asked = async {
        let answer = requests.send_request(request).await.map_err(|error| match tls::refused_identity(&error) {
            Some(detail) => Cause::Tls { gateway: gateway.to_string(), detail },
            None => lost(error.to_string()),
        })?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, MOST).collect().await.map_err(|error| lost(error.to_string()))?;
        Ok((head, body.to_bytes()))
    };
    tokio::pin!(asked, connection);
    tokio::select! {
        biased;
        answer = &mut asked => answer,
        // Whatever ended the connection, the request tells it.
        _ = &mut connection => asked.await,
    }
}
