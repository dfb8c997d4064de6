//! The report of the suite `channels`: every figure with its ratio to Culvert's.

use std::fmt::Write;

use serde::Serialize;

use crate::channels::load::Load;
use crate::channels::{ChannelsArgs, Measured, floors};
use crate::figures::{Figures, median};
use crate::machine::Machine;
use crate::report::{self, Summary};

pub(crate) const CULVERT: &str = "culvert";

/// The name of nothing between: the floor, and no peer.
pub(crate) const PIPE: &str = "pipe";

#[derive(Serialize)]
pub(crate) struct Report<'a> {
    pub(crate) machine: Machine,
    pub(crate) options: &'a ChannelsArgs,
    #[serde(flatten)]
    pub(crate) measured: Measured,
}

impl Report<'_> {
    /// The figures of one row; None where nothing was measured.
    pub(crate) fn summary(&self, between: &str, load: Load) -> Option<Summary> {
        let of_row = self.measured.loads.iter().filter(|run| run.between == between && run.load == load);
        Summary::of(of_row.map(|run| &run.outcome))
    }

    /// In the order in which they were measured.
    pub(crate) fn between(&self) -> Vec<&str> {
        report::in_order(self.measured.loads.iter().map(|run| &run.between))
    }

    pub(crate) fn markdown(&self) -> String {
        let mut out = String::new();
        // Writing to a String cannot fail.
        let _ = self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        let ChannelsArgs { seconds, runs, .. } = self.options;
        writeln!(out, "{}", self.machine)?;
        writeln!(
            out,
            "Medians of {runs} rounds (max: the worst), {seconds} s per load. In parentheses: times Culvert's figure.\n"
        )?;
        writeln!(
            out,
            "| load | between | p50 ms | p99 ms | max ms | calls/s | CPU µs/call | RSS MB | busy: between, server, driver |"
        )?;
        writeln!(out, "|:--|:--|--:|--:|--:|--:|--:|--:|--:|")?;
        for load in self.options.loads() {
            let own = self.summary(CULVERT, load).and_then(Summary::figures);
            for between in self.between() {
                self.row(out, between, load, own.filter(|_| between != CULVERT).as_ref())?;
            }
        }
        writeln!(out, "\n| between | first session after ms |\n|:--|--:|")?;
        for between in self.between() {
            let starts = self.measured.starts.iter().filter(|start| start.between == between);
            if let Some(ready_ms) = median(starts.map(|start| start.ready_ms)) {
                writeln!(out, "| {between} | {ready_ms:.1} |")?;
            }
        }
        let judged = floors::judge(self);
        if !judged.is_empty() {
            writeln!(out)?;
        }
        for line in judged {
            writeln!(out, "- {line}")?;
        }
        if let Some(disturbed) = report::disturbed(self.measured.loads.iter().map(|run| &run.outcome)) {
            writeln!(out, "\n{disturbed}")?;
        }
        Ok(())
    }

    fn row(&self, out: &mut String, between: &str, load: Load, own: Option<&Figures>) -> std::fmt::Result {
        let row = format!("| {} | {between} |", load.label());
        let f = match self.summary(between, load) {
            None => return Ok(()),
            Some(Summary::Failed(why)) => {
                return writeln!(out, "{row} fails: {} | | | | | | |", why.replace('|', "\\|"));
            }
            Some(Summary::Median(figures)) => figures,
        };
        let cell = |digits: usize, pick: fn(&Figures) -> f64| {
            let ratio = own.map(|own| pick(&f) / pick(own)).filter(|ratio| ratio.is_finite());
            match (pick(&f), ratio) {
                // Nothing between uses nothing.
                (0.0, _) => "–".to_owned(),
                (value, None) => format!("{value:.digits$}"),
                (value, Some(ratio)) => format!("{value:.digits$} ({})", times(ratio)),
            }
        };
        writeln!(
            out,
            "{row} {} | {} | {:.1} | {} | {} | {} | {:.2}, {:.2}, {:.2} |",
            cell(3, |f| f.p50_ms),
            cell(3, |f| f.p99_ms),
            f.max_ms,
            cell(0, |f| f.per_s),
            cell(1, |f| f.cpu_us),
            cell(1, Figures::resident_mb),
            f.peer_busy,
            f.echo_busy,
            f.driver_busy,
        )
    }
}

/// With as many digits as tell something.
fn times(ratio: f64) -> String {
    if ratio < 0.1 {
        format!("{ratio:.3}×")
    } else if ratio < 10.0 {
        format!("{ratio:.2}×")
    } else {
        format!("{ratio:.0}×")
    }
}
