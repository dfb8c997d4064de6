//! What the multiplexer promises, with both ends wired together and connections cut at random.

use super::*;
use crate::channels::resume::{Inbox, Outbox};
use proptest::prelude::*;

/// One end of a link with its stream counts.
struct End {
    mux: Mux,
    outbox: Outbox,
    inbox: Inbox,
    events: Vec<Event>,
    received: HashMap<ChannelId, Vec<u8>>,
    finished: Vec<ChannelId>,
}

impl End {
    fn new(side: Side, window: u32) -> Self {
        Self {
            mux: Mux::new(side, window),
            outbox: Outbox::new(100_000),
            inbox: Inbox::new(100_000),
            events: Vec::new(),
            received: HashMap::new(),
            finished: Vec::new(),
        }
    }

    fn send(&mut self) -> Option<Bytes> {
        let message = self.outbox.has_room().then(|| self.mux.fill()).flatten()?;
        assert!(message.len() <= MAX_MESSAGE);
        self.outbox.push(message.clone());
        Some(message)
    }

    fn take(&mut self, message: Bytes) {
        self.inbox.count(message.len());
        self.mux.receive(message, &mut self.events).unwrap();
        for event in self.events.drain(..) {
            match event {
                Event::Opened(..) => {}
                Event::Data(id, bytes) => {
                    self.received.entry(id).or_default().extend_from_slice(&bytes);
                    self.mux.consumed(id, bytes.len() as u32);
                }
                Event::Finished(id) => self.finished.push(id),
                Event::Reset(..) => panic!("nobody resets"),
            }
        }
    }
}

/// What was said on each channel must be what was heard, whatever the order of things and however often the
/// connection breaks with messages on their way.
fn everything_arrives(texts: &[Vec<u8>], window: u32, mut random: fastrand::Rng) {
    let mut ends = [End::new(Side::Gateway, window), End::new(Side::Client, window)];
    let ids: Vec<_> = texts.iter().map(|_| ends[0].mux.open(Bytes::from_static(b"{}")).unwrap()).collect();
    let mut wires: [VecDeque<Bytes>; 2] = Default::default();
    // The client must have heard of a channel before it can write on it.
    let hello = ends[0].send();
    if let Some(hello) = hello {
        ends[1].take(hello);
    }
    for end in &mut ends {
        for (id, text) in ids.iter().zip(texts) {
            for part in text.chunks(random.usize(1..5000)) {
                end.mux.write(*id, Bytes::copy_from_slice(part));
            }
            end.mux.finish(*id);
        }
    }
    let mut idle = 0;
    while idle < 200 {
        idle += 1;
        let from = random.usize(..2);
        match random.u8(..100) {
            0..45 => {
                if let Some(message) = ends[from].send() {
                    wires[from].push_back(message);
                    idle = 0;
                }
            }
            45..90 => {
                if let Some(message) = wires[from].pop_front() {
                    ends[1 - from].take(message);
                    idle = 0;
                }
            }
            90..97 => {
                let received = ends[1 - from].inbox.acknowledge();
                ends[from].outbox.acknowledge(received).unwrap();
            }
            _ => {
                // The connection breaks: what is on its way is lost, and both sides go on from what was received.
                for from in 0..2 {
                    let received = ends[1 - from].inbox.acknowledge();
                    wires[from] = ends[from].outbox.replay(received).unwrap().collect();
                }
            }
        }
    }
    for end in &ends {
        assert_eq!(end.mux.open_channels(), 0, "every channel was finished by both sides");
        assert_eq!(end.finished.len(), ids.len());
        for (id, text) in ids.iter().zip(texts) {
            assert!(end.received.get(id).map_or(&[][..], |bytes| bytes) == text, "channel {id} differs");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_byte_arrives_once_and_in_order(
        texts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40_000), 1..6),
        window in 1024_u32..70_000,
        seed: u64,
    ) {
        everything_arrives(&texts, window, fastrand::Rng::with_seed(seed));
    }

    #[test]
    fn no_message_of_a_stranger_upsets_it(bytes: Vec<u8>) {
        let mut mux = Mux::new(Side::Client, 1024);
        let _ = mux.receive(Bytes::from(bytes), &mut Vec::new());
    }
}

