//! How often profiles were called in the last day, by hour, from totals that only grow.

use std::collections::{BTreeMap, VecDeque};

use crate::shown::Calls;

/// Hours that are told apart.
const HOURS: u64 = 24;

/// The tallies of all profiles.
#[derive(Debug, Default)]
pub(crate) struct Tallies(BTreeMap<String, Tally>);

#[derive(Debug, Default)]
struct Tally {
    last: Totals,
    /// By hour since 1970, the oldest first.
    hours: VecDeque<(u64, Totals)>,
}

/// Calls and errors so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Totals {
    /// All calls.
    pub(crate) calls: u64,
    /// Those that ended with an error.
    pub(crate) errors: u64,
}

impl Tallies {
    /// Takes a profile's totals in at a time in seconds since 1970, and tells its last day.
    pub(crate) fn count(&mut self, profile: &str, totals: Totals, now: u64) -> Calls {
        let tally = self.0.entry(profile.to_owned()).or_default();
        // Smaller than before: they began anew.
        let from = if totals.calls < tally.last.calls { Totals::default() } else { tally.last };
        tally.last = totals;
        let (calls, errors) = (totals.calls - from.calls, totals.errors.saturating_sub(from.errors));
        let hour = now / 3600;
        if tally.hours.back().is_none_or(|(last, _)| *last != hour) && calls > 0 {
            tally.hours.push_back((hour, Totals::default()));
        }
        if let Some((_, sum)) = tally.hours.back_mut() {
            sum.calls += calls;
            sum.errors += errors;
        }
        while tally.hours.front().is_some_and(|(first, _)| first + HOURS <= hour) {
            tally.hours.pop_front();
        }
        let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        let of_hour = |ago: u64| {
            let found = tally.hours.iter().find(|(at, _)| at + ago == hour);
            small(found.map_or(0, |(_, sum)| sum.calls))
        };
        Calls {
            today: small(tally.hours.iter().map(|(_, sum)| sum.calls).sum()),
            errors: small(tally.hours.iter().map(|(_, sum)| sum.errors).sum()),
            by_hour: (0..HOURS).rev().map(of_hour).collect(),
        }
    }

    /// Forgets all but these profiles.
    pub(crate) fn keep_only(&mut self, profiles: &[&str]) {
        self.0.retain(|profile, _| profiles.contains(&profile.as_str()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn totals(calls: u64, errors: u64) -> Totals {
        Totals { calls, errors }
    }

    #[test]
    fn calls_are_counted_by_hour_and_forgotten_after_a_day() {
        let mut tallies = Tallies::default();
        let hour = |number: u64| number * 3600 + 5;
        assert_eq!(tallies.count("a", totals(3, 1), hour(100)).today, 3);
        let calls = tallies.count("a", totals(5, 1), hour(101));
        assert_eq!((calls.today, calls.errors), (5, 1));
        assert_eq!(calls.by_hour[22..], [3, 2]);
        assert_eq!(calls.by_hour.len(), 24);
        let calls = tallies.count("a", totals(1, 0), hour(102));
        assert_eq!(calls.by_hour[21..], [3, 2, 1], "totals that began anew count from nothing");
        assert_eq!(tallies.count("a", totals(1, 0), hour(125)).by_hour[..2], [1, 0]);
        assert_eq!(tallies.count("a", totals(1, 0), hour(140)).today, 0);
        assert_eq!(tallies.count("b", totals(0, 0), hour(140)).today, 0);
    }
}
