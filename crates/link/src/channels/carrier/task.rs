//! The task behind a link of the channels dialect: it owns the state and whatever connection there is, and never waits
//! for whoever owns the session or a channel.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use culvert_protocol::channels::control::{Control, Header};
use culvert_protocol::channels::{self, Event, Inbox, Mux, Outbox, ResetReason};
use culvert_protocol::limits;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::Utf8Bytes;
use tracing::warn;

use super::super::assembler::TooLarge;
use super::super::channel::{ChannelEnd, Outgoing};
use super::feeds::Feeds;
use super::{Command, Ended, Happening, Held, Terms};
use crate::carriage::{Frame, FrameReceiver, FrameSender, LAST_WORDS, LinkEnd};

/// An acknowledgement is due so long after the first byte that was not acknowledged.
const ACK_DELAY: Duration = Duration::from_millis(100);

/// A peer that has acknowledged nothing for so long, with as much unacknowledged as may be, is gone.
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);

/// See the head of this file.
pub(super) struct Task {
    terms: Terms,
    mux: Mux,
    outbox: Outbox,
    inbox: Inbox,
    connection: Option<(FrameSender, FrameReceiver)>,
    /// What a new connection must send again before anything else.
    again: VecDeque<Bytes>,
    ack_at: Option<Instant>,
    feeds: Feeds,
    outgoing: mpsc::UnboundedReceiver<Outgoing>,
    commands: mpsc::Receiver<Command>,
    owner: mpsc::Sender<(u64, Happening)>,
    number: u64,
    dropped_texts: u64,
    /// Since when nothing more can be sent, because the peer acknowledges nothing.
    full_since: Option<Instant>,
    /// How the connection ended, until the owner was told.
    lost: Option<Ended>,
    events: Vec<Event>,
}

impl Task {
    /// One that has just been granted the dialect on this connection.
    pub(super) fn new(
        terms: Terms,
        connection: (FrameSender, FrameReceiver),
        commands: mpsc::Receiver<Command>,
        owner: mpsc::Sender<(u64, Happening)>,
    ) -> Self {
        let (out, outgoing) = mpsc::unbounded_channel();
        Self {
            mux: Mux::new(terms.side, terms.window),
            feeds: Feeds::new(&terms, out),
            terms,
            outbox: Outbox::new(channels::OUTBOX),
            inbox: Inbox::new(channels::OUTBOX),
            connection: Some(connection),
            again: VecDeque::new(),
            ack_at: None,
            outgoing,
            commands,
            owner,
            number: 0,
            dropped_texts: 0,
            full_since: None,
            lost: None,
            events: Vec::new(),
        }
    }

    /// Works until the owner lets go of the session.
    pub(super) async fn run(mut self) {
        loop {
            let can_send = !self.again.is_empty() || (self.outbox.has_room() && self.mux.has_output());
            self.watch_for_acknowledgements();
            let patience_ends = self.full_since.map(|since| since + UNACKNOWLEDGED);
            let (sender, receiver) = self.connection.as_mut().map(|(sender, receiver)| (&*sender, receiver)).unzip();
            tokio::select! {
                // Commands first: a peer that floods must not keep the owner from ending it.
                biased;
                command = self.commands.recv() => match command {
                    Some(command) => self.on_command(command).await,
                    None => break,
                },
                // Openers alone keep no session: whoever waits on a channel would wait for nothing.
                () = self.owner.closed() => break,
                () = has_room(&self.owner), if self.lost.is_some() => {
                    if let Some(how) = self.lost.take() {
                        // Nobody else fills that room.
                        let _ = self.owner.try_send((self.number, Happening::Lost(how)));
                    }
                }
                Some(outgoing) = self.outgoing.recv() => self.on_outgoing(outgoing),
                frame = next_frame(receiver) => match frame {
                    Ok(Frame::Binary(bytes)) => self.on_bytes(bytes),
                    Ok(Frame::Text(text)) => self.on_text(text),
                    Err(end) => self.lose(Ended::Broken(end)),
                },
                () = until(self.ack_at) => self.acknowledge(),
                idle = nearly_idle(sender), if can_send => {
                    // Whoever is gone is reported by the receiving end.
                    if idle { self.send_one(); }
                }
                () = until(patience_ends) => self.lose(Ended::Broken(LinkEnd::Silent(UNACKNOWLEDGED))),
            }
        }
        self.feeds.lose();
    }

