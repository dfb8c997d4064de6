//! What became of the calls of a round.

use std::collections::BTreeMap;
use std::fmt;

/// A count of calls by their fate. Each call is in it once.
#[derive(Debug, Default, Clone)]
pub struct Tally {
    /// Calls that were answered with a result.
    pub results: usize,
    /// Calls that were answered with an error, by its code.
    pub errors: BTreeMap<String, usize>,
    /// Calls whose connection ended because the gateway itself was killed, or whose link ended where sessions cannot be
    /// resumed.
    pub lost: usize,
    /// How often something was done to a network.
    pub cuts: usize,
    /// How often something was done to a child or to the gateway.
    pub mishaps: usize,
}

impl Tally {
    /// One call that was answered with this error.
    pub fn error(&mut self, code: &str) {
        *self.errors.entry(code.to_owned()).or_default() += 1;
    }

    /// All calls.
    pub fn calls(&self) -> usize {
        self.results + self.errors.values().sum::<usize>() + self.lost
    }

    /// Takes another one in.
    pub fn add(&mut self, other: Self) {
        self.results += other.results;
        self.lost += other.lost;
        self.cuts += other.cuts;
        self.mishaps += other.mishaps;
        for (code, count) in other.errors {
            *self.errors.entry(code).or_default() += count;
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} calls: {} results", self.calls(), self.results)?;
        for (code, count) in &self.errors {
            write!(f, ", {count} {code}")?;
        }
        write!(f, ", {} lost; {} mishaps on the network, {} elsewhere", self.lost, self.cuts, self.mishaps)
    }
}
