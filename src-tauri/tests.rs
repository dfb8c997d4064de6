//! The commands as the window reaches them.
