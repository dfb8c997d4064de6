//! What Culvert has promised to reach, held against what was measured.

use crate::base::Report;
use crate::report::{DRIVER_FULL, Summary, verdict as line};

const CULVERT: &str = "culvert";

/// The load that the promises are about.
const SMALL: usize = 200;
const MANY: u16 = 64;

/// At most this share of each other client's CPU time per call.
const CPU_SHARE: f64 = 0.2;
const CPU_GOAL_US: f64 = 10.0;

/// Most memory, idle and at small calls, in MiB.
const MEMORY_MIB: f64 = 12.0;
const MEMORY_GOAL_MIB: f64 = 8.0;

/// One line per promise that the figures allow to judge: none without Culvert.
pub(crate) fn judge(report: &Report<'_>) -> Vec<String> {
    let figures = |peer: &str, concurrency| report.summary(peer, SMALL, concurrency)?.figures();
    let mut lines = Vec::new();
    // The same client costs less per call the closer together the calls come, so a
    // verdict on CPU holds for its spacing only.
    let apart = format!("calls {} µs apart", report.options.spacing);
    let (one, many) = (figures(CULVERT, 1), figures(CULVERT, MANY));
    for peer in report.peers().into_iter().filter(|peer| *peer != CULVERT) {
        if let (Some(own), Some(other)) = (many, figures(peer, MANY)) {
            let share = own.cpu_us / other.cpu_us;
            lines.push(line(
                share <= CPU_SHARE,
                &format!("CPU per call is 1/{:.1} of {peer}'s (floor 1/5), {apart}", 1.0 / share),
            ));
            let bound = own.driver_busy >= DRIVER_FULL;
            let note = if bound { ", limited by the driver" } else { "" };
            let times = own.per_s / other.per_s;
            lines.push(line(times > 1.0 || bound, &format!("{times:.1} times the calls/s of {peer}{note}")));
        }
        if let (Some(own), Some(other)) = (one, figures(peer, 1)) {
            let below = own.p50_ms < other.p50_ms;
            let text = format!("p50 of single calls {:.3} ms, {peer} {:.3} ms", own.p50_ms, other.p50_ms);
            lines.push(line(below, &text));
        }
    }
    if let Some(own) = many {
        let text = format!("{:.1} µs CPU per call (goal {CPU_GOAL_US}), {apart}", own.cpu_us);
        lines.push(line(own.cpu_us <= CPU_GOAL_US, &text));
        let idle = report.startup(CULVERT).map_or(0.0, |startup| startup.idle_mib);
        let most = own.resident_mib.max(idle);
        let text = format!(
            "{idle:.1} MiB idle, {:.1} MiB at {SMALL} B (floor {MEMORY_MIB}, goal {MEMORY_GOAL_MIB})",
            own.resident_mib
        );
        lines.push(line(most <= MEMORY_MIB, &text));
    }
    for &size in report.options.sizes.iter().filter(|size| **size > SMALL) {
        for &concurrency in &report.options.concurrency {
            if let Some(summary) = report.summary(CULVERT, size, concurrency) {
                let works = matches!(summary, Summary::Median(_));
                lines.push(line(works, &format!("{size} B, {concurrency} at once: every call answered")));
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{BaseArgs, LoadRun, Measured, Start};
    use crate::figures::{Figures, Startup};
    use crate::machine::Machine;

    fn figures(p50_ms: f64, cpu_us: f64, per_s: f64, resident_mib: f64) -> Figures {
        Figures {
            calls: 1.0,
            p50_ms,
            p99_ms: p50_ms,
            max_ms: p50_ms,
            per_s,
            cpu_us,
            resident_mib,
            peak_mib: resident_mib,
            peer_busy: 0.0,
            echo_busy: 0.0,
            driver_busy: 0.5,
            others_busy: 0.0,
        }
    }

    fn judged(culvert: Figures) -> Vec<String> {
        let args = BaseArgs {
            peers: Vec::new(),
            commands: Vec::new(),
            sizes: vec![SMALL, 102_400],
            concurrency: vec![1, MANY],
            seconds: 1,
            runs: 1,
            timeout: 1,
            spacing: 0,
        };
        let mut measured = Measured::default();
        let startup = Startup { connect_ms: 1.0, register_ms: 1.0, ready_ms: 1.0, idle_mib: 5.0 };
        measured.starts.push(Start { peer: CULVERT.into(), startup });
        for concurrency in [1, MANY] {
            for (peer, size, outcome) in [
                (CULVERT, SMALL, Ok(culvert)),
                ("other", SMALL, Ok(figures(0.2, 50.0, 20_000.0, 90.0))),
                (CULVERT, 102_400, if concurrency == 1 { Ok(culvert) } else { Err("gone".into()) }),
            ] {
                measured.loads.push(LoadRun { peer: peer.into(), size, concurrency, outcome });
            }
        }
        judge(&Report { machine: Machine::default(), options: &args, measured })
    }

    #[test]
    fn each_floor_is_judged_by_its_own_figures() {
        let marks = |lines: &[String]| lines.iter().filter_map(|line| line.chars().next()).collect::<String>();
        let good = judged(figures(0.1, 10.0, 30_000.0, 8.0));
        // CPU share, calls/s, p50, CPU goal, memory, and 102,400 B at 1 and at 64.
        assert_eq!(marks(&good), "✓✓✓✓✓✓✗", "{good:#?}");
        let bad = judged(figures(0.3, 10.1, 10_000.0, 12.1));
        assert_eq!(marks(&bad), "✗✗✗✗✗✓✗", "{bad:#?}");
    }
}
