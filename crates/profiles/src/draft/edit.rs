//! A file changed by its lines: what a change does not touch stays as its author wrote it, comments included.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::{Draft, yaml};
use crate::document::Raw;
use crate::key::Key;

/// `content`, a flat YAML file, made to say `new`. `None` where that cannot be done by replacing whole keys' lines,
/// such as in a file in braces or with anchors: the result is read again, and must say `new` exactly.
pub(crate) fn edited(content: &str, new: &Draft) -> Option<String> {
    let path = Path::new("edited.yaml");
    let old = Draft::read(content, path).ok()??;
    let blocks = blocks(content)?;
    let mut out = String::with_capacity(content.len());
    let mut written = BTreeSet::new();
    for Block { key, lines } in &blocks {
        let Some(key) = key else {
            out.push_str(lines);
            continue;
        };
        written.insert(*key);
        match (old.0.get(key), new.0.get(key)) {
            (old, new) if old == new => out.push_str(lines),
            (_, None) => {}
            (_, Some(raw)) => out.push_str(&rewritten(*key, raw, lines)),
        }
    }
    let more: BTreeMap<_, _> = new.0.iter().filter(|(key, _)| !written.contains(*key)).collect();
    for (key, raw) in more {
        if !out.is_empty() && !out.ends_with('\n') {
            out.push('\n');
        }
        out.push_str(&yaml::member(*key, raw));
    }
    (Draft::read(&out, path).ok()??.0 == new.0).then_some(out)
}

/// The lines of one top-level key, or lines between keys.
struct Block<'a> {
    key: Option<Key>,
    lines: &'a str,
}

/// The text cut before each top-level key and behind its value. Comments and blank lines before a key belong to no key.
fn blocks(content: &str) -> Option<Vec<Block<'_>>> {
    let mut blocks: Vec<Block<'_>> = Vec::new();
    let (mut start, mut at, mut end, mut key) = (0, 0, 0, None);
    let mut cut = |from: usize, to: usize, key: Option<Key>| {
        if from < to {
            blocks.push(Block { key, lines: &content[from..to] });
        }
    };
    for line in content.split_inclusive('\n') {
        let first = line.chars().next().unwrap_or('\n');
        let belongs = match first {
            ' ' | '\t' if !line.trim().is_empty() && !line.trim_start().starts_with('#') => true,
            // A list may stand as far left as its key.
            '-' if key.is_some() && (line.starts_with("- ") || line.trim_end() == "-") => true,
            _ => false,
        };
        let is_between = line.trim().is_empty() || line.trim_start().starts_with('#');
        if belongs {
            key?;
            end = at + line.len();
        } else if !is_between {
            cut(start, end, key);
            cut(end.max(start), at, None);
            let is_marker = line.trim_end() == "---" && key.is_none();
            let name = line.split(':').next().unwrap_or_default().trim_end().trim_matches(['"', '\'']);
            key = match Key::named(name) {
                Some(key) if line.contains(':') => Some(key),
                _ if is_marker => None,
                _ => return None,
            };
            if is_marker {
                cut(at, at + line.len(), None);
                (start, end) = (at + line.len(), at + line.len());
            } else {
                (start, end) = (at, at + line.len());
            }
        }
        at += line.len();
    }
    cut(start, end, key);
    cut(end, at, None);
    Some(blocks)
}

/// The new lines of a key. A comment behind a value that was on one line stays, where the new one is on one line too.
fn rewritten(key: Key, raw: &Raw, lines: &str) -> String {
    let new = yaml::member(key, raw);
    let comment = match (new.matches('\n').count(), lines.matches('\n').count()) {
        (1, 0 | 1) => comment(lines.trim_end_matches(['\n', '\r'])),
        _ => None,
    };
    match comment {
        Some(comment) => format!("{} {comment}\n", new.trim_end()),
        None => new,
    }
}

/// The comment that ends a line: behind the first `#` that has a blank before it and leaves the value the same.
fn comment(line: &str) -> Option<&str> {
    let value = |text: &str| Draft::read(text, Path::new("line.yaml")).ok().flatten();
    let whole = value(line)?;
    let mut candidates = line.match_indices('#').filter(|(at, _)| line[..*at].ends_with([' ', '\t']));
    candidates.find(|(at, _)| value(&line[..*at]).is_some_and(|cut| cut == whole)).map(|(at, _)| &line[at..])
}
