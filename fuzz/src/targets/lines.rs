//! A local server's stdout as lines: the same however it is cut, and as a plain split of the whole would have it.

use culvert_tunnel::fuzzing::{Line, lines};

use crate::cut::pieces;

pub(crate) fn run(data: &[u8]) {
    let limit = data.first().map_or(16, |first| usize::from(*first));
    let (whole, cut) = pieces(data);
    let got = lines(cut, limit);
    assert_eq!(got, lines(vec![whole.clone()], limit), "no cut changes the lines");
    let mut expected = Vec::new();
    let mut rest = &whole[..];
    while !rest.is_empty() {
        let (line, ended) = match rest.iter().position(|byte| *byte == b'\n') {
            Some(end) => (&rest[..end], true),
            None => (rest, false),
        };
        rest = &rest[(line.len() + 1).min(rest.len())..];
        if line.len() > limit {
            expected.push(Err(line.len()));
            continue;
        }
        let line = if ended { line.strip_suffix(b"\r").unwrap_or(line) } else { line };
        if !line.iter().all(u8::is_ascii_whitespace) {
            expected.push(Ok(line));
        }
    }
    let told: Vec<_> = got
        .iter()
        .map(|line| match line {
            Line::Whole(bytes) => Ok(&bytes[..]),
            Line::Oversize { length, .. } => Err(*length),
        })
        .collect();
    assert_eq!(told, expected);
}
