//! The readers of a local server's bytes, opened for the fuzzer. No part of the engine uses this.

use std::future::Future as _;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::{collections::VecDeque, io};

use bytes::Bytes;
use tokio::io::{AsyncRead, ReadBuf};

pub use crate::http::opened::events;
use crate::lines;

/// A line of a local server's stdout.
#[derive(Debug, PartialEq, Eq)]
pub enum Line {
    /// Its bytes.
    Whole(Bytes),
    /// It was longer than the limit.
    Oversize {
        /// Its length in bytes.
        length: usize,
        /// Its id as JSON text.
        id: Option<String>,
        /// Whether it had a method.
        method: bool,
    },
}

impl From<lines::Line> for Line {
    fn from(line: lines::Line) -> Self {
        match line {
            lines::Line::Whole(bytes) => Self::Whole(bytes),
            lines::Line::Oversize { length, head } => Self::Oversize { length, id: head.id, method: head.method },
        }
    }
}

/// What these pieces of one stream come to, with lines of up to `limit` bytes.
pub fn lines(pieces: Vec<Bytes>, limit: usize) -> Vec<Line> {
    let mut lines = lines::Lines::new(Pieces(pieces.into()), limit);
    let mut all = Vec::new();
    loop {
        // Every piece is at hand, so nothing is ever waited for.
        match pin!(lines.next()).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(Some(line))) => all.push(line.into()),
            Poll::Ready(Ok(None) | Err(_)) | Poll::Pending => return all,
        }
    }
}

/// A stream that comes in these pieces.
struct Pieces(VecDeque<Bytes>);

impl AsyncRead for Pieces {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if let Some(mut piece) = self.0.pop_front() {
            into.put_slice(&piece.split_to(piece.len().min(into.remaining())));
            if !piece.is_empty() {
                self.0.push_front(piece);
            }
        }
        Poll::Ready(Ok(()))
    }
}
