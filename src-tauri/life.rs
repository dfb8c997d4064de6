//! The app from its start to its end: one of it for each user, alive without a window, and gone only once every child is.

use std::ffi::OsString;

use culvert_app::{Culvert, Start, login_path};
use culvert_instance::Places;
use tauri::{AppHandle, Builder, Context, Manager as _, RunEvent, Runtime, WindowEvent, Wry};
use tauri_plugin_autostart::MacosLauncher;
use thiserror::Error;
use tracing::{info, warn};

use crate::streams::Streams;
use crate::{commands, login, notify, tray, window};

/// The flag of a start without a window.
const HIDDEN: &str = "--hidden";

/// Set for a second app beside the first, as tests need it.
const ALONGSIDE: &str = "CULVERT_DESKTOP_ALONGSIDE";

/// How it is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    /// Without a window: by the desktop at login.
    hidden: bool,
    /// Beside another one that may run already.
    alongside: bool,
}

impl Options {
    /// As this process was started.
    pub fn of_this_process() -> Self {
        Self::of(std::env::args_os().skip(1), std::env::var_os(ALONGSIDE))
    }

    fn of(arguments: impl IntoIterator<Item = OsString>, alongside: Option<OsString>) -> Self {
        Self {
            hidden: arguments.into_iter().any(|argument| argument == HIDDEN),
            alongside: alongside.is_some_and(|value| !value.is_empty() && value != "0"),
        }
    }
}

/// Why there is no app.
#[derive(Debug, Error)]
pub enum NoApp {
    /// Nobody knows where profiles are kept.
    #[error("no home folder is known: set HOME")]
    NoHome,
    /// The system gives no threads.
    #[error("the system gives no threads: {0}")]
    Runtime(std::io::Error),
    /// Tauri cannot start, as without a display.
    #[error("the desktop app cannot start: {0}")]
    Tauri(#[from] tauri::Error),
}

/// Runs the app until it is quit.
///
/// # Errors
/// [`NoApp`].
pub fn run(context: Context<Wry>, options: Options) -> Result<(), NoApp> {
    #[cfg(target_os = "linux")]
    crate::webkit::draw_without_driver();
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_max_level(tracing::Level::INFO)
        .init();
    let places = Places::of_this_user().ok_or(NoApp::NoHome)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(NoApp::Runtime)?;
    tauri::async_runtime::set(runtime.handle().clone());
    let mut builder = Builder::default();
    if !options.alongside {
        builder = builder.plugin(tauri_plugin_single_instance::init(|app, arguments, _| {
            let asked_to_hide = arguments.iter().any(|argument| argument == HIDDEN);
            if !asked_to_hide {
                window::open(app, None);
            }
        }));
    }
    let app = with_commands(builder)
        .plugin(tauri_plugin_autostart::init(MacosLauncher::LaunchAgent, Some(vec![HIDDEN])))
        .setup(move |app| {
            let handle = app.handle().clone();
            let culvert = {
                let _within = tauri::async_runtime::handle().inner().enter();
                Culvert::start(Start {
                    places,
                    path: Box::pin(login_path::of_this_process()),
                    launch_at_login: login::is_set(&handle),
                })
            };
            app.manage(culvert.clone());
            end_on_signals(&handle);
            notify::start(&handle, culvert.clone());
            tray::start(&handle, culvert, options.hidden);
            if !options.hidden {
                window::open(&handle, None);
            }
            Ok(())
        })
        .build(context)?;
    app.run(|_, event| {
        // The last window is closed, and tunnels stay.
        if let RunEvent::ExitRequested { code: None, api, .. } = event {
            api.prevent_exit();
        }
    });
    // What still runs has had its time.
    runtime.shutdown_background();
    Ok(())
}

/// The commands and what they need, also for an app without a screen.
pub(crate) fn with_commands<R: Runtime>(builder: Builder<R>) -> Builder<R> {
    commands::on(builder.manage(Streams::default()).manage(window::Closing::default())).on_window_event(
        |window, event| match event {
            WindowEvent::CloseRequested { api, .. } if window::hold_back(window.app_handle()) => api.prevent_close(),
            WindowEvent::Destroyed => {
                window.state::<Streams>().end_all();
                #[cfg(target_os = "linux")]
                crate::webkit::let_go(window.app_handle());
            }
            _ => {}
        },
    )
}

/// Ends everything, then the app.
pub(crate) fn quit<R: Runtime>(app: &AppHandle<R>) {
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        if let Some(window) = app.get_webview_window(window::MAIN) {
            // The user is done with it; what follows may take seconds.
            let _ = window.destroy();
        }
        if let Some(culvert) = app.try_state::<Culvert>() {
            culvert.inner().clone().stop().await;
        }
        info!("stopped");
        app.exit(0);
    });
}

/// Quits when the system asks; asked again, at once.
fn end_on_signals<R: Runtime>(app: &AppHandle<R>) {
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        if let Err(error) = asked_to_end().await {
            return warn!(%error, "the system's signals are not heard");
        }
        quit(&app);
        if asked_to_end().await.is_ok() {
            app.exit(1);
        }
    });
}

#[cfg(unix)]
async fn asked_to_end() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        _ = hang_up.recv() => {}
    }
    Ok(())
}

#[cfg(not(unix))]
async fn asked_to_end() -> std::io::Result<()> {
    tokio::signal::ctrl_c().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_and_variables_are_understood() {
        let of = |arguments: &[&str], alongside: Option<&str>| {
            Options::of(arguments.iter().map(OsString::from), alongside.map(OsString::from))
        };
        assert_eq!(of(&[], None), Options::default());
        assert_eq!(of(&["--hidden"], Some("1")), Options { hidden: true, alongside: true });
        assert_eq!(of(&["--other"], Some("0")), Options::default());
    }
}
