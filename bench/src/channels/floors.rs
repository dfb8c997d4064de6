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

/// Resident memory of client and gateway, in MB (10⁶ bytes), under any load.
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
    lines.extend(memory(report));
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

/// The most that any of the loads left resident.
fn memory(report: &Report<'_>) -> Option<String> {
    let loads = Load::ALL.into_iter().filter_map(|load| Some((figures(report, CULVERT, load)?.resident_mb(), load)));
    let (most, load) = loads.max_by(|a, b| a.0.total_cmp(&b.0))?;
    let goal = goal(most < MEMORY_GOAL_MB);
    let text = format!(
        "{most:.1} MB resident at most, client and gateway together, after {} (floor: below {MEMORY_MB}; goal: below {MEMORY_GOAL_MB}, {goal})",
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
    report.between().into_iter().filter(|between| ![CULVERT, PIPE].contains(between))
}

fn figures(report: &Report<'_>, between: &str, load: Load) -> Option<Figures> {
    report.summary(between, load).and_then(Summary::figures)
}

fn goal(reached: bool) -> &'static str {
    if reached { "reached" } else { "missed" }
}
