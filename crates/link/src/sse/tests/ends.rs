//! Each end alone: silence, order, closes, refusals.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use culvert_protocol::sse::{AHEAD, Event, EventReader, MAX_MESSAGE, Record};
use culvert_protocol::{Explain as _, Secret};
use http::{Method, StatusCode};
use http_body_util::Full;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::time::Instant;

use super::harness::{Fate, Gateway};
use crate::activity::Watched;
use crate::sse::client::Listening;
use crate::sse::gateway::{Accepted, EventStream, Rejected, accept};
use crate::sse::http_connection::{HttpConnection, Unanswered};
use crate::{Frame, LinkEnd};

fn accepted() -> Accepted {
    accept("c", &Secret::new("k"))
}

fn text(text: &str) -> Frame {
    Frame::Text(text.into())
}

fn body(records: &[Record]) -> Bytes {
    let mut body = BytesMut::new();
    records.iter().for_each(|record| record.put(&mut body));
    body.freeze()
}

fn say(word: &'static str) -> Bytes {
    body(&[Record::Text(Bytes::from_static(word.as_bytes()))])
}

async fn events(stream: &mut EventStream) -> Vec<Event> {
    let (mut reader, mut events) = (EventReader::default(), Vec::new());
    while let Some(piece) = stream.next().await {
        reader.read(&piece, &mut events).unwrap();
    }
    events
}

