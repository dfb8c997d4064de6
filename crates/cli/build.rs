//! Says which commit this is built from, for `culvert --version`: what the packager says, else what git says, if anything.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-env-changed=CULVERT_COMMIT");
    println!("cargo:rerun-if-changed=build.rs");
    // Git writes a line into the second for each commit. A file that is not there would have this run, and the program
    // linked, at every build.
    for file in ["../../.git/HEAD", "../../.git/logs/HEAD"] {
        if Path::new(file).exists() {
            println!("cargo:rerun-if-changed={file}");
        }
    }
    let git = || {
        let said = Command::new("git").args(["rev-parse", "--short=10", "HEAD"]).output().ok()?;
        said.status.success().then(|| String::from_utf8_lossy(&said.stdout).trim().to_owned())
    };
    let commit = std::env::var("CULVERT_COMMIT").ok().or_else(git).filter(|commit| !commit.is_empty());
    let version = env!("CARGO_PKG_VERSION");
    let whole = commit.map_or_else(|| version.to_owned(), |commit| format!("{version} ({commit})"));
    println!("cargo:rustc-env=CULVERT_VERSION={whole}");
}
