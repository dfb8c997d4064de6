//! Rows as they travel over the bus: numbers, properties, and rows within rows.

use std::collections::HashMap;

use culvert_app::menu::{Action, Kind, Row};
use culvert_app::shown::Switch;
use zbus::zvariant::{OwnedValue, Structure, Value};

/// Properties of a row by name.
pub(super) type Properties = HashMap<String, OwnedValue>;

/// A row with all below it: number, properties, rows.
pub(super) type Layout = (i32, Properties, Vec<OwnedValue>);

/// A row with its number; the root has 0, and numbers follow the order in which rows are read.
pub(super) struct Numbered<'a> {
    pub(super) id: i32,
    row: &'a Row,
    pub(super) children: Vec<Numbered<'a>>,
}

/// Numbers rows from `next` on.
pub(super) fn numbered<'a>(rows: &'a [Row], next: &mut i32) -> Vec<Numbered<'a>> {
    let mut all = Vec::with_capacity(rows.len());
    for row in rows {
        let id = *next;
        *next += 1;
        let children = match &row.kind {
            Kind::Submenu(rows) => numbered(rows, next),
            _ => Vec::new(),
        };
        all.push(Numbered { id, row, children });
    }
    all
}

/// Every row with its number.
pub(super) fn all(rows: &[Row]) -> Vec<(i32, &Row)> {
    fn collect<'a>(numbered: Vec<Numbered<'a>>, into: &mut Vec<(i32, &'a Row)>) {
        for Numbered { id, row, children } in numbered {
            into.push((id, row));
            collect(children, into);
        }
    }
    let mut flat = Vec::new();
    collect(numbered(rows, &mut 1), &mut flat);
    flat
}

/// A value for the bus.
pub(super) fn owned<'a>(value: impl Into<Value<'a>>) -> OwnedValue {
    // Only values with file descriptors cannot be made owned.
    value.into().try_to_owned().unwrap_or_else(|_| OwnedValue::from(false))
}

/// A row's properties; those at their defaults are left out.
pub(super) fn properties(row: &Row) -> Properties {
    let mut properties = Properties::new();
    if row.kind == Kind::Separator {
        properties.insert("type".to_owned(), owned("separator"));
        return properties;
    }
    let mut set = |name: &str, value: OwnedValue| _ = properties.insert(name.to_owned(), value);
    // An underscore would mark the letter after it as the one to press.
    set("label", owned(row.text.replace('_', "__")));
    set("enabled", owned(row.enabled));
    match &row.kind {
        Kind::Check(_, switch) => {
            set("toggle-type", owned("checkmark"));
            set("toggle-state", owned(i32::from(*switch == Switch::On)));
        }
        Kind::Submenu(_) => set("children-display", owned("submenu")),
        Kind::Line | Kind::Item(_) | Kind::Separator => {}
    }
    properties
}

/// A row with so many levels below it.
pub(super) fn layout(numbered: &Numbered<'_>, depth: i32) -> Layout {
    let children = match depth {
        0 => Vec::new(),
        _ => numbered.children.iter().map(|child| as_value(layout(child, depth - 1))).collect(),
    };
    (numbered.id, properties(numbered.row), children)
}

/// A row as a value among others.
pub(super) fn as_value((id, properties, children): Layout) -> OwnedValue {
    owned(Structure::from((id, properties, children)))
}

/// What choosing a row does, if it can be chosen.
pub(super) fn action(row: &Row) -> Option<Action> {
    match &row.kind {
        Kind::Item(action) | Kind::Check(action, _) if row.enabled => Some(action.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, switch: Switch) -> Row {
        let id = culvert_app::shown::ProfileId(text.split(':').next().unwrap_or_default().to_owned());
        Row { text: text.to_owned(), enabled: true, kind: Kind::Check(Action::Toggle(id), switch) }
    }

    #[test]
    fn numbers_follow_the_order_of_reading() {
        let item = |text: &str| Row { text: text.to_owned(), enabled: true, kind: Kind::Item(Action::Open) };
        let share = Row { text: "Share".to_owned(), enabled: true, kind: Kind::Submenu(vec![item("git"), item("db")]) };
        let rows = [check("git: online", Switch::On), share, item("Quit")];
        let ids: Vec<_> = all(&rows).into_iter().map(|(id, row)| (id, row.text.as_str())).collect();
        assert_eq!(ids, [(1, "git: online"), (2, "Share"), (3, "git"), (4, "db"), (5, "Quit")]);
        assert_eq!(layout(&numbered(&rows, &mut 1)[1], 1).2.len(), 2);
        assert_eq!(layout(&numbered(&rows, &mut 1)[1], 0).2.len(), 0);
    }

    #[test]
    fn a_row_says_only_what_a_desktop_needs() {
        let properties = properties(&check("my_git: off", Switch::Off));
        let text = |name: &str| properties.get(name).and_then(|value| String::try_from(value.clone()).ok());
        assert_eq!(text("label").as_deref(), Some("my__git: off"));
        assert_eq!(text("toggle-type").as_deref(), Some("checkmark"));
        assert_eq!(i32::try_from(properties["toggle-state"].clone()), Ok(0));
    }
}
