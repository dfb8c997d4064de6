//! What is in `deploy/`: every file is read by the tool that is meant to read it, and what can run here runs.

mod chart;
mod containers;
mod files;
mod monitoring;
mod page;
mod proxies;
mod rolling;
mod units;

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the files are.
fn folder() -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy")).canonicalize().unwrap()
}

/// The text of one of them.
fn text(path: &str) -> String {
    let path = folder().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All of them, by their paths in the folder.
fn all() -> Vec<String> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { walk(&path, found) } else { found.push(path) }
        }
    }
    let (folder, mut found) = (folder(), vec![]);
    walk(&folder, &mut found);
    let inside = |path: &PathBuf| path.strip_prefix(&folder).unwrap().to_str().unwrap().to_owned();
    let mut paths: Vec<_> = found.iter().map(inside).collect();
    paths.sort();
    paths
}

/// Runs a checker, which must be content; what it said.
fn content(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let words = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success(), "{command:?} is not content ({}):\n{words}", output.status);
    words
}

/// An address that nobody listens on, whose port no outgoing connection gets by chance.
fn free_address() -> SocketAddr {
    let listens = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    let port = std::iter::repeat_with(|| fastrand::u16(10_000..32_768)).take(1000).find(listens);
    SocketAddr::from(([127, 0, 0, 1], port.unwrap()))
}

/// A YAML stream as JSON, read by PyYAML: anchors and merge keys included, as Docker and Kubernetes read them.
fn documents(yaml: &Path) -> Vec<serde_json::Value> {
    let script = "import json, sys, yaml\nprint(json.dumps(list(yaml.safe_load_all(open(sys.argv[1])))))";
    let python = culvert_tests::peers::peer("DEPLOY_PYTHON");
    serde_json::from_str(&content(Command::new(python).args(["-c", script]).arg(yaml))).unwrap()
}
