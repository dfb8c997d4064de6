//! Where the binaries under test are, and that they are fresh.
//!
//! Cargo builds the binaries of a package for that package's own tests only, so `culvert` and the app are built here,
//! once per test run: the first test process of a run that needs one does it, the others see its stamp.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The `culvert` binary: `CULVERT_BIN` if that is set, else the one beside the test itself, built anew where its
/// sources have changed.
pub fn culvert() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| named_or_built("CULVERT_BIN", "culvert-cli", "culvert"))
}

/// The app, `culvert-desktop`: `CULVERT_DESKTOP_BIN` if that is set, else built anew where its sources have changed. It
/// holds the front end that was built last.
pub fn desktop() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| named_or_built("CULVERT_DESKTOP_BIN", "culvert-desktop", "culvert-desktop"))
}

fn named_or_built(variable: &str, package: &str, binary: &str) -> PathBuf {
    match std::env::var_os(variable) {
        Some(named) => named.into(),
        None => {
            let folder = profile_folder();
            build_once(&folder, package, binary);
            folder.join(binary)
        }
    }
}

/// The scriptable local server: cargo builds it with the tests of this package. Others, who lie beside it, have it built.
pub fn stdio_fixture() -> PathBuf {
    let own = std::env::current_exe().expect("a program knows its own path");
    let beside = own.with_file_name("stdio-fixture");
    if beside.exists() { beside } else { profile_folder().join("stdio-fixture") }
}

/// `target/debug` or `target/release`: the test itself runs from `deps` in there.
fn profile_folder() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own path");
    test.parent().and_then(Path::parent).expect("tests run from target/PROFILE/deps").to_owned()
}

fn build_once(folder: &Path, package: &str, binary: &str) {
    // cargo-nextest runs each test in a process of its own and names the run; elsewhere one process is one run.
    let run = std::env::var("NEXTEST_RUN_ID").unwrap_or_else(|_| std::process::id().to_string());
    let lock = File::create(folder.join(format!("{binary}-build.lock"))).expect("the target folder can be written");
    lock.lock().expect("a lock");
    let stamp = folder.join(format!("{binary}-build.run"));
    if fs::read_to_string(&stamp).is_ok_and(|built| built == run) {
        return;
    }
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--package", package, "--bin", binary, "--target-dir"]);
    cargo.arg(folder.parent().expect("a profile lies in the target folder"));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    // What a test runner tells this process about this package is none of the build's business: some build scripts
    // look at it, and would run again at each change from a shell's build to a test's and back.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"].iter().any(|prefix| text.starts_with(prefix))
        {
            cargo.env_remove(&name);
        }
    }
    if folder.ends_with("release") {
        cargo.arg("--release");
    }
    let built = cargo.status().expect("cargo can be run");
    assert!(built.success(), "{binary} could not be built: {built}");
    fs::write(&stamp, run).expect("the target folder can be written");
}