    /// A peer that takes messages and never says so would let every call wait for ever.
    fn watch_for_acknowledgements(&mut self) {
        match self.connection.is_some() && !self.outbox.has_room() {
            true => _ = self.full_since.get_or_insert_with(Instant::now),
            false => self.full_since = None,
        }
    }

    /// Sends the next message; whether there was one and the connection took it.
    fn send_one(&mut self) -> bool {
        let Some((sender, _)) = &self.connection else { return false };
        let message = match self.again.pop_front() {
            Some(message) => message,
            None => match self.mux.fill() {
                Some(message) => {
                    self.outbox.push(message.clone());
                    message
                }
                None => return false,
            },
        };
        // A nearly idle connection has room. One that broke meanwhile has not, and then the outbox has it.
        if let Some(tap) = &self.terms.tap {
            tap.said(message.len());
            tap.holds(self.outbox.held());
        }
        sender.try_send(Frame::Binary(message))
    }

    fn on_outgoing(&mut self, outgoing: Outgoing) {
        let mut next = Some(outgoing);
        while let Some(outgoing) = next {
            match outgoing {
                Outgoing::Line(id, line) => {
                    self.mux.write(id, line);
                    self.mux.write(id, Bytes::from_static(b"\n"));
                }
                Outgoing::Finish(id) => {
                    self.mux.finish(id);
                    self.feeds.sender_finished(id);
                }
                Outgoing::Reset(id, reason, words) => {
                    self.mux.reset(id, reason, &words);
                    self.feeds.end(id, ChannelEnd::Reset(reason, words));
                }
                Outgoing::Taken(id, bytes) => self.mux.consumed(id, bytes),
            }
            next = self.outgoing.try_recv().ok();
        }
    }

