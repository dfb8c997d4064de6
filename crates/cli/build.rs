//! Says which commit this is built from, for `culvert --version`: what the packager says, else what git says, if anything;
//! and has the linker put the functions that run beside each other, so that the others need not be in memory.

use std::env;
use std::path::Path;
use std::process::Command;

/// Written by bench/order.sh.
const ORDER: &str = "functions.order";

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
    let commit = env::var("CULVERT_COMMIT").ok().or_else(git).filter(|commit| !commit.is_empty());
    let version = env!("CARGO_PKG_VERSION");
    let whole = commit.map_or_else(|| version.to_owned(), |commit| format!("{version} ({commit})"));
    println!("cargo:rustc-env=CULVERT_VERSION={whole}");
    order_functions();
}

/// Linux maps a program's code in pieces of 64 KiB and more. Of its 9 MB, tunnel and gateway run 2, which are strewn over all
/// of it: put together, they spare each process 3 to 4 MiB. Only a release is worth it, and only LLD knows the option.
fn order_functions() {
    println!("cargo:rerun-if-changed={ORDER}");
    let is_release = env::var("PROFILE").is_ok_and(|profile| profile == "release");
    if is_release && links_with_lld() {
        let order = Path::new(env!("CARGO_MANIFEST_DIR")).join(ORDER);
        println!("cargo:rustc-link-arg-bin=culvert=-Wl,--symbol-ordering-file={}", order.display());
        // A name that a newer compiler or crate gave up does no harm.
        println!("cargo:rustc-link-arg-bin=culvert=-Wl,--no-warn-symbol-ordering");
    }
}

/// Whether rustc brings LLD and uses it of itself, as it does on this one target since 1.90 (a distribution's own may not), and
/// nobody asked for another linker.
fn links_with_lld() -> bool {
    println!("cargo:rerun-if-env-changed=CARGO_ENCODED_RUSTFLAGS");
    let is_the_target = env::var("TARGET").is_ok_and(|target| target == "x86_64-unknown-linux-gnu");
    let asked = env::var("CARGO_ENCODED_RUSTFLAGS")
        .is_ok_and(|flags| ["linker", "link-self-contained", "fuse-ld"].iter().any(|word| flags.contains(word)));
    let rustc = env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let brings_it = || {
        let said = Command::new(rustc).args(["--print", "target-libdir"]).output().ok()?;
        let folder = String::from_utf8(said.stdout).ok()?;
        Some(Path::new(folder.trim()).parent()?.join("bin/gcc-ld/ld.lld").exists())
    };
    is_the_target && !asked && env::var_os("RUSTC_LINKER").is_none() && brings_it() == Some(true)
}
