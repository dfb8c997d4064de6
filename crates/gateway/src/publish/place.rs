//! One server's place at ContextForge: what should be there, what is there, and the next deed that brings the two
//! together. Pure; the deeds are done elsewhere, one at a time.
//!
//! A server that is gone is disabled, not deleted: deleting an entry takes its tools out of every virtual server that
//! people have put them into. Only a server that its owner has forgotten is deleted. An entry that somebody else
//! disabled stays so.

use std::collections::BTreeMap;
use std::time::Duration;

use culvert_protocol::backoff::Backoff;
use tokio::time::Instant;

use super::entry::{Entry, Id, Kind, Part, Tag};
use crate::clock::UnixTime;
use crate::hs256::KeyNumber;
use crate::session::SessionId;

/// The longest wait before a deed that failed is tried again.
const RETRY_CAP: Duration = Duration::from_secs(300);

/// How long an edition must last until ContextForge is asked to list it: a tunnel that comes and goes, or a server that
/// announces several changes in a row, is listed once.
const LASTING: Duration = Duration::from_secs(2);

/// The first wait before it.
const RETRY_FIRST: Duration = Duration::from_secs(2);

/// A moment, on both clocks: waits are measured on the one that nobody sets, a bearer's end is written on the other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) at: Instant,
    pub(super) unix: UnixTime,
}

impl Moment {
    /// This one.
    pub(super) fn now() -> Self {
        Self { at: Instant::now(), unix: UnixTime::now() }
    }
}

/// A server's tools, prompts and resources at one time: another session, or another count of changes, may have others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Edition {
    pub(crate) session: SessionId,
    pub(crate) changes: u64,
}

/// Where a server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Presence {
    /// A tunnel brings it, in this edition since then.
    Here(Edition, Instant),
    /// None does, since then.
    Gone(Instant),
    /// Its owner wants it no more.
    Forgotten,
}

/// The bearer that an entry holds, as far as is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Held {
    /// When another one is due; none where no bearer is asked for.
    pub(super) renew_at: Option<UnixTime>,
    /// The key that signed it.
    pub(super) key: Option<KeyNumber>,
}

/// Under which name an entry is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Naming {
    /// The server's own.
    Plain,
    /// With the beginning of its id, because the plain one is taken.
    Numbered,
}

/// With which description an entry is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Words {
    /// The owner's.
    Owners,
    /// Ours: ContextForge refuses some characters in the owner's.
    Ours,
}

/// What is to be done about a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Deed {
    /// Make its entry.
    Create { naming: Naming, words: Words, edition: Edition },
    /// Give the entry a new bearer and its tags of a server that is there. ContextForge lists the tools anew with it.
    Renew { entry: Id, tags: Vec<Tag>, edition: Edition },
    /// Have the tools listed anew.
    Refresh { entry: Id, edition: Edition },
    /// Learn which parts are switched off.
    Look { entry: Id, kind: Kind },
    /// Leave word that it is this gateway that disables it, and what was off before.
    Mark { entry: Id, tags: Vec<Tag>, mask: Option<String> },
    /// Disable it.
    Disable { entry: Id },
    /// Enable it.
    Enable { entry: Id },
    /// Switch off again what somebody had switched off.
    SwitchOff { part: Part },
    /// Delete it.
    Delete { entry: Id },
}

/// Whether the gateway serves or is about to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Serving,
    Leaving,
}

/// What holds for all places.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    /// How long a server may be gone.
    pub(super) patience: Duration,
    /// The key that signs bearers now; none where none is asked for.
    pub(super) key: Option<KeyNumber>,
}

/// One server's place.
#[derive(Debug)]
pub(super) struct Place {
    /// For the log.
    pub(super) name: String,
    pub(super) presence: Presence,
    pub(super) entry: Option<Entry>,
    pub(super) held: Option<Held>,
    pub(super) edition: Option<Edition>,
    pub(super) naming: Naming,
    pub(super) words: Words,
    /// What was found switched off so far, while it is about to be marked.
    off: BTreeMap<Kind, Vec<Part>>,
    trouble: Option<Trouble>,
    backoff: Backoff,
}

/// Why a deed failed, and when it is tried again.
#[derive(Debug)]
struct Trouble {
    why: String,
    until: Instant,
}

impl Place {
    /// One that nothing is known of at ContextForge.
    pub(super) fn new(name: String, presence: Presence, random: fastrand::Rng) -> Self {
        Self {
            name,
            presence,
            entry: None,
            held: None,
            edition: None,
            naming: Naming::Plain,
            words: Words::Owners,
            off: BTreeMap::new(),
            trouble: None,
            backoff: Backoff::new(RETRY_FIRST, RETRY_CAP, random),
        }
    }

