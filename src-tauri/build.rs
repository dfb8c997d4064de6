//! Has Tauri read its configuration, and names the window's commands, so that each has a permission of its own.

use tauri_build::{AppManifest, Attributes};

fn main() {
    let attributes = Attributes::new()
        .capabilities_path_pattern("./src-tauri/capabilities/**/*")
        .app_manifest(AppManifest::new().commands(&["facts"]));
    if let Err(error) = tauri_build::try_build(attributes) {
        println!("cargo::error=tauri-build: {error:#}");
    }
}
