//! The report of the suite `desktop`, and what it is held against.

use std::fmt::Write;

use serde::Serialize;

use crate::desktop::{DesktopArgs, Measured};
use crate::figures::median;
use crate::machine::Machine;
use crate::report::verdict;

/// From the spawn to the item in the tray, in ms.
const START_MS: Promise = Promise { floor: 500.0, goal: 200.0 };

/// In the tray with no window made yet, in MiB.
const TRAY_MIB: Promise = Promise { floor: 100.0, goal: 80.0 };

/// After a window was closed, in MiB.
const CLOSED_MIB: Promise = Promise { floor: 140.0, goal: 100.0 };

/// What still reads as 0 %: half a percent of a core.
const IDLE_SHARE: f64 = 0.005;

/// A figure must be below the floor, and should be below the goal.
struct Promise {
    floor: f64,
    goal: f64,
}

impl Promise {
    fn judge(&self, what: &str, figure: f64, unit: &str) -> String {
        let Self { floor, goal } = self;
        let reached = if figure < *goal { "reached" } else { "missed" };
        verdict(
            figure < *floor,
            &format!("{figure:.0} {unit} {what} (floor: below {floor}; goal: below {goal}, {reached})"),
        )
    }
}

#[derive(Serialize)]
pub(crate) struct Report<'a> {
    pub(crate) machine: Machine,
    pub(crate) options: &'a DesktopArgs,
    #[serde(flatten)]
    pub(crate) measured: Measured,
}

impl Report<'_> {
    pub(crate) fn markdown(&self) -> String {
        let mut out = String::new();
        // Writing to a String cannot fail.
        let _ = self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        let (options, seen) = (self.options, &self.measured);
        let start = median(seen.starts_ms.iter().copied()).unwrap_or(f64::INFINITY);
        let slowest = seen.starts_ms.iter().copied().fold(0.0, f64::max);
        writeln!(out, "{}", self.machine)?;
        writeln!(
            out,
            "Median of {} starts; one tunnel online; memory read {} s after each step; idle for {} s.\n",
            options.runs, options.settle, options.idle
        )?;
        writeln!(out, "| figure | is |\n|:--|--:|")?;
        writeln!(out, "| start to tray item | {start:.0} ms (slowest {slowest:.0}) |")?;
        for (name, mib) in [
            ("PSS, tray only", seen.tray_mib),
            ("PSS, window open", seen.window_mib),
            ("PSS, window closed", seen.closed_mib),
        ] {
            writeln!(out, "| {name} | {mib:.0} MiB |")?;
        }
        for (name, share) in [("CPU, tray only", seen.idle_share), ("CPU, window closed", seen.idle_after_window_share)]
        {
            writeln!(out, "| {name} | {:.2} % of a core |", share * 100.0)?;
        }
        writeln!(out, "\n- {}", START_MS.judge("from start to tray item", start, "ms"))?;
        writeln!(out, "- {}", TRAY_MIB.judge("PSS in the tray only", seen.tray_mib, "MiB"))?;
        writeln!(out, "- {}", CLOSED_MIB.judge("PSS after a window closed", seen.closed_mib, "MiB"))?;
        let busiest = seen.idle_share.max(seen.idle_after_window_share);
        let idle = format!("{:.2} % CPU when idle (0 %, rounded)", busiest * 100.0);
        writeln!(out, "- {}", verdict(busiest < IDLE_SHARE, &idle))?;
        if seen.others_share > 0.1 {
            writeln!(out, "\nThe machine was not quiet: other processes used {:.1} cores.", seen.others_share)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_held_against_floor_and_goal() {
        let measured = Measured {
            starts_ms: vec![190.0, 180.0, 700.0],
            tray_mib: 90.0,
            window_mib: 260.0,
            closed_mib: 141.0,
            idle_share: 0.0,
            idle_after_window_share: 0.006,
            others_share: 0.0,
        };
        let options = DesktopArgs { runs: 3, settle: 5, idle: 60 };
        let text = Report { machine: Machine::default(), options: &options, measured }.markdown();
        for line in [
            "- ✓ 190 ms from start to tray item (floor: below 500; goal: below 200, reached)",
            "- ✓ 90 MiB PSS in the tray only (floor: below 100; goal: below 80, missed)",
            "- ✗ 141 MiB PSS after a window closed (floor: below 140; goal: below 100, missed)",
            "- ✗ 0.60 % CPU when idle (0 %, rounded)",
        ] {
            assert!(text.contains(line), "{text}");
        }
        assert!(!text.contains("not quiet"), "{text}");
    }
}
