//! The owner's labels while a session lasts: others are told as they come, and again where they may have been lost.

use culvert_link::channels::Carrier;
use culvert_protocol::Labels;
use culvert_protocol::envelope::Writer;
use tokio::sync::watch;

/// What a session knows of its labels.
#[derive(Debug)]
pub(crate) struct Labelling {
    now: watch::Receiver<Option<Labels>>,
    /// Whether the gateway was told any since the registration.
    told: bool,
}

impl Labelling {
    /// Of a session whose registration told what `now` has seen.
    pub(crate) fn new(now: watch::Receiver<Option<Labels>>) -> Self {
        Self { now, told: false }
    }

    /// Completes when there are others; never once nobody can give any. Cancel safe.
    pub(super) async fn changed(&mut self) {
        if self.now.changed().await.is_err() {
            std::future::pending().await
        }
    }

    /// Tells the gateway those of this moment.
    pub(super) async fn tell(&mut self, carrier: &Carrier, writer: &Writer) {
        let labels = self.now.borrow_and_update().clone();
        if let Some(labels) = labels {
            carrier.send_text(writer.labels(&labels)).await;
            self.told = true;
        }
    }

    /// Tells them again on another connection: the last ones may have gone down with the one before.
    pub(super) async fn tell_again(&mut self, carrier: &Carrier, writer: &Writer) {
        if self.told {
            self.tell(carrier, writer).await;
        }
    }
}
