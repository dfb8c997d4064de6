//! Bodies: a message on its way out, and one being gathered on its way in.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use culvert_protocol::skim::Skimmer;
use culvert_protocol::splice::single_line;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::oneshot;

use crate::lines::Line;

/// The body of a request: all at hand.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    data: Bytes,
    taken: Option<oneshot::Sender<()>>,
}

impl Outgoing {
    /// A body of these bytes. `taken` hears when the connection has taken them: what is sent on another one after that
    /// most likely arrives later.
    pub(super) fn new(data: Bytes, taken: Option<oneshot::Sender<()>>) -> Self {
        Self { data, taken }
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(taken) = self.taken.take() {
            let _ = taken.send(());
        }
        let data = std::mem::take(&mut self.data);
        Poll::Ready((!data.is_empty()).then(|| Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.data.len() as u64)
    }
}

/// A message that comes in pieces. One over the limit is let go piece by piece, but for what identifies it.
#[derive(Debug)]
pub(super) struct Gather {
    buffer: BytesMut,
    limit: usize,
    oversize: Option<(usize, Skimmer)>,
}

impl Gather {
    /// Messages of up to `limit` bytes are kept whole.
    pub(super) fn new(limit: usize) -> Self {
        Self { buffer: BytesMut::new(), limit, oversize: None }
    }

    /// Takes the next piece.
    pub(super) fn push(&mut self, piece: &[u8]) {
        if self.oversize.is_none() && self.buffer.len() + piece.len() <= self.limit {
            return self.buffer.extend_from_slice(piece);
        }
        let (length, skimmer) = self.oversize.get_or_insert_default();
        for piece in [&self.buffer, piece] {
            skimmer.push(piece);
            *length += piece.len();
        }
        self.buffer = BytesMut::new();
    }

    /// How many bytes it holds.
    pub(super) fn held(&self) -> usize {
        self.buffer.len()
    }

    /// The whole message as one line; `None` when there was nothing but white space.
    pub(super) fn take(&mut self) -> Option<Line> {
        if let Some((length, skimmer)) = self.oversize.take() {
            return Some(Line::Oversize { length, head: skimmer.finish() });
        }
        let message = self.buffer.split().freeze();
        (!message.iter().all(u8::is_ascii_whitespace)).then(|| Line::Whole(single_line(message)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_over_the_limit_is_let_go_with_its_id_known() {
        let text = br#"{"jsonrpc":"2.0","id":"x","result":{}}"#;
        for step in [1, 7, 100] {
            for (limit, kept) in [(text.len(), true), (text.len() - 1, false)] {
                let mut gather = Gather::new(limit);
                for piece in text.chunks(step) {
                    gather.push(piece);
                    assert!(gather.held() <= limit);
                }
                match gather.take() {
                    Some(Line::Whole(line)) => assert!(kept && line == text[..]),
                    Some(Line::Oversize { length, head }) => {
                        assert_eq!((kept, length, head.id.as_deref()), (false, text.len(), Some("\"x\"")));
                    }
                    None => panic!("nothing"),
                }
                gather.push(b" \n");
                assert_eq!(gather.take(), None);
            }
        }
    }
}
