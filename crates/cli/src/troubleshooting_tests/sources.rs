//! What the sources say: each text literal that looks like a code, outside of tests.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Endings of file names, which look like codes: `wanted.json`.
const FILES: [&str; 13] = ["json", "toml", "yaml", "yml", "sock", "lock", "pem", "txt", "rs", "md", "new", "ini", "gz"];

/// What looks like a code and is none.
const NO_CODES: [&str; 1] = ["http.response"];

/// The codes that each file says, by its path.
pub(super) fn codes() -> BTreeMap<String, BTreeSet<String>> {
    let mut codes = BTreeMap::new();
    for (path, text) in files() {
        let found: BTreeSet<String> = literals(&text).filter(|literal| is_code(literal)).collect();
        if !found.is_empty() {
            codes.insert(path, found);
        }
    }
    assert!(codes.len() > 20, "the sources are not read");
    codes
}

/// All of them as one text, with literals that go over several lines made whole.
pub(super) fn text() -> String {
    let mut all = String::new();
    for (_, text) in files() {
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            let mut line = line.to_owned();
            while line.ends_with('\\') {
                line.pop();
                line.push_str(lines.next().unwrap_or_default().trim_start());
            }
            all.push_str(&line.replace("\\\"", "\""));
            all.push('\n');
        }
    }
    all
}

/// Each source file, without its tests.
fn files() -> Vec<(String, String)> {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crates lie in a folder").to_owned();
    let mut files = Vec::new();
    let mut folders: Vec<PathBuf> = fs::read_dir(&crates)
        .unwrap()
        .map(|entry| entry.unwrap().path().join("src"))
        .filter(|src| src.is_dir())
        .collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() && !name.ends_with("tests") {
                folders.push(path);
            } else if name.ends_with(".rs") && !name.ends_with("tests.rs") {
                let text = fs::read_to_string(&path).unwrap();
                let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
                files.push((path.display().to_string(), text.to_owned()));
            }
        }
    }
    files
}

fn literals(text: &str) -> impl Iterator<Item = String> {
    text.split('"').map(str::to_owned)
}

fn is_code(literal: &str) -> bool {
    let Some((class, name)) = literal.split_once('.') else { return false };
    let is_word = |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    is_word(class) && is_word(name) && !FILES.contains(&name) && !NO_CODES.contains(&literal)
}
