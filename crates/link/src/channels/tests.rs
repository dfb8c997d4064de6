//! Both ends of a link over real WebSocket framing, with connections that break.

use std::time::Duration;

use bytes::Bytes;
use culvert_protocol::channels::control::Header;
use culvert_protocol::channels::{ResetReason, Side, WINDOW};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::time::timeout;

use super::*;
use crate::websocket::{accept, connect};

const MAX_LINE: usize = 20 * 1024 * 1024;

fn terms(side: Side) -> Terms {
    Terms { side, window: WINDOW, max_line: MAX_LINE, tap: None }
}

/// Two carriers and the means to break what is between them.
struct Link {
    gateway: Carrier,
    client: Carrier,
    cut: tokio::sync::watch::Sender<u64>,
}

/// A pair of streams with a wire between them that passes `bytes` in all, then breaks; also when `cut` says so.
fn wire(bytes: usize, cut: &tokio::sync::watch::Sender<u64>) -> (DuplexStream, DuplexStream) {
    let (gateway, mut left) = duplex(16 * 1024);
    let (client, mut right) = duplex(16 * 1024);
    let mut cut = cut.subscribe();
    tokio::spawn(async move {
        let (mut a, mut b) = (vec![0; 4096], vec![0; 4096]);
        let mut left_over = bytes;
        while left_over > 0 {
            tokio::select! {
                read = left.read(&mut a) => {
                    let count = read.unwrap_or(0).min(left_over);
                    if count == 0 || right.write_all(&a[..count]).await.is_err() { return }
                    left_over -= count;
                }
                read = right.read(&mut b) => {
                    let count = read.unwrap_or(0).min(left_over);
                    if count == 0 || left.write_all(&b[..count]).await.is_err() { return }
                    left_over -= count;
                }
                _ = cut.changed() => return,
            }
        }
    });
    (gateway, client)
}

async fn link(bytes: usize) -> Link {
    let (cut, _) = tokio::sync::watch::channel(0);
    let (gateway, client) = wire(bytes, &cut);
    let (sender, receiver) = accept(gateway, MAX_LINE).await;
    let gateway = Carrier::start(terms(Side::Gateway), sender, receiver);
    let (sender, receiver) = connect(client, MAX_LINE).await;
    let client = Carrier::start(terms(Side::Client), sender, receiver);
    Link { gateway, client, cut }
}

impl Link {
    /// Both ends go on with a new connection, as the gateway's judgement has it.
    async fn resume(&mut self, bytes: usize) {
        let (from_client, from_gateway) = (self.gateway.detach().await.unwrap(), self.client.detach().await.unwrap());
        let (gateway, client) = wire(bytes, &self.cut);
        let (sender, receiver) = accept(gateway, MAX_LINE).await;
        self.gateway.attach(sender, receiver, from_gateway).await;
        let (sender, receiver) = connect(client, MAX_LINE).await;
        self.client.attach(sender, receiver, from_client).await;
    }

    async fn open(&mut self) -> (Channel, Channel) {
        let opened = self.gateway.opener().open(Header::default()).await.unwrap();
        match self.client.happens().await {
            Some(Happening::Opened(channel, _)) => (opened, channel),
            other => panic!("{other:?}"),
        }
    }
}

/// Answers each line with itself until the peer finishes.
fn echo(mut channel: Channel) {
    tokio::spawn(async move {
        while let Some(line) = channel.receiver.recv().await {
            if channel.sender.send(line).await.is_err() {
                return;
            }
        }
    });
}

#[tokio::test]
async fn lines_pass_both_ways_whatever_their_size() {
    let mut link = link(usize::MAX).await;
    let (mut here, there) = link.open().await;
    echo(there);
    for size in [1, 2, 300, 70_000, 9_000_000] {
        let line = Bytes::from(vec![b'x'; size]);
        let (sent, back) = tokio::join!(here.sender.send(line.clone()), here.receiver.recv());
        assert_eq!((sent, back), (Ok(()), Some(line)));
    }
}

#[tokio::test]
async fn a_side_that_finishes_still_hears_the_rest() {
    let mut link = link(usize::MAX).await;
    let (here, there) = link.open().await;
    let Channel { sender, mut receiver, .. } = here;
    sender.send(Bytes::from_static(b"last")).await.unwrap();
    drop(sender);
    echo(there);
    assert_eq!(receiver.recv().await.as_deref(), Some(&b"last"[..]));
    assert_eq!(receiver.recv().await, None);
    assert_eq!(receiver.ended(), Some(ChannelEnd::Finished));
}

#[tokio::test]
async fn a_reset_tells_its_reason_and_is_never_taken_for_an_end() {
    let mut link = link(usize::MAX).await;
    let (mut here, there) = link.open().await;
    there.sender.reset(ResetReason::ServerExited, "exited with code 3");
    assert_eq!(here.receiver.recv().await, None);
    let end = ChannelEnd::Reset(ResetReason::ServerExited, "exited with code 3".to_owned());
    assert_eq!(here.receiver.ended(), Some(end));
    assert!(here.sender.send(Bytes::from_static(b"x")).await.is_err());
}

