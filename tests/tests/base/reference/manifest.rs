//! The list of the reference's code blocks, and whether it is complete.

use std::path::PathBuf;

use serde::Deserialize;

/// One code block.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    /// Its file, or a word for a block that has none.
    pub(super) block: String,
    /// A text by which a block without a file is known in the document.
    pub(super) holds: Option<String>,
    pub(super) kind: Kind,
    pub(super) fate: Fate,
    pub(super) reason: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    None,
    Shell,
    File,
    Dockerfile,
    Compose,
    Kubernetes,
    Address,
    Curl,
    Token,
    Flags,
    Servers,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Fate {
    Ran,
    Parsed,
    NotYet,
}

impl Entry {
    /// Nothing is called run that the walk passes over, and what is not run says why.
    pub(super) fn check(&self) {
        assert_eq!(self.kind == Kind::None, self.fate == Fate::NotYet, "{self:?}");
        assert!(self.fate == Fate::Ran || self.reason.is_some(), "{} needs its reason", self.block);
    }
}

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/data/reference"))
}

/// The text of a block's file.
pub(super) fn text(block: &str) -> String {
    std::fs::read_to_string(folder().join(block)).unwrap_or_else(|error| panic!("{block}: {error}"))
}

/// All blocks in the document's order.
pub(super) fn read() -> Vec<Entry> {
    serde_saphyr::from_str(&text("manifest.yaml")).unwrap()
}

/// The blocks of a Markdown document without comments, blank lines and common indentation.
fn blocks_of(document: &str) -> Vec<String> {
    let mut blocks = vec![];
    let mut open: Option<Vec<&str>> = None;
    for line in document.lines() {
        match (line.trim_start().starts_with("```"), &mut open) {
            (true, None) => open = Some(vec![]),
            (true, Some(lines)) => {
                blocks.push(bare(lines));
                open = None;
            }
            (false, Some(lines)) => lines.push(line),
            (false, None) => {}
        }
    }
    blocks
}

fn bare(lines: &[&str]) -> String {
    let is_kept = |line: &&&str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
    let kept: Vec<&str> = lines.iter().filter(is_kept).copied().collect();
    let indent = kept.iter().map(|line| line.len() - line.trim_start().len()).min().unwrap_or(0);
    kept.iter().map(|line| format!("{}\n", line[indent..].trim_end())).collect()
}

/// With `REFERENCE_DOC` set to the document itself: nothing in it has been forgotten, nothing altered.
#[test]
fn the_list_of_blocks_is_complete() {
    let Some(path) = std::env::var_os("REFERENCE_DOC") else { return };
    let document = blocks_of(&std::fs::read_to_string(path).unwrap());
    let listed = read();
    for (block, entry) in document.iter().zip(&listed) {
        match &entry.holds {
            Some(known_by) => assert!(block.contains(known_by), "{}:\n{block}", entry.block),
            None => assert_eq!(*block, text(&entry.block), "{}", entry.block),
        }
    }
    assert_eq!(document.len(), listed.len());
}
