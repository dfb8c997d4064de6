//! How little the window's web engine may hold on Linux: no graphics driver in memory, and no process of it while there
//! is no window.

use std::fs;
use std::time::Duration;

use culvert_tunnel::keep_from_local_servers;
use gtk::glib;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tauri::{AppHandle, Manager as _, Runtime};
use tokio::time::sleep;

/// What is set where the user has not set it. The driver of a machine without a graphics card alone is 35 MiB, and the
/// window, made of lists and forms, is drawn as well without any.
const VARIABLES: [(&str, &str); 3] = [
    // The toolkit would ask the driver which colours there are.
    ("GDK_GL", "disable"),
    ("WEBKIT_DISABLE_DMABUF_RENDERER", "1"),
    // Else the driver is loaded only to be asked which device it would draw on.
    ("WEBKIT_WEB_RENDER_DEVICE_FILE", "/dev/null"),
];

/// What the system calls the process that WebKit starts for whatever its pages load. It stays when they are gone, and
/// another is started for the next page.
const LOADER: &str = "WebKitNetworkPr";

/// How long it may stay: who closes a window by mistake opens it again at once.
const STAY: Duration = Duration::from_secs(2);

/// Tells the engine, and nobody else, to draw without the graphics driver.
///
/// To be called before the process has threads: they may read the environment at any time.
pub(crate) fn draw_without_driver() {
    let set = VARIABLES
        .into_iter()
        .filter(|(name, value)| std::env::var_os(name).is_none() && glib::setenv(name, value, false).is_ok());
    keep_from_local_servers(set.map(|(name, _)| name).collect());
}

/// Ends what the engine left running, unless there is a window again by then.
pub(crate) fn let_go<R: Runtime>(app: &AppHandle<R>) {
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        sleep(STAY).await;
        // Windows are made on that thread: none comes in between.
        let _ = app.clone().run_on_main_thread(move || {
            if app.webview_windows().is_empty() {
                children(LOADER).into_iter().for_each(|child| _ = kill(child, Signal::SIGTERM));
            }
        });
    });
}

/// The children of this process with this name.
fn children(name: &str) -> Vec<Pid> {
    let own = Pid::this();
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = all.filter_map(|entry| Some(Pid::from_raw(entry.file_name().to_str()?.parse().ok()?)));
    let is_one = |pid: &Pid| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        name_and_parent(&stat) == Some((name, own))
    };
    pids.filter(is_one).collect()
}

/// The second field of `/proc/PID/stat`, which may hold anything, and the fourth.
fn name_and_parent(stat: &str) -> Option<(&str, Pid)> {
    let (front, back) = stat.rsplit_once(") ")?;
    let (_, name) = front.split_once(" (")?;
    Some((name, Pid::from_raw(back.split_whitespace().nth(1)?.parse().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_a_name_and_a_parent() {
        assert_eq!(name_and_parent("71 (a) b (c) S 42 71 71 0"), Some(("a) b (c", Pid::from_raw(42))));
        assert_eq!(name_and_parent(""), None);
    }

    #[test]
    fn children_are_found_by_name() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let own = Pid::from_raw(child.id().try_into().unwrap());
        let deadline = std::time::Instant::now() + Duration::from_secs(10);
        // It has its name only once it runs its program.
        while !children("sleep").contains(&own) {
            assert!(std::time::Instant::now() < deadline, "the child is not found");
            std::thread::yield_now();
        }
        assert!(!children("another").contains(&own));
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
