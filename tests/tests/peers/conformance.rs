//! The official conformance suites of MCP against one server, directly and through Culvert: see `tests/conformance`.

use std::path::Path;
use std::process::Command;

use culvert_tests::built;
use culvert_tests::peers::{self, peer};

#[test]
fn what_passes_directly_passes_through_culvert() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let run = Command::new(peer("MCP2_PYTHON"))
        .arg("-B")
        .arg(root.join("tests/conformance/run.py"))
        .arg("--culvert")
        .arg(built::culvert())
        .arg("--peers")
        .arg(peers::list())
        .arg("--page")
        .arg(root.join("docs/conformance.md"))
        .output()
        .unwrap();
    let told = |stream: &[u8]| String::from_utf8_lossy(stream).into_owned();
    assert!(run.status.success(), "{}\n{}", told(&run.stdout), told(&run.stderr));
}
