//! The icon in the tray: what it shows is made of the world, what is chosen there becomes a wish.

mod icon;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod native;

use std::time::Duration;

use culvert_app::Culvert;
use culvert_app::menu::{Action, TrayView, tray_view};
use culvert_app::shown::{Explained, Place, Switch, Time, Tray};
use tauri::{AppHandle, Manager as _, Runtime};
use tracing::warn;

use crate::{life, login, window};

#[cfg(target_os = "linux")]
use linux as platform;
#[cfg(not(target_os = "linux"))]
use native as platform;

/// How long a desktop that just starts may take to show its tray, before the window opens instead.
const PATIENCE: Duration = Duration::from_secs(8);

/// Shows the icon, and keeps it in step with the world. A desktop without a tray is told about in the window, which
/// opens for that if nothing else is to be seen.
pub(crate) fn start<R: Runtime>(app: &AppHandle<R>, culvert: Culvert, hidden: bool) {
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        let mut world = culvert.world();
        let view = |world: &culvert_app::shown::World| tray_view(world, env!("CARGO_PKG_VERSION"), &time_of_day);
        let first = view(&world.borrow_and_update());
        let chosen = {
            let (app, culvert) = (app.clone(), culvert.clone());
            move |action: Action| obey(&app, &culvert, action)
        };
        let icon = platform::Icon::show(&app, first, Box::new(chosen));
        let mut icon = match icon {
            Ok(icon) => icon,
            Err(why) => {
                warn!("there is no tray icon: {}", why.message);
                culvert.set_tray(Tray::Absent { why });
                open_once(&app, hidden);
                return;
            }
        };
        let mut shows = icon.shows();
        if hidden && tokio::time::timeout(PATIENCE, shows.wait_for(|shows| *shows)).await.is_err() {
            open_once(&app, hidden);
        }
        loop {
            let tray = match *shows.borrow_and_update() {
                true => Tray::Shown,
                false => Tray::Absent { why: absent() },
            };
            culvert.set_tray(tray);
            tokio::select! {
                changed = world.changed() => match changed {
                    Ok(()) => {
                        let next: TrayView = view(&world.borrow_and_update());
                        icon.update(next);
                    }
                    Err(_) => return,
                },
                Ok(()) = shows.changed() => {}
            }
        }
    });
}

fn open_once<R: Runtime>(app: &AppHandle<R>, hidden: bool) {
    if hidden {
        window::open(app, None);
    }
}

/// Why the icon is not to be seen.
fn absent() -> Explained {
    Explained::new(
        "tray.absent",
        "This desktop shows no tray icons.",
        "On GNOME, the extension AppIndicator brings them. Start Culvert again to come back to this window.",
    )
}

/// Does what was chosen in the menu. What cannot be done opens the window, where it can be seen why.
fn obey<R: Runtime>(app: &AppHandle<R>, culvert: &Culvert, action: Action) {
    let (app, culvert) = (app.clone(), culvert.clone());
    tauri::async_runtime::spawn(async move {
        let done: Result<(), Explained> = match action {
            Action::Toggle(id) => culvert.toggle(&id).await,
            Action::ConnectAll => culvert.want_all(Switch::On).await,
            Action::DisconnectAll => culvert.want_all(Switch::Off).await,
            Action::Reconnect => culvert.reconnect(None).await,
            Action::Share(id) => culvert.share_for_an_hour(&id).await,
            Action::Open => {
                window::open(&app, None);
                Ok(())
            }
            Action::About => {
                window::open(&app, Some(Place::About));
                Ok(())
            }
            Action::LaunchAtLogin => {
                let mut settings = culvert.world().borrow().settings;
                settings.launch_at_login = (!settings.launch_at_login.is_on()).into();
                login::set(&app, settings.launch_at_login).and_then(|()| culvert.set(settings))
            }
            Action::Quit => {
                life::quit(&app);
                Ok(())
            }
        };
        if let Err(why) = done {
            warn!(code = why.code, "{}", why.message);
            if app.get_webview_window(window::MAIN).is_none() {
                window::open(&app, None);
            }
        }
    });
}

/// Hours and minutes on the user's own clock.
fn time_of_day(time: Time) -> String {
    crate::clock::time_of_day(std::time::UNIX_EPOCH + Duration::from_millis(time.0))
}
