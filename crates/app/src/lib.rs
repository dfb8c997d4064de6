//! What the desktop app does, without its screen: the world that its window and its tray show, the forms, what is found
//! to import, the gateway inside. It knows no Tauri.

pub mod agreement;
mod around;
mod built_in;
#[cfg(test)]
mod canary_tests;
mod check;
mod culvert;
mod entries;
mod facts;
mod files;
mod filled;
mod follow;
mod form;
mod history;
mod imports;
pub mod login_path;
mod memory;
pub mod menu;
pub mod notices;
#[cfg(test)]
mod sample;
mod saving;
pub mod settings;
mod sharing;
pub mod shown;
mod support;
mod tally;
mod tokens;
mod tools;
mod trying;
mod use_in;
mod wants;
pub mod words;
mod world;

pub use culvert::{Culvert, Start};
pub use facts::facts;
pub use follow::Look;
