//! The report: Markdown for people, JSON with every single run for scripts.

use std::fmt::Write;
use std::path::Path;
use std::{fs, io};

use serde::Serialize;

use crate::base::{BaseArgs, LoadRun, Measured};
use crate::figures::{Figures, Startup};
use crate::floors;
use crate::machine::Machine;

/// Above this share of a core, other work has blurred the figures.
const QUIET: f64 = 0.1;

#[derive(Serialize)]
pub(crate) struct Report<'a> {
    pub(crate) machine: Machine,
    pub(crate) options: &'a BaseArgs,
    #[serde(flatten)]
    pub(crate) measured: Measured,
}

/// The runs of one peer at one size and concurrency, made one.
pub(crate) enum Summary {
    Median(Figures),
    /// The first failure: one failed run makes the rest no comparison.
    Failed(String),
}

impl Report<'_> {
    /// The figures of one row; None where nothing was measured.
    pub(crate) fn summary(&self, peer: &str, size: usize, concurrency: u16) -> Option<Summary> {
        let of_row = |run: &&LoadRun| run.peer == peer && run.size == size && run.concurrency == concurrency;
        let runs = self.measured.loads.iter().filter(of_row).map(|run| run.outcome.clone());
        match runs.collect::<Result<Vec<_>, _>>() {
            Ok(runs) => Figures::median(&runs).map(Summary::Median),
            Err(why) => Some(Summary::Failed(why)),
        }
    }

    /// In the order in which they were measured.
    pub(crate) fn peers(&self) -> Vec<&str> {
        let mut peers = Vec::new();
        for LoadRun { peer, .. } in &self.measured.loads {
            if !peers.contains(&peer.as_str()) {
                peers.push(peer);
            }
        }
        peers
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
        let Machine { date, commit, cores, cpu, memory_gib, kernel } = &self.machine;
        let BaseArgs { seconds, runs, spacing, .. } = self.options;
        writeln!(out, "{date}, commit {commit}. {cpu}, {cores} cores, {memory_gib} GiB, Linux {kernel}.")?;
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
        let others = self.measured.loads.iter().filter_map(|run| Some(run.outcome.as_ref().ok()?.others_busy));
        let others = others.max_by(f64::total_cmp).unwrap_or(0.0);
        if others > QUIET {
            writeln!(out, "\nThe machine was not quiet: other processes used up to {others:.1} cores during a load.")?;
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

/// Puts `markdown` between the two marker comments of `suite` in `file`.
///
/// # Errors
/// When the file cannot be read or written, or has no such markers.
pub(crate) fn embed(file: &Path, suite: &str, markdown: &str) -> io::Result<()> {
    let text = fs::read_to_string(file)?;
    let (begin, end) = (format!("<!-- figures of {suite} -->\n"), format!("<!-- end of {suite} -->"));
    let no_markers = || io::Error::other(format!("{} has no \"{}\" … \"{end}\"", file.display(), begin.trim()));
    let (before, rest) = text.split_once(&begin).ok_or_else(no_markers)?;
    let (_, after) = rest.split_once(&end).ok_or_else(no_markers)?;
    fs::write(file, format!("{before}{begin}{markdown}{end}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn embeds_between_its_own_markers_only() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("README.md");
        fs::write(&file, "a\n<!-- figures of base -->\nold\n<!-- end of base -->\nb\n").unwrap();
        embed(&file, "base", "new\n").unwrap();
        let text = fs::read_to_string(&file).unwrap();
        assert_eq!(text, "a\n<!-- figures of base -->\nnew\n<!-- end of base -->\nb\n");
        assert!(embed(&file, "load", "x").unwrap_err().to_string().contains("figures of load"));
        assert_eq!(fs::read_to_string(&file).unwrap(), text);
    }
}
