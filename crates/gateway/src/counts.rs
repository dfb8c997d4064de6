//! What the house counts: links that came, went on and ended, and requests that were turned away. None of it is on the
//! way of a message.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use culvert_link::Carriage;

use crate::by_code::ByCode;

/// See the head of this file.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Links that are up and not registered yet, over WebSocket and over SSE.
    registering: [AtomicUsize; 2],
    /// Servers that were registered.
    pub(crate) registrations: AtomicU64,
    /// Sessions that went on over a new connection.
    pub(crate) resumes: AtomicU64,
    /// Tries at that which were refused, by why.
    pub(crate) refused_resumes: ByCode,
    /// Links that are over, by why.
    pub(crate) ends: ByCode,
    /// Requests that were turned away, by code.
    pub(crate) denials: ByCode,
}

/// A link that is not registered yet.
#[derive(Debug)]
pub(crate) struct Registering<'c> {
    links: &'c AtomicUsize,
    is_over: AtomicBool,
}

impl Counts {
    /// A link has come; it counts as registering until what is returned says otherwise.
    pub(crate) fn registering(&self, over: Carriage) -> Registering<'_> {
        let links = &self.registering[place(over)];
        links.fetch_add(1, Ordering::Relaxed);
        Registering { links, is_over: AtomicBool::new(false) }
    }

    /// How many links are up and not registered yet.
    pub(crate) fn now_registering(&self, over: Carriage) -> usize {
        self.registering[place(over)].load(Ordering::Relaxed)
    }
}

impl Registering<'_> {
    /// It is registered, or something else.
    pub(crate) fn ends(&self) {
        if !self.is_over.swap(true, Ordering::Relaxed) {
            self.links.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Registering<'_> {
    fn drop(&mut self) {
        self.ends();
    }
}

/// The place of what is counted for each carriage.
pub(crate) const fn place(over: Carriage) -> usize {
    match over {
        Carriage::WebSocket => 0,
        Carriage::Sse => 1,
    }
}

/// One more.
pub(crate) fn add(to: &AtomicU64) {
    to.fetch_add(1, Ordering::Relaxed);
}
