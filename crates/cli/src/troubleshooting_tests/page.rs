//! The rows of the page, and how its words are compared: `…` stands for whatever is said there.

pub(super) const PAGE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/troubleshooting.md"));

/// A piece of a sentence that is shorter says nothing about where it comes from.
const TELLING: usize = 6;

/// A row about a code.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) section: &'static str,
    pub(super) code: String,
    /// The cells behind the code.
    pub(super) cells: Vec<String>,
    says: usize,
    does: usize,
}

impl Row {
    /// The sentences that it quotes.
    pub(super) fn sayings(&self) -> impl Iterator<Item = &str> {
        self.cells[self.says].split("<br>").map(str::trim)
    }

    /// The next steps that it quotes.
    pub(super) fn advice(&self) -> impl Iterator<Item = &str> {
        self.cells[self.does].split("<br>").map(str::trim)
    }
}

/// Every row about a code, but for the table of those that are met most.
pub(super) fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for part in PAGE.split("\n## ").skip(1) {
        let section = part.lines().next().unwrap_or_default();
        let mut head: Vec<String> = Vec::new();
        for line in part.lines().filter(|line| line.starts_with('|')) {
            let cells = cells(line);
            match cells[0].strip_prefix('`').and_then(|cell| cell.strip_suffix('`')) {
                None if cells[0] == "code" => head = cells[1..].to_vec(),
                Some(code) if !head.is_empty() => {
                    assert_eq!(cells.len(), head.len() + 1, "{line}");
                    let at = |name: &str| head.iter().position(|cell| cell.starts_with(name));
                    let says = at("it says").unwrap_or(0);
                    let does = at("what to do").unwrap_or(head.len() - 1);
                    rows.push(Row { section, code: code.to_owned(), cells: cells[1..].to_vec(), says, does });
                }
                _ => {}
            }
        }
    }
    assert!(rows.len() > 150, "the page's tables are not read");
    rows
}

fn cells(line: &str) -> Vec<String> {
    let line = line.trim_matches('|').replace("\\|", "\u{1}");
    line.split('|').map(|cell| cell.trim().replace('\u{1}', "|")).collect()
}

/// Whether `words` are those of `quoted`, with anything where it has `…`.
pub(super) fn matches(quoted: &str, words: &str) -> bool {
    let mut pieces = quoted.split('…');
    let Some(mut rest) = words.strip_prefix(pieces.next().unwrap_or_default()) else { return false };
    let pieces: Vec<_> = pieces.collect();
    let Some((last, middle)) = pieces.split_last() else { return rest.is_empty() };
    for piece in middle {
        let Some(at) = rest.find(piece) else { return false };
        rest = &rest[at + piece.len()..];
    }
    rest.ends_with(last)
}

/// Whether all that `quoted` has beside its `…` stands in `text`.
pub(super) fn stands_in(quoted: &str, text: &str) -> bool {
    let pieces: Vec<_> = quoted.split('…').filter(|piece| piece.trim().len() >= TELLING).collect();
    let is_open = quoted.chars().all(|c| c == '…');
    is_open || (!pieces.is_empty() && pieces.iter().all(|piece| text.contains(piece)))
}

#[test]
fn words_are_compared_with_gaps() {
    assert!(matches("a … b", "a 1 2 b") && matches("a…", "a") && matches("a", "a"));
    assert!(!matches("a … b", "a 1 c") && !matches("a", "ab") && !matches("…a…b", "b a"));
    assert_eq!(cells(r"| a \| b | c |"), ["a | b", "c"]);
}
