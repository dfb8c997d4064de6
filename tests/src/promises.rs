//! The tests that documents name as proof are there, under the names they have.

use std::fs;
use std::path::Path;

const PAGES: [&str; 1] = [include_str!("../../docs/reliability.md")];

/// What stands in backquotes in the last column of a page's tables.
fn named(page: &str) -> Vec<&str> {
    let last_cells = page
        .lines()
        .filter(|line| line.starts_with("| ") && line.ends_with(" |"))
        .filter_map(|row| row.trim_end_matches(" |").rsplit(" | ").next());
    last_cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect()
}

fn collect(folder: &Path, sources: &mut String) {
    for entry in fs::read_dir(folder).expect("the repository can be read").flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, sources);
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            sources.push_str(&fs::read_to_string(&path).expect("a source is text"));
        }
    }
}

#[test]
fn every_test_that_a_page_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut sources = String::new();
    collect(&root.join("crates"), &mut sources);
    collect(&root.join("tests"), &mut sources);
    for page in PAGES {
        let names = named(page);
        assert!(names.len() > 10, "the table was found");
        for name in names {
            assert!(sources.contains(&format!("fn {name}(")), "there is no test {name}");
        }
    }
}
