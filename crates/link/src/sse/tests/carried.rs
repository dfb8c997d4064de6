//! What passes over a whole link, and the session above it when connections break.

use std::time::Duration;

use bytes::Bytes;
use culvert_protocol::channels::control::Header;
use culvert_protocol::channels::{MAX_MESSAGE, Side, WINDOW};
use tokio::time::{sleep, timeout};

use super::harness::Gateway;
use crate::channels::{Carrier, Channel, Ended, Happening, Terms};
use crate::{Frame, FrameReceiver, FrameSender, LinkEnd};

const MAX_LINE: usize = 20 * 1024 * 1024;

fn terms(side: Side) -> Terms {
    Terms { side, window: WINDOW, max_line: MAX_LINE, tap: None }
}

/// Sends messages of many sizes and kinds and sees them arrive as they are.
async fn pass(sender: &FrameSender, receiver: &mut FrameReceiver) {
    let mut random = fastrand::Rng::with_seed(1);
    let frames: Vec<_> = (0..600)
        .map(|number| match number % 3 {
            0 => Frame::Text(format!("{{\"number\":{number}}}").into()),
            1 => Frame::Binary(vec![number as u8; random.usize(..=MAX_MESSAGE)].into()),
            _ => Frame::Binary(Bytes::new()),
        })
        .collect();
    let send = async {
        for frame in &frames {
            sender.send(frame.clone()).await.unwrap();
        }
    };
    let receive = async {
        for frame in &frames {
            assert_eq!(receiver.recv().await.as_ref(), Ok(frame));
        }
    };
    timeout(Duration::from_secs(60), async { tokio::join!(send, receive) }).await.expect("it hangs");
}

#[tokio::test]
async fn messages_pass_both_ways_in_order_whatever_their_size() {
    let mut gateway = Gateway::start().await;
    let ((to_client, mut from_client), (to_gateway, mut from_gateway)) = gateway.link().await;
    tokio::join!(pass(&to_client, &mut from_gateway), pass(&to_gateway, &mut from_client));
}

#[tokio::test]
async fn a_close_of_either_side_reaches_the_other_after_what_was_queued() {
    let mut gateway = Gateway::start().await;
    let ((to_client, _from_client), (_to_gateway, mut from_gateway)) = gateway.link().await;
    to_client.send("last".to_owned()).await.unwrap();
    to_client.close(4401, "auth.expired").await;
    assert_eq!(from_gateway.recv().await, Ok(Frame::Text("last".into())));
    let expired = LinkEnd::Closed { code: 4401, reason: "auth.expired".to_owned() };
    assert_eq!(from_gateway.recv().await, Err(expired));

    let ((to_client, mut from_client), (to_gateway, mut from_gateway)) = gateway.link().await;
    to_gateway.send("last".to_owned()).await.unwrap();
    to_gateway.close(1000, "bye").await;
    assert_eq!(from_client.recv().await, Ok(Frame::Text("last".into())));
    assert_eq!(from_client.recv().await, Err(LinkEnd::Closed { code: 1000, reason: "bye".to_owned() }));
    assert!(matches!(from_gateway.recv().await, Err(LinkEnd::Lost(_))), "the stream ends");
    to_client.closed().await;
}

#[tokio::test]
async fn a_client_that_drops_its_end_still_says_its_last_words() {
    let mut gateway = Gateway::start().await;
    let ((_to_client, mut from_client), (to_gateway, from_gateway)) = gateway.link().await;
    to_gateway.send("unregister".to_owned()).await.unwrap();
    drop(from_gateway);
    drop(to_gateway);
    assert_eq!(from_client.recv().await, Ok(Frame::Text("unregister".into())));
    assert!(matches!(from_client.recv().await, Err(LinkEnd::Lost(_))));
}

