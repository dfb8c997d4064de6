//! Connections to a gateway: look-up, TCP, maybe a proxy, and TLS.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use culvert_protocol::{Cause, GatewayAddress};
use rustls::ClientConfig;
use tokio::net::TcpStream;

use crate::activity::{Io, Watched};
use crate::proxy::socks::NoWay;
use crate::proxy::{Kind, Proxy, connect as http_connect, socks};
use crate::{tcp, tls};

/// How long one address of several may take before the next is tried.
const PER_ADDRESS: Duration = Duration::from_secs(6);

/// The way to a gateway, with all that connections to it need.
#[derive(Debug, Clone)]
pub(crate) struct Way {
    pub(crate) gateway: GatewayAddress,
    pub(crate) tls: Option<Arc<ClientConfig>>,
    pub(crate) through: Option<Through>,
}

/// A proxy, and how its own connection is protected.
#[derive(Debug, Clone)]
pub(crate) struct Through {
    pub(crate) proxy: Proxy,
    pub(crate) tls: Option<Arc<ClientConfig>>,
}

impl Way {
    /// TCP, through the proxy if there is one, and TLS where the gateway wants it.
    pub(crate) async fn open(&self) -> Result<Watched, Cause> {
        let stream = self.connect(self.look_up().await?).await?;
        let Some(tls) = &self.tls else {
            return match &self.through {
                None => Ok(Watched::new(stream)),
                Some(_) => Ok(Watched::new(self.pass(stream).await?)),
            };
        };
        let host = self.gateway.host();
        let secured = match &self.through {
            None => tls::connect(tls.clone(), &host, stream).await.map(Watched::new),
            Some(_) => tls::connect(tls.clone(), &host, self.pass(stream).await?).await.map(Watched::new),
        };
        secured.map_err(|detail| self.insecure(detail))
    }

    /// The addresses behind the name of whatever comes first: the proxy, else the gateway.
    pub(crate) async fn look_up(&self) -> Result<Vec<SocketAddr>, Cause> {
        let (host, port) = match &self.through {
            Some(Through { proxy, .. }) => (proxy.host.clone(), proxy.port),
            None => (self.gateway.host(), self.gateway.port()),
        };
        tcp::look_up(host, port).await.map_err(|detail| match &self.through {
            None => Cause::Lookup { gateway: self.gateway.to_string(), detail },
            Some(through) => through.failed(format!("its name cannot be looked up: {detail}")),
        })
    }

    /// TCP to the first of these addresses that answers.
    pub(crate) async fn connect(&self, addresses: Vec<SocketAddr>) -> Result<TcpStream, Cause> {
        let error = match tcp::connect(addresses, PER_ADDRESS).await {
            Ok(stream) => return Ok(stream),
            Err(error) => error,
        };
        let gateway = self.gateway.to_string();
        Err(match (&self.through, error.kind()) {
            (Some(through), io::ErrorKind::ConnectionRefused) => through.failed("nothing listens there".to_owned()),
            (Some(through), _) => through.failed(error.to_string()),
            (None, io::ErrorKind::ConnectionRefused) => Cause::Refused { gateway },
            (None, _) => Cause::Unreachable { gateway, detail: error.to_string() },
        })
    }

    /// Asks the proxy for a way through to the gateway; without one, the stream is that already.
    pub(crate) async fn pass(&self, stream: TcpStream) -> Result<Box<dyn Io>, Cause> {
        let Some(through) = &self.through else { return Ok(Box::new(stream)) };
        let Through { proxy, tls } = through;
        let mut stream: Box<dyn Io> = match tls {
            None => Box::new(stream),
            Some(tls) => match tls::connect(tls.clone(), &proxy.host, stream).await {
                Ok(secured) => Box::new(secured),
                Err(detail) => return Err(through.failed(format!("no secure connection to it: {detail}"))),
            },
        };
        let (host, port) = (self.gateway.host(), self.gateway.port());
        let credentials = proxy.credentials.as_ref();
        let passed = match proxy.kind {
            Kind::Http | Kind::Https => http_connect::through(&mut stream, &host, port, credentials).await,
            Kind::Socks5 => socks::through(&mut stream, &host, port, credentials).await,
        };
        match passed {
            Ok(()) => Ok(stream),
            Err(NoWay::Credentials(detail)) => Err(Cause::ProxyRejected { proxy: proxy.to_string(), detail }),
            Err(other) => Err(through.failed(other.to_string())),
        }
    }

    pub(crate) fn insecure(&self, detail: String) -> Cause {
        Cause::Tls { gateway: self.gateway.to_string(), detail }
    }
}

impl Through {
    fn failed(&self, detail: String) -> Cause {
        Cause::Proxy { proxy: self.proxy.to_string(), detail }
    }
}
