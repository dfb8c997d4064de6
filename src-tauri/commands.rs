//! What the window may ask for. Each command is a line or two: the work is done where no screen is known.

use culvert_app::Culvert;
use culvert_app::shown::{
    Call, Checked, Client, Copied, Draft, Event, Explained, Facts, FoundSource, GatewayField, Imported, LogLine,
    OnBroken, Pick, ProfileId, Saved, Settings, Switch, TestStep, ToolDecision, Tools, ToolsWish, Typed,
};
use tauri::ipc::Channel;
use tauri::{AppHandle, Builder, Manager as _, Runtime, State, generate_handler};

use crate::streams::Streams;
use crate::window::{self, Closing, How};
use crate::{clipboard, login};

/// The app's own.
const VERSION: &str = env!("CARGO_PKG_VERSION");

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
        new_draft,
        read_profile,
        check_draft,
        save_profile,
        remove_profile,
        test_draft,
        agree_to_command,
        try_it,
        set_token,
        unlock_keychain,
        find_imports,
        import_servers,
        watch_calls,
        watch_log,
        clear_log,
        set_settings,
        set_gateway,
        use_gateway,
        watch_tools,
        wish_tools,
        decide_tools,
        gather_support,
        save_support,
        use_in,
        copy_text,
        hold_close,
        close_window,
    ])
}

#[tauri::command]
fn facts() -> Facts {
    culvert_app::facts(VERSION)
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
fn new_draft(culvert: State<'_, Culvert>) -> Draft {
    culvert.new_draft()
}

#[tauri::command]
async fn read_profile(culvert: State<'_, Culvert>, id: ProfileId) -> Done<Draft> {
    culvert.read(&id)
}

#[tauri::command]
async fn check_draft(culvert: State<'_, Culvert>, draft: Draft) -> Done<Checked> {
    Ok(culvert.check(&draft))
}

#[tauri::command]
async fn save_profile(culvert: State<'_, Culvert>, draft: Draft, on_broken: OnBroken) -> Done<Saved> {
    culvert.save(&draft, on_broken).await
}

#[tauri::command]
async fn test_draft(
    culvert: State<'_, Culvert>,
    streams: State<'_, Streams>,
    draft: Draft,
    watch: u32,
    channel: Channel<Vec<TestStep>>,
) -> Done {
    let (done, over) = tokio::sync::oneshot::channel::<()>();
    let culvert = culvert.inner().clone();
    streams.run(watch, async move {
        // Dropped with the checks, whether they ended or were not wanted any more.
        let _done = done;
        culvert.test(&draft, |steps| _ = channel.send(steps)).await;
    });
    let _ = over.await;
    Ok(())
}

#[tauri::command]
async fn try_it(culvert: State<'_, Culvert>) -> Done<ProfileId> {
    culvert.try_it().await
}

#[tauri::command]
async fn set_token(culvert: State<'_, Culvert>, id: ProfileId, gateway: Option<String>, token: Typed) -> Done {
    culvert.set_token(&id, gateway.as_deref(), token.0).await
}

#[tauri::command]
async fn unlock_keychain(culvert: State<'_, Culvert>) -> Done {
    culvert.unlock_keychain().await
}

#[tauri::command]
async fn find_imports(culvert: State<'_, Culvert>, file: Option<String>) -> Done<Vec<FoundSource>> {
    culvert.find_imports(file).await
}

#[tauri::command]
async fn import_servers(culvert: State<'_, Culvert>, picks: Vec<Pick>, gateway: GatewayField) -> Done<Imported> {
    culvert.import(picks, &gateway).await
}

#[tauri::command]
async fn watch_calls(
    culvert: State<'_, Culvert>,
    streams: State<'_, Streams>,
    id: ProfileId,
    watch: u32,
    channel: Channel<Vec<Call>>,
) -> Done {
    let culvert = culvert.inner().clone();
    streams.run(watch, async move { culvert.watch_calls(id, |calls| channel.send(calls).is_ok()).await });
    Ok(())
}

#[tauri::command]
async fn watch_log(
    culvert: State<'_, Culvert>,
    streams: State<'_, Streams>,
    id: ProfileId,
    watch: u32,
    channel: Channel<Vec<LogLine>>,
) -> Done {
    let culvert = culvert.inner().clone();
    streams.run(watch, async move { culvert.watch_log(id, |lines| channel.send(lines).is_ok()).await });
    Ok(())
}

#[tauri::command]
fn clear_log(culvert: State<'_, Culvert>, id: ProfileId) {
    culvert.clear_log(&id);
}

#[tauri::command]
async fn watch_tools(
    culvert: State<'_, Culvert>,
    streams: State<'_, Streams>,
    id: ProfileId,
    watch: u32,
    channel: Channel<Tools>,
) -> Done {
    let culvert = culvert.inner().clone();
    streams.run(watch, async move { culvert.watch_tools(id, |tools| channel.send(tools).is_ok()).await });
    Ok(())
}

#[tauri::command]
async fn wish_tools(culvert: State<'_, Culvert>, id: ProfileId, wish: ToolsWish) -> Done {
    culvert.wish_tools(&id, &wish).await
}

#[tauri::command]
async fn decide_tools(culvert: State<'_, Culvert>, id: ProfileId, decisions: Vec<ToolDecision>) -> Done {
    culvert.decide_tools(&id, decisions).await
}

#[tauri::command]
async fn use_in<R: Runtime>(
    app: AppHandle<R>,
    culvert: State<'_, Culvert>,
    id: ProfileId,
    client: Client,
) -> Done<Copied> {
    let (entry, copied) = culvert.use_in(&id, client).await?;
    clipboard::put(&app, entry).await.map(|()| copied)
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
async fn gather_support(culvert: State<'_, Culvert>, streams: State<'_, Streams>, watch: u32) -> Done<Option<String>> {
    let (done, over) = tokio::sync::oneshot::channel();
    let culvert = culvert.inner().clone();
    streams.run(watch, async move { _ = done.send(culvert.support_bundle(VERSION).await) });
    // Nothing where it was not wanted any more.
    Ok(over.await.ok())
}

#[tauri::command]
async fn save_support<R: Runtime>(app: AppHandle<R>, culvert: State<'_, Culvert>) -> Done<String> {
    let folder = app.path().download_dir().or_else(|_| app.path().home_dir());
    culvert.save_support(&folder.map_err(|error| internal(&error))?).await
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
    window::close(&app, how).map_err(|error| internal(&error))
}

fn internal(error: &dyn std::fmt::Display) -> Explained {
    Explained::new("internal", error.to_string(), "Please report this.")
}
