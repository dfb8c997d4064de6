//! A stream's promises, one by one.

use std::task::{Context, Poll, Waker};

use super::*;

const BACKLOG: usize = 1024 * 1024;

fn told(stream: &Stream, text: &'static str) -> Pushed {
    stream.push(Bytes::from_static(text.as_bytes()), Kind::Told)
}

fn next(listening: &mut Listening) -> Poll<Option<(u64, Bytes)>> {
    let next = listening.poll_next(&mut Context::from_waker(Waker::noop()));
    next.map(|event| event.map(|event| (event.number, event.text)))
}

fn number(poll: Poll<Option<(u64, Bytes)>>) -> u64 {
    match poll {
        Poll::Ready(Some((number, _))) => number,
        other => panic!("no event: {other:?}"),
    }
}

#[tokio::test]
async fn a_held_post_gets_one_json_body_when_the_answer_comes_first() {
    let stream = Stream::for_post(StreamId(1), 1, BACKLOG);
    let mut listening = stream.listen(None);
    assert_eq!(stream.push(Bytes::from_static(b"{}"), Kind::Answer), Pushed::Taken);
    assert!(matches!(listening.first().await, First::Answer(text) if text == "{}"));
    drop(listening);
    assert!(stream.is_finished() && !stream.is_resumable());
}

#[tokio::test]
async fn a_held_post_becomes_a_stream_when_something_else_comes_first() {
    let stream = Stream::for_post(StreamId(1), 1, BACKLOG);
    let mut listening = stream.listen(None);
    told(&stream, "a");
    stream.push(Bytes::from_static(b"b"), Kind::Answer);
    assert!(matches!(listening.first().await, First::Events));
    assert_eq!(number(next(&mut listening)), 1);
    assert_eq!(number(next(&mut listening)), 2);
    assert!(matches!(next(&mut listening), Poll::Ready(None)), "it ends after the answer");
}

#[test]
fn a_broken_connection_resumes_after_the_event_it_knows() {
    let stream = Stream::general(BACKLOG);
    let mut first = stream.listen(None);
    for text in ["a", "b", "c"] {
        told(&stream, text);
    }
    assert_eq!(number(next(&mut first)), 1);
    assert_eq!(number(next(&mut first)), 2);
    drop(first);
    let mut again = stream.listen(Some(1));
    assert_eq!(number(next(&mut again)), 2);
    assert_eq!(number(next(&mut again)), 3);
    assert!(next(&mut again).is_pending());
    drop(again);
    assert!(next(&mut stream.listen(None)).is_pending(), "without a number: only what was never handed out");
}

#[test]
fn a_second_listener_sends_the_first_away() {
    let stream = Stream::general(BACKLOG);
    let mut first = stream.listen(None);
    let mut second = stream.listen(None);
    told(&stream, "a");
    assert!(matches!(next(&mut first), Poll::Ready(None)));
    drop(first);
    assert!(stream.has_listener());
    assert_eq!(number(next(&mut second)), 1);
}

#[test]
fn without_a_listener_the_oldest_are_dropped_but_never_an_answer() {
    let stream = Stream::for_post(StreamId(1), 2, BACKLOG);
    let big = Bytes::from(vec![b'x'; BACKLOG / 2]);
    assert_eq!(stream.push(big.clone(), Kind::Answer), Pushed::Taken);
    assert_eq!(stream.push(big.clone(), Kind::Asked("7".into())), Pushed::Taken);
    assert_eq!(stream.push(big, Kind::Told), Pushed::Dropped(vec![Kind::Asked("7".into())]));
    let mut listening = stream.listen(None);
    assert_eq!(number(next(&mut listening)), 1);
    assert_eq!(number(next(&mut listening)), 3);
}

#[tokio::test]
async fn a_listener_that_is_behind_is_waited_for() {
    let stream = Stream::general(BACKLOG);
    let mut listening = stream.listen(None);
    assert_eq!(stream.push(Bytes::from(vec![0; BACKLOG + 1]), Kind::Told), Pushed::Behind);
    let mut room = std::pin::pin!(stream.room());
    assert!(futures_util::poll!(&mut room).is_pending());
    number(next(&mut listening));
    room.await;
}

#[test]
fn what_was_handed_out_is_kept_within_bounds() {
    let stream = Stream::general(BACKLOG);
    let mut listening = stream.listen(None);
    for _ in 0..1000 {
        stream.push(Bytes::from(vec![0; 1000]), Kind::Told);
        number(next(&mut listening));
    }
    assert!(stream.size() <= BACKLOG / 4, "{}", stream.size());
    assert_eq!(number(next(&mut stream.listen(Some(0)))), 1001 - 256);
}
