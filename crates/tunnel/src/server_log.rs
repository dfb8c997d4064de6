//! What the local server writes on stderr: its last lines, for whoever wants to see them.

use std::time::SystemTime;

use culvert_protocol::text;

use crate::ring::Ring;

/// Lines that are kept unless told otherwise.
pub const LINES: usize = 500;

/// The longest line that is kept, in bytes.
const MAX_LINE: usize = 4096;

/// Bytes that all lines may have together, so that a hundred tunnels with talkative servers stay small.
const MAX_BYTES: usize = 256 * 1024;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// When it was read.
    pub at: SystemTime,
    /// The process that wrote it: a server may have several.
    pub pid: Option<u32>,
    /// What it says, cleaned and cut.
    pub text: Box<str>,
}

/// The last lines of one tunnel's local server: at most so many as asked for, of up to 4096 bytes each, and 256 KiB
/// of them in all.
#[derive(Debug)]
pub struct ServerLog(Ring<LogLine>);

impl ServerLog {
    pub(crate) fn new(lines: usize) -> Self {
        Self(Ring::new(lines.max(1), MAX_BYTES))
    }

    /// The lines, numbered.
    pub fn lines(&self) -> &Ring<LogLine> {
        &self.0
    }

    pub(crate) fn push(&self, pid: Option<u32>, line: &str) {
        let mut text = text::clean(line, MAX_LINE);
        if text.len() > MAX_LINE {
            let end = (0..=MAX_LINE - 3).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
            text.truncate(end);
            text.push('…');
        }
        let weight = text.len();
        self.0.push(LogLine { at: SystemTime::now(), pid, text: text.into() }, weight);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_bounded_each_and_together() {
        let log = ServerLog::new(500);
        for _ in 0..600 {
            log.push(Some(7), &"é".repeat(5000));
        }
        let page = log.lines().read(0);
        assert_eq!(page.next(), 600);
        assert!(page.items.iter().all(|line| line.text.len() <= MAX_LINE && line.text.ends_with('…')));
        assert!(page.items.iter().map(|line| line.text.len()).sum::<usize>() <= MAX_BYTES);
        assert!(page.items.len() > 60);
        for number in 0..600 {
            log.push(None, &format!("{number}\u{1b}[0m"));
        }
        let page = log.lines().read(0);
        assert_eq!((page.items.len(), &*page.items[499].text), (500, "599 [0m"));
    }
}
