//! Going over to another connection while everything runs: from SSE back to WebSocket, and to one that a new token has
//! opened. The session is resumed there, and the old connection is let go of only then.

use std::pin::Pin;
use std::time::Duration;

use culvert_link::channels::Carrier;
use culvert_link::{Carriage, Dialled};
use culvert_protocol::channels::control::Control;
use culvert_protocol::{Cause, Explain as _};
use tokio::time::{Instant, sleep_until};
use tracing::{debug, info};

use super::Session;

/// How long the gateway may take to judge. Nothing passes meanwhile, and the old connection still works.
const JUDGED_WITHIN: Duration = Duration::from_secs(5);

/// How soon a new token is tried again where the connection for it did not come about.
const TOKEN_AGAIN: Duration = Duration::from_secs(15);

type Dial<'a> = Pin<Box<dyn Future<Output = Result<Dialled, Cause>> + Send + 'a>>;

/// Why a session goes over to another connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    /// WebSocket may pass by now.
    WebSocket,
    /// The token on the present connection is not the newest.
    Token,
}

/// A connection that is being dialled beside the session's own.
pub(super) struct Moving<'a> {
    dial: Option<(Reason, Dial<'a>)>,
    /// A new token that did not get its connection is tried again then.
    token_again: Option<Instant>,
}

impl<'a> Moving<'a> {
    pub(super) fn new() -> Self {
        Self { dial: None, token_again: None }
    }

    /// The connection, once there is a reason for one and the dial is done. Cancel safe.
    ///
    /// # Errors
    /// Why it was dialled, when it did not come about.
    pub(super) async fn dialled(&mut self, session: &Session<'a>) -> Result<(Reason, Dialled), Reason> {
        let (reason, dial) = match &mut self.dial {
            Some(dial) => dial,
            none => {
                let reason = reason(session, self.token_again).await;
                let (door, id) = (session.door, session.id.clone());
                let dial: Dial<'a> = match reason {
                    Reason::WebSocket => Box::pin(async move { door.dial_websocket(&id).await }),
                    Reason::Token => Box::pin(async move { door.dial(&id).await }),
                };
                none.insert((reason, dial))
            }
        };
        let (reason, dialled) = (*reason, dial.await);
        self.dial = None;
        let failed = dialled.is_err() && reason == Reason::Token;
        self.token_again = failed.then(|| Instant::now() + TOKEN_AGAIN);
        match dialled {
            Ok(link) => Ok((reason, link)),
            Err(cause) => {
                debug!(code = cause.code(), ?reason, "no connection to go over to: {cause}");
                Err(reason)
            }
        }
    }
}

/// Completes when there is a reason to go over.
async fn reason(session: &Session<'_>, token_again: Option<Instant>) -> Reason {
    let websocket = async {
        match session.door.choice.again_at() {
            Some(again) if session.carriage == Carriage::Sse => sleep_until(again).await,
            _ => std::future::pending().await,
        }
    };
    let token_again = async {
        match token_again {
            Some(again) => sleep_until(again).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = session.door.bearer.replaced() => Reason::Token,
        () = token_again => Reason::Token,
        () = websocket => Reason::WebSocket,
    }
}

impl Session<'_> {
    /// Goes on over `link` if the gateway agrees, else over the connection there is.
    pub(super) async fn move_over(&mut self, carrier: &mut Carrier, (reason, mut link): (Reason, Dialled)) {
        let Some(held) = carrier.hold().await else { return };
        self.attempts += 1;
        let began = Instant::now();
        let judged = tokio::select! {
            biased;
            () = self.stop.cancelled() => return carrier.go_on(held).await,
            judged = self.ask_to_resume(&mut link, held.received, JUDGED_WITHIN) => judged,
        };
        match judged {
            Some(Ok(Control::Resumed { received })) => {
                let (name, ms) = (&self.config.name, began.elapsed().as_millis());
                match reason {
                    Reason::WebSocket => info!(%name, ms, "the link is on WebSocket again"),
                    Reason::Token => info!(%name, ms, "the link goes on with the new token"),
                }
                carrier.attach(link.sender, link.receiver, received).await;
                if link.carriage == Carriage::WebSocket {
                    self.door.choice.forget();
                }
                self.carriage = link.carriage;
                self.report.ledger().figures().resumed();
                self.report.carried(self.carriage);
            }
            judged => {
                debug!(name = %self.config.name, ?judged, ?reason, "the session does not go over");
                self.stay(reason);
                carrier.go_on(held).await;
            }
        }
    }

    /// Nothing came of going over.
    pub(super) fn stay(&self, reason: Reason) {
        if reason == Reason::WebSocket {
            self.door.choice.blocked();
        }
    }
}
