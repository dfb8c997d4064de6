//! The desktop app: tray, window and commands. Thin: it renders what is, and passes on wishes.

mod clipboard;
mod clock;
mod commands;
mod life;
mod login;
mod notify;
mod streams;
mod tray;
#[cfg(target_os = "linux")]
mod webkit;
mod window;

pub use life::{Options, run};

#[cfg(test)]
mod tests;
