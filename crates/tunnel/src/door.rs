//! The way to one gateway, for whoever needs a link to it.

use culvert_link::dial::{Dialled, Dialler, Request};
use culvert_protocol::address::Endpoint;
use culvert_protocol::{Cause, Secret};
use tokio::sync::watch;
use tracing::info;

use crate::choice::{Choice, Plan};
use crate::config::TunnelConfig;
use crate::outside::{Bearer, woken};

/// How often a dial may be begun anew: a network that changes without end is no reason never to come to one.
const ANEW: usize = 5;

/// Dials one tunnel's gateway.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Door<'a> {
    pub(crate) dialler: &'a Dialler,
    pub(crate) config: &'a TunnelConfig,
    pub(crate) bearer: &'a Bearer,
    /// The endpoint that took us last.
    pub(crate) endpoint: Option<Endpoint>,
    /// Over which carriage.
    pub(crate) choice: &'a Choice,
}

impl Door<'_> {
    /// A fresh link; nothing has been said on it yet. A bearer that is refused is read again, once.
    pub(crate) async fn dial(&self, session_id: &str) -> Result<Dialled, Cause> {
        match self.dial_as_planned(session_id).await {
            Err(cause) if cause.is_about_token() && self.bearer.renewed().await => {
                self.dial_as_planned(session_id).await
            }
            dialled => dialled,
        }
    }

    /// As [`dial`](Self::dial), but begun anew when it is woken: what was begun on one network comes to nothing on
    /// another, and not before long.
    pub(crate) async fn dial_anew(&self, session_id: &str, wake: &mut watch::Receiver<()>) -> Result<Dialled, Cause> {
        for _ in 0..ANEW {
            tokio::select! {
                biased;
                dialled = self.dial(session_id) => return dialled,
                () = woken(wake) => {}
            }
        }
        self.dial(session_id).await
    }

    async fn dial_as_planned(&self, session_id: &str) -> Result<Dialled, Cause> {
        let token = self.bearer.present();
        let request = self.request(session_id, token.as_ref());
        match self.choice.plan() {
            Plan::WebSocket => self.dialler.dial(request).await,
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
                    | Cause::Certificate { .. }
                    | Cause::Proxy { .. }
                    | Cause::ProxyRejected { .. }
                    | Cause::TokenRejected { .. }
                    | Cause::TokenMissing { .. }),
                ) => Err(cause),
                Err(_) => {
                    self.choice.forget();
                    self.dialler.dial(request).await
                }
            },
        }
    }

    /// A fresh link over WebSocket and nothing else.
    pub(crate) async fn dial_websocket(&self, session_id: &str) -> Result<Dialled, Cause> {
        let token = self.bearer.present();
        self.dialler.dial(self.request(session_id, token.as_ref())).await
    }

    fn request<'r>(&'r self, session_id: &'r str, token: Option<&'r Secret>) -> Request<'r> {
        Request {
            gateway: &self.config.gateway,
            endpoint: self.endpoint,
            token,
            session_id,
            max_message: self.config.max_message,
        }
    }
}
