//! docs/configuration.md says what the types say, and its examples work.

use std::path::Path;

use crate::command::Platform;
use crate::{ConfigFile, Key, Surroundings, loaded};

const PAGE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md"));

/// The cells of the rows of the keys' table.
fn rows() -> Vec<Vec<&'static str>> {
    let keys = PAGE.split("\n## ").find(|part| part.starts_with("Keys\n")).unwrap();
    let rows = keys.lines().filter(|line| line.starts_with("| `"));
    rows.map(|line| line.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

fn code(text: Option<&str>) -> String {
    text.map_or_else(String::new, |text| format!("`{text}`"))
}

#[test]
fn the_table_lists_every_key_as_it_is() {
    let rows = rows();
    assert_eq!(rows.len(), Key::ALL.len());
    for (row, key) in rows.iter().zip(Key::ALL) {
        let about = key.about();
        let name = match about.alias {
            Some(alias) => format!("`{}` (or `{alias}`)", about.name),
            None => format!("`{}`", about.name),
        };
        let [shown_name, flag, variable, default, unit, what] = row[..] else { panic!("{key}: {row:?}") };
        assert_eq!(shown_name, name);
        assert_eq!(flag, code(about.flag), "{key}");
        assert_eq!(variable, code(about.variable), "{key}");
        assert_eq!(default, code(about.default), "{key}");
        assert_eq!(unit, about.unit.unwrap_or_default(), "{key}");
        assert!(!what.is_empty(), "{key}");
    }
}

#[test]
fn every_example_works() {
    let surroundings = Surroundings {
        variable: &|name| (name == "GATEWAY_TOKEN").then(|| "t".to_owned()),
        secret_file: &|path| match path.to_str() {
            Some("/run/secrets/notes-key" | "/run/secrets/gateway2") => Ok("k\n".to_owned()),
            _ => Err(std::io::ErrorKind::NotFound.into()),
        },
        host: "laptop-7".to_owned(),
        folder: "/".into(),
        platform: Platform::Unix,
    };
    let mut examples = 0;
    for (opening, file) in [("```yaml\n", "example.yaml"), ("```json\n", "example.json")] {
        for block in PAGE.split(opening).skip(1) {
            let text = block.split("```").next().unwrap();
            let parsed = ConfigFile::parse(text, Path::new(file)).unwrap();
            let loaded = loaded(Default::default(), Some(parsed), &surroundings).unwrap();
            assert!(loaded.broken.is_empty() && loaded.warnings.is_empty(), "{loaded:?}");
            assert!(!loaded.profiles.is_empty());
            for profile in &loaded.profiles {
                assert!(profile.warnings.is_empty(), "{:?}", profile.warnings);
                assert_eq!(loaded.dead_reference(profile, &surroundings), None);
            }
            examples += 1;
        }
    }
    assert_eq!(examples, 8);
}
