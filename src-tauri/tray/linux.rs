//! The tray of freedesktop.org's desktops: a StatusNotifierItem and its menu on the session bus. Tauri's own way there
//! gives the icon no name that could be read aloud, and does not tell whether anybody shows it.

mod item;
mod menu;
mod rows;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use culvert_app::menu::{Action, TrayView, same_shape, with_words_of};
use culvert_app::shown::{Explained, Platform};
use tauri::{AppHandle, Runtime};
use tokio::sync::{mpsc, watch};
use zbus::{Connection, fdo, proxy};

use self::item::Item;
use self::menu::Menu;
use super::icon::{Panel, panel_on_linux, picture};

/// Where the item is.
const ITEM: &str = "/StatusNotifierItem";

/// Where its menu is.
const MENU: &str = "/MenuBar";

/// How long a desktop may keep the menu open before rows come and go under it all the same.
const OPEN: Duration = Duration::from_secs(60);

/// What is called when a row is chosen.
type Chosen = Box<dyn Fn(Action) + Send + Sync>;

#[proxy(
    interface = "org.kde.StatusNotifierWatcher",
    default_service = "org.kde.StatusNotifierWatcher",
    default_path = "/StatusNotifierWatcher",
    gen_blocking = false
)]
trait Watcher {
    fn register_status_notifier_item(&self, service: &str) -> zbus::Result<()>;
}

/// What the item and its menu show, shared between them.
pub(super) struct Shown {
    view: Mutex<TrayView>,
    chosen: Chosen,
    panel: Panel,
}

impl Shown {
    pub(super) fn view(&self) -> MutexGuard<'_, TrayView> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The picture as sizes with pixels: alpha, red, green, blue.
    pub(super) fn pixmaps(&self) -> Vec<(i32, i32, Vec<u8>)> {
        let mark = self.view().mark;
        let Ok(image) = tauri::image::Image::from_bytes(picture(mark, Platform::Linux, self.panel)) else {
            return Vec::new();
        };
        let pixels = image.rgba().chunks_exact(4).flat_map(|pixel| [pixel[3], pixel[0], pixel[1], pixel[2]]).collect();
        let side = |length| i32::try_from(length).unwrap_or_default();
        vec![(side(image.width()), side(image.height()), pixels)]
    }
}

/// The icon.
pub(super) struct Icon {
    updates: mpsc::UnboundedSender<TrayView>,
    shows: watch::Receiver<bool>,
}

impl Icon {
    /// Begins to show `view`; `chosen` hears what is chosen in the menu.
    ///
    /// # Errors
    /// There is no session bus at all. Without anybody who shows icons, [`shows`](Self::shows) says so.
    pub(super) fn show<R: Runtime>(_: &AppHandle<R>, view: TrayView, chosen: Chosen) -> Result<Self, Explained> {
        if std::env::var_os("DBUS_SESSION_BUS_ADDRESS").is_none() && std::env::var_os("XDG_RUNTIME_DIR").is_none() {
            return Err(Explained::new(
                "tray.absent",
                "There is no session bus, so there is no tray.",
                "Start Culvert from a desktop session.",
            ));
        }
        let (updates, more) = mpsc::unbounded_channel();
        let (sender, shows) = watch::channel(false);
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let desktop = variable("XDG_CURRENT_DESKTOP").unwrap_or_default();
        let panel = panel_on_linux(variable("CULVERT_PANEL").as_deref(), &desktop, variable("GTK_THEME").as_deref());
        let shown = Arc::new(Shown { view: Mutex::new(view), chosen, panel });
        tauri::async_runtime::spawn(async move {
            if let Err(error) = keep(shown, more, sender).await {
                tracing::warn!("the tray icon is gone: {error}");
            }
        });
        Ok(Self { updates, shows })
    }

    /// Whether anybody shows it.
    pub(super) fn shows(&self) -> watch::Receiver<bool> {
        self.shows.clone()
    }

    /// Shows `view` from now on.
    pub(super) fn update(&mut self, view: TrayView) {
        // Whoever keeps it lives as long as the session bus.
        let _ = self.updates.send(view);
    }
}

/// Puts the item on the bus, tells every watcher of it that comes, and brings updates.
async fn keep(
    shown: Arc<Shown>,
    mut updates: mpsc::UnboundedReceiver<TrayView>,
    shows: watch::Sender<bool>,
) -> zbus::Result<()> {
    let name = format!("org.kde.StatusNotifierItem-{}-1", std::process::id());
    let menu = Menu::new(shown.clone());
    let mut open = menu.open();
    let connection = zbus::connection::Builder::session()?
        .serve_at(ITEM, Item(shown.clone()))?
        .serve_at(MENU, menu)?
        .name(name.as_str())?
        .build()
        .await?;
    let bus = fdo::DBusProxy::new(&connection).await?;
    let mut owners = bus.receive_name_owner_changed_with_args(&[(0, "org.kde.StatusNotifierWatcher")]).await?;
    shows.send_replace(register(&connection, &name).await);
    let mut waiting: Option<TrayView> = None;
    let mut patience = tokio::time::Instant::now();
    loop {
        tokio::select! {
            update = updates.recv() => {
                let Some(mut view) = update else { return Ok(()) };
                // Only the newest counts.
                while let Ok(newer) = updates.try_recv() {
                    view = newer;
                }
                if waiting.is_none() {
                    patience = tokio::time::Instant::now() + OPEN;
                }
                waiting = Some(view);
            }
            changed = futures_util::StreamExt::next(&mut owners) => {
                let Some(changed) = changed else { return Ok(()) };
                let is_there = changed.args().is_ok_and(|args| args.new_owner.is_some());
                shows.send_replace(is_there && register(&connection, &name).await);
            }
            Ok(()) = open.changed() => {}
            () = tokio::time::sleep_until(patience), if waiting.is_some() => {}
        }
        let is_open = *open.borrow_and_update() && tokio::time::Instant::now() < patience;
        if let Some(view) = waiting.take() {
            let same_rows = same_shape(&shown.view().rows, &view.rows);
            match is_open && !same_rows {
                true => {
                    let rows = with_words_of(&shown.view().rows, &view.rows);
                    show(&connection, &shown, TrayView { rows, ..view.clone() }).await?;
                    waiting = Some(view);
                }
                false => show(&connection, &shown, view).await?,
            }
        }
    }
}

async fn register(connection: &Connection, name: &str) -> bool {
    let Ok(watcher) = WatcherProxy::new(connection).await else { return false };
    watcher.register_status_notifier_item(name).await.is_ok()
}

/// Shows `view`, and tells what of it is new.
async fn show(connection: &Connection, shown: &Shown, view: TrayView) -> zbus::Result<()> {
    let before = std::mem::replace(&mut *shown.view(), view.clone());
    let server = connection.object_server();
    let item = server.interface::<_, Item>(ITEM).await?;
    if before.mark != view.mark {
        Item::new_icon(item.signal_emitter()).await?;
        Item::new_status(item.signal_emitter(), item::status(view.mark)).await?;
    }
    if before.title != view.title {
        Item::new_title(item.signal_emitter()).await?;
        Item::new_tool_tip(item.signal_emitter()).await?;
    }
    let menu = server.interface::<_, Menu>(MENU).await?;
    let news = menu.get().await.take(&view.rows);
    match news {
        menu::News::Rows(revision) => Menu::layout_updated(menu.signal_emitter(), revision, 0).await?,
        menu::News::Texts(changed) if changed.is_empty() => {}
        menu::News::Texts(changed) => {
            Menu::items_properties_updated(menu.signal_emitter(), changed, Vec::new()).await?;
        }
    }
    Ok(())
}
