//! Connections to a gateway: look-up, TCP and TLS.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use culvert_protocol::{Cause, GatewayAddress};
use rustls::ClientConfig;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use crate::activity::Watched;
use crate::tls;

/// How long one address of several may take before the next is tried.
const PER_ADDRESS: Duration = Duration::from_secs(6);

/// The way to a gateway, with all that connections to it need.
#[derive(Debug, Clone)]
pub(crate) struct Way {
    pub(crate) gateway: GatewayAddress,
    pub(crate) tls: Option<Arc<ClientConfig>>,
}

impl Way {
    /// TCP, and TLS where the gateway wants it.
    pub(crate) async fn open(&self) -> Result<Watched, Cause> {
        let stream = connect(&self.gateway).await?;
        let Some(tls) = &self.tls else { return Ok(Watched::new(stream)) };
        let secured = tls::connect(tls.clone(), &self.gateway.host(), stream).await;
        secured.map(Watched::new).map_err(|detail| Cause::Tls { gateway: self.gateway.to_string(), detail })
    }
}

/// TCP to the first of the gateway's addresses that answers.
async fn connect(gateway: &GatewayAddress) -> Result<TcpStream, Cause> {
    connect_to(gateway, look_up(gateway).await?).await
}

/// The addresses behind the gateway's name.
pub(crate) async fn look_up(gateway: &GatewayAddress) -> Result<Vec<SocketAddr>, Cause> {
    match lookup_host((gateway.host(), gateway.port())).await {
        Ok(found) => Ok(found.collect()),
        Err(error) => {
            let detail = error.to_string();
            let detail = detail.strip_prefix("failed to lookup address information: ").unwrap_or(&detail).to_owned();
            Err(Cause::Lookup { gateway: gateway.to_string(), detail })
        }
    }
}

/// TCP to the first of these addresses of the gateway that answers.
pub(crate) async fn connect_to(gateway: &GatewayAddress, addresses: Vec<SocketAddr>) -> Result<TcpStream, Cause> {
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
