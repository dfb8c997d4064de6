//! The StatusNotifierItem: the icon, and what it is called.

use std::sync::Arc;

use culvert_app::menu::Action;
use culvert_app::shown::Mark;
use zbus::interface;
use zbus::object_server::SignalEmitter;
use zbus::zvariant::ObjectPath;

use super::{MENU, Shown};

/// Width, height, and pixels as alpha, red, green, blue.
type Pixmap = (i32, i32, Vec<u8>);

/// Name, pictures, title and text of a tooltip.
type ToolTip = (String, Vec<Pixmap>, String, String);

/// The item.
pub(super) struct Item(pub(super) Arc<Shown>);

/// What a desktop makes of an item: one that needs attention is shown even where others are tucked away.
pub(super) fn status(mark: Mark) -> &'static str {
    match mark {
        Mark::Attention => "NeedsAttention",
        Mark::Off | Mark::Connecting | Mark::Online => "Active",
    }
}

#[interface(name = "org.kde.StatusNotifierItem")]
impl Item {
    #[zbus(property)]
    fn category(&self) -> &str {
        "Communications"
    }

    #[zbus(property)]
    fn id(&self) -> &str {
        "culvert"
    }

    /// The status line, which is what a screen reader says.
    #[zbus(property)]
    fn title(&self) -> String {
        format!("Culvert: {}", self.0.view().title)
    }

    #[zbus(property)]
    fn status(&self) -> &str {
        status(self.0.view().mark)
    }

    #[zbus(property)]
    fn window_id(&self) -> i32 {
        0
    }

    #[zbus(property)]
    fn icon_name(&self) -> &str {
        ""
    }

    #[zbus(property)]
    fn icon_theme_path(&self) -> &str {
        ""
    }

    #[zbus(property)]
    fn icon_pixmap(&self) -> Vec<Pixmap> {
        self.0.pixmaps()
    }

    #[zbus(property)]
    fn icon_accessible_desc(&self) -> String {
        self.0.view().title.clone()
    }

    #[zbus(property)]
    fn overlay_icon_name(&self) -> &str {
        ""
    }

    #[zbus(property)]
    fn overlay_icon_pixmap(&self) -> Vec<Pixmap> {
        Vec::new()
    }

    #[zbus(property)]
    fn attention_icon_name(&self) -> &str {
        ""
    }

    #[zbus(property)]
    fn attention_icon_pixmap(&self) -> Vec<Pixmap> {
        self.0.pixmaps()
    }

    #[zbus(property)]
    fn attention_movie_name(&self) -> &str {
        ""
    }

    #[zbus(property)]
    fn tool_tip(&self) -> ToolTip {
        (String::new(), Vec::new(), "Culvert".to_owned(), self.0.view().title.clone())
    }

    /// A click opens the menu, which has everything.
    #[zbus(property)]
    fn item_is_menu(&self) -> bool {
        true
    }

    #[zbus(property)]
    fn menu(&self) -> ObjectPath<'static> {
        ObjectPath::from_static_str_unchecked(MENU)
    }

    fn activate(&self, _x: i32, _y: i32) {
        (self.0.chosen)(Action::Open);
    }

    fn secondary_activate(&self, _x: i32, _y: i32) {
        (self.0.chosen)(Action::Open);
    }

    fn context_menu(&self, _x: i32, _y: i32) {}

    fn scroll(&self, _delta: i32, _orientation: &str) {}

    #[zbus(signal)]
    pub(super) async fn new_title(emitter: &SignalEmitter<'_>) -> zbus::Result<()>;

    #[zbus(signal)]
    pub(super) async fn new_icon(emitter: &SignalEmitter<'_>) -> zbus::Result<()>;

    #[zbus(signal)]
    pub(super) async fn new_attention_icon(emitter: &SignalEmitter<'_>) -> zbus::Result<()>;

    #[zbus(signal)]
    pub(super) async fn new_tool_tip(emitter: &SignalEmitter<'_>) -> zbus::Result<()>;

    #[zbus(signal)]
    pub(super) async fn new_status(emitter: &SignalEmitter<'_>, status: &str) -> zbus::Result<()>;
}
