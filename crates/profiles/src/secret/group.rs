//! A program that was asked for a secret, with all that it starts: ended whole, however the asking ends.

#[cfg(windows)]
mod job;
#[cfg(unix)]
mod unix;

#[cfg(windows)]
pub(super) use self::job::Group;
#[cfg(unix)]
pub(super) use self::unix::Group;
