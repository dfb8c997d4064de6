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

#[cfg(test)]
mod tests {
    use culvert_link::channels::{Happening, Terms};
    use culvert_link::{accept, connect};
    use culvert_protocol::channels::Side;
    use culvert_protocol::envelope::{Envelope, Kind};

    use super::*;

    fn labels(site: &str) -> Labels {
        Labels::new([("site".to_owned(), site.to_owned())].into()).unwrap()
    }

    /// The next labels that the gateway is told.
    async fn told(gateway: &mut Carrier) -> Labels {
        loop {
            let Some(Happening::Text(text)) = gateway.happens().await else { panic!("the link is over") };
            let envelope = Envelope::parse(&text).unwrap();
            if envelope.kind == Kind::Labels {
                return Labels::read(envelope.labels.unwrap());
            }
        }
    }

    #[tokio::test]
    async fn others_are_told_as_they_come_and_again_on_another_connection() {
        let terms = |side| Terms { side, window: 2048, max_line: 1 << 16, tap: None };
        let (near, far) = tokio::io::duplex(4096);
        let ((to_client, from_client), (to_gateway, from_gateway)) =
            tokio::join!(accept(near, 1 << 16), connect(far, 1 << 16));
        let mut gateway = Carrier::start(terms(Side::Gateway), to_client, from_client);
        let client = Carrier::start(terms(Side::Client), to_gateway, from_gateway);
        let (writer, (sender, mut now)) = (Writer::new("s"), watch::channel(Some(labels("registered"))));
        now.mark_unchanged();
        let mut labelling = Labelling::new(now);

        // The registration told those: another connection need not.
        labelling.tell_again(&client, &writer).await;
        sender.send_replace(Some(labels("north")));
        labelling.changed().await;
        labelling.tell(&client, &writer).await;
        assert_eq!(told(&mut gateway).await, labels("north"), "and nothing before");
        labelling.tell_again(&client, &writer).await;
        assert_eq!(told(&mut gateway).await, labels("north"));
    }
}
