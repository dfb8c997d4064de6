//! The tray's menu as data: how everything is goes in, rows come out. Rows come and go only when profiles do; all else
//! changes in place.

use crate::shown::{Mark, ProfileId, Switch, Time, World};
use crate::words::{status_line, worst};

/// What a row does when it is chosen.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Action {
    /// Wants a profile up or down, whichever it is not.
    Toggle(ProfileId),
    /// Wants every profile up.
    ConnectAll,
    /// Wants every profile down.
    DisconnectAll,
    /// Ends the waits between tries.
    Reconnect,
    /// Shares a profile for an hour.
    Share(ProfileId),
    /// Opens the window.
    Open,
    /// Starts with the desktop, or does not any more.
    LaunchAtLogin,
    /// Opens the window where it tells the version.
    About,
    /// Ends everything.
    Quit,
}

/// What kind of row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Only to be read.
    Line,
    /// To be chosen.
    Item(Action),
    /// To be switched; whether it is.
    Check(Action, Switch),
    /// More rows.
    Submenu(Vec<Row>),
    /// A line between rows.
    Separator,
}

/// A row of the menu.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// What it says.
    pub text: String,
    /// Whether it can be chosen.
    pub enabled: bool,
    /// What kind it is.
    pub kind: Kind,
}

/// All that the tray shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrayView {
    /// The icon's shape.
    pub mark: Mark,
    /// How all is, in a line: the icon's name for those who do not see it.
    pub title: String,
    /// The menu.
    pub rows: Vec<Row>,
}

impl Row {
    fn item(text: impl Into<String>, enabled: bool, action: Action) -> Self {
        Self { text: text.into(), enabled, kind: Kind::Item(action) }
    }

    fn check(text: impl Into<String>, action: Action, switch: Switch) -> Self {
        Self { text: text.into(), enabled: true, kind: Kind::Check(action, switch) }
    }

    fn separator() -> Self {
        Self { text: String::new(), enabled: true, kind: Kind::Separator }
    }

    /// Whether `other` is this row, whatever it says. There is one line and one submenu.
    fn is_same_as(&self, other: &Self) -> bool {
        match (&self.kind, &other.kind) {
            (Kind::Line, Kind::Line) | (Kind::Separator, Kind::Separator) | (Kind::Submenu(_), Kind::Submenu(_)) => {
                true
            }
            (Kind::Item(a), Kind::Item(b)) | (Kind::Check(a, _), Kind::Check(b, _)) => a == b,
            _ => false,
        }
    }

    /// Whether `other` can be shown in this row's place by changing its text and its check alone.
    pub fn has_shape_of(&self, other: &Self) -> bool {
        match (&self.kind, &other.kind) {
            (Kind::Line, Kind::Line) | (Kind::Separator, Kind::Separator) | (Kind::Item(_), Kind::Item(_)) => true,
            (Kind::Check(a, _), Kind::Check(b, _)) => a == b,
            (Kind::Submenu(a), Kind::Submenu(b)) => same_shape(a, b),
            _ => false,
        }
    }
}

/// Whether two menus differ in nothing but texts, checks and what can be chosen.
pub fn same_shape(a: &[Row], b: &[Row]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.has_shape_of(b))
}

/// `shown` with what `new` says in the same rows: what may be shown while no row may come or go.
pub fn with_words_of(shown: &[Row], new: &[Row]) -> Vec<Row> {
    let renewed = |row: &Row| {
        let found = new.iter().find(|other| row.is_same_as(other))?;
        let kind = match (&row.kind, &found.kind) {
            (Kind::Submenu(shown), Kind::Submenu(new)) => Kind::Submenu(with_words_of(shown, new)),
            (_, kind) => kind.clone(),
        };
        Some(Row { kind, ..found.clone() })
    };
    shown.iter().map(|row| renewed(row).unwrap_or_else(|| row.clone())).collect()
}

