//! docs/protocol.md as tests read it: its examples, its tables, and the bytes that an example shows.

use bytes::Bytes;

const PAGE: &str = include_str!("../../../docs/protocol.md");

/// The fenced blocks that open with this word: what stands behind it, and the lines.
pub(crate) fn blocks(word: &str) -> Vec<(&'static str, Vec<&'static str>)> {
    let mut found = Vec::new();
    let mut lines = PAGE.lines();
    while let Some(line) = lines.next() {
        let Some(opening) = line.strip_prefix("```") else { continue };
        let body: Vec<_> = lines.by_ref().take_while(|line| *line != "```").collect();
        if let Some(rest) = opening.strip_prefix(word).filter(|rest| rest.is_empty() || rest.starts_with(' ')) {
            found.push((rest.trim(), body));
        }
    }
    assert!(!found.is_empty(), "there is no example of {word}");
    found
}

/// The rows below every table head that begins so, as cells without their code marks.
pub(crate) fn rows(head: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut lines = PAGE.lines();
    while let Some(line) = lines.next() {
        if line.starts_with(head) {
            let rows = lines.by_ref().skip(1).take_while(|line| line.starts_with('|'));
            found.extend(rows.map(|row| {
                row.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`').to_owned()).collect()
            }));
        }
    }
    assert!(!found.is_empty(), "there is no table {head}");
    found
}

/// Hex digits, and texts between quotes with `\n`, maybe repeated: `0001 'text' 'x'*3`.
pub(crate) fn bytes(notation: &str) -> Bytes {
    let mut bytes = Vec::new();
    let mut rest = notation.trim_start();
    while !rest.is_empty() {
        if let Some(quoted) = rest.strip_prefix('\'') {
            let (text, after) = quoted.split_once('\'').expect("a closing quote");
            let (times, after) = match after.strip_prefix('*') {
                Some(after) => after.split_at(after.find(' ').unwrap_or(after.len())),
                None => ("1", after),
            };
            bytes.extend(text.replace("\\n", "\n").repeat(times.parse().unwrap()).into_bytes());
            rest = after.trim_start();
        } else {
            let (digits, after) = rest.split_at(rest.find(' ').unwrap_or(rest.len()));
            assert!(digits.len().is_multiple_of(2), "{digits}");
            let pairs = (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap());
            bytes.extend(pairs);
            rest = after.trim_start();
        }
    }
    bytes.into()
}
