//! Connections to a local server's URL: look-up, TCP and TLS, all within one time limit.

use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use culvert_link::activity::Io;
use culvert_link::tcp;
use culvert_link::tls::{self, ClientConfig};
use tokio::time::{sleep, timeout};

use super::Place;
use super::trouble::Trouble;
use super::url::ServerUrl;

/// How long a connection may take, TLS included.
const CONNECT: Duration = Duration::from_secs(10);

/// How long one address of several may take before the next is tried.
const PER_ADDRESS: Duration = Duration::from_secs(4);

/// Waits before another try where nothing listens: a server that is just being restarted is soon back. Nothing was
/// sent by then, so that nothing can be done twice.
const REFUSED_WAITS: [Duration; 3] =
    [Duration::from_millis(100), Duration::from_millis(400), Duration::from_millis(1000)];

/// What this machine trusts, read once when first needed. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Roots(Arc<OnceLock<Arc<ClientConfig>>>);

impl Roots {
    fn get(&self) -> Result<Arc<ClientConfig>, Trouble> {
        if let Some(config) = self.0.get() {
            return Ok(config.clone());
        }
        let config = tls::system_config().map_err(Trouble::Unreachable)?;
        Ok(self.0.get_or_init(|| config).clone())
    }

    /// Trusts what `config` trusts.
    #[cfg(test)]
    pub(super) fn given(config: Arc<ClientConfig>) -> Self {
        Self(Arc::new(OnceLock::from(config)))
    }
}

/// A fresh connection to a server.
pub(super) async fn connect(place: &Place) -> Result<Box<dyn Io>, Trouble> {
    #[cfg(test)]
    if let Some(memory) = &place.memory {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        return memory.send(theirs).map(|()| Box::new(ours) as Box<dyn Io>).map_err(|_| Trouble::Refused);
    }
    let mut waits = REFUSED_WAITS.into_iter();
    loop {
        let tried = match timeout(CONNECT, try_connect(&place.url, &place.roots)).await {
            Ok(tried) => tried,
            Err(_) => Err(Trouble::Unreachable(format!("no answer within {} s", CONNECT.as_secs()))),
        };
        match (tried, waits.as_slice()) {
            (Err(Trouble::Refused), [wait, ..]) => {
                sleep(*wait).await;
                waits.next();
            }
            (tried, _) => return tried,
        }
    }
}

async fn try_connect(url: &ServerUrl, roots: &Roots) -> Result<Box<dyn Io>, Trouble> {
    let addresses = tcp::look_up(url.host(), url.port()).await;
    let addresses =
        addresses.map_err(|detail| Trouble::Unreachable(format!("its name cannot be looked up: {detail}")))?;
    let stream = tcp::connect(addresses, PER_ADDRESS).await.map_err(|error| match error.kind() {
        io::ErrorKind::ConnectionRefused => Trouble::Refused,
        _ => Trouble::Unreachable(error.to_string()),
    })?;
    if !url.is_encrypted() {
        return Ok(Box::new(stream));
    }
    match tls::connect(roots.get()?, &url.host(), stream).await {
        Ok(secured) => Ok(Box::new(secured)),
        Err(detail) => Err(Trouble::Unreachable(format!("no secure connection: {detail}"))),
    }
}
