//! What Culvert has promised beside other bridges, held against what was measured.

use crate::channels::load::Load;
use crate::channels::report::{CULVERT, PIPE, Report};
use crate::figures::Figures;
use crate::report::{DRIVER_FULL, Summary, verdict};

/// Times the calls per second of the best other bridge, with 32 calls at once.
const FASTER: f64 = 4.0;
const FASTER_GOAL: f64 = 8.0;

/// Median of single calls, in ms.
const SINGLE_MS: f64 = 1.0;
const SINGLE_GOAL_MS: f64 = 0.3;

/// Resident memory of client and gateway, in MB (10⁶ bytes), after any load.
const MEMORY_MB: f64 = 25.0;
const MEMORY_GOAL_MB: f64 = 20.0;

/// One line per promise that the figures allow to judge: none without Culvert.
pub(crate) fn judge(report: &Report<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    for load in [Load::Session, Load::Sessions] {
        lines.extend(faster(report, load));
    }
    if let Some(own) = figures(report, CULVERT, Load::Single) {
        let goal = goal(own.p50_ms < SINGLE_GOAL_MS);
        let text = format!(
            "p50 of single calls {:.3} ms (floor: below {SINGLE_MS}; goal: below {SINGLE_GOAL_MS}, {goal})",
            own.p50_ms
        );
        lines.push(verdict(own.p50_ms < SINGLE_MS, &text));
    }
    lines.extend(memory(report, &[Load::Single, Load::Session, Load::Sessions]));
    lines.extend(memory(report, &[Load::Large]));
    lines.extend(large(report));
    lines
}

fn faster(report: &Report<'_>, load: Load) -> Option<String> {
    let own = figures(report, CULVERT, load)?;
    let rates = others(report).filter_map(|peer| Some((figures(report, peer, load)?.per_s, peer)));
    let (best, peer) = rates.max_by(|a, b| a.0.total_cmp(&b.0))?;
    let times = own.per_s / best;
    let goal = goal(times >= FASTER_GOAL);
    let bound = if own.driver_busy >= DRIVER_FULL { "; limited by the driver" } else { "" };
    let text = format!(
        "{}: {times:.1} times the calls/s of the best other bridge, {peer} (floor {FASTER}; goal {FASTER_GOAL}, {goal}){bound}",
        load.label()
    );
    Some(verdict(times >= FASTER, &text))
}

/// The most that any of `loads` left resident: small calls and large ones are judged apart.
fn memory(report: &Report<'_>, loads: &[Load]) -> Option<String> {
    let loads = loads.iter().filter_map(|&load| Some((figures(report, CULVERT, load)?.resident_mb(), load)));
    let (most, load) = loads.max_by(|a, b| a.0.total_cmp(&b.0))?;
    let goal = goal(most < MEMORY_GOAL_MB);
    let text = format!(
        "{most:.1} MB resident, client and gateway together, after {} (floor: below {MEMORY_MB}; goal: below {MEMORY_GOAL_MB}, {goal})",
        load.label()
    );
    Some(verdict(most < MEMORY_MB, &text))
}

/// Those that fail at 1 MiB are not faster.
fn large(report: &Report<'_>) -> Option<String> {
    let own = figures(report, CULVERT, Load::Large);
    report.summary(CULVERT, Load::Large)?;
    let times: Vec<_> =
        others(report).filter_map(|peer| Some((figures(report, peer, Load::Large)?.p50_ms, peer))).collect();
    let (best, peer) = times.into_iter().min_by(|a, b| a.0.total_cmp(&b.0))?;
    Some(match own {
        None => verdict(false, "1 MiB echo: not every call was answered"),
        Some(own) => verdict(
            own.p50_ms < best,
            &format!("1 MiB echo in {:.2} ms (p50), the fastest other bridge, {peer}, in {best:.2} ms", own.p50_ms),
        ),
    })
}

fn others<'a>(report: &'a Report<'_>) -> impl Iterator<Item = &'a str> {
    // Culvert with anything else than usual is no other bridge.
    report.between().into_iter().filter(|between| !between.starts_with(CULVERT) && *between != PIPE)
}

fn figures(report: &Report<'_>, between: &str, load: Load) -> Option<Figures> {
    report.summary(between, load).and_then(Summary::figures)
}

