//! Server-sent events in a body that grows: the data of one event after another.

use std::ops::Range;

use memchr::memchr;

/// Reads a body from its beginning, however it is cut into pieces.
#[derive(Debug, Default)]
pub(crate) struct Events {
    /// Where the line begins that is not whole yet.
    line: usize,
    /// Up to here it has no end.
    searched: usize,
    /// Where the data of the event under way is.
    data: Option<Range<usize>>,
}

impl Events {
    /// The place of the next event's data in `body`, once the event is whole. Events
    /// without data, comments and other fields are passed over. Lines of data are put
    /// together in place.
    pub(crate) fn next(&mut self, body: &mut [u8]) -> Option<Range<usize>> {
        loop {
            let rest = body.get(self.searched..)?;
            let Some(length) = memchr(b'\n', rest) else {
                self.searched = body.len();
                return None;
            };
            let (begin, end) = (self.line, self.searched + length);
            (self.line, self.searched) = (end + 1, end + 1);
            let line = body.get(begin..end).unwrap_or_default();
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.is_empty() {
                if let Some(data) = self.data.take().filter(|data| !data.is_empty()) {
                    return Some(data);
                }
            } else if let Some(value) = line.strip_prefix(b"data:") {
                let skipped = if value.starts_with(b" ") { 6 } else { 5 };
                let value = begin + skipped..begin + line.len();
                self.data = Some(match self.data.take() {
                    None => value,
                    Some(data) => joined(body, &data, value),
                });
            }
        }
    }
}

/// Moves `value` right behind `data`, with a line feed between: there is room, because a
/// field name stands between them.
fn joined(body: &mut [u8], data: &Range<usize>, value: Range<usize>) -> Range<usize> {
    let length = value.len();
    if let Some(feed) = body.get_mut(data.end) {
        *feed = b'\n';
    }
    body.copy_within(value, data.end + 1);
    data.start..data.end + 1 + length
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = concat!(
        ": a comment\r\n\r\n",
        "id: 1\ndata: \n\n",
        "event: message\r\nid: 2\r\ndata: {\"id\":1}\r\n\r\n",
        "data:no space\n\n",
        "data: {\ndata:  \"a\":\r\ndata: 1}\nretry: 5\n\n",
        "data: not ended\n",
    );

    #[test]
    fn finds_each_event_however_it_is_cut() {
        for piece in [1, 2, 5, 1000] {
            let (mut events, mut body, mut found) = (Events::default(), Vec::new(), Vec::new());
            for bytes in STREAM.as_bytes().chunks(piece) {
                body.extend_from_slice(bytes);
                while let Some(data) = events.next(&mut body) {
                    found.push(String::from_utf8(body[data].to_vec()).unwrap());
                }
            }
            assert_eq!(found, ["{\"id\":1}", "no space", "{\n \"a\":\n1}"], "in pieces of {piece}");
        }
    }
}
