//! What the desktop app does, without its screen: the world that its window and its tray show, the forms, what is found
//! to import, the gateway inside. It knows no Tauri.

pub mod shown;
