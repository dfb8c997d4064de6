//! What the desktop app does, without its screen: the world that its window and its tray show, the forms, what is found
//! to import, the gateway inside. It knows no Tauri.

pub mod agreement;
mod around;
mod built_in;
mod culvert;
mod facts;
mod files;
mod follow;
pub mod login_path;
mod memory;
pub mod menu;
#[cfg(test)]
mod sample;
pub mod settings;
mod sharing;
pub mod shown;
mod tally;
mod wants;
pub mod words;
mod world;

pub use culvert::{Culvert, Start};
pub use facts::facts;
pub use follow::Look;
