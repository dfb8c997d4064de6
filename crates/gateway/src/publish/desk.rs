//! All places at one ContextForge: which step comes next, what its outcome changes, and when ContextForge as a whole is
//! left alone for a while. Pure: it is told the time, and does nothing but think and log.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use culvert_protocol::backoff::Backoff;
use culvert_protocol::{GatewayAddress, ServerName};
use tokio::time::Instant;

use super::answer::{Failure, Outcome};
use super::ask::{Api, Step};
use super::entry::Entry;
use super::glance::{Publishing, Standing};
use super::place::{Deed, Edition, Held, Mode, Moment, Naming, Place, Presence, Terms, Words};
use super::trouble;
use crate::catalog::ServerId;
use crate::rights::Subject;

/// How often the list is read: people edit entries, and a ContextForge may come back with another database.
const RELIST: Duration = Duration::from_secs(60);

/// Pages of one list. A ContextForge with more than twenty thousand gateways is not expected.
const MAX_PAGES: usize = 200;

/// The longest wait until a ContextForge that does not answer is asked again.
const AWAY_CAP: Duration = Duration::from_secs(60);

/// How long what a token may not do is left alone, unless the token's file changes. Rights change at ContextForge too.
const REFUSED_WAIT: Duration = Duration::from_secs(600);

/// A server of this gateway, as it is to be offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Offered {
    /// Its id.
    pub(crate) id: ServerId,
    /// Whose it is.
    pub(crate) owner: Subject,
    /// What its owner calls it.
    pub(crate) name: ServerName,
    /// What it is for.
    pub(crate) description: Option<String>,
    /// Its tools now; none while it is gone.
    pub(crate) edition: Option<Edition>,
}

/// The list while it is read.
#[derive(Debug)]
struct Listing {
    due: Instant,
    cursor: Option<String>,
    pages: usize,
    found: Vec<Entry>,
    /// Whether it was ever read to its end: before, nobody knows what is there.
    complete: bool,
}

/// All that is known of one ContextForge.
#[derive(Debug)]
pub(super) struct Desk {
    base: GatewayAddress,
    contextforge: String,
    names: Vec<String>,
    terms: Terms,
    mode: Mode,
    api: Api,
    listing: Listing,
    offers: HashMap<ServerId, Offered>,
    places: BTreeMap<ServerId, Place>,
    standing: Standing,
    left_alone_until: Instant,
    backoff: Backoff,
    random: fastrand::Rng,
}

impl Desk {
    /// Knows nothing yet. `base` is where ContextForge finds this gateway, `names` whose entries may be ours.
    pub(super) fn new(
        base: GatewayAddress,
        contextforge: &GatewayAddress,
        names: Vec<String>,
        terms: Terms,
        mut random: fastrand::Rng,
        now: Instant,
    ) -> Self {
        let listing = Listing { due: now, cursor: None, pages: 0, found: Vec::new(), complete: false };
        let backoff = Backoff::new(Duration::from_secs(1), AWAY_CAP, random.fork());
        Self {
            base,
            contextforge: contextforge.to_string(),
            names,
            terms,
            mode: Mode::Serving,
            api: Api::Versioned,
            listing,
            offers: HashMap::new(),
            places: BTreeMap::new(),
            standing: Standing::Beginning,
            left_alone_until: now,
            backoff,
            random,
        }
    }

    /// These are the gateway's servers now, and what signs bearers for them.
    pub(super) fn sync(&mut self, offers: Vec<Offered>, terms: Terms, now: Instant) {
        self.terms = terms;
        let offers: HashMap<_, _> = offers.into_iter().map(|offered| (offered.id.clone(), offered)).collect();
        for (id, offered) in &offers {
            let place = self
                .places
                .entry(id.clone())
                .or_insert_with(|| Place::new(offered.name.to_string(), Presence::Gone(now), self.random.fork()));
            place.is_now(offered.edition.clone(), now);
        }
        for (id, _) in self.offers.iter().filter(|(id, _)| !offers.contains_key(*id)) {
            if let Some(place) = self.places.get_mut(id) {
                place.presence = Presence::Forgotten;
            }
        }
        self.offers = offers;
        let known = self.listing.complete;
        self.places.retain(|_, place| !(known && place.presence == Presence::Forgotten && place.entry.is_none()));
    }

    /// The token is another one: what was refused may be granted now.
    pub(super) fn new_token(&mut self, names: Vec<String>, now: Instant) {
        self.names = names;
        self.standing = Standing::Beginning;
        self.left_alone_until = now;
        self.backoff.reset();
        self.begin_list(now);
        self.places.values_mut().for_each(|place| place.hurry(now));
    }

    /// From now on everything is taken out.
    pub(super) fn leave(&mut self, now: Instant) {
        self.mode = Mode::Leaving;
        self.places.values_mut().for_each(|place| place.hurry(now));
    }