    fn on_bytes(&mut self, bytes: Bytes) {
        if let Some(tap) = &self.terms.tap {
            tap.heard(bytes.len());
        }
        let due = self.inbox.count(bytes.len());
        let mut events = std::mem::take(&mut self.events);
        let result = self.mux.receive(bytes, &mut events);
        for event in events.drain(..) {
            self.on_event(event);
        }
        self.events = events;
        if let Err(violation) = result {
            return self.lose(Ended::Violation(violation.to_string()));
        }
        if due {
            self.acknowledge();
        } else if self.ack_at.is_none() {
            self.ack_at = Some(Instant::now() + ACK_DELAY);
        }
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Opened(id, header) => {
                if !self.feeds.has_room() {
                    return self.mux.reset(id, ResetReason::TooMany, "too many channels are open on this link");
                }
                let channel = self.feeds.add(id);
                let opened = Happening::Opened(channel, Header::read(&header));
                if self.owner.try_send((self.number, opened)).is_err() {
                    // The channel's ends are dropped with what could not be told, and that resets it.
                    warn!(%id, "a channel was refused: too much is going on");
                }
            }
            Event::Data(id, bytes) => match self.feeds.take(id, bytes) {
                Ok(0) => {}
                Ok(credit) => self.mux.consumed(id, credit),
                Err(TooLarge) => {
                    let words = format!("a message of more than {} bytes", self.terms.max_line);
                    self.mux.reset(id, ResetReason::TooLarge, &words);
                    self.feeds.end(id, ChannelEnd::Reset(ResetReason::TooLarge, words));
                }
            },
            Event::Finished(id) => self.feeds.peer_finished(id),
            Event::Reset(id, reason, words) => self.feeds.end(id, ChannelEnd::Reset(reason, words)),
        }
    }

    fn on_text(&mut self, text: Utf8Bytes) {
        if let Some(tap) = &self.terms.tap {
            tap.heard(text.len());
        }
        match Control::parse(&text) {
            Some(Control::Ack { received }) => {
                if let Err(violation) = self.outbox.acknowledge(received) {
                    self.lose(Ended::Violation(violation.to_string()));
                }
                if let Some(tap) = &self.terms.tap {
                    tap.holds(self.outbox.held());
                }
            }
            _ => {
                if self.owner.try_send((self.number, Happening::Text(text))).is_err() {
                    self.dropped_texts += 1;
                    if self.dropped_texts == 1 {
                        warn!("the peer sends more control messages than can be dealt with: some are dropped");
                    }
                }
            }
        }
    }

    async fn on_command(&mut self, command: Command) {
        match command {
            Command::Open(header, reply) => {
                if self.feeds.has_room()
                    && let Some(id) = self.mux.open(header.to_bytes())
                {
                    let channel = self.feeds.add(id);
                    // A caller that has gone away drops the channel, and that resets it.
                    let _ = reply.send(channel);
                }
            }
            Command::Text(text) => {
                if let Some((sender, _)) = &self.connection {
                    sender.try_send(text);
                }
            }
            Command::Doubt => {
                if let Some((sender, _)) = &self.connection {
                    // A session that is resumed for nothing loses nothing.
                    sender.doubt(limits::SILENCE_WHEN_DOUBTED);
                }
            }
            Command::Detach(reply) => {
                self.connection = None;
                self.again.clear();
                self.ack_at = None;
                self.lost = None;
                self.number += 1;
                let _ = reply.send(self.inbox.acknowledge());
            }
            Command::Hold(reply) => {
                if let Some((sender, receiver)) = self.connection.take() {
                    // An owner that is gone ends the session anyway.
                    let _ = reply.send(Held { sender, receiver, received: self.inbox.received() });
                }
            }
            Command::GoOn(held) => {
                self.connection = Some((held.sender, held.receiver));
                // An acknowledgement may have been due meanwhile.
                self.ack_at = Some(Instant::now());
            }
            Command::Attach(sender, receiver, received) => {
                // Collected, not sent here: both ends may have much to send again, and must read meanwhile.
                let again = self.outbox.replay(received).map(Iterator::collect);
                match again {
                    Ok(again) => {
                        self.again = again;
                        self.connection = Some((sender, receiver));
                    }
                    Err(violation) => {
                        self.connection = Some((sender, receiver));
                        self.lose(Ended::Violation(violation.to_string()));
                    }
                }
            }
            Command::Close(last, code, reason) => {
                // Ends of channels that were told just now still go out, as far as the connection takes them.
                while let Ok(outgoing) = self.outgoing.try_recv() {
                    self.on_outgoing(outgoing);
                }
                while self.outbox.has_room() && self.send_one() {}
                if let Some((sender, _)) = &self.connection {
                    if let Some(last) = last {
                        sender.try_send(last);
                    }
                    // A peer that does not read must not keep a session from its end.
                    let _ = timeout(LAST_WORDS, sender.close(code, reason)).await;
                }
            }
        }
    }

    fn acknowledge(&mut self) {
        self.ack_at = None;
        let Some((sender, _)) = &self.connection else { return };
        if !self.inbox.owes() {
            return;
        }
        if sender.try_send(Control::Ack { received: self.inbox.received() }.to_json()) {
            self.inbox.acknowledge();
        } else {
            self.ack_at = Some(Instant::now() + ACK_DELAY);
        }
    }

    fn lose(&mut self, how: Ended) {
        if let (Some((sender, _)), Ended::Violation(_)) = (&self.connection, &how) {
            // "Protocol error" (RFC 6455 §7.4.1): the peer need not try to resume.
            sender.try_close(1002, "violation");
        }
        self.connection = None;
        self.again.clear();
        self.ack_at = None;
        self.lost = Some(how);
    }
}

async fn next_frame(receiver: Option<&mut FrameReceiver>) -> Result<Frame, LinkEnd> {
    match receiver {
        Some(receiver) => receiver.recv().await,
        None => std::future::pending().await,
    }
}

async fn nearly_idle(sender: Option<&FrameSender>) -> bool {
    match sender {
        Some(sender) => match sender.nearly_idle().await {
            Ok(()) => true,
            // The receiving end tells why; until then there is nothing to do here.
            Err(_) => std::future::pending().await,
        },
        None => std::future::pending().await,
    }
}

/// An owner that is gone needs to be told nothing: the commands' end says so.
async fn has_room(owner: &mpsc::Sender<(u64, Happening)>) {
    if owner.reserve().await.is_err() {
        std::future::pending().await
    }
}

async fn until(when: Option<Instant>) {
    match when {
        Some(when) => tokio::time::sleep_until(when).await,
        None => std::future::pending().await,
    }
}
