//! Messages over a base link, both ways at once: envelopes off, envelopes on, payloads untouched.

use bytes::Bytes;
use culvert_link::{Frame, FrameReceiver, FrameSender, queue};
use culvert_protocol::envelope::{Envelope, Kind, Writer};
use culvert_protocol::limits::HEARTBEAT_ACK_INTERVAL;
use culvert_protocol::message::{Message, Shape};
use culvert_protocol::rpc_error::RpcError;
use culvert_protocol::splice::single_line;
use tokio::time::Instant;

use super::end::Over;
use crate::clock::UnixTime;
use crate::traffic::Traffic;

/// What both directions need.
#[derive(Debug)]
pub(super) struct Carrier {
    pub(super) sender: FrameSender,
    pub(super) writer: Writer,
    /// Bytes of the largest frame.
    pub(super) limit: usize,
}

impl Carrier {
    /// Takes frames in until the link is over. Never waits for the other direction, so that the two cannot lock each
    /// other out.
    pub(super) async fn read(
        &self,
        receiver: &mut FrameReceiver,
        to_client: &queue::Sender<Bytes>,
        traffic: &Traffic,
        heartbeats: &mut Heartbeats,
    ) -> Over {
        loop {
            let text = match receiver.recv().await {
                Ok(Frame::Text(text)) => text,
                Ok(Frame::Binary(_)) => {
                    tracing::debug!("dropped a binary frame, which the base dialect does not know");
                    continue;
                }
                Err(end) => return Over::Link(end),
            };
            traffic.heard(text.len(), UnixTime::now());
            let envelope = match Envelope::parse(&text) {
                Ok(envelope) => envelope,
                Err(error) => {
                    tracing::debug!(%error, "dropped a frame");
                    continue;
                }
            };
            match envelope.kind {
                Kind::Register => return Over::RegisteredTwice,
                Kind::Unregister => return Over::Unregistered,
                Kind::Heartbeat => {
                    if heartbeats.is_due(Instant::now()) {
                        // A link too busy to take the answer is alive, and its client sees that by what keeps it busy.
                        self.sender.try_send(self.writer.heartbeat_ack(&UnixTime::now().rfc3339()));
                    }
                    continue;
                }
                _ => {}
            }
            // The label is not looked at: old clients call everything with an id a response.
            let Some(payload) = envelope.payload else { continue };
            let frame: Bytes = text.clone().into();
            let payload = single_line(frame.slice_ref(payload.text().as_bytes()));
            if to_client.send(payload).await.is_err() {
                return Over::Gone;
            }
        }
    }

    /// Sends what the front has for the server. A request too large for the link is answered here.
    pub(super) async fn write(
        &self,
        mut from_client: queue::Receiver<Bytes>,
        to_client: &queue::Sender<Bytes>,
        traffic: &Traffic,
    ) -> Over {
        while let Some(message) = from_client.recv().await {
            let Ok(payload) = std::str::from_utf8(&message.item) else {
                tracing::warn!("dropped a message to a server that is no text");
                continue;
            };
            if payload.len() + self.writer.overhead() > self.limit {
                if let Some(answer) = self.too_large(payload)
                    && to_client.send(answer).await.is_err()
                {
                    return Over::Gone;
                }
                continue;
            }
            let frame = self.writer.request(payload);
            traffic.said(frame.len());
            if self.sender.send(frame).await.is_err() {
                // The receiving end knows why; its branch tells.
                return std::future::pending().await;
            }
        }
        Over::Gone
    }

    /// The answer to a request that no frame can carry.
    fn too_large(&self, payload: &str) -> Option<Bytes> {
        let message = Message::parse(payload).ok()?;
        tracing::warn!(bytes = payload.len(), limit = self.limit, "a message is too large for its link");
        let Shape::Request(_) = message.shape() else { return None };
        let words =
            format!("the request has {} bytes, this tunnel takes frames of {} bytes", payload.len(), self.limit);
        Some(RpcError::tunnel("message.too_large", words).answer(message.raw_id()?).into())
    }
}

/// When the next heartbeat may be acknowledged.
#[derive(Debug, Default)]
pub(super) struct Heartbeats {
    last: Option<Instant>,
}

impl Heartbeats {
    /// Whether one that comes `now` is to be acknowledged. Some clients answer the acknowledgement with a heartbeat: at
    /// once would be a loop.
    pub(super) fn is_due(&mut self, now: Instant) -> bool {
        let due = self.last.is_none_or(|last| now.duration_since(last) >= HEARTBEAT_ACK_INTERVAL);
        if due {
            self.last = Some(now);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_client_that_answers_acknowledgements_is_slowed_to_one_in_five_seconds() {
        let start = Instant::now();
        let mut heartbeats = Heartbeats::default();
        let at = |ms| start + Duration::from_millis(ms);
        let acked: Vec<_> = (0..11_000).step_by(10).filter(|ms| heartbeats.is_due(at(*ms))).collect();
        assert_eq!(acked, [0, 5000, 10_000]);
    }
}
