//! The menu as `com.canonical.dbusmenu` wants it: numbered rows with properties. Numbers stay while rows do.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use culvert_app::menu::{Row, same_shape};
use tokio::sync::watch;
use zbus::object_server::SignalEmitter;
use zbus::zvariant::{OwnedValue, Value};
use zbus::{fdo, interface};

use super::Shown;
use super::rows::{Layout, Numbered, Properties, action, all, as_value, layout, numbered, owned, properties};

/// Levels of rows that are told at once; the menu has two.
const LEVELS: i32 = 8;

/// What is new about a menu.
pub(super) enum News {
    /// Rows came or went; the number of the new layout.
    Rows(u32),
    /// Only these rows changed, in place.
    Texts(Vec<(i32, Properties)>),
}

/// The menu on the bus.
pub(super) struct Menu {
    shown: Arc<Shown>,
    state: Mutex<State>,
    open: watch::Sender<bool>,
}

/// The rows as they were told last.
struct State {
    rows: Vec<Row>,
    revision: u32,
}

impl Menu {
    pub(super) fn new(shown: Arc<Shown>) -> Self {
        let rows = shown.view().rows.clone();
        Self { shown, state: Mutex::new(State { rows, revision: 1 }), open: watch::Sender::new(false) }
    }

    /// Whether it is open, as far as the desktop tells.
    pub(super) fn open(&self) -> watch::Receiver<bool> {
        self.open.subscribe()
    }

    /// Takes in other rows.
    pub(super) fn take(&self, rows: &[Row]) -> News {
        let mut state = self.state();
        let before = std::mem::replace(&mut state.rows, rows.to_vec());
        if !same_shape(&before, rows) {
            state.revision += 1;
            return News::Rows(state.revision);
        }
        let pairs = all(&before).into_iter().zip(all(rows));
        let changed = pairs.filter(|((_, old), (_, new))| old != new && properties(old) != properties(new));
        News::Texts(changed.map(|(_, (id, row))| (id, properties(row))).collect())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn heard(&self, id: i32, event: &str) {
        match (event, id) {
            ("clicked", id) => {
                // The rows are let go before anything is done.
                let chosen = {
                    let state = self.state();
                    all(&state.rows).into_iter().find(|(number, _)| *number == id).and_then(|(_, row)| action(row))
                };
                if let Some(action) = chosen {
                    (self.shown.chosen)(action);
                }
            }
            ("opened", 0) => _ = self.open.send_replace(true),
            ("closed", 0) => _ = self.open.send_replace(false),
            _ => {}
        }
    }
}

#[interface(name = "com.canonical.dbusmenu")]
impl Menu {
    #[zbus(property)]
    fn version(&self) -> u32 {
        3
    }

    #[zbus(property)]
    fn text_direction(&self) -> &str {
        "ltr"
    }

    #[zbus(property)]
    fn status(&self) -> &str {
        "normal"
    }

    #[zbus(property)]
    fn icon_theme_path(&self) -> Vec<String> {
        Vec::new()
    }

    fn get_layout(&self, parent_id: i32, recursion_depth: i32, _names: Vec<String>) -> fdo::Result<(u32, Layout)> {
        let state = self.state();
        let rows = numbered(&state.rows, &mut 1);
        // -1 means all the way down.
        let depth = if recursion_depth < 0 { LEVELS } else { recursion_depth.min(LEVELS) };
        if parent_id == 0 {
            let children = match depth {
                0 => Vec::new(),
                _ => rows.iter().map(|row| as_value(layout(row, depth - 1))).collect(),
            };
            let root = Properties::from([("children-display".to_owned(), owned("submenu"))]);
            return Ok((state.revision, (0, root, children)));
        }
        let mut candidates: Vec<&Numbered<'_>> = rows.iter().collect();
        while let Some(row) = candidates.pop() {
            if row.id == parent_id {
                return Ok((state.revision, layout(row, depth)));
            }
            candidates.extend(&row.children);
        }
        Err(fdo::Error::InvalidArgs("no such row".to_owned()))
    }

    fn get_group_properties(&self, ids: Vec<i32>, _names: Vec<String>) -> Vec<(i32, Properties)> {
        let state = self.state();
        let wanted = |id: &i32| ids.is_empty() || ids.contains(id);
        all(&state.rows).into_iter().filter(|(id, _)| wanted(id)).map(|(id, row)| (id, properties(row))).collect()
    }

    fn get_property(&self, id: i32, name: &str) -> fdo::Result<OwnedValue> {
        let state = self.state();
        let row = all(&state.rows).into_iter().find(|(number, _)| *number == id).map(|(_, row)| row);
        let value = row.and_then(|row| properties(row).remove(name));
        value.ok_or_else(|| fdo::Error::InvalidArgs("no such row or property".to_owned()))
    }

    fn event(&self, id: i32, event_id: &str, _data: Value<'_>, _timestamp: u32) {
        self.heard(id, event_id);
    }

    fn event_group(&self, events: Vec<(i32, String, OwnedValue, u32)>) -> Vec<i32> {
        for (id, event, _, _) in &events {
            self.heard(*id, event);
        }
        Vec::new()
    }

    fn about_to_show(&self, _id: i32) -> bool {
        false
    }

    fn about_to_show_group(&self, _ids: Vec<i32>) -> (Vec<i32>, Vec<i32>) {
        (Vec::new(), Vec::new())
    }

    #[zbus(signal)]
    pub(super) async fn items_properties_updated(
        emitter: &SignalEmitter<'_>,
        updated: Vec<(i32, Properties)>,
        removed: Vec<(i32, Vec<String>)>,
    ) -> zbus::Result<()>;

    #[zbus(signal)]
    pub(super) async fn layout_updated(emitter: &SignalEmitter<'_>, revision: u32, parent: i32) -> zbus::Result<()>;
}

#[cfg(test)]
mod tests {
    use culvert_app::menu::{Action, Kind, TrayView};
    use culvert_app::shown::Mark;

    use super::super::super::icon::Panel;
    use super::*;

    fn menu(rows: Vec<Row>) -> (Menu, std::sync::mpsc::Receiver<Action>) {
        let (sender, chosen) = std::sync::mpsc::channel();
        let view = TrayView { mark: Mark::Off, title: String::new(), rows };
        let shown = Shown {
            view: Mutex::new(view),
            chosen: Box::new(move |action| sender.send(action).unwrap()),
            panel: Panel::Light,
        };
        (Menu::new(Arc::new(shown)), chosen)
    }

    fn item(text: &str, enabled: bool) -> Row {
        Row { text: text.to_owned(), enabled, kind: Kind::Item(Action::Open) }
    }

    #[test]
    fn a_change_of_words_is_told_in_place_and_one_of_rows_as_a_new_layout() {
        let (menu, _) = menu(vec![item("a", true), item("b", true)]);
        let News::Texts(changed) = menu.take(&[item("a", true), item("c", true)]) else { panic!("in place") };
        assert_eq!(changed.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [2]);
        let News::Rows(revision) = menu.take(&[item("a", true)]) else { panic!("a new layout") };
        assert_eq!((revision, menu.get_layout(0, -1, Vec::new()).unwrap().0), (2, 2));
    }

    #[test]
    fn only_rows_that_can_be_chosen_are() {
        let (menu, chosen) = menu(vec![item("a", false), item("b", true)]);
        for id in [1, 2, 9] {
            menu.heard(id, "clicked");
        }
        assert_eq!(chosen.try_iter().count(), 1);
        menu.heard(0, "opened");
        assert!(*menu.open().borrow());
    }
}
