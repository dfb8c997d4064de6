//! docs/troubleshooting.md has every code, with the words of the program: compared with examples of the types, and, where
//! words are made on the spot, with the sources.

mod page;
mod samples;
mod sources;

use std::collections::BTreeSet;

use self::page::{Row, rows};
use self::samples::Sample;

/// The sections whose codes must stand there, and not only somewhere on the page, by the file that says them.
const PLACES: [(&str, &str); 8] = [
    ("protocol/src/cause/explain.rs", "Tunnels"),
    ("tunnel/src/status.rs", "Notices and warnings"),
    ("profiles/src/warning.rs", "Notices and warnings"),
    ("profiles/src/error.rs", "Configuration"),
    ("instance/src/checks/gateway.rs", "Doctor"),
    ("gateway/src/error.rs", "A gateway that does not start"),
    ("gateway/src/denial.rs", "What a gateway answers over HTTP"),
    ("gateway/src/session.rs", "Why a gateway closes a link"),
];

/// Sections without words of the program.
const MEANINGS_ONLY: &str = "Why a gateway closes a link";

/// Sections whose last step is advice of the page's own.
const OWN_ADVICE: &str = "What MCP clients are answered";

#[test]
fn every_code_of_the_program_is_on_the_page() {
    let (rows, mut missing) = (rows(), Vec::new());
    for (file, codes) in sources::codes() {
        let section = PLACES.iter().find(|(of, _)| file.ends_with(of)).map(|(_, section)| *section);
        for code in codes {
            if !rows.iter().any(|row| row.code == code && section.is_none_or(|section| row.section == section)) {
                missing.push(format!("{code} of {file}, in {}", section.unwrap_or("any of its sections")));
            }
        }
    }
    assert!(missing.is_empty(), "docs/troubleshooting.md needs rows for {missing:#?}");
}

#[test]
fn every_code_of_the_page_is_in_the_program() {
    let known: BTreeSet<String> = sources::codes().into_values().flatten().collect();
    let gone: Vec<_> = rows().into_iter().map(|row| row.code).filter(|code| !known.contains(code)).collect();
    assert!(gone.iter().all(|code| code == "internal"), "nothing says {gone:?} any more");
}

#[test]
fn every_error_type_is_told_as_it_is() {
    let (rows, mut wrong) = (rows(), Vec::new());
    for Sample { section, code, says, does, exit } in samples::all() {
        let ends = |row: &Row| exit.is_none_or(|exit| row.cells.last() == Some(&exit.code().to_string()));
        match rows.iter().find(|row| row.section == section && row.code == code) {
            Some(row) if row.says(&says) && row.does(&does) && ends(row) => {}
            _ => wrong.push(format!("in {section}: | `{code}` | {says} | … | {does} | {exit:?}")),
        }
    }
    assert!(wrong.is_empty(), "docs/troubleshooting.md should have {wrong:#?}");
}

/// A type's new variant comes with a code in its file, which must then have an example.
#[test]
fn every_code_of_a_type_has_an_example() {
    let examples: BTreeSet<String> = samples::all().into_iter().map(|sample| sample.code).collect();
    let typed = [
        "protocol/src/cause/explain.rs",
        "tunnel/src/status.rs",
        "profiles/src/warning.rs",
        "profiles/src/error.rs",
        "profiles/src/store.rs",
        "profiles/src/secret/problem.rs",
        "gateway/src/error.rs",
        "cli/src/saved.rs",
        "cli/src/health.rs",
        "cli/src/token_flags.rs",
    ];
    for (file, codes) in sources::codes() {
        if typed.iter().any(|of| file.ends_with(of)) {
            let without: Vec<_> = codes.difference(&examples).collect();
            assert!(without.is_empty(), "{file} says {without:?}: samples.rs needs an example of each");
        }
    }
}

#[test]
fn what_the_page_quotes_is_said_by_a_type_or_stands_in_the_sources() {
    let (samples, sources) = (samples::all(), sources::text());
    let mut unsaid = Vec::new();
    for row in rows().iter().filter(|row| row.section != MEANINGS_ONLY) {
        let of_row: Vec<&Sample> =
            samples.iter().filter(|sample| sample.section == row.section && sample.code == row.code).collect();
        for words in row.sayings() {
            let is_said = of_row.iter().any(|sample| page::matches(words, &sample.says));
            if !is_said && !page::stands_in(words, &sources) {
                unsaid.push(format!("{}: {words}", row.code));
            }
        }
        for words in row.advice().filter(|_| row.section != OWN_ADVICE) {
            let is_said = of_row.iter().any(|sample| page::matches(words, &sample.does));
            if !is_said && !page::stands_in(words, &sources) {
                unsaid.push(format!("{}: {words}", row.code));
            }
        }
    }
    assert!(unsaid.is_empty(), "docs/troubleshooting.md quotes what nothing says: {unsaid:#?}");
}

/// The reference's own table, with the words that it promises.
#[test]
fn the_errors_met_most_are_the_references_with_our_codes() {
    let page = page::PAGE.split("\n## ").find(|part| part.starts_with("The errors met most")).unwrap();
    let rows: Vec<Vec<&str>> = page
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    let seen: Vec<_> = rows.iter().map(|row| row[0].trim_matches('`')).collect();
    assert_eq!(
        seen,
        [
            "Connection refused",
            "401 Unauthorized",
            "WebSocket connection failed",
            "Subprocess not running",
            "Max retries exceeded"
        ]
    );
    let samples = samples::all();
    for row in rows {
        let (words, code) = (row[0].trim_matches('`'), row[1].trim_matches('`'));
        let sample = samples.iter().find(|sample| sample.section == "Tunnels" && sample.code == code).unwrap();
        assert!(sample.says.starts_with(words), "{} does not begin with {words}", sample.says);
        assert_eq!(sample.does, row[3], "{code}");
    }
}

/// docs/operations.md lists every way to end, and nothing else.
#[test]
fn the_exit_codes_are_those_of_the_page() {
    let operations = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/operations.md"));
    let section = operations.split("### Exit codes").nth(1).unwrap();
    let listed: Vec<u8> =
        section.lines().filter_map(|line| line.strip_prefix("| ")?.split(' ').next()?.parse().ok()).collect();
    assert_eq!(listed, samples::exits().map(|exit| exit.code()));
}

impl Row {
    /// Whether one of the sentences is this one.
    fn says(&self, words: &str) -> bool {
        self.sayings().any(|says| page::matches(says, words))
    }

    /// Whether one of the next steps is this one.
    fn does(&self, words: &str) -> bool {
        self.advice().any(|does| page::matches(does, words))
    }
}
