//! The tray of macOS and Windows, by Tauri. Rows are made once for each set of profiles, then changed in place.

use std::collections::HashMap;
use std::sync::Arc;

use culvert_app::menu::{Action, Kind, Row, TrayView, same_shape};
use culvert_app::shown::{Explained, Mark, Platform};
use tauri::image::Image;
use tauri::menu::{CheckMenuItem, IsMenuItem, Menu, MenuItem, PredefinedMenuItem, Submenu};
use tauri::tray::{TrayIcon, TrayIconBuilder};
use tauri::{AppHandle, Runtime};
use tokio::sync::watch;

use super::icon::{Panel, picture};

/// What is called when a row is chosen.
type Chosen = Box<dyn Fn(Action) + Send + Sync>;

/// A row that is there.
enum Made<R: Runtime> {
    Item(MenuItem<R>),
    Check(CheckMenuItem<R>),
    Submenu(Submenu<R>, Vec<Made<R>>),
    Separator(PredefinedMenuItem<R>),
}

/// The icon.
pub(super) struct Icon<R: Runtime> {
    app: AppHandle<R>,
    tray: TrayIcon<R>,
    rows: Vec<Made<R>>,
    view: TrayView,
    actions: Arc<std::sync::Mutex<HashMap<String, Action>>>,
    shows: watch::Sender<bool>,
}

fn failed(error: tauri::Error) -> Explained {
    Explained::new("tray.absent", format!("The tray icon cannot be shown: {error}"), "Use the window instead.")
}

fn image(mark: Mark) -> tauri::Result<Image<'static>> {
    // Windows' taskbar is dark unless its user chose otherwise.
    Image::from_bytes(picture(mark, Platform::here(), Panel::Dark))
}

impl<R: Runtime> Icon<R> {
    /// Begins to show `view`; `chosen` hears what is chosen in the menu.
    pub(super) fn show(app: &AppHandle<R>, view: TrayView, chosen: Chosen) -> Result<Self, Explained> {
        let actions = Arc::<std::sync::Mutex<HashMap<String, Action>>>::default();
        let heard = actions.clone();
        let tray = TrayIconBuilder::with_id("culvert")
            .icon(image(view.mark).map_err(failed)?)
            .icon_as_template(true)
            .tooltip(format!("Culvert: {}", view.title))
            .on_menu_event(move |_, event| {
                let action = heard.lock().ok().and_then(|actions| actions.get(event.id().as_ref()).cloned());
                if let Some(action) = action {
                    chosen(action);
                }
            })
            .build(app)
            .map_err(failed)?;
        let mut icon =
            Self { app: app.clone(), tray, rows: Vec::new(), view, actions, shows: watch::Sender::new(true) };
        icon.build().map_err(failed)?;
        Ok(icon)
    }

    /// Whether anybody shows it: here always.
    pub(super) fn shows(&self) -> watch::Receiver<bool> {
        self.shows.subscribe()
    }

    /// Shows `view` from now on.
    pub(super) fn update(&mut self, view: TrayView) {
        let before = std::mem::replace(&mut self.view, view);
        if let Err(error) = self.bring_up_to_date(&before) {
            tracing::warn!("the tray cannot be changed: {error}");
        }
    }

    fn bring_up_to_date(&mut self, before: &TrayView) -> tauri::Result<()> {
        if before.mark != self.view.mark {
            self.tray.set_icon(Some(image(self.view.mark)?))?;
        }
        if before.title != self.view.title {
            self.tray.set_tooltip(Some(format!("Culvert: {}", self.view.title)))?;
        }
        match same_shape(&before.rows, &self.view.rows) {
            true => change(&self.rows, &before.rows, &self.view.rows, &self.actions, ""),
            false => self.build(),
        }
    }

    /// Makes every row anew.
    fn build(&mut self) -> tauri::Result<()> {
        let menu = Menu::new(&self.app)?;
        if let Ok(mut actions) = self.actions.lock() {
            actions.clear();
        }
        self.rows = make(&self.app, &self.view.rows, &self.actions, "")?;
        for made in &self.rows {
            menu.append(made.as_item())?;
        }
        self.tray.set_menu(Some(menu))
    }
}

impl<R: Runtime> Made<R> {
    fn as_item(&self) -> &dyn IsMenuItem<R> {
        match self {
            Self::Item(item) => item,
            Self::Check(item) => item,
            Self::Submenu(item, _) => item,
            Self::Separator(item) => item,
        }
    }
}

type Actions = std::sync::Mutex<HashMap<String, Action>>;

fn note(actions: &Actions, id: &str, row: &Row) {
    if let (Kind::Item(action) | Kind::Check(action, _), Ok(mut actions)) = (&row.kind, actions.lock()) {
        actions.insert(id.to_owned(), action.clone());
    }
}

fn make<R: Runtime>(app: &AppHandle<R>, rows: &[Row], actions: &Actions, within: &str) -> tauri::Result<Vec<Made<R>>> {
    let one = |(at, row): (usize, &Row)| {
        let id = format!("{within}{at}");
        note(actions, &id, row);
        Ok(match &row.kind {
            Kind::Separator => Made::Separator(PredefinedMenuItem::separator(app)?),
            Kind::Line | Kind::Item(_) => Made::Item(MenuItem::with_id(app, id, &row.text, row.enabled, None::<&str>)?),
            Kind::Check(_, switch) => {
                Made::Check(CheckMenuItem::with_id(app, id, &row.text, row.enabled, switch.is_on(), None::<&str>)?)
            }
            Kind::Submenu(rows) => {
                let submenu = Submenu::with_id(app, &id, &row.text, row.enabled)?;
                let made = make(app, rows, actions, &format!("{id}/"))?;
                for each in &made {
                    submenu.append(each.as_item())?;
                }
                Made::Submenu(submenu, made)
            }
        })
    };
    rows.iter().enumerate().map(one).collect()
}

/// Changes the rows whose text, check or use is another one.
fn change<R: Runtime>(
    made: &[Made<R>],
    before: &[Row],
    after: &[Row],
    actions: &Actions,
    within: &str,
) -> tauri::Result<()> {
    for (at, ((made, old), new)) in made.iter().zip(before).zip(after).enumerate() {
        let id = format!("{within}{at}");
        note(actions, &id, new);
        match (made, &new.kind, &old.kind) {
            (Made::Submenu(_, made), Kind::Submenu(new), Kind::Submenu(old)) => {
                change(made, old, new, actions, &format!("{id}/"))?;
            }
            _ if old == new => {}
            (Made::Item(item), _, _) => {
                item.set_text(&new.text)?;
                item.set_enabled(new.enabled)?;
            }
            (Made::Check(item), Kind::Check(_, switch), _) => {
                item.set_text(&new.text)?;
                item.set_checked(switch.is_on())?;
            }
            _ => {}
        }
    }
    Ok(())
}
