//! The way to one gateway, for whoever needs a link to it.

use culvert_link::dial::{Dialled, Dialler, Request};
use culvert_protocol::Cause;
use culvert_protocol::address::Endpoint;
use tracing::info;

use crate::choice::{Choice, Plan};
use crate::config::TunnelConfig;

/// Dials one tunnel's gateway.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Door<'a> {
    pub(crate) dialler: &'a Dialler,
    pub(crate) config: &'a TunnelConfig,
    /// The endpoint that took us last.
    pub(crate) endpoint: Option<Endpoint>,
    /// Over which carriage.
    pub(crate) choice: &'a Choice,
}

impl Door<'_> {
    /// A fresh link; nothing has been said on it yet.
    pub(crate) async fn dial(&self, session_id: &str) -> Result<Dialled, Cause> {
        let request = self.request(session_id);
        match self.choice.plan() {
            Plan::WebSocket => self.dial_websocket(session_id).await,
            Plan::Sse => self.dialler.dial_sse(&request).await,
            Plan::WebSocketFirst => {
                let undialled = match self.dialler.dial_websocket(&request).await {
                    Ok(dialled) => return Ok(dialled),
                    Err(undialled) => undialled,
                };
                if !self.choice.suspects(undialled.suspicion) {
                    return Err(undialled.cause);
                }
                match self.dialler.dial_sse(&request).await {
                    Ok(dialled) => {
                        info!(name = %self.config.name, "WebSocket does not pass ({}): SSE does", undialled.cause);
                        self.choice.blocked();
                        Ok(dialled)
                    }
                    // The gateway itself has spoken.
                    Err(cause @ (Cause::TokenRejected { .. } | Cause::TokenMissing { .. })) => Err(cause),
                    Err(_) => Err(undialled.cause),
                }
            }
            Plan::SseFirst => match self.dialler.dial_sse(&request).await {
                Ok(dialled) => {
                    if self.choice.again_at().is_none() {
                        self.choice.blocked();
                    }
                    Ok(dialled)
                }
                // Whatever it is, WebSocket would not do better.
                Err(
                    cause @ (Cause::Refused { .. }
                    | Cause::Lookup { .. }
                    | Cause::Unreachable { .. }
                    | Cause::Tls { .. }
                    | Cause::TokenRejected { .. }
                    | Cause::TokenMissing { .. }),
                ) => Err(cause),
                Err(_) => {
                    self.choice.forget();
                    self.dial_websocket(session_id).await
                }
            },
        }
    }

    /// A fresh link over WebSocket and nothing else.
    pub(crate) async fn dial_websocket(&self, session_id: &str) -> Result<Dialled, Cause> {
        self.dialler.dial(self.request(session_id)).await
    }

    fn request<'r>(&'r self, session_id: &'r str) -> Request<'r> {
        Request {
            gateway: &self.config.gateway,
            endpoint: self.endpoint,
            token: self.config.token.as_ref(),
            session_id,
            max_message: self.config.max_message,
        }
    }
}
