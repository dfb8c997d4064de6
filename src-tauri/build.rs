//! Has Tauri read its configuration, and names the window's commands, so that each has a permission of its own.

use tauri_build::{AppManifest, Attributes};

/// Every command of `commands.rs`.
const COMMANDS: [&str; 28] = [
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
    "use_in",
    "copy_text",
    "hold_close",
    "close_window",
];

fn main() {
    let attributes = Attributes::new()
        .capabilities_path_pattern("./src-tauri/capabilities/**/*")
        .app_manifest(AppManifest::new().commands(&COMMANDS));
    if let Err(error) = tauri_build::try_build(attributes) {
        println!("cargo::error=tauri-build: {error:#}");
    }
}