#[tokio::test]
async fn a_session_ends_with_its_owner_whoever_could_still_open_channels() {
    let mut link = link(usize::MAX).await;
    let (mut here, _there) = link.open().await;
    let opener = link.gateway.opener();
    link.cut.send_replace(1);
    assert!(matches!(link.gateway.happens().await, Some(Happening::Lost(Ended::Broken(_)))));
    drop(link.gateway);
    let over = timeout(Duration::from_secs(10), here.receiver.recv()).await;
    assert_eq!((over, here.receiver.ended()), (Ok(None), Some(ChannelEnd::LinkLost)));
    assert!(opener.open(Header::default()).await.is_none());
}

#[tokio::test]
async fn a_channel_whose_reader_sleeps_blocks_no_other() {
    let mut link = link(usize::MAX).await;
    let (slow, _nobody_reads) = link.open().await;
    let (mut quick, there) = link.open().await;
    echo(there);
    let stuffing = tokio::spawn(async move {
        loop {
            slow.sender.send(Bytes::from(vec![b'x'; 10_000])).await.unwrap();
        }
    });
    for _ in 0..200 {
        quick.sender.send(Bytes::from_static(b"ping")).await.unwrap();
        let back = timeout(Duration::from_secs(5), quick.receiver.recv()).await.expect("the quick one is not blocked");
        assert_eq!(back.as_deref(), Some(&b"ping"[..]));
    }
    assert!(!stuffing.is_finished());
    stuffing.abort();
}

#[tokio::test]
async fn the_end_of_the_session_ends_every_channel() {
    let mut link = link(usize::MAX).await;
    let (mut here, _there) = link.open().await;
    drop(link.gateway);
    assert_eq!(here.receiver.recv().await, None);
    assert_eq!(here.receiver.ended(), Some(ChannelEnd::LinkLost));
    assert!(here.sender.send(Bytes::new()).await.is_err());
    assert!(matches!(link.client.happens().await, Some(Happening::Lost(Ended::Broken(_)))));
}

#[tokio::test]
async fn a_connection_that_was_held_goes_on_or_is_replaced_without_a_loss() {
    let mut link = link(usize::MAX).await;
    let (mut here, there) = link.open().await;
    echo(there);
    let calls = tokio::spawn(async move {
        for number in 0..4000 {
            let line = Bytes::from(format!("{number}"));
            here.sender.send(line.clone()).await.unwrap();
            assert_eq!(here.receiver.recv().await, Some(line));
        }
    });
    let mut held = 0;
    while !calls.is_finished() {
        let connection = link.client.hold().await.unwrap();
        held += 1;
        if held % 2 == 0 {
            link.client.go_on(connection).await;
            tokio::task::yield_now().await;
            continue;
        }
        // As the gateway judges: the old connection first, then its own count.
        let from_client = link.gateway.detach().await.unwrap();
        let (gateway, client) = wire(usize::MAX, &link.cut);
        let (sender, receiver) = accept(gateway, MAX_LINE).await;
        link.gateway.attach(sender, receiver, connection.received).await;
        let (sender, receiver) = connect(client, MAX_LINE).await;
        link.client.attach(sender, receiver, from_client).await;
        drop(connection);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    calls.await.unwrap();
    assert!(held > 2, "{held}");
}

/// Every line comes back exactly once and in order, on every channel, whatever the connections do.
async fn no_line_is_lost_or_doubled(seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut link = link(random.usize(1000..200_000)).await;
    let mut calls = Vec::new();
    for channel in 0..4 {
        // Opened while the connection may be broken already: the opening waits for the next one.
        let opened = link.gateway.opener().open(Header::default()).await.unwrap();
        let mut sizes = random.fork();
        calls.push(tokio::spawn(async move {
            let Channel { sender, mut receiver, .. } = opened;
            let lines: Vec<_> =
                (0..300).map(|n| Bytes::from(format!("{channel}:{n}:{}", "x".repeat(sizes.usize(0..4000))))).collect();
            let expected = lines.clone();
            tokio::spawn(async move {
                for line in lines {
                    sender.send(line).await.unwrap();
                }
            });
            for line in expected {
                assert_eq!(receiver.recv().await, Some(line), "seed {seed}");
            }
        }));
    }
    let mut cuts = 0;
    let all = async {
        for call in &mut calls {
            call.await.unwrap()
        }
    };
    tokio::pin!(all);
    loop {
        tokio::select! {
            () = &mut all => break,
            happened = link.client.happens() => match happened.unwrap() {
                Happening::Opened(channel, _) => echo(channel),
                Happening::Lost(how) => {
                    assert!(matches!(how, Ended::Broken(_)), "seed {seed}: {how:?}");
                    cuts += 1;
                    let bytes = if cuts < 20 { random.usize(1000..300_000) } else { usize::MAX };
                    link.resume(bytes).await;
                }
                Happening::Text(_) => {}
            },
            happened = link.gateway.happens() => match happened.unwrap() {
                Happening::Lost(Ended::Broken(_)) | Happening::Text(_) => {}
                other => panic!("seed {seed}: {other:?}"),
            },
        }
    }
    assert!(cuts > 3, "seed {seed}: only {cuts} cuts");
}

#[tokio::test]
async fn broken_connections_lose_and_double_nothing() {
    for seed in 0..12 {
        timeout(Duration::from_secs(60), no_line_is_lost_or_doubled(seed))
            .await
            .unwrap_or_else(|_| panic!("seed {seed} hangs"));
    }
}
