//! The window: made when asked for, gone when closed.

use std::sync::atomic::{AtomicBool, Ordering};

use culvert_app::Culvert;
use culvert_app::shown::{Event, Place, Say, Switch};
use tauri::{AppHandle, Manager as _, Runtime, WebviewUrl, WebviewWindowBuilder};
use tracing::warn;

use crate::streams::Streams;

/// The window's name.
pub(crate) const MAIN: &str = "main";

/// Whether a close is held back.
#[derive(Debug, Default)]
pub(crate) struct Closing {
    held: AtomicBool,
}

impl Closing {
    /// While on, there is something unsaved.
    pub(crate) fn hold(&self, held: Switch) {
        self.held.store(held.is_on(), Ordering::Relaxed);
    }
}

/// Shows the window, and a page of it.
pub(crate) fn open<R: Runtime>(app: &AppHandle<R>, place: Option<Place>) {
    let opened = app.clone().run_on_main_thread({
        let app = app.clone();
        move || {
            if let Err(error) = try_open(&app, place) {
                warn!("the window cannot be opened: {error}");
            }
        }
    });
    if let Err(error) = opened {
        warn!("the window cannot be opened: {error}");
    }
}

fn try_open<R: Runtime>(app: &AppHandle<R>, place: Option<Place>) -> tauri::Result<()> {
    let streams = app.state::<Streams>();
    if let Some(window) = app.get_webview_window(MAIN) {
        window.show()?;
        window.unminimize()?;
        window.set_focus()?;
        streams.tell(place);
        return Ok(());
    }
    app.state::<Closing>().hold(Switch::Off);
    streams.tell_first(place);
    WebviewWindowBuilder::new(app, MAIN, WebviewUrl::default())
        .title("Culvert")
        .inner_size(880.0, 600.0)
        .min_inner_size(560.0, 420.0)
        .on_navigation(|url| is_ours(url.as_str()))
        .build()?;
    Ok(())
}

/// Whether the window may go to an address: nowhere but to its own pages.
fn is_ours(url: &str) -> bool {
    ["tauri://localhost", "http://tauri.localhost", "https://tauri.localhost"]
        .iter()
        .any(|own| url.strip_prefix(own).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

/// Whether a close is held back: the page then says why, and closes the window itself.
pub(crate) fn hold_back<R: Runtime>(app: &AppHandle<R>) -> bool {
    let streams = app.state::<Streams>();
    let held = app.state::<Closing>().held.load(Ordering::Relaxed);
    // A page that is not there to say anything holds nothing back.
    if !streams.is_heard() {
        return false;
    }
    let first = app.try_state::<Culvert>().is_some_and(|culvert| culvert.tell_that_tunnels_stay());
    if held || first {
        let say = if first { Say::TunnelsStay } else { Say::Nothing };
        streams.send(Event::Closing { say });
    }
    held || first
}

/// Closes the window, as asked.
pub(crate) fn close<R: Runtime>(app: &AppHandle<R>, how: How) -> tauri::Result<()> {
    match (app.get_webview_window(MAIN), how) {
        (Some(window), How::Ask) => window.close(),
        (Some(window), How::Now) => window.destroy(),
        (None, _) => Ok(()),
    }
}

/// How to close.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum How {
    /// As the window's own button does.
    Ask,
    /// Without another word.
    Now,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_stays_with_its_own_pages() {
        assert!(is_ours("tauri://localhost/index.html") && is_ours("http://tauri.localhost"));
        for url in ["https://example.com", "tauri://localhost.evil", "http://127.0.0.1:4444", "file:///etc/passwd"] {
            assert!(!is_ours(url), "{url}");
        }
    }
}
