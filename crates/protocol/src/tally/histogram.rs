//! How often something took how long, in buckets that never change.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Counts durations by bucket, up to microseconds. Counting takes no lock.
#[derive(Debug)]
pub struct Histogram<const N: usize> {
    /// The upper bounds in microseconds, ascending.
    bounds: &'static [u64; N],
    /// One more than bounds: the last is for what is longer than all.
    counts: [AtomicU64; N],
    longer: AtomicU64,
    micros: AtomicU64,
}

/// A look at a histogram.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistogramSnapshot {
    /// Each bucket's upper bound, itself included, and how many durations fell into it and into none before.
    pub buckets: Vec<(Duration, u64)>,
    /// How many were longer than the last bound.
    pub longer: u64,
    /// All durations together.
    pub sum: Duration,
}

impl HistogramSnapshot {
    /// How many durations were counted.
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|(_, count)| count).sum::<u64>() + self.longer
    }
}

impl<const N: usize> Histogram<N> {
    /// Empty. `bounds` are in microseconds, ascending.
    pub fn new(bounds: &'static [u64; N]) -> Self {
        let counts = [const { AtomicU64::new(0) }; N];
        Self { bounds, counts, longer: AtomicU64::new(0), micros: AtomicU64::new(0) }
    }

    /// Counts one.
    pub fn count(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = self.bounds.partition_point(|bound| *bound < micros);
        self.counts.get(bucket).unwrap_or(&self.longer).fetch_add(1, Ordering::Relaxed);
        self.micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// What it holds now. Each number is exact, but they may be of slightly different moments.
    pub fn snapshot(&self) -> HistogramSnapshot {
        let counts = self.counts.iter().map(|count| count.load(Ordering::Relaxed));
        HistogramSnapshot {
            buckets: self.bounds.iter().map(|bound| Duration::from_micros(*bound)).zip(counts).collect(),
            longer: self.longer.load(Ordering::Relaxed),
            sum: Duration::from_micros(self.micros.load(Ordering::Relaxed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_its_bucket() {
        static BOUNDS: [u64; 2] = [1000, 5000];
        let histogram = Histogram::new(&BOUNDS);
        for micros in [0, 1000, 1001, 5000, 5001] {
            histogram.count(Duration::from_micros(micros));
        }
        let snapshot = histogram.snapshot();
        assert_eq!(snapshot.buckets, [(Duration::from_millis(1), 2), (Duration::from_millis(5), 2)]);
        assert_eq!((snapshot.longer, snapshot.count(), snapshot.sum.as_micros()), (1, 5, 12_002));
    }
}