    /// The step to take at this moment, if any.
    pub(super) fn next(&self, now: Moment) -> Option<Step> {
        if self.left_alone_until > now.at || (self.mode == Mode::Leaving && !self.is_well()) {
            return None;
        }
        if self.mode == Mode::Serving && self.listing.due <= now.at {
            return Some(Step::List { cursor: self.listing.cursor.clone() });
        }
        if !self.listing.complete {
            return None;
        }
        let mut deeds = self.places.iter().filter_map(|(server, place)| {
            let deed = place.deed(now, &self.terms, self.mode)?;
            Some(Step::For { server: server.clone(), deed })
        });
        deeds.next()
    }

    /// The server that a step is about, as it is to be offered.
    pub(super) fn offered(&self, step: &Step) -> Option<&Offered> {
        match step {
            Step::For { server, .. } => self.offers.get(server),
            Step::List { .. } => None,
        }
    }

    /// Where the API is, as far as is known.
    pub(super) fn api(&self) -> Api {
        self.api
    }

    /// A look from outside.
    pub(super) fn glance(&self) -> Publishing {
        let entries = |wanted| {
            let state = |place: &&Place| place.entry.as_ref().is_some_and(|entry| entry.enabled == wanted);
            self.places.values().filter(state).count()
        };
        Publishing {
            standing: self.standing,
            enabled: entries(true),
            disabled: entries(false),
            troubled: self.places.values().filter(|place| place.is_troubled()).count(),
        }
    }

    fn is_well(&self) -> bool {
        self.standing == Standing::Well
    }

    /// Takes note of what came of a step. `held` is the bearer that went along.
    pub(super) fn told(&mut self, step: Step, outcome: Outcome, held: Option<Held>, now: Instant) {
        let failure = match outcome {
            Outcome::Failed(failure) => failure,
            done => {
                self.is_back();
                return match step {
                    Step::List { .. } => self.listed(done, now),
                    Step::For { server, deed } => self.did(&server, deed, done, held),
                };
            }
        };
        match (&step, failure) {
            (_, failure @ (Failure::Unreachable(_) | Failure::Busy { .. })) => self.away(&failure, now),
            (_, failure @ Failure::Token(_)) | (Step::List { .. }, failure @ Failure::Forbidden(_)) => {
                self.refused(&failure, now);
            }
            (Step::List { .. }, Failure::Missing) if !self.listing.complete && self.api == Api::Versioned => {
                self.api = self.api.other();
            }
            (Step::List { .. }, failure) => {
                self.api = Api::Versioned;
                self.away(&failure, now);
            }
            (Step::For { server, deed }, failure) => {
                self.is_back();
                self.did_not(server, deed, failure, now);
            }
        }
    }

    fn listed(&mut self, page: Outcome, now: Instant) {
        let Outcome::Page { entries, next } = page else { return };
        self.listing.found.extend(entries);
        self.listing.pages += 1;
        if let Some(next) = next.filter(|_| self.listing.pages < MAX_PAGES) {
            self.listing.cursor = Some(next);
            return;
        }
        let found = std::mem::take(&mut self.listing.found);
        self.begin_list(now + RELIST);
        self.listing.complete = true;
        self.settle(found, now);
    }

    fn begin_list(&mut self, due: Instant) {
        let complete = self.listing.complete;
        self.listing = Listing { due, cursor: None, pages: 0, found: Vec::new(), complete };
    }

    /// Gives each place the entry that is its own.
    fn settle(&mut self, found: Vec<Entry>, now: Instant) {
        let known = |(server, place): (&ServerId, &Place)| Some((place.entry.as_ref()?.id.clone(), server.clone()));
        let known: HashMap<_, _> = self.places.iter().filter_map(known).collect();
        let mut ours: HashMap<ServerId, Entry> = HashMap::new();
        for entry in found {
            let held = known.get(&entry.id).filter(|server| entry.leads_to(&self.base, server)).cloned();
            let is_held = held.is_some();
            let Some(server) = held.or_else(|| entry.server(&self.base, &self.names)) else { continue };
            if is_held || !ours.contains_key(&server) {
                ours.insert(server, entry);
            }
        }
        for (server, place) in &mut self.places {
            let entry = ours.remove(server);
            if let (None, Some(entry)) = (&place.entry, &entry) {
                tracing::info!(
                    name = place.name,
                    entry = entry.name,
                    enabled = entry.enabled,
                    "found its entry at ContextForge"
                );
            }
            place.found(entry);
        }
        // Servers that this gateway knows no more: their entries wait, disabled, for a tunnel that brings them again.
        for (server, entry) in ours {
            let mut place = Place::new(entry.name.clone(), Presence::Gone(now), self.random.fork());
            place.found(Some(entry));
            self.places.insert(server, place);
        }
    }

