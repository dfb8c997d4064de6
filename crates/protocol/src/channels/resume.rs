//! A stream that outlives its connections: what was sent is kept until the peer has it, what came is counted.
//!
//! Both sides count the bytes of binary messages, in whole messages. After a lost connection each tells the other its
//! count, and the other sends again what comes after it: nothing twice, nothing missing, nothing out of order.

use std::collections::VecDeque;

use bytes::Bytes;

use super::mux::Violation;

/// Acknowledgements are due at the latest after so many bytes.
const ACK_AFTER: u64 = 256 * 1024;

/// What was sent and may have to be sent again.
#[derive(Debug)]
pub struct Outbox {
    messages: VecDeque<Bytes>,
    acknowledged: u64,
    sent: u64,
    limit: u64,
}

impl Outbox {
    /// Keeps up to `limit` bytes, and one message more.
    pub fn new(limit: usize) -> Self {
        Self { messages: VecDeque::new(), acknowledged: 0, sent: 0, limit: limit as u64 }
    }

    /// Whether another message may be sent now.
    pub fn has_room(&self) -> bool {
        self.held() < self.limit
    }

    /// Bytes that were sent and are not yet acknowledged.
    pub fn held(&self) -> u64 {
        self.sent - self.acknowledged
    }

    /// Keeps a message that is being sent.
    pub fn push(&mut self, message: Bytes) {
        self.sent += message.len() as u64;
        self.messages.push_back(message);
    }

    /// The peer has received so many bytes in all.
    ///
    /// # Errors
    /// [`Violation::Count`] when that cannot be; nothing has changed then.
    pub fn acknowledge(&mut self, received: u64) -> Result<(), Violation> {
        self.check(received)?;
        while let Some(first) = self.messages.front().filter(|_| self.acknowledged < received) {
            self.acknowledged += first.len() as u64;
            self.messages.pop_front();
        }
        Ok(())
    }

    /// What to send again to a peer that has received so many bytes in all; also acknowledges them.
    ///
    /// # Errors
    /// As [`acknowledge`](Self::acknowledge).
    pub fn replay(&mut self, received: u64) -> Result<impl Iterator<Item = Bytes> + '_, Violation> {
        self.acknowledge(received)?;
        Ok(self.messages.iter().cloned())
    }

    /// A count must lie between what was acknowledged and what was sent, and at the end of a message.
    fn check(&self, received: u64) -> Result<(), Violation> {
        let mut end = self.acknowledged;
        let mut ends = self.messages.iter().map(|message| {
            end += message.len() as u64;
            end
        });
        let known = received == self.acknowledged
            || ends.by_ref().take_while(|end| *end <= received).any(|end| end == received);
        if known { Ok(()) } else { Err(Violation::Count(received)) }
    }
}

/// What came in.
#[derive(Debug)]
pub struct Inbox {
    received: u64,
    acknowledged: u64,
    ack_after: u64,
}

impl Inbox {
    /// For a peer that keeps up to `limit` unacknowledged bytes: it must never have to wait for an acknowledgement
    /// that is not yet due.
    pub fn new(limit: usize) -> Self {
        Self { received: 0, acknowledged: 0, ack_after: ACK_AFTER.min(limit as u64 / 4) }
    }

    /// A message came; whether its acknowledgement is due at once. Otherwise one is due within 100 ms.
    pub fn count(&mut self, length: usize) -> bool {
        self.received += length as u64;
        self.received - self.acknowledged >= self.ack_after
    }

    /// Whether anything came that was not acknowledged.
    pub fn owes(&self) -> bool {
        self.received > self.acknowledged
    }

    /// What has come in, in all.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// The count to acknowledge with, or to resume from; it counts as told.
    pub fn acknowledge(&mut self) -> u64 {
        self.acknowledged = self.received;
        self.received
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(length: usize) -> Bytes {
        Bytes::from(vec![0; length])
    }

    #[test]
    fn what_the_peer_has_is_let_go_and_the_rest_is_sent_again() {
        let mut outbox = Outbox::new(100);
        for length in [10, 20, 30] {
            outbox.push(message(length));
        }
        outbox.acknowledge(10).unwrap();
        assert_eq!(outbox.held(), 50);
        let again: Vec<_> = outbox.replay(30).unwrap().map(|message| message.len()).collect();
        assert_eq!(again, [30]);
        assert_eq!(outbox.replay(60).unwrap().count(), 0);
        assert!(outbox.acknowledge(60).is_ok());
    }

    #[test]
    fn counts_that_cannot_be_are_refused() {
        let mut outbox = Outbox::new(100);
        outbox.push(message(10));
        outbox.push(message(10));
        outbox.acknowledge(10).unwrap();
        for count in [0, 9, 15, 21, u64::MAX] {
            assert_eq!(outbox.acknowledge(count), Err(Violation::Count(count)), "{count}");
        }
        assert_eq!(outbox.held(), 10);
    }

    #[test]
    fn a_full_outbox_asks_to_wait() {
        let mut outbox = Outbox::new(100);
        outbox.push(message(99));
        assert!(outbox.has_room());
        outbox.push(message(50));
        assert!(!outbox.has_room());
        outbox.acknowledge(99).unwrap();
        assert!(outbox.has_room());
    }

    #[test]
    fn acknowledgements_are_due_before_the_peer_must_wait() {
        let mut inbox = Inbox::new(400);
        assert!(!inbox.count(99));
        assert!(inbox.owes());
        assert!(inbox.count(1));
        assert_eq!(inbox.acknowledge(), 100);
        assert!(!inbox.owes());
    }
}
