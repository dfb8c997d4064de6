//! The clipboard, written from here: what is on it need not pass through the page.

use culvert_app::shown::Explained;
use culvert_protocol::Secret;
use tauri::{AppHandle, Runtime};
use tokio::sync::oneshot;

fn failed(why: &str) -> Explained {
    Explained::new("clipboard.refused", format!("nothing was copied: {why}"), "Try again.")
}

/// Puts a text on the clipboard. It may hold a token.
pub(crate) async fn put<R: Runtime>(app: &AppHandle<R>, text: Secret) -> Result<(), Explained> {
    let (done, answer) = oneshot::channel();
    // The toolkit's own clipboard belongs to its own thread.
    let asked = app.run_on_main_thread(move || _ = done.send(put_now(&text)));
    asked.map_err(|error| failed(&error.to_string()))?;
    answer.await.map_err(|_| failed("the app is just ending"))?.map_err(|why| failed(&why))
}

#[cfg(target_os = "linux")]
fn put_now(text: &Secret) -> Result<(), String> {
    let display = gtk::gdk::Display::default().ok_or_else(|| "there is no display".to_owned())?;
    let clipboard = gtk::Clipboard::default(&display).ok_or_else(|| "there is no clipboard".to_owned())?;
    clipboard.set_text(text.expose());
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn put_now(text: &Secret) -> Result<(), String> {
    let clipboard = arboard::Clipboard::new();
    clipboard.and_then(|mut clipboard| clipboard.set_text(text.expose())).map_err(|error| error.to_string())
}
