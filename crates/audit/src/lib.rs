//! The audit log: a JSON line for each call, and never what was said in it. Whoever calls [`Log::write`] waits for
//! nothing: lines are collected in bounded memory, and one thread writes them together.

mod clock;
mod file;
mod line;
mod log;

pub use file::{KEPT, LARGEST};
pub use line::{Code, Entry, Verdict};
pub use log::Log;
