//! The app from outside: its item in a tray, its window, its keychain and its life, on a desktop made for each test.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is how a failure is told")]

mod keychain;
mod life;
mod pictures;
mod spoken;
mod surroundings;
mod tray;
mod window;
