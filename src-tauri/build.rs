//! Has Tauri read its configuration, finds the window's built front end, and names the window's commands, so that each
//! has a permission of its own.

use std::path::{Path, PathBuf};
use std::{env, fs};

use tauri_build::{AppManifest, Attributes};

/// Every command of `commands.rs`.
const COMMANDS: [&str; 33] = [
    "facts",
    "listen",
    "unwatch",
    "want",
    "reconnect",
    "share_for_an_hour",
    "new_draft",
    "read_profile",
    "check_draft",
    "save_profile",
    "remove_profile",
    "test_draft",
    "agree_to_command",
    "try_it",
    "set_token",
    "unlock_keychain",
    "find_imports",
    "import_servers",
    "watch_calls",
    "watch_log",
    "clear_log",
    "set_settings",
    "set_gateway",
    "use_gateway",
    "watch_tools",
    "wish_tools",
    "decide_tools",
    "gather_support",
    "save_support",
    "use_in",
    "copy_text",
    "hold_close",
    "close_window",
];

fn main() {
    println!("cargo:rerun-if-env-changed=TAURI_CONFIG");
    if env::var_os("TAURI_CONFIG").is_none() {
        let folder = front_end();
        println!("cargo:rerun-if-changed={}", folder.display());
        let folder = folder.to_string_lossy().replace('\\', "/").replace('"', "\\\"");
        println!("cargo:rustc-env=TAURI_CONFIG={{\"build\":{{\"frontendDist\":\"{folder}\"}}}}");
    }
    let attributes = Attributes::new()
        .capabilities_path_pattern("./src-tauri/capabilities/**/*")
        .app_manifest(AppManifest::new().commands(&COMMANDS));
    if let Err(error) = tauri_build::try_build(attributes) {
        println!("cargo::error=tauri-build: {error:#}");
    }
}

/// Where the front end was built to: the checkout, else the cache folder that `make` builds in. Without any, a page that
/// says so: the code can be checked before the window is built.
fn front_end() -> PathBuf {
    println!("cargo:rerun-if-env-changed=XDG_CACHE_HOME");
    let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = cache.or_else(|| Some(env::home_dir()?.join(".cache")));
    let root = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from).unwrap_or_default();
    let built = [Some(root.join("ui/dist")), cache.map(|cache| cache.join("culvert/ui/dist"))];
    let is_built = |folder: &PathBuf| folder.join("index.html").is_file();
    built.into_iter().flatten().find(is_built).unwrap_or_else(|| {
        println!("cargo:warning=the window is not built, so the app will have none: run `make ui` first");
        let folder = Path::new(&env::var_os("OUT_DIR").unwrap_or_default()).join("no-window");
        let page = "<!doctype html><title>Culvert</title><p>This build has no window: run make ui, then build again.";
        // Where that fails, Tauri says what it misses.
        let _ = fs::create_dir_all(&folder).and_then(|()| fs::write(folder.join("index.html"), page));
        folder
    })
}
