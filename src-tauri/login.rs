//! Launch at login, by whatever the desktop has for that.

use culvert_app::shown::{Explained, Switch};
use tauri::{AppHandle, Manager as _, Runtime};
use tauri_plugin_autostart::ManagerExt as _;

/// Whether the app is started with the desktop.
pub(crate) fn is_set<R: Runtime>(app: &AppHandle<R>) -> Switch {
    app.autolaunch().is_enabled().unwrap_or_default().into()
}

/// Has the app started with the desktop, hidden, or not any more.
pub(crate) fn set<R: Runtime>(app: &AppHandle<R>, wanted: Switch) -> Result<(), Explained> {
    let autostart = app.autolaunch();
    let done = match (wanted, autostart.is_enabled().unwrap_or_default()) {
        (Switch::On, false) => {
            make_room(app);
            autostart.enable()
        }
        (Switch::Off, true) => autostart.disable(),
        _ => Ok(()),
    };
    done.map_err(|error| {
        let message = format!("launch at login cannot be changed: {error}");
        Explained::new("settings.login", message, "Check that this user may write to the desktop's autostart folder.")
    })
}

/// The desktop's folder for it may be missing in a new home, and only its last part would be made. Where that fails,
/// what follows says so.
fn make_room<R: Runtime>(app: &AppHandle<R>) {
    if let (true, Ok(home)) = (cfg!(target_os = "linux"), app.path().home_dir()) {
        let _ = std::fs::create_dir_all(home.join(".config/autostart"));
    }
}