    fn did(&mut self, server: &ServerId, deed: Deed, outcome: Outcome, held: Option<Held>) {
        let Some(place) = self.places.get_mut(server) else { return };
        if place.succeeded() {
            tracing::info!(name = place.name, "publishing it works again");
        }
        let name = place.name.clone();
        match (deed, outcome) {
            (Deed::Create { edition, .. }, Outcome::Entry(entry)) => {
                tracing::info!(name, entry = entry.name, "published in ContextForge");
                place.found(Some(*entry));
                (place.held, place.edition) = (held, Some(edition));
            }
            (Deed::Renew { edition, .. }, Outcome::Entry(entry)) => {
                tracing::info!(name, entry = entry.name, "its entry at ContextForge has a new bearer");
                place.found(Some(*entry));
                (place.held, place.edition) = (held, Some(edition));
            }
            (Deed::Mark { .. }, Outcome::Entry(entry)) => place.found(Some(*entry)),
            (Deed::Look { .. }, Outcome::Off(kind, off)) => place.looked(kind, off),
            (Deed::Refresh { edition, .. }, _) => {
                tracing::info!(name, "ContextForge has listed its tools anew");
                place.edition = Some(edition);
            }
            (Deed::Disable { .. }, _) => {
                tracing::info!(name, "disabled at ContextForge, for it is gone");
                place.disabled();
            }
            (Deed::Enable { .. }, _) => {
                tracing::info!(name, "enabled at ContextForge again");
                place.enabled();
            }
            (Deed::SwitchOff { part }, _) => place.settled(&part),
            (Deed::Delete { .. }, _) => {
                tracing::info!(name, "deleted at ContextForge, for its owner forgot it");
                place.found(None);
            }
            _ => {}
        }
    }

    fn did_not(&mut self, server: &ServerId, deed: &Deed, failure: Failure, now: Instant) {
        let Some(place) = self.places.get_mut(server) else { return };
        let mut least = Duration::ZERO;
        match (deed, &failure) {
            (Deed::Delete { .. }, Failure::Missing) => return place.found(None),
            (Deed::SwitchOff { part }, Failure::Missing) => return place.settled(part),
            (Deed::Create { .. }, Failure::Missing) => {}
            (_, Failure::Missing) => {
                // Somebody deleted it. The list says what is there now.
                place.found(None);
                return self.begin_list(now);
            }
            (Deed::Create { naming: Naming::Plain, .. }, Failure::Conflict(_)) => {
                // An earlier try may have been done after all; else another name is free.
                place.naming = Naming::Numbered;
                return self.begin_list(now);
            }
            (Deed::Create { words: Words::Owners, .. }, Failure::Invalid(_))
                if self.offers.get(server).is_some_and(|offered| offered.description.is_some()) =>
            {
                place.words = Words::Ours;
                return;
            }
            (Deed::Create { .. }, Failure::Conflict(_) | Failure::Invalid(_)) | (_, Failure::Forbidden(_)) => {
                (place.naming, place.words) = (Naming::Plain, Words::Owners);
                least = REFUSED_WAIT;
            }
            _ => {}
        }
        let told = trouble::of_server(&failure, &self.base);
        if place.failed(told.why.clone(), least, now) {
            tracing::warn!(name = place.name, code = told.code, why = told.why, action = told.action, "not published");
        }
    }

    /// It answers.
    fn is_back(&mut self) {
        if matches!(self.standing, Standing::Away | Standing::Refused) {
            tracing::info!(contextforge = self.contextforge, "ContextForge answers again");
        }
        self.standing = Standing::Well;
        self.backoff.reset();
    }

    /// It does not answer, or not as it should. The list is read first when it does: nobody knows what was done.
    fn away(&mut self, failure: &Failure, now: Instant) {
        let asked = match failure {
            Failure::Busy { retry_after, .. } => retry_after.unwrap_or_default(),
            _ => Duration::ZERO,
        };
        self.leave_alone(Standing::Away, failure, self.backoff.ceiling(), asked, now);
    }

    fn refused(&mut self, failure: &Failure, now: Instant) {
        self.leave_alone(Standing::Refused, failure, REFUSED_WAIT, REFUSED_WAIT, now);
    }

    fn leave_alone(&mut self, standing: Standing, failure: &Failure, longest: Duration, least: Duration, now: Instant) {
        let told = trouble::of_all(failure, &self.contextforge);
        if self.standing != standing {
            tracing::warn!(
                contextforge = self.contextforge,
                code = told.code,
                why = told.why,
                action = told.action,
                "publishing waits"
            );
        }
        self.standing = standing;
        // Drawn beyond what is asked for as well: other gateways were told the same time.
        let jitter = self.backoff.next().unwrap_or(longest);
        self.left_alone_until = now + least + jitter;
        self.begin_list(self.left_alone_until);
    }
}

#[cfg(test)]
#[path = "desk_tests.rs"]
mod tests;