/// What the tray shows of `world`. `clock` tells a time of day as people read it.
pub fn tray_view(world: &World, version: &str, clock: &dyn Fn(Time) -> String) -> TrayView {
    let profiles = &world.profiles;
    let marks: Vec<Mark> = profiles.iter().map(|profile| profile.mark).collect();
    let title = status_line(&marks);
    let mut rows = vec![Row { text: title.clone(), enabled: false, kind: Kind::Line }, Row::separator()];
    for profile in profiles {
        let text = format!("{}: {}", profile.name, profile.words);
        rows.push(Row::check(text, Action::Toggle(profile.id.clone()), profile.wanted));
    }
    if !profiles.is_empty() {
        rows.push(Row::separator());
        // One of the two, as it makes sense: what is not complete is completed.
        let all_up = profiles.iter().all(|profile| profile.wanted.is_on());
        rows.push(match all_up {
            true => Row::item("Disconnect all", true, Action::DisconnectAll),
            false => Row::item("Connect all", true, Action::ConnectAll),
        });
        let any_up = profiles.iter().any(|profile| profile.wanted.is_on());
        rows.push(Row::item("Reconnect now", any_up, Action::Reconnect));
        let share = |profile: &crate::shown::Profile| {
            let text = match profile.shared_until {
                Some(until) => format!("{}, until {}", profile.name, clock(until)),
                None => profile.name.clone(),
            };
            Row::item(text, true, Action::Share(profile.id.clone()))
        };
        rows.push(Row {
            text: "Share for 1 hour".to_owned(),
            enabled: true,
            kind: Kind::Submenu(profiles.iter().map(share).collect()),
        });
        rows.push(Row::separator());
    }
    rows.push(Row::item("Open Culvert…", true, Action::Open));
    rows.push(Row::check("Launch at login", Action::LaunchAtLogin, world.settings.launch_at_login));
    rows.push(Row::item(format!("About Culvert {version}"), true, Action::About));
    rows.push(Row::item("Quit", true, Action::Quit));
    TrayView { mark: worst(marks), title, rows }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    fn texts(rows: &[Row]) -> Vec<String> {
        let text = |row: &Row| match &row.kind {
            Kind::Line => format!("({})", row.text),
            Kind::Separator => "--".to_owned(),
            Kind::Check(_, Switch::On) => format!("✓ {}", row.text),
            Kind::Check(_, Switch::Off) => format!("_ {}", row.text),
            Kind::Item(_) if !row.enabled => format!("[{}]", row.text),
            Kind::Item(_) => row.text.clone(),
            Kind::Submenu(rows) => format!("{} > {}", row.text, texts(rows).join(" / ")),
        };
        rows.iter().map(text).collect()
    }

    fn view(world: &World) -> TrayView {
        tray_view(world, "0.1.0", &|time| format!("{}:00", time.0))
    }

    #[test]
    fn the_check_is_what_is_wanted_and_the_words_what_is() {
        let mut world = sample::world(&[
            ("git", Switch::On, Mark::Online, "online, 12 ms"),
            ("db", Switch::On, Mark::Attention, "token rejected"),
            ("time", Switch::Off, Mark::Off, "off"),
        ]);
        world.profiles[0].shared_until = Some(Time(15));
        let view = view(&world);
        assert_eq!((view.mark, view.title.as_str()), (Mark::Attention, "1 of 2 online"));
        assert_eq!(
            texts(&view.rows),
            [
                "(1 of 2 online)",
                "--",
                "✓ git: online, 12 ms",
                "✓ db: token rejected",
                "_ time: off",
                "--",
                "Connect all",
                "Reconnect now",
                "Share for 1 hour > git, until 15:00 / db / time",
                "--",
                "Open Culvert…",
                "_ Launch at login",
                "About Culvert 0.1.0",
                "Quit",
            ]
        );
    }

    #[test]
    fn nothing_comes_or_goes_while_the_profiles_stay() {
        let before =
            view(&sample::world(&[("git", Switch::On, Mark::Online, "online"), ("db", Switch::Off, Mark::Off, "off")]));
        let after = view(&sample::world(&[
            ("git", Switch::On, Mark::Attention, "token rejected"),
            ("db", Switch::On, Mark::Online, "online"),
        ]));
        assert!(same_shape(&before.rows, &after.rows));
        assert_eq!(texts(&after.rows)[5], "Disconnect all");
        let other = view(&sample::world(&[("git", Switch::On, Mark::Online, "online")]));
        assert!(!same_shape(&before.rows, &other.rows));
        let renamed =
            view(&sample::world(&[("git", Switch::On, Mark::Online, "online"), ("x", Switch::Off, Mark::Off, "off")]));
        assert!(!same_shape(&before.rows, &renamed.rows), "another profile is another row");
    }

    #[test]
    fn while_rows_must_stay_they_say_what_is_new() {
        let before =
            view(&sample::world(&[("git", Switch::On, Mark::Online, "online"), ("db", Switch::Off, Mark::Off, "off")]));
        let after = view(&sample::world(&[
            ("db", Switch::On, Mark::Online, "online, 9 ms"),
            ("files", Switch::Off, Mark::Off, "off"),
        ]));
        let shown = with_words_of(&before.rows, &after.rows);
        assert!(same_shape(&shown, &before.rows));
        let says = texts(&shown);
        assert_eq!(says[2..4], ["✓ git: online", "✓ db: online, 9 ms"]);
        assert_eq!((&says[0], &says[7]), (&texts(&after.rows)[0], &"Share for 1 hour > git / db".to_owned()));
    }

    #[test]
    fn without_profiles_there_is_the_way_to_the_first() {
        let view = view(&sample::world(&[]));
        assert_eq!(texts(&view.rows)[..3], ["(Nothing is shared yet)", "--", "Open Culvert…"]);
    }
}
