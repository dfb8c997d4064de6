//! The way to one gateway, for whoever needs a link to it.

use culvert_link::dial::{Dialled, Dialler, Request};
use culvert_protocol::Cause;
use culvert_protocol::address::Endpoint;

use crate::config::TunnelConfig;

/// Dials one tunnel's gateway.
#[derive(Debug)]
pub(crate) struct Door<'a> {
    pub(crate) dialler: &'a Dialler,
    pub(crate) config: &'a TunnelConfig,
    /// The endpoint that took us last.
    pub(crate) endpoint: Option<Endpoint>,
}

impl Door<'_> {
    /// A fresh link; nothing has been said on it yet.
    pub(crate) async fn dial(&self, session_id: &str) -> Result<Dialled, Cause> {
        let request = Request {
            gateway: &self.config.gateway,
            endpoint: self.endpoint,
            token: self.config.token.as_ref(),
            session_id,
            max_message: self.config.max_message,
        };
        self.dialler.dial(request).await
    }
}