fn pair(window: u32) -> (Mux, Mux, ChannelId) {
    let (mut gateway, mut client) = (Mux::new(Side::Gateway, window), Mux::new(Side::Client, window));
    let id = gateway.open(Bytes::from_static(b"{}")).unwrap();
    let mut events = Vec::new();
    client.receive(gateway.fill().unwrap(), &mut events).unwrap();
    assert_eq!(events, [Event::Opened(id, Bytes::from_static(b"{}"))]);
    (gateway, client, id)
}

#[test]
fn a_small_call_passes_a_large_one() {
    let (mut gateway, _, large) = pair(1 << 20);
    let small = gateway.open(Bytes::from_static(b"{}")).unwrap();
    gateway.write(large, Bytes::from(vec![b'x'; 1 << 20]));
    gateway.fill().unwrap();
    gateway.write(small, Bytes::from_static(b"small"));
    let mut message = gateway.fill().unwrap();
    let mut turns = Vec::new();
    while !message.is_empty() {
        if let (id, Frame::Data(bytes)) = Frame::take(&mut message).unwrap() {
            turns.push((id, bytes.len()));
        }
    }
    let place = turns.iter().position(|turn| *turn == (small, 5)).expect("it goes out with the next message");
    assert!(place <= 1, "after at most one turn of the large one: {turns:?}");
    assert!(turns.iter().all(|(_, size)| *size <= TURN));
}

#[test]
fn nobody_sends_more_than_there_is_room_for() {
    let (mut gateway, mut client, id) = pair(2048);
    gateway.write(id, Bytes::from(vec![0; 5000]));
    let mut events = Vec::new();
    client.receive(gateway.fill().unwrap(), &mut events).unwrap();
    assert!(!gateway.has_output(), "the window is used up");
    client.consumed(id, 1023);
    assert!(!client.has_output(), "less than half a window is not worth a frame");
    client.consumed(id, 1);
    gateway.receive(client.fill().unwrap(), &mut events).unwrap();
    assert_eq!(gateway.fill().unwrap().len(), HEAD + 1024);

    let mut greedy = Mux::new(Side::Gateway, 1 << 20);
    greedy.open(Bytes::new());
    greedy.write(ChannelId(1), Bytes::from(vec![0; 3000]));
    let mut client = Mux::new(Side::Client, 2048);
    assert_eq!(client.receive(greedy.fill().unwrap(), &mut events), Err(Violation::Credit(ChannelId(1))));
}

#[test]
fn what_comes_after_a_reset_is_late_and_not_wrong() {
    let (mut gateway, mut client, id) = pair(2048);
    gateway.write(id, Bytes::from_static(b"late"));
    let late = gateway.fill().unwrap();
    client.reset(id, ResetReason::ServerExited, "exited with code 3");
    let mut events = Vec::new();
    client.receive(late, &mut events).unwrap();
    assert_eq!(events, []);
    gateway.receive(client.fill().unwrap(), &mut events).unwrap();
    assert_eq!(events, [Event::Reset(id, ResetReason::ServerExited, "exited with code 3".into())]);
    assert_eq!((gateway.open_channels(), client.open_channels()), (0, 0));
    client.write(id, Bytes::from_static(b"x"));
    assert!(!client.has_output());
}

#[test]
fn rules_that_are_broken_are_named() {
    let mut events = Vec::new();
    let message = |frames: &[(u32, Frame)]| {
        let mut message = BytesMut::new();
        for (id, frame) in frames {
            frame.put(ChannelId(*id), &mut message);
        }
        message.freeze()
    };
    let open = || Frame::Open(Bytes::new());
    let mut client = Mux::new(Side::Client, 1024);
    assert_eq!(client.receive(message(&[(1, open()), (1, open())]), &mut events), Err(Violation::Open(ChannelId(1))));
    assert_eq!(client.receive(message(&[(7, Frame::Fin)]), &mut events), Err(Violation::Unknown(ChannelId(7))));
    assert_eq!(
        client.receive(message(&[(1, Frame::Fin), (1, Frame::Fin)]), &mut events),
        Err(Violation::Credit(ChannelId(1)))
    );
    let mut gateway = Mux::new(Side::Gateway, 1024);
    assert_eq!(gateway.receive(message(&[(1, open())]), &mut events), Err(Violation::Open(ChannelId(1))));
    gateway.open(Bytes::new());
    assert_eq!(
        gateway.receive(message(&[(1, Frame::Credit(u32::MAX))]), &mut events),
        Err(Violation::Credit(ChannelId(1)))
    );
}
