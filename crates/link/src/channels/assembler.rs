//! From a channel's bytes to its lines.

use bytes::{Buf as _, Bytes};
use culvert_protocol::room::Room;
use memchr::memchr;

/// Lines below this size are copied: a slice would keep the whole message alive that it came in.
const COPY_BELOW: usize = 8 * 1024;

/// Joins what comes in pieces. Holds at most one line that is not complete.
#[derive(Debug)]
pub(super) struct Assembler {
    partial: Room,
    max_line: usize,
    /// Bytes of the partial line for which the peer was not given credit yet.
    uncredited: usize,
    /// From how many such bytes on credit is given before the line is complete: a line may be longer than a window.
    credit_at: usize,
}

/// A line and the credit that is due once it has been taken.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Assembled {
    pub(super) line: Bytes,
    pub(super) credit: u32,
}

/// The line grew beyond what is taken.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLarge;

impl Assembler {
    pub(super) fn new(max_line: usize, window: u32) -> Self {
        Self { partial: Room::default(), max_line, uncredited: 0, credit_at: window as usize / 4 }
    }

    /// Takes bytes in and hands out the lines that they complete. Returns the credit that is due at once.
    pub(super) fn push(&mut self, mut bytes: Bytes, mut out: impl FnMut(Assembled)) -> Result<u32, TooLarge> {
        let mut due = 0;
        while let Some(end) = memchr(b'\n', &bytes) {
            let rest = bytes.split_to(end);
            bytes.advance(1);
            if self.partial.len() + rest.len() > self.max_line {
                return Err(TooLarge);
            }
            let credit = (self.uncredited + end + 1) as u32;
            self.uncredited = 0;
            if rest.is_empty() && self.partial.is_empty() {
                // An empty line is no message, and would cost more memory than credit.
                due += credit;
                continue;
            }
            let line = if self.partial.is_empty() {
                if rest.len() < COPY_BELOW { Bytes::copy_from_slice(&rest) } else { rest }
            } else {
                self.partial.push(&rest);
                self.partial.take()
            };
            out(Assembled { line, credit });
        }
        if self.partial.len() + bytes.len() > self.max_line {
            return Err(TooLarge);
        }
        self.partial.push(&bytes);
        self.uncredited += bytes.len();
        if self.uncredited >= self.credit_at {
            due += std::mem::take(&mut self.uncredited) as u32;
        }
        Ok(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_cut_changes_lines_and_every_byte_is_credited_once(
            lines in prop::collection::vec("[a-z]{0,300}", 0..20),
            cuts in prop::collection::vec(1_usize..200, 1..20),
        ) {
            let stream = Bytes::from(lines.iter().map(|line| format!("{line}\n")).collect::<String>());
            let mut assembler = Assembler::new(300, 400);
            let (mut got, mut credit, mut at) = (Vec::new(), 0, 0);
            for cut in cuts.iter().cycle() {
                if at == stream.len() {
                    break;
                }
                let end = (at + cut).min(stream.len());
                credit += assembler.push(stream.slice(at..end), |assembled| got.push(assembled)).unwrap();
                at = end;
            }
            credit += got.iter().map(|assembled| assembled.credit).sum::<u32>();
            prop_assert_eq!(credit as usize, stream.len());
            let got: Vec<_> = got.iter().map(|assembled| std::str::from_utf8(&assembled.line).unwrap()).collect();
            let lines: Vec<_> = lines.iter().filter(|line| !line.is_empty()).collect();
            prop_assert_eq!(got, lines);
        }
    }

    #[test]
    fn a_line_over_the_limit_is_refused_before_it_is_held() {
        let mut assembler = Assembler::new(10, 400);
        assert_eq!(assembler.push(Bytes::from_static(b"0123456789"), |_| {}), Ok(0));
        assert_eq!(assembler.push(Bytes::from_static(b"0"), |_| {}), Err(TooLarge));
    }
}
