//! The desktop app: tray, window and commands. Thin: it renders what is, and passes on wishes.

/// A placeholder of the command table.
#[tauri::command]
fn facts() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

/// Runs the app until it is quit.
///
/// # Errors
/// What Tauri says when it cannot start.
pub fn run(context: tauri::Context) -> tauri::Result<()> {
    tauri::Builder::default()
        .plugin(tauri_plugin_single_instance::init(|_, _, _| {}))
        .plugin(tauri_plugin_autostart::init(tauri_plugin_autostart::MacosLauncher::LaunchAgent, Some(vec!["--hidden"])))
        .invoke_handler(tauri::generate_handler![facts])
        .run(context)
}