fn goal(reached: bool) -> &'static str {
    if reached { "reached" } else { "missed" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channels::{ChannelsArgs, LoadRun, Measured};
    use crate::machine::Machine;

    fn figures(p50_ms: f64, per_s: f64, megabytes: f64) -> Figures {
        Figures {
            calls: 1.0,
            p50_ms,
            p99_ms: p50_ms,
            max_ms: p50_ms,
            per_s,
            cpu_us: 10.0,
            resident_mib: megabytes * 1e6 / (1024.0 * 1024.0),
            peak_mib: 0.0,
            peer_busy: 0.0,
            echo_busy: 0.0,
            driver_busy: 0.5,
            others_busy: 0.0,
        }
    }

    /// Two other bridges that make 1,000 and 2,000 calls/s, the better of which fails at
    /// 1 MiB; the pipe is faster than all and no peer.
    fn report(culvert: Figures, large: Result<Figures, String>) -> String {
        let loads = Vec::new();
        let args = ChannelsArgs { between: Vec::new(), commands: Vec::new(), loads, seconds: 1, runs: 1, timeout: 1 };
        let mut measured = Measured::default();
        for load in Load::ALL {
            let own = if load == Load::Large { large.clone() } else { Ok(culvert) };
            let better = if load == Load::Large { Err("413 | no".to_owned()) } else { Ok(figures(5.0, 2000.0, 99.0)) };
            for (name, outcome) in [
                (CULVERT, own),
                ("slow", Ok(figures(10.0, 1000.0, 50.0))),
                ("better", better),
                (PIPE, Ok(Figures { cpu_us: 0.0, ..figures(0.1, 90_000.0, 0.0) })),
            ] {
                measured.loads.push(LoadRun { between: name.to_owned(), load, outcome });
            }
        }
        Report { machine: Machine::default(), options: &args, measured }.markdown()
    }

    fn marks(report: &str) -> String {
        report.lines().filter_map(|line| line.strip_prefix("- ")?.chars().next()).collect()
    }

    #[test]
    fn each_promise_is_judged_by_its_own_figures() {
        let good = figures(0.2, 16_000.0, 19.0);
        let report = |own, large| super::tests::report(own, large);
        // Calls/s in one session, in 32; p50; memory after small calls, after large; 1 MiB.
        let reached = report(good, Ok(good));
        assert_eq!(marks(&reached), "✓✓✓✓✓✓", "{reached}");
        assert_eq!(reached.matches("reached").count(), 5, "{reached}");
        assert!(reached.contains("8.0 times the calls/s of the best other bridge, better"), "{reached}");
        assert!(reached.contains("the fastest other bridge, slow, in 10.00 ms"), "{reached}");

        let floors = figures(0.9, 8000.0, 24.9);
        let kept = report(floors, Ok(floors));
        assert_eq!((marks(&kept).as_str(), kept.matches("missed").count()), ("✓✓✓✓✓✓", 5), "{kept}");

        let bad = figures(10.0, 7999.0, 25.0);
        assert_eq!(marks(&report(bad, Ok(bad))), "✗✗✗✗✗✗");
        assert_eq!(marks(&report(good, Ok(figures(0.2, 1.0, 25.1)))), "✓✓✓✓✗✓");
        assert_eq!(marks(&report(good, Err("gone".into()))), "✓✓✓✓✗");
    }

    #[test]
    fn figures_stand_beside_their_ratio_to_culverts() {
        let report = report(figures(0.5, 5000.0, 20.0), Ok(figures(20.0, 50.0, 20.0)));
        for row in [
            "| 200 B, one at a time | culvert | 0.500 | 0.500 | 0.5 | 5000 | 10.0 | 20.0 |",
            "| 200 B, one at a time | slow | 10.000 (20×) | 10.000 (20×) | 10.0 | 1000 (0.20×) | 10.0 (1.00×) | 50.0 (2.50×) |",
            "| 200 B, one at a time | pipe | 0.100 (0.20×) | 0.100 (0.20×) | 0.1 | 90000 (18×) | – | – |",
            "| 1 MiB, one at a time | better | fails: 413 \\| no |",
        ] {
            assert!(report.contains(row), "{row} in\n{report}");
        }
    }
}
