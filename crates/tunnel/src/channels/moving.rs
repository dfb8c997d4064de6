//! Going back from SSE to WebSocket while everything runs: the session is resumed on the new connection, and the old one
//! is let go of only then.

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

type Dial<'a> = Pin<Box<dyn Future<Output = Result<Dialled, Cause>> + Send + 'a>>;

/// A WebSocket that is being dialled beside the session's connection.
pub(super) struct Moving<'a> {
    dial: Option<Dial<'a>>,
}

impl<'a> Moving<'a> {
    pub(super) fn new() -> Self {
        Self { dial: None }
    }

    /// The WebSocket, once it is time for one and the dial is done. `None`: it did not come about. Cancel safe.
    pub(super) async fn dialled(&mut self, session: &Session<'a>) -> Option<Dialled> {
        if session.carriage == Carriage::WebSocket {
            self.dial = None;
            return std::future::pending().await;
        }
        let dial = match &mut self.dial {
            Some(dial) => dial,
            none => {
                match session.door.choice.again_at() {
                    Some(again) => sleep_until(again).await,
                    None => std::future::pending().await,
                }
                let (door, id) = (session.door, session.id.clone());
                none.insert(Box::pin(async move { door.dial_websocket(&id).await }))
            }
        };
        let dialled = dial.await;
        self.dial = None;
        dialled.inspect_err(|cause| debug!(code = cause.code(), "still no WebSocket: {cause}")).ok()
    }
}

impl Session<'_> {
    /// Goes on over `link` if the gateway agrees, else over the connection there is.
    pub(super) async fn move_over(&mut self, carrier: &mut Carrier, mut link: Dialled) {
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
                info!(name = %self.config.name, ms = began.elapsed().as_millis(), "the link is on WebSocket again");
                carrier.attach(link.sender, link.receiver, received).await;
                self.door.choice.forget();
                self.carriage = Carriage::WebSocket;
                self.report.ledger().figures().resumed();
                self.report.carried(self.carriage);
            }
            judged => {
                debug!(name = %self.config.name, ?judged, "the session does not go on over WebSocket");
                self.door.choice.blocked();
                carrier.go_on(held).await;
            }
        }
    }
}
