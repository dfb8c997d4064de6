//! The report of the suite `base`.

use std::fmt::Write;

use serde::Serialize;

use crate::base::{BaseArgs, LoadRun, Measured, floors};
use crate::figures::Startup;
use crate::machine::Machine;
use crate::report::{self, Summary};

#[derive(Serialize)]
pub(crate) struct Report<'a> {
    pub(crate) machine: Machine,
    pub(crate) options: &'a BaseArgs,
    #[serde(flatten)]
    pub(crate) measured: Measured,
}

impl Report<'_> {
    /// The figures of one row; None where nothing was measured.
    pub(crate) fn summary(&self, peer: &str, size: usize, concurrency: u16) -> Option<Summary> {
        let of_row = |run: &&LoadRun| run.peer == peer && run.size == size && run.concurrency == concurrency;
        Summary::of(self.measured.loads.iter().filter(of_row).map(|run| &run.outcome))
    }

    /// In the order in which they were measured.
    pub(crate) fn peers(&self) -> Vec<&str> {
        report::in_order(self.measured.loads.iter().map(|run| &run.peer))
    }

    pub(crate) fn startup(&self, peer: &str) -> Option<Startup> {
        let starts = self.measured.starts.iter().filter(|start| start.peer == peer);
        Startup::median(&starts.map(|start| start.startup).collect::<Vec<_>>())
    }

    pub(crate) fn markdown(&self) -> String {
        let mut out = String::new();
        // Writing to a String cannot fail.
        let _ = self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        let BaseArgs { seconds, runs, spacing, .. } = self.options;
        writeln!(out, "{}", self.machine)?;
        writeln!(
            out,
            "Medians of {runs} runs (max: the worst), {seconds} s per load, calls sent {spacing} µs apart.\n"
        )?;
        writeln!(
            out,
            "| size | at once | client | p50 ms | p99 ms | max ms | calls/s | CPU µs/call | RSS MiB | peak MiB | driver busy |"
        )?;
        writeln!(out, "|--:|--:|:--|--:|--:|--:|--:|--:|--:|--:|--:|")?;
        for &size in &self.options.sizes {
            for &concurrency in &self.options.concurrency {
                for peer in self.peers() {
                    self.row(out, peer, size, concurrency)?;
                }
            }
        }
        writeln!(out, "\n| client | connected ms | register ms | ready ms | idle RSS MiB |")?;
        writeln!(out, "|:--|--:|--:|--:|--:|")?;
        for peer in self.peers() {
            if let Some(Startup { connect_ms, register_ms, ready_ms, idle_mib }) = self.startup(peer) {
                writeln!(out, "| {peer} | {connect_ms:.1} | {register_ms:.1} | {ready_ms:.1} | {idle_mib:.1} |")?;
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

    fn row(&self, out: &mut String, peer: &str, size: usize, concurrency: u16) -> std::fmt::Result {
        let row = format!("| {size} | {concurrency} | {peer} |");
        match self.summary(peer, size, concurrency) {
            None => Ok(()),
            Some(Summary::Failed(why)) => writeln!(out, "{row} fails: {} | | | | | | | |", why.replace('|', "\\|")),
            Some(Summary::Median(f)) => writeln!(
                out,
                "{row} {:.3} | {:.3} | {:.1} | {:.0} | {:.1} | {:.1} | {:.1} | {:.2} |",
                f.p50_ms, f.p99_ms, f.max_ms, f.per_s, f.cpu_us, f.resident_mib, f.peak_mib, f.driver_busy
            ),
        }
    }
}