    /// What is to be done next, if anything.
    pub(super) fn deed(&self, now: Moment, terms: &Terms, mode: Mode) -> Option<Deed> {
        if self.trouble.as_ref().is_some_and(|trouble| trouble.until > now.at) {
            return None;
        }
        let Some(entry) = &self.entry else {
            return match (&self.presence, mode) {
                (Presence::Here(edition, _), Mode::Serving) => {
                    Some(Deed::Create { naming: self.naming, words: self.words, edition: edition.clone() })
                }
                _ => None,
            };
        };
        match &self.presence {
            Presence::Forgotten => Some(Deed::Delete { entry: entry.id.clone() }),
            Presence::Here(edition, since) if mode == Mode::Serving => {
                self.bring_in(entry, edition, *since, now, terms)
            }
            Presence::Gone(since) if mode == Mode::Serving && *since + terms.patience > now.at => None,
            Presence::Here(..) | Presence::Gone(_) => self.take_out(entry),
        }
    }

    fn bring_in(&self, entry: &Entry, edition: &Edition, since: Instant, now: Moment, terms: &Terms) -> Option<Deed> {
        let id = entry.id.clone();
        if !entry.enabled {
            // Whoever else disabled it had a reason.
            return entry.is_marked_offline().then_some(Deed::Enable { entry: id });
        }
        if let Some(part) = entry.parts_off().next() {
            return Some(Deed::SwitchOff { part });
        }
        let stale =
            self.held.is_none_or(|held| held.key != terms.key || held.renew_at.is_some_and(|at| at <= now.unix));
        let lasts = since + LASTING <= now.at;
        let returned = self.edition.as_ref().is_none_or(|known| known.session != edition.session);
        if entry.is_marked_offline() || stale || (returned && lasts) {
            return Some(Deed::Renew { entry: id, tags: entry.tags_online(), edition: edition.clone() });
        }
        let changed = self.edition.as_ref() != Some(edition);
        (changed && lasts).then(|| Deed::Refresh { entry: id, edition: edition.clone() })
    }

    fn take_out(&self, entry: &Entry) -> Option<Deed> {
        let id = entry.id.clone();
        if !entry.enabled {
            return None;
        }
        if entry.is_marked_offline() {
            return Some(Deed::Disable { entry: id });
        }
        if let Some(kind) = entry.kinds().iter().find(|kind| !self.off.contains_key(kind)) {
            return Some(Deed::Look { entry: id, kind: *kind });
        }
        let tags = entry.tags_offline(self.off.values().flatten());
        Some(Deed::Mark { entry: id, tags, mask: entry.mask().map(str::to_owned) })
    }

    /// The entry is `entry` now, as ContextForge says; `None`: there is none.
    pub(super) fn found(&mut self, entry: Option<Entry>) {
        let same = matches!((&self.entry, &entry), (Some(before), Some(now)) if before.id == now.id);
        if !same {
            (self.held, self.edition) = (None, None);
            self.off.clear();
        }
        self.entry = entry;
    }

    /// A tunnel brings `edition` of it, or none does.
    pub(super) fn is_now(&mut self, edition: Option<Edition>, now: Instant) {
        match (edition, &self.presence) {
            (Some(edition), Presence::Here(known, _)) if *known == edition => {}
            (Some(edition), Presence::Here(..)) => self.presence = Presence::Here(edition, now),
            (Some(edition), _) => {
                // What failed may have failed for want of a tunnel, and what was off may be on.
                self.hurry(now);
                self.off.clear();
                self.presence = Presence::Here(edition, now);
            }
            (None, Presence::Gone(_)) => {}
            (None, _) => self.presence = Presence::Gone(now),
        }
    }

    /// So much of one kind is switched off.
    pub(super) fn looked(&mut self, kind: Kind, off: Vec<Part>) {
        self.off.insert(kind, off);
    }

    /// Its entry is enabled now.
    pub(super) fn enabled(&mut self) {
        if let Some(entry) = &mut self.entry {
            entry.enabled = true;
        }
    }

    /// Its entry is disabled now.
    pub(super) fn disabled(&mut self) {
        self.off.clear();
        if let Some(entry) = &mut self.entry {
            entry.enabled = false;
        }
    }

    /// `part` is switched off again.
    pub(super) fn settled(&mut self, part: &Part) {
        if let Some(entry) = &mut self.entry {
            entry.settled(part);
        }
    }

    /// A deed succeeded. Whether that ends a trouble.
    pub(super) fn succeeded(&mut self) -> bool {
        self.backoff.reset();
        self.trouble.take().is_some()
    }

    /// A deed failed: the next one waits, at least `least`. Whether the reason is news.
    pub(super) fn failed(&mut self, why: String, least: Duration, now: Instant) -> bool {
        let wait = self.backoff.next().unwrap_or(RETRY_CAP).max(least);
        let news = self.trouble.as_ref().is_none_or(|trouble| trouble.why != why);
        self.trouble = Some(Trouble { why, until: now + wait });
        news
    }

    /// The next deed waits for nothing.
    pub(super) fn hurry(&mut self, now: Instant) {
        self.backoff.reset();
        if let Some(trouble) = &mut self.trouble {
            trouble.until = now;
        }
    }

    /// Whether its last deed failed.
    pub(super) fn is_troubled(&self) -> bool {
        self.trouble.is_some()
    }
}

#[cfg(test)]
#[path = "place_tests.rs"]
mod tests;
