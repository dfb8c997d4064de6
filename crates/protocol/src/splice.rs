//! Replacing parts of a message's text and leaving every other byte as it was.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use memchr::memchr2;

/// `text` with each of `edits` (where, by what) made. The edits must be in order and not overlap.
pub fn splice(text: &str, edits: &[(Range<usize>, &str)]) -> Bytes {
    let grown: usize = edits.iter().map(|(_, new)| new.len()).sum();
    let mut out = BytesMut::with_capacity(text.len() + grown);
    let mut at = 0;
    for (span, new) in edits {
        out.extend_from_slice(&text.as_bytes()[at..span.start]);
        out.extend_from_slice(new.as_bytes());
        at = span.end;
    }
    out.extend_from_slice(&text.as_bytes()[at..]);
    out.freeze()
}

/// A JSON text as one line: raw line breaks become spaces. In valid JSON they stand only between tokens, so the value
/// stays the same (MCP's stdio framing forbids them, HTTP bodies may have them).
pub fn single_line(text: Bytes) -> Bytes {
    if memchr2(b'\n', b'\r', &text).is_none() {
        return text;
    }
    let mut line = BytesMut::from(text);
    for byte in line.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')) {
        *byte = b' ';
    }
    line.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_named_spans_change() {
        assert_eq!(splice("abcdef", &[(1..2, "XY"), (4..6, "")]), "aXYcd");
        assert_eq!(splice("abc", &[]), "abc");
        assert_eq!(splice("abc", &[(0..3, "z")]), "z");
    }

    #[test]
    fn line_breaks_between_tokens_become_spaces() {
        assert_eq!(single_line(Bytes::from_static(b"{\r\n\"a\\n\":1}\n")), "{  \"a\\n\":1} ");
    }
}
