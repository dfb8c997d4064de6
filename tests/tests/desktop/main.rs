//! The app from outside: its item in a tray, its window, its keychain, what it tells the desktop, and its life. Each test
//! has a desktop of its own.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is how a failure is told")]

mod built_in;
mod canary;
mod first;
mod keychain;
mod life;
mod notices;
mod pictures;
mod spoken;
mod support;
mod surroundings;
mod tools;
mod tray;
mod use_in;
mod window;
