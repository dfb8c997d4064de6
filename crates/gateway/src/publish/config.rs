//! What publishing takes, and which of it is refused before anything begins.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use culvert_link::Outbound;
use culvert_protocol::GatewayAddress;
use serde::Serialize;

use crate::config::Plaintext;
use crate::error::GatewayError;

/// Publishing every tunnelled server in a ContextForge.
#[derive(Debug, Clone)]
pub struct PublishConfig {
    /// The ContextForge.
    pub contextforge: GatewayAddress,
    /// The file whose first line is the bearer token for its admin API. Read again when it changes.
    pub token_file: PathBuf,
    /// Who sees there what is published; said once, when an entry is made.
    pub visibility: Visibility,
    /// How long a server may be gone until its entry is disabled.
    pub patience: Duration,
    /// How long each bearer that ContextForge is handed is good; a new one takes its place after two thirds.
    pub bearer_life: Duration,
    /// How connections to it are made.
    pub outbound: Outbound,
}

/// Who sees an entry at ContextForge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Visibility {
    /// Everybody with a token of that ContextForge.
    Public,
    /// The team of the publishing token.
    Team,
    /// The user of the publishing token.
    Private,
}

impl PublishConfig {
    /// A restart of a tunnel's client takes seconds, and every disabling changes what MCP clients are shown.
    pub const PATIENCE: Duration = Duration::from_secs(60);

    /// Every renewal ends the sessions that ContextForge keeps with the server: rarely is better.
    pub const BEARER_LIFE: Duration = Duration::from_secs(24 * 3600);

    /// The defaults.
    pub fn new(contextforge: GatewayAddress, token_file: impl Into<PathBuf>) -> Self {
        Self {
            contextforge,
            token_file: token_file.into(),
            visibility: Visibility::Public,
            patience: Self::PATIENCE,
            bearer_life: Self::BEARER_LIFE,
            outbound: Outbound::default(),
        }
    }

    /// Refuses what cannot work, or would show the token to others. `listen` is where the gateway listens.
    ///
    /// # Errors
    /// [`GatewayError::PublishPlaintext`], and [`GatewayError::PublishAddress`] when there is no public URL and another
    /// machine could not follow the address listened on.
    pub(crate) fn check(
        &self,
        listen: SocketAddr,
        public_url: Option<&GatewayAddress>,
        plaintext: Plaintext,
    ) -> Result<(), GatewayError> {
        let here = self.contextforge.is_loopback();
        if !self.contextforge.is_encrypted() && !here && plaintext == Plaintext::Loopback {
            return Err(GatewayError::PublishPlaintext { contextforge: self.contextforge.to_string() });
        }
        let ip = listen.ip().to_canonical();
        if public_url.is_none() && !here && (ip.is_loopback() || ip.is_unspecified()) {
            return Err(GatewayError::PublishAddress { contextforge: self.contextforge.to_string(), address: listen });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use culvert_protocol::Explain as _;

    #[test]
    fn an_address_that_contextforge_could_not_follow_is_refused() {
        let checked = |contextforge: &str, listen: &str, public: Option<&str>, plaintext| {
            let config = PublishConfig::new(GatewayAddress::parse(contextforge).unwrap(), "t");
            let public = public.map(|url| GatewayAddress::parse(url).unwrap());
            config.check(listen.parse().unwrap(), public.as_ref(), plaintext).err().map(|error| error.code())
        };
        let (strict, lax) = (Plaintext::Loopback, Plaintext::Allowed);
        let far = "https://cf.example.com";
        assert_eq!(checked("http://127.0.0.1:4", "127.0.0.1:1", None, strict), None);
        assert_eq!(checked("http://localhost:4", "0.0.0.0:1", None, strict), None);
        assert_eq!(checked(far, "127.0.0.1:1", None, strict), Some("publish.address"));
        assert_eq!(checked(far, "[::]:1", None, strict), Some("publish.address"));
        assert_eq!(checked(far, "192.168.1.5:1", None, strict), None);
        assert_eq!(checked(far, "127.0.0.1:1", Some("https://gw.example.com"), strict), None);
        assert_eq!(checked("http://cf:4444", "10.0.0.1:1", None, strict), Some("publish.plaintext"));
        assert_eq!(checked("http://cf:4444", "10.0.0.1:1", None, lax), None);
    }
}
