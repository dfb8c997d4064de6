//! Which picture the tray shows.

use culvert_app::shown::{Mark, Platform};

/// What the panel looks like behind the icon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Panel {
    /// Light, so the icon is dark.
    Light,
    /// Dark, so the icon is light.
    Dark,
}

macro_rules! picture {
    ($state:literal, $panel:literal) => {
        include_bytes!(concat!("../../icons/tray/", $state, "-", $panel, ".png")).as_slice()
    };
}

/// The picture for a state, as PNG. macOS colours one picture itself.
pub(crate) fn picture(mark: Mark, platform: Platform, panel: Panel) -> &'static [u8] {
    match (mark, platform, panel) {
        (Mark::Off, Platform::Macos, _) => picture!("off", "template"),
        (Mark::Connecting, Platform::Macos, _) => picture!("connecting", "template"),
        (Mark::Online, Platform::Macos, _) => picture!("online", "template"),
        (Mark::Attention, Platform::Macos, _) => picture!("attention", "template"),
        (Mark::Off, _, Panel::Light) => picture!("off", "light"),
        (Mark::Connecting, _, Panel::Light) => picture!("connecting", "light"),
        (Mark::Online, _, Panel::Light) => picture!("online", "light"),
        (Mark::Attention, _, Panel::Light) => picture!("attention", "light"),
        (Mark::Off, _, Panel::Dark) => picture!("off", "dark"),
        (Mark::Connecting, _, Panel::Dark) => picture!("connecting", "dark"),
        (Mark::Online, _, Panel::Dark) => picture!("online", "dark"),
        (Mark::Attention, _, Panel::Dark) => picture!("attention", "dark"),
    }
}

/// What a Linux desktop's panel most likely looks like, by the desktop's name (`XDG_CURRENT_DESKTOP`) and its theme
/// (`GTK_THEME`). `CULVERT_PANEL=light` or `dark` decides where this guesses wrong.
pub(crate) fn panel_on_linux(given: Option<&str>, desktop: &str, theme: Option<&str>) -> Panel {
    let desktop = desktop.to_lowercase();
    let is_dark_theme = theme.is_some_and(|theme| theme.to_lowercase().contains("dark"));
    match given.map(str::trim) {
        Some("light") => Panel::Light,
        Some("dark") => Panel::Dark,
        // These follow their theme, which is light unless its name says otherwise; the others' bars are dark by default.
        _ if !is_dark_theme && ["kde", "mate", "lxde", "lxqt"].iter().any(|name| desktop.contains(name)) => {
            Panel::Light
        }
        _ => Panel::Dark,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_has_a_picture_of_its_own_on_every_platform() {
        let marks = [Mark::Off, Mark::Connecting, Mark::Online, Mark::Attention];
        for platform in [Platform::Linux, Platform::Macos, Platform::Windows] {
            for panel in [Panel::Light, Panel::Dark] {
                let pictures = marks.map(|mark| picture(mark, platform, panel));
                assert!(pictures.iter().all(|picture| picture.starts_with(b"\x89PNG")));
                assert!((0..4).all(|one| (0..one).all(|other| pictures[one] != pictures[other])));
            }
        }
        assert_eq!(picture(Mark::Off, Platform::Macos, Panel::Dark), picture(Mark::Off, Platform::Macos, Panel::Light));
    }

    #[test]
    fn a_panel_is_guessed_by_its_desktop() {
        assert_eq!(panel_on_linux(None, "ubuntu:GNOME", None), Panel::Dark);
        assert_eq!(panel_on_linux(None, "XFCE", Some("Adwaita")), Panel::Dark);
        assert_eq!(panel_on_linux(None, "KDE", None), Panel::Light);
        assert_eq!(panel_on_linux(None, "KDE", Some("Adwaita-dark")), Panel::Dark);
        assert_eq!(panel_on_linux(Some("dark"), "XFCE", None), Panel::Dark);
        assert_eq!(panel_on_linux(Some("light"), "GNOME", None), Panel::Light);
    }
}
