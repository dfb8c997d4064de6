//! The local server's stdout as lines: MCP's stdio framing, bounded, and read without copies but for long ones.

use std::io;

use bytes::{Buf as _, Bytes, BytesMut};
use culvert_protocol::room::Room;
use culvert_protocol::skim::{Skimmed, Skimmer};
use memchr::memchr;
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// Room that a read has at least.
const CHUNK: usize = 16 * 1024;

/// A line that has no end within so many bytes is gathered apart.
const LONG: usize = 64 * 1024;

/// One line of the local server.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// Its bytes without the line break; never empty.
    Whole(Bytes),
    /// It was longer than the limit. It was read to its end and let go, but for what identifies it.
    Oversize {
        /// Its length in bytes.
        length: usize,
        /// Its id and kind.
        head: Skimmed,
    },
}

/// Splits a byte stream into lines.
#[derive(Debug)]
pub(crate) struct Lines<R> {
    from: R,
    /// The front of a long line.
    front: Room,
    buffer: BytesMut,
    /// How much of the buffer is known to have no line break.
    searched: usize,
    limit: usize,
    oversize: Option<(usize, Skimmer)>,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    /// Lines of up to `limit` bytes are kept whole.
    pub(crate) fn new(from: R, limit: usize) -> Self {
        Self { from, front: Room::default(), buffer: BytesMut::new(), searched: 0, limit, oversize: None }
    }

    /// The next line; `None` at the end. A last line without a line break counts. Cancel safe.
    ///
    /// # Errors
    /// When reading fails.
    pub(crate) async fn next(&mut self) -> io::Result<Option<Line>> {
        loop {
            if let Some(line) = self.split() {
                return Ok(Some(line));
            }
            self.buffer.reserve(CHUNK);
            if self.from.read_buf(&mut self.buffer).await? == 0 {
                return Ok(self.rest());
            }
        }
    }

    fn split(&mut self) -> Option<Line> {
        loop {
            let Some(found) = memchr(b'\n', &self.buffer[self.searched..]) else {
                self.searched = self.buffer.len();
                if self.oversize.is_some() || self.front.len() + self.buffer.len() > self.limit {
                    self.let_go(self.buffer.len());
                } else if self.buffer.len() >= LONG {
                    self.set_apart(self.buffer.len());
                }
                return None;
            };
            let end = self.searched + found;
            if self.oversize.is_some() || self.front.len() + end > self.limit {
                self.let_go(end);
                self.skip_break();
                return self.end_oversize();
            }
            let mut line = self.take(end);
            self.skip_break();
            if line.last() == Some(&b'\r') {
                line.truncate(line.len() - 1);
            }
            if !line.iter().all(u8::is_ascii_whitespace) {
                return Some(Line::Whole(line));
            }
        }
    }

    /// The line whose last `length` bytes are at the front of the buffer.
    fn take(&mut self, length: usize) -> Bytes {
        if self.front.is_empty() {
            return self.buffer.split_to(length).freeze();
        }
        self.set_apart(length);
        self.front.take()
    }

    /// Puts the first `length` bytes of the buffer to the front of a long line.
    fn set_apart(&mut self, length: usize) {
        self.front.push(&self.buffer[..length]);
        self.buffer.advance(length);
        self.searched = 0;
    }

    /// Drops the line break at the front.
    fn skip_break(&mut self) {
        self.buffer.advance(1);
        self.searched = 0;
    }

    /// Drops the first `length` bytes of a line that is too long, after a look at them.
    fn let_go(&mut self, length: usize) {
        let (total, skimmer) = self.oversize.get_or_insert_default();
        for gone in [&self.front.take(), &self.buffer[..length]] {
            skimmer.push(gone);
            *total += gone.len();
        }
        self.buffer.advance(length);
        self.searched = 0;
    }

    fn end_oversize(&mut self) -> Option<Line> {
        self.oversize.take().map(|(length, skimmer)| Line::Oversize { length, head: skimmer.finish() })
    }

    fn rest(&mut self) -> Option<Line> {
        if self.oversize.is_some() {
            return self.end_oversize();
        }
        let line = self.take(self.buffer.len());
        self.searched = 0;
        (!line.iter().all(u8::is_ascii_whitespace)).then_some(Line::Whole(line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tokio::io::AsyncWriteExt as _;

    async fn lines(bytes: &[u8], chunk: usize, limit: usize) -> Vec<Line> {
        let (mut into, from) = tokio::io::duplex(chunk);
        let bytes = bytes.to_vec();
        tokio::spawn(async move { into.write_all(&bytes).await });
        let mut lines = Lines::new(from, limit);
        let mut all = Vec::new();
        while let Some(line) = lines.next().await.unwrap() {
            all.push(line);
        }
        all
    }

    fn whole(text: &'static str) -> Line {
        Line::Whole(Bytes::from_static(text.as_bytes()))
    }

    #[tokio::test]
    async fn empty_lines_and_carriage_returns_are_no_messages() {
        assert_eq!(lines(b"a\r\n\n \r\nb\nlast", 7, 100).await, [whole("a"), whole("b"), whole("last")]);
    }

    #[tokio::test]
    async fn a_line_at_the_limit_passes_and_one_byte_more_is_let_go_with_its_id_known() {
        let long = r#"{"id":7,"result":"xxxxxxxxxxxxxxxxxxxxxx"}"#;
        let text = format!("{long}\nnext\n");
        assert_eq!(lines(text.as_bytes(), 5, long.len()).await, [whole_of(long), whole("next")]);
        let head = Skimmed { id: Some("7".to_owned()), method: false };
        let oversize = Line::Oversize { length: long.len(), head };
        assert_eq!(lines(text.as_bytes(), 5, long.len() - 1).await, [oversize, whole("next")]);
    }

    fn whole_of(text: &str) -> Line {
        Line::Whole(Bytes::copy_from_slice(text.as_bytes()))
    }

    proptest! {
        #[test]
        fn no_cut_of_the_stream_changes_the_lines(texts in prop::collection::vec("[a-z]{1,30}", 0..12), chunk in 1_usize..40) {
            let stream: String = texts.iter().map(|text| format!("{text}\n")).collect();
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let all = runtime.block_on(lines(stream.as_bytes(), chunk, 20));
            let expected: Vec<_> = texts.iter().map(|text| (text.len() <= 20).then(|| text.clone())).collect();
            let got: Vec<_> = all
                .into_iter()
                .map(|line| match line {
                    Line::Whole(bytes) => Some(String::from_utf8(bytes.to_vec()).unwrap()),
                    Line::Oversize { .. } => None,
                })
                .collect();
            prop_assert_eq!(got, expected);
        }
    }
}
