//! docs/deployment.md: what it names is there, and its examples are read by what they are for.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use super::{chart, content, folder};

fn page() -> String {
    fs::read_to_string(folder().join("../docs/deployment.md")).unwrap()
}

fn blocks(language: &str) -> Vec<String> {
    let opening = format!("```{language}\n");
    let page = page();
    let found: Vec<_> = page.split(&opening).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect();
    assert!(!found.is_empty(), "no {language}");
    found
}

#[test]
fn each_file_that_it_names_is_there() {
    let page = page();
    let is_path = |c: char| c.is_ascii_alphanumeric() || "/._@-".contains(c);
    let named = page.split(|c| !is_path(c)).filter(|word| word.contains("deploy/") && !word.ends_with(".env"));
    let mut count = 0;
    for path in named {
        let path = path.trim_start_matches("../").trim_end_matches('.');
        assert!(folder().join("..").join(path).exists(), "{path} is not there");
        count += 1;
    }
    assert!(count > 15, "{count}");
}

#[test]
fn each_command_is_one_and_helm_takes_what_is_set() {
    let mut charts = 0;
    for block in blocks("sh") {
        content(Command::new("sh").args(["-n", "-c", &block]));
        for line in block.lines().filter(|line| line.starts_with("helm install ")) {
            let mut values = json!({});
            for (path, value) in line.split(" --set ").skip(1).map(|set| set.split_once('=').unwrap()) {
                let place = path.split('.').fold(&mut values, |place, key| &mut place[key]);
                *place = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
            }
            assert!(chart::rendered(&values).is_none_or(|resources| !resources.is_empty()));
            charts += 1;
        }
    }
    assert_eq!(charts, 2);
}

#[test]
fn systemd_takes_the_drop_in() {
    let scratch = tempfile::tempdir().unwrap();
    for block in blocks("ini") {
        let (path, _) = block.split_once('\n').unwrap();
        let place = path.strip_prefix("# /etc/systemd/system/").unwrap();
        let (unit, _) = place.split_once(".d/").unwrap();
        let program = culvert_tests::built::culvert().to_str().unwrap();
        let text = super::text("systemd/culvert@.service").replace("/usr/bin/culvert", program);
        fs::create_dir(scratch.path().join(format!("{unit}.d"))).unwrap();
        fs::write(scratch.path().join(unit), text).unwrap();
        fs::write(scratch.path().join(place), &block).unwrap();
        let file = scratch.path().join(unit);
        let words = content(Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(file));
        assert_eq!(words.trim(), "");
    }
}