#[tokio::test(start_paused = true)]
async fn the_stream_says_at_once_where_posts_go_and_every_8_s_that_it_lives() {
    let Accepted { mut stream, intake, receiver, sender, .. } = accepted();
    let start = Instant::now();
    let greeting = stream.next().await.unwrap();
    assert_eq!(&greeting[..], b":\n\nevent: open\ndata: {\"connection\":\"c\",\"key\":\"k\"}\n\n");
    for beat in 1..=20 {
        assert_eq!(&stream.next().await.unwrap()[..], b":\n\n");
        assert_eq!(start.elapsed().as_secs(), beat * 8);
        intake.take(beat - 1, Bytes::new()).await.unwrap();
    }
    drop((sender, receiver));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_posts_nothing_for_28_s_is_gone() {
    let Accepted { mut receiver, mut stream, intake, sender: _sender, .. } = accepted();
    let start = Instant::now();
    tokio::time::sleep(Duration::from_secs(20)).await;
    // A slow upload: bytes count, not whole POSTs.
    intake.hear();
    assert_eq!(receiver.recv().await, Err(LinkEnd::Silent(Duration::from_secs(28))));
    assert_eq!(start.elapsed().as_secs(), 48);
    stream.next().await.unwrap();
    assert_eq!(stream.next().await, None, "the client is told by the end of the stream");
    assert_eq!(intake.take(0, say("late")).await, Err(Rejected::Over));
}

#[tokio::test]
async fn posts_are_put_in_order_and_one_that_comes_twice_counts_once() {
    let Accepted { mut receiver, intake, stream: _stream, .. } = accepted();
    for (number, word) in [(2, "c"), (0, "a"), (0, "a"), (2, "c"), (1, "b"), (1, "b"), (3, "d")] {
        intake.take(number, say(word)).await.unwrap();
    }
    for word in ["a", "b", "c", "d"] {
        assert_eq!(receiver.recv().await, Ok(text(word)));
    }
    let beyond = intake.take(4 + AHEAD, say("x")).await;
    assert!(matches!(beyond, Err(Rejected::Violation(_))), "{beyond:?}");
    assert!(matches!(receiver.recv().await, Err(LinkEnd::Protocol(_))));
}

#[tokio::test]
async fn a_body_that_breaks_the_rules_ends_the_link() {
    for (bad, expected) in [
        (Bytes::from_static(&[1, 0]), None),
        (Bytes::from_static(&[9, 0, 0, 0, 0]), None),
        (Bytes::from_static(&[2, 0xff, 0, 0, 0]), Some(LinkEnd::TooLarge(MAX_MESSAGE))),
    ] {
        let Accepted { mut receiver, intake, stream: _stream, .. } = accepted();
        let taken = intake.take(0, [say("first"), bad].concat().into()).await;
        assert!(matches!(taken, Err(Rejected::Violation(_))), "{taken:?}");
        assert_eq!(receiver.recv().await, Ok(text("first")));
        let end = receiver.recv().await.unwrap_err();
        match expected {
            Some(expected) => assert_eq!(end, expected),
            None => assert!(matches!(end, LinkEnd::Protocol(_)), "{end:?}"),
        }
    }
}

#[tokio::test]
async fn what_was_queued_before_a_close_still_leaves() {
    let Accepted { sender, receiver: _receiver, mut stream, hung_up, .. } = accepted();
    sender.send("last".to_owned()).await.unwrap();
    sender.close(1001, "gateway.stopping").await;
    sender.send("never".to_owned()).await.unwrap();
    let seen = events(&mut stream).await;
    let close = Event::Close { code: 1001, reason: "gateway.stopping".to_owned() };
    assert_eq!(seen[1..], [Event::Text("last".to_owned()), close]);
    drop(stream);
    hung_up.cancelled().await;
    sender.closed().await;
}

#[tokio::test(start_paused = true)]
async fn a_link_whose_receiver_is_gone_has_two_more_seconds() {
    let Accepted { sender, receiver, mut stream, .. } = accepted();
    drop(receiver);
    sender.send("last".to_owned()).await.unwrap();
    let start = Instant::now();
    assert_eq!(events(&mut stream).await[1..], [Event::Text("last".to_owned())]);
    assert_eq!(start.elapsed().as_secs(), 2);
}

#[tokio::test]
async fn a_client_that_goes_away_ends_the_link() {
    let Accepted { sender, mut receiver, stream, .. } = accepted();
    drop(stream);
    assert!(matches!(receiver.recv().await, Err(LinkEnd::Lost(_))));
    sender.closed().await;
}

/// A connection whose server is raw bytes.
async fn connection() -> (HttpConnection, DuplexStream) {
    let (ours, theirs) = duplex(64 * 1024);
    (HttpConnection::over(Watched::new(ours)).await.unwrap(), theirs)
}

fn request() -> http::Request<Full<Bytes>> {
    http::Request::post("/x").header("host", "h").body(Full::new(Bytes::from(vec![b'x'; 10_000]))).unwrap()
}

/// Reads the request.
async fn asked(peer: &mut DuplexStream) {
    let mut read = Vec::new();
    while !read.ends_with(&[b'x'; 10_000]) {
        peer.read_buf(&mut read).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_without_a_byte_for_28_s_is_dead_and_a_slow_one_is_not() {
    let (mut connection, mut peer) = connection().await;
    let answer = tokio::join!(connection.ask(request()), async {
        asked(&mut peer).await;
        peer.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n").await.unwrap();
    });
    let mut listening = Listening::new(answer.0.unwrap().into_body(), connection);
    let start = Instant::now();
    let feeding = tokio::spawn(async move {
        for byte in b":\n\nevent: text\ndata: slow\n\n" {
            tokio::time::sleep(Duration::from_secs(7)).await;
            peer.write_all(&[*byte]).await.unwrap();
        }
        peer
    });
    assert_eq!(listening.next().await, Ok(Event::Text("slow".to_owned())));
    let last = start.elapsed();
    let _peer = feeding.await.unwrap();
    assert_eq!(listening.next().await, Err(LinkEnd::Silent(Duration::from_secs(28))));
    assert_eq!((start.elapsed() - last).as_secs(), 28);
}

#[tokio::test(start_paused = true)]
async fn a_post_on_a_dead_connection_is_given_up_after_28_s_and_a_slow_one_is_not() {
    let (mut connection, _peer) = connection().await;
    let start = Instant::now();
    assert!(matches!(connection.exchange(request()).await, Err(Unanswered::Silent)));
    assert_eq!(start.elapsed().as_secs(), 28);

    let (mut connection, mut peer) = self::connection().await;
    let answering = tokio::spawn(async move {
        asked(&mut peer).await;
        for byte in b"HTTP/1.1 204 No Content\r\n\r\n" {
            tokio::time::sleep(Duration::from_secs(7)).await;
            peer.write_all(&[*byte]).await.unwrap();
        }
    });
    assert_eq!(connection.exchange(request()).await.unwrap(), StatusCode::NO_CONTENT);
    answering.await.unwrap();
}

#[tokio::test]
async fn what_is_no_such_gateway_is_said_so() {
    for (status, code) in [
        (StatusCode::NOT_FOUND, "gateway.no_sse"),
        (StatusCode::METHOD_NOT_ALLOWED, "gateway.no_sse"),
        (StatusCode::OK, "gateway.no_sse"),
        (StatusCode::FOUND, "gateway.no_sse"),
        (StatusCode::UNAUTHORIZED, "auth.rejected"),
        (StatusCode::SERVICE_UNAVAILABLE, "gateway.unavailable"),
    ] {
        let gateway = Gateway::behind(Arc::new(move |_, _| Fate::Lost(status))).await;
        assert_eq!(gateway.dial().await.unwrap_err().code(), code, "{status}");
    }
}

/// A gateway behind a proxy that does something to each POST's first tries.
async fn spoilt(fate: fn(usize) -> Fate) -> Gateway {
    let posts = AtomicUsize::new(0);
    Gateway::behind(Arc::new(move |method, _| match *method {
        Method::POST => fate(posts.fetch_add(1, Ordering::Relaxed)),
        _ => Fate::Passed,
    }))
    .await
}

#[tokio::test]
async fn a_post_is_sent_again_until_it_is_answered_and_counts_once() {
    let mut gateway = spoilt(|post| match post % 3 {
        0 => Fate::Lost(StatusCode::BAD_GATEWAY),
        1 => Fate::Unanswered(StatusCode::SERVICE_UNAVAILABLE),
        _ => Fate::Passed,
    })
    .await;
    let ((_to_client, mut heard), (sender, _receiver)) = gateway.link().await;
    sender.send("once".to_owned()).await.unwrap();
    sender.send("twice".to_owned()).await.unwrap();
    assert_eq!(heard.recv().await, Ok(text("once")));
    assert_eq!(heard.recv().await, Ok(text("twice")));
    sender.close(1000, "").await;
    assert!(matches!(heard.recv().await, Err(LinkEnd::Closed { code: 1000, .. })));
}

#[tokio::test]
async fn a_gateway_that_forgot_the_connection_ends_it() {
    for (status, is_lost) in [(StatusCode::NOT_FOUND, true), (StatusCode::GONE, true), (StatusCode::BAD_REQUEST, false)]
    {
        let gateway = Gateway::behind(Arc::new(move |method, _| match *method {
            Method::POST => Fate::Lost(status),
            _ => Fate::Passed,
        }))
        .await;
        let mut dialled = gateway.dial().await.unwrap();
        dialled.sender.send("x".to_owned()).await.unwrap();
        let end = dialled.receiver.recv().await.unwrap_err();
        assert_eq!(matches!(end, LinkEnd::Lost(_)), is_lost, "{status}: {end:?}");
    }
}

#[tokio::test]
async fn a_message_over_the_limit_ends_the_link_before_it_is_sent() {
    let mut gateway = Gateway::start().await;
    let (_end, (sender, mut receiver)) = gateway.link().await;
    sender.send("x".repeat(MAX_MESSAGE)).await.unwrap();
    assert_eq!(receiver.recv().await, Err(LinkEnd::TooLarge(MAX_MESSAGE)));
}
