//! `culvert-desktop`.
#![cfg_attr(not(debug_assertions), windows_subsystem = "windows")]

fn main() -> tauri::Result<()> {
    culvert_desktop::run(tauri::generate_context!())
}
