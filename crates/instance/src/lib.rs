//! A running Culvert: the tunnels of all wanted profiles, kept in step with their configuration. Every face stands on
//! it: it knows no screen, and no command line.

mod approvals;
mod audit;
pub mod bundle;
pub mod checks;
pub mod control;
mod fingerprint;
pub mod health;
mod instance;
mod lane;
mod lock;
mod offline;
mod overview;
mod places;
pub mod report;
mod runner;
mod signs;
mod source;
mod state;
mod terms;
mod token;
mod token_news;
pub mod tools;
mod wishes;

pub use approvals::Undecided;
pub use instance::{Instance, NotDecided, NotHere, Setup};
pub use lane::outbound;
pub use lock::{Lock, LockError};
pub use offline::Offline;
pub use overview::{Changes, Overview, ProfileView, TunnelView};
pub use places::Places;
pub use source::{Empty, Source};
pub use state::{Mood, mood_of};
pub use terms::Terms;
pub use token_news::EXPIRES_SOON;
pub use wishes::{Unsaved, Wishes, at_start};
