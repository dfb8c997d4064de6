//! What the window may ask for. Each command is a line or two: the work is done where no screen is known.

use culvert_app::Culvert;
use culvert_app::shown::{Event, Explained, Facts, ProfileId, Settings, Switch};
use tauri::ipc::Channel;
use tauri::{AppHandle, Builder, Runtime, State, generate_handler};

use crate::streams::Streams;
use crate::window::{self, Closing, How};
use crate::{clipboard, login};

type Done<T = ()> = Result<T, Explained>;

/// Adds every command.
pub(crate) fn on<R: Runtime>(builder: Builder<R>) -> Builder<R> {
    builder.invoke_handler(generate_handler![
        facts,
        listen,
        unwatch,
        want,
        reconnect,
        share_for_an_hour,
        remove_profile,
        agree_to_command,
        set_settings,
        set_gateway,
        use_gateway,
        copy_text,
        hold_close,
        close_window,
    ])
}

#[tauri::command]
fn facts() -> Facts {
    culvert_app::facts(env!("CARGO_PKG_VERSION"))
}

#[tauri::command]
async fn listen(culvert: State<'_, Culvert>, streams: State<'_, Streams>, watch: u32, channel: Channel<Event>) -> Done {
    streams.listen(watch, channel, culvert.inner().clone());
    Ok(())
}

#[tauri::command]
fn unwatch(streams: State<'_, Streams>, watch: u32) {
    streams.end(watch);
}

#[tauri::command]
async fn want(culvert: State<'_, Culvert>, id: ProfileId, wanted: Switch) -> Done {
    culvert.want(&id, wanted).await
}

#[tauri::command]
async fn reconnect(culvert: State<'_, Culvert>, id: ProfileId) -> Done {
    culvert.reconnect(Some(&id)).await
}

#[tauri::command]
async fn share_for_an_hour(culvert: State<'_, Culvert>, id: ProfileId) -> Done {
    culvert.share_for_an_hour(&id).await
}

#[tauri::command]
async fn remove_profile(culvert: State<'_, Culvert>, id: ProfileId) -> Done {
    culvert.remove(&id).await
}

#[tauri::command]
async fn agree_to_command(culvert: State<'_, Culvert>, id: ProfileId, fingerprint: String) -> Done {
    culvert.agree(&id, &fingerprint).await
}

#[tauri::command]
async fn set_settings<R: Runtime>(app: AppHandle<R>, culvert: State<'_, Culvert>, settings: Settings) -> Done {
    login::set(&app, settings.launch_at_login)?;
    culvert.set(settings)
}

#[tauri::command]
async fn set_gateway(culvert: State<'_, Culvert>, wanted: Switch, port: u16) -> Done {
    culvert.set_gateway(wanted, port).await
}

#[tauri::command]
async fn use_gateway(culvert: State<'_, Culvert>, id: ProfileId) -> Done {
    culvert.use_gateway(&id).await
}

#[tauri::command]
async fn copy_text<R: Runtime>(app: AppHandle<R>, text: String) -> Done {
    clipboard::put(&app, text.into()).await
}

#[tauri::command]
fn hold_close(closing: State<'_, Closing>, held: Switch) {
    closing.hold(held);
}

#[tauri::command]
fn close_window<R: Runtime>(app: AppHandle<R>, how: How) -> Done {
    window::close(&app, how).map_err(|error| Explained::new("internal", error.to_string(), "Please report this."))
}
