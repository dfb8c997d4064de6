//! The figures of one start and of one load, and how those of several runs become one.

use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use crate::procfs::{self, Usage};

/// What a load that was answered whole looked like.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// From handing a call over to its answer, ascending.
    pub(crate) latencies: Vec<Duration>,
    pub(crate) elapsed: Duration,
}

/// Milliseconds from the spawn of the peer, and its memory a second after registration.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Startup {
    pub(crate) connect_ms: f64,
    pub(crate) register_ms: f64,
    pub(crate) ready_ms: f64,
    pub(crate) idle_mib: f64,
}

/// One load. Shares are of one core: 2.0 is two cores full.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Figures {
    pub(crate) calls: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) max_ms: f64,
    pub(crate) per_s: f64,
    /// User and system time of the peer's processes, echo server apart, in µs.
    pub(crate) cpu_us: f64,
    pub(crate) resident_mib: f64,
    pub(crate) peak_mib: f64,
    pub(crate) peer_busy: f64,
    pub(crate) echo_busy: f64,
    pub(crate) driver_busy: f64,
    /// What the rest of the machine used meanwhile; far from 0, the machine was not quiet.
    pub(crate) others_busy: f64,
}

/// CPU times read before and after a load.
#[derive(Clone, Copy)]
pub(crate) struct Clocks {
    pub(crate) peer: Usage,
    pub(crate) driver: Duration,
    pub(crate) machine: Duration,
}

impl Clocks {
    /// Reads them now; `peer` are the processes that the peer began with.
    pub(crate) fn read(peer: &[u32], echo: &Path) -> Self {
        Self { peer: procfs::usage(peer, echo), driver: procfs::own_cpu(), machine: procfs::machine_cpu() }
    }
}

impl Figures {
    pub(crate) fn new(outcome: &Outcome, before: Clocks, after: Clocks) -> Self {
        let calls = outcome.latencies.len() as f64;
        let share = |before: Duration, after: Duration| {
            after.saturating_sub(before).as_secs_f64() / outcome.elapsed.as_secs_f64().max(1e-9)
        };
        let peer_busy = share(before.peer.cpu, after.peer.cpu);
        let echo_busy = share(before.peer.echo_cpu, after.peer.echo_cpu);
        let driver_busy = share(before.driver, after.driver);
        let others_busy = share(before.machine, after.machine) - peer_busy - echo_busy - driver_busy;
        Self {
            calls,
            p50_ms: quantile_ms(&outcome.latencies, 0.5),
            p99_ms: quantile_ms(&outcome.latencies, 0.99),
            max_ms: quantile_ms(&outcome.latencies, 1.0),
            per_s: calls / outcome.elapsed.as_secs_f64().max(1e-9),
            cpu_us: after.peer.cpu.saturating_sub(before.peer.cpu).as_secs_f64() * 1e6 / calls.max(1.0),
            resident_mib: mib(after.peer.resident),
            peak_mib: mib(after.peer.peak),
            peer_busy,
            echo_busy,
            driver_busy,
            others_busy: others_busy.max(0.0),
        }
    }

    /// The median of each figure by itself; of the longest call and of what disturbed,
    /// the worst. None without runs.
    pub(crate) fn median(runs: &[Self]) -> Option<Self> {
        let of = |pick: fn(&Self) -> f64| median(runs.iter().map(pick));
        let worst = |pick: fn(&Self) -> f64| runs.iter().map(pick).max_by(f64::total_cmp);
        Some(Self {
            calls: of(|f| f.calls)?,
            p50_ms: of(|f| f.p50_ms)?,
            p99_ms: of(|f| f.p99_ms)?,
            max_ms: worst(|f| f.max_ms)?,
            per_s: of(|f| f.per_s)?,
            cpu_us: of(|f| f.cpu_us)?,
            resident_mib: of(|f| f.resident_mib)?,
            peak_mib: of(|f| f.peak_mib)?,
            peer_busy: of(|f| f.peer_busy)?,
            echo_busy: of(|f| f.echo_busy)?,
            driver_busy: of(|f| f.driver_busy)?,
            others_busy: worst(|f| f.others_busy)?,
        })
    }
}

impl Figures {
    /// Resident memory in MB (10⁶ bytes).
    pub(crate) fn resident_mb(&self) -> f64 {
        self.resident_mib * 1.048_576
    }
}

impl Startup {
    /// The median of each figure by itself; None without runs.
    pub(crate) fn median(runs: &[Self]) -> Option<Self> {
        let of = |pick: fn(&Self) -> f64| median(runs.iter().map(pick));
        Some(Self {
            connect_ms: of(|s| s.connect_ms)?,
            register_ms: of(|s| s.register_ms)?,
            ready_ms: of(|s| s.ready_ms)?,
            idle_mib: of(|s| s.idle_mib)?,
        })
    }
}

pub(crate) fn mib(bytes: u64) -> f64 {
    bytes as f64 / (1024.0 * 1024.0)
}

pub(crate) fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Of ascending times; 0 for none.
fn quantile_ms(ascending: &[Duration], share: f64) -> f64 {
    let at = (share * ascending.len() as f64) as usize;
    ascending.get(at).or(ascending.last()).copied().map_or(0.0, ms)
}

/// Between the two middle values where their number is even.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let upper = values.get(values.len() / 2)?;
    let lower = values.get(values.len().checked_sub(1)? / 2)?;
    Some(f64::midpoint(*lower, *upper))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_quantiles() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), Some(2.0));
        assert_eq!(median([4.0, 1.0, 2.0, 3.0].into_iter()), Some(2.5));
        assert_eq!(median(std::iter::empty()), None);
        let times: Vec<_> = (1..=100).map(Duration::from_millis).collect();
        let found = [0.5, 0.99, 1.0].map(|share| quantile_ms(&times, share));
        assert_eq!(found, [51.0, 100.0, 100.0]);
        assert_eq!(quantile_ms(&[], 0.5), 0.0);
    }

    #[test]
    fn a_load_accounts_for_every_core() {
        let latencies = vec![Duration::from_millis(1); 1000];
        let outcome = Outcome { latencies, elapsed: Duration::from_secs(2) };
        let zero = Clocks { peer: Usage::default(), driver: Duration::ZERO, machine: Duration::from_secs(9) };
        let peer = Usage {
            cpu: Duration::from_secs(1),
            echo_cpu: Duration::from_millis(500),
            resident: 3 << 20,
            peak: 4 << 20,
        };
        let after = Clocks { peer, driver: Duration::from_millis(200), machine: Duration::from_secs(11) };
        let figures = Figures::new(&outcome, zero, after);
        assert_eq!((figures.per_s, figures.cpu_us, figures.peak_mib), (500.0, 1000.0, 4.0));
        assert_eq!((figures.peer_busy, figures.echo_busy, figures.driver_busy), (0.5, 0.25, 0.1));
        assert!((figures.others_busy - 0.15).abs() < 1e-9);
    }
}
