//! The resumable stream: a stranger that says anything, and two honest ends whose connection breaks at any time.

use std::collections::{BTreeMap, VecDeque};

use bytes::{Bytes, BytesMut};
use culvert_protocol::channels::frame::{ChannelId, Frame};
use culvert_protocol::channels::{Event, Inbox, MAX_MESSAGE, Mux, Outbox, ResetReason, Side};

const WINDOW: u32 = 1024;

/// So little that it is full at times.
const KEPT: usize = 4096;

pub(crate) fn run(data: &[u8]) {
    match data.split_first() {
        Some((0, rest)) => stranger(rest, Side::Client),
        Some((1, rest)) => stranger(rest, Side::Gateway),
        Some((_, rest)) => honest(rest),
        None => {}
    }
}

/// Messages of any bytes, each after its length. Nothing panics, and what is held stays within the credit.
fn stranger(mut data: &[u8], side: Side) {
    let mut mux = Mux::new(side, WINDOW);
    let mut outbox = Outbox::new(KEPT);
    if side == Side::Gateway {
        for _ in 0..3 {
            let id = mux.open(Bytes::from_static(b"{}")).expect("there are numbers left");
            mux.write(id, Bytes::from_static(&[7; 3000]));
        }
    }
    while let Some((length, rest)) = data.split_first_chunk::<2>() {
        let (message, rest) = rest.split_at(rest.len().min(u16::from_be_bytes(*length).into()));
        data = rest;
        let message = Bytes::copy_from_slice(message);
        let frames = written_as_read(message.clone());
        let mut events = Vec::new();
        if mux.receive(message, &mut events).is_err() {
            return;
        }
        assert!(events.len() <= frames, "a frame brings one event at most");
        let mut came = BTreeMap::<_, usize>::new();
        for event in events {
            if let Event::Data(id, bytes) = event {
                *came.entry(id).or_default() += bytes.len();
                // Every other channel's reader is slow.
                if id.0 % 2 == 0 {
                    mux.consumed(id, bytes.len() as u32);
                }
            }
        }
        assert!(came.values().all(|bytes| *bytes <= WINDOW as usize), "nobody sends more than there was credit for");
        while let Some(message) = outbox.has_room().then(|| mux.fill()).flatten() {
            assert!(message.len() <= MAX_MESSAGE);
            written_as_read(message.clone());
            outbox.push(message);
        }
        let _ = outbox.acknowledge(u64::from(length[0]) * 16);
    }
}

/// How many frames the message begins with, each of which is written again as it was read.
fn written_as_read(mut message: Bytes) -> usize {
    let mut frames = 0;
    while !message.is_empty() {
        let before = message.clone();
        let Ok((id, frame)) = Frame::take(&mut message) else { return frames };
        let mut again = BytesMut::new();
        frame.put(id, &mut again);
        assert_eq!(again, before[..before.len() - message.len()]);
        frames += 1;
    }
    frames
}

/// One end of a link.
struct End {
    mux: Mux,
    outbox: Outbox,
    inbox: Inbox,
    /// What was said here and what was heard, by channel.
    said: BTreeMap<ChannelId, Vec<u8>>,
    heard: BTreeMap<ChannelId, Vec<u8>>,
    reset: Vec<ChannelId>,
}

impl End {
    fn new(side: Side) -> Self {
        Self {
            mux: Mux::new(side, WINDOW),
            outbox: Outbox::new(KEPT),
            inbox: Inbox::new(KEPT),
            said: BTreeMap::new(),
            heard: BTreeMap::new(),
            reset: Vec::new(),
        }
    }

    fn send(&mut self, wire: &mut VecDeque<Bytes>) {
        if let Some(message) = self.outbox.has_room().then(|| self.mux.fill()).flatten() {
            self.outbox.push(message.clone());
            wire.push_back(message);
        }
    }

    fn take(&mut self, message: Bytes) {
        self.inbox.count(message.len());
        let mut events = Vec::new();
        self.mux.receive(message, &mut events).expect("an honest peer breaks no rule");
        for event in events {
            match event {
                Event::Opened(id, _) => _ = self.said.entry(id).or_default(),
                Event::Data(id, bytes) => {
                    self.heard.entry(id).or_default().extend_from_slice(&bytes);
                    self.mux.consumed(id, bytes.len() as u32);
                }
                Event::Finished(_) => {}
                Event::Reset(id, ..) => self.reset.push(id),
            }
        }
    }
}

/// Each byte is one thing that happens. At the end everything is delivered: nothing twice, nothing missing, in order.
fn honest(script: &[u8]) {
    let mut ends = [End::new(Side::Gateway), End::new(Side::Client)];
    let mut wires: [VecDeque<Bytes>; 2] = Default::default();
    for (at, step) in script.iter().enumerate() {
        let from = usize::from(step & 1);
        let what = step >> 1;
        let known: Vec<_> = ends[from].said.keys().copied().collect();
        let channel = known.get(usize::from(what >> 3) % known.len().max(1)).copied();
        match (what & 7, channel) {
            (0, _) if known.len() < 8 => {
                if let Some(id) = ends[0].mux.open(Bytes::from_static(b"{}")) {
                    ends[0].said.insert(id, Vec::new());
                }
            }
            (1 | 2, Some(id)) if !ends.iter().any(|end| end.reset.contains(&id)) => {
                let bytes = vec![at as u8; 1 + usize::from(what >> 3) * 100];
                ends[from].said.entry(id).or_default().extend_from_slice(&bytes);
                ends[from].mux.write(id, bytes.into());
            }
            (3, Some(id)) if what >> 3 == 15 => {
                ends[from].mux.reset(id, ResetReason::Cancelled, "enough");
                ends.iter_mut().for_each(|end| end.reset.push(id));
            }
            (4, _) => {
                let received = ends[1 - from].inbox.acknowledge();
                ends[from].outbox.acknowledge(received).expect("an honest count");
            }
            (5, _) => reconnect(&mut ends, &mut wires),
            (6, _) => {
                if let Some(message) = wires[from].pop_front() {
                    ends[1 - from].take(message);
                }
            }
            _ => ends[from].send(&mut wires[from]),
        }
    }
    reconnect(&mut ends, &mut wires);
    for _ in 0..script.len() * 20 + 20 {
        for from in 0..2 {
            ends[from].send(&mut wires[from]);
            while let Some(message) = wires[from].pop_front() {
                ends[1 - from].take(message);
            }
            let received = ends[1 - from].inbox.acknowledge();
            ends[from].outbox.acknowledge(received).expect("an honest count");
        }
    }
    for from in 0..2 {
        for (id, said) in &ends[from].said {
            if !ends[from].reset.contains(id) {
                let heard = ends[1 - from].heard.get(id).map_or(&[][..], |bytes| bytes);
                assert!(heard == said, "channel {id}: {} bytes were said, {} heard", said.len(), heard.len());
            }
        }
    }
}

/// What is on its way is lost, and both go on from what came in.
fn reconnect(ends: &mut [End; 2], wires: &mut [VecDeque<Bytes>; 2]) {
    for from in 0..2 {
        let received = ends[1 - from].inbox.acknowledge();
        wires[from] = ends[from].outbox.replay(received).expect("an honest count").collect();
    }
}