#[tokio::test]
async fn an_idle_link_lives_for_as_long_as_it_likes() {
    let mut gateway = Gateway::start().await;
    let ((to_client, mut from_client), (to_gateway, mut from_gateway)) = gateway.link().await;
    // The clock jumps to the next timer whenever nothing else is to be done; the connections are real.
    tokio::time::pause();
    tokio::select! {
        end = from_client.recv() => panic!("{end:?}"),
        end = from_gateway.recv() => panic!("{end:?}"),
        () = sleep(Duration::from_secs(600)) => {}
    }
    tokio::time::resume();
    to_client.send("still here".to_owned()).await.unwrap();
    assert_eq!(from_gateway.recv().await, Ok(Frame::Text("still here".into())));
    to_gateway.send("so am I".to_owned()).await.unwrap();
    assert_eq!(from_client.recv().await, Ok(Frame::Text("so am I".into())));
}

#[tokio::test]
async fn a_cut_wire_is_noticed_at_both_ends() {
    let mut gateway = Gateway::start().await;
    let ((_to_client, mut from_client), (_to_gateway, mut from_gateway)) = gateway.link().await;
    gateway.cut();
    assert!(matches!(from_gateway.recv().await, Err(LinkEnd::Lost(_))));
    assert!(matches!(from_client.recv().await, Err(LinkEnd::Lost(_))));
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

/// Every line comes back exactly once and in order, on every channel, whatever the connections do. Returns how often
/// one broke.
async fn no_line_is_lost_or_doubled(seed: u64) -> u32 {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut gateway = Gateway::start().await;
    let ((sender, receiver), (to_gateway, from_gateway)) = gateway.link().await;
    let mut here = Carrier::start(terms(Side::Gateway), sender, receiver);
    let mut there = Carrier::start(terms(Side::Client), to_gateway, from_gateway);
    let mut calls = tokio::task::JoinSet::new();
    for channel in 0..4 {
        let opened = here.opener().open(Header::default()).await.unwrap();
        let mut sizes = random.fork();
        calls.spawn(async move {
            let Channel { sender, mut receiver, .. } = opened;
            let lines: Vec<_> =
                (0..600).map(|n| Bytes::from(format!("{channel}:{n}:{}", "x".repeat(sizes.usize(0..4000))))).collect();
            let expected = lines.clone();
            tokio::spawn(async move {
                for line in lines {
                    sender.send(line).await.unwrap();
                }
            });
            for line in expected {
                assert_eq!(receiver.recv().await, Some(line), "seed {seed}");
            }
        });
    }
    let mut cuts = 0;
    // Not before there is something to break.
    let mut cut_at = Box::pin(sleep(Duration::from_millis(random.u64(1..20))));
    loop {
        tokio::select! {
            done = calls.join_next() => match done {
                Some(done) => done.unwrap(),
                None => break,
            },
            () = &mut cut_at => {
                cut_at = Box::pin(sleep(Duration::from_secs(3600)));
                gateway.cut();
            }
            happened = there.happens() => match happened.unwrap() {
                Happening::Opened(channel, _) => echo(channel),
                Happening::Lost(Ended::Broken(_)) => {
                    cuts += 1;
                    // Some connections break by themselves, in the middle of a POST or an event.
                    gateway.allow(if cuts < 15 && cuts % 2 == 0 { random.usize(2_000..300_000) } else { usize::MAX });
                    let (from_client, from_gateway) = (here.detach().await.unwrap(), there.detach().await.unwrap());
                    let ((sender, receiver), (to_gateway, from)) = gateway.link().await;
                    here.attach(sender, receiver, from_gateway).await;
                    there.attach(to_gateway, from, from_client).await;
                    if cuts < 15 {
                        cut_at = Box::pin(sleep(Duration::from_millis(random.u64(1..20))));
                    }
                }
                other => panic!("seed {seed}: {other:?}"),
            },
            happened = here.happens() => match happened.unwrap() {
                Happening::Lost(Ended::Broken(_)) | Happening::Text(_) => {}
                other => panic!("seed {seed}: {other:?}"),
            },
        }
    }
    cuts
}

#[tokio::test]
async fn broken_connections_lose_and_double_nothing() {
    let mut cuts = 0;
    for seed in 0..8 {
        cuts += timeout(Duration::from_secs(60), no_line_is_lost_or_doubled(seed))
            .await
            .unwrap_or_else(|_| panic!("seed {seed} hangs"));
    }
    // The faster the machine, the fewer there are in one seed's time.
    assert!(cuts > 24, "only {cuts} cuts");
}
