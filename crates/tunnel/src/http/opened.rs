//! The reader of event streams, opened for the fuzzer.

use std::time::Duration;

use bytes::Bytes;

use super::events::{Event, Parser};
use crate::fuzzing::Line;

/// What these pieces of one stream come to: each event's kind and mark in words, its time to wait and its data. `held`
/// hears after each piece how many bytes of an unfinished event are kept.
pub fn events(pieces: Vec<Bytes>, limit: usize, held: impl Fn(usize)) -> Vec<(String, Option<Duration>, Option<Line>)> {
    let mut parser = Parser::new(limit);
    let mut all = Vec::new();
    for mut piece in pieces {
        while let Some(Event { kind, mark, retry, data }) = parser.next(&mut piece) {
            all.push((format!("{kind:?} {mark:?}"), retry, data.map(Line::from)));
        }
        held(parser.held());
    }
    all
}
