//! What a further tunnel costs one `culvert run` in memory.

use std::path::Path;

use clap::Args;
use culvert_tests::further::{Held, MOST, held_by};
use serde::Serialize;

use crate::figures::{median, mib};
use crate::machine::Machine;
use crate::report::verdict;

#[derive(Args, Debug, Serialize)]
pub(crate) struct TunnelsArgs {
    /// How many tunnels the larger process has; the other has one
    #[arg(long, default_value_t = 21, value_parser = clap::value_parser!(u16).range(2..=200))]
    tunnels: u16,
    /// How often both are measured
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    runs: u16,
}

/// One run. Memory is the proportional set size, in MiB.
#[derive(Debug, Serialize)]
pub(crate) struct Run {
    one_idle_mib: f64,
    one_used_mib: f64,
    many_idle_mib: f64,
    many_used_mib: f64,
    each_idle_mib: f64,
    each_used_mib: f64,
}

impl Run {
    fn of(one: &Held, many: &Held) -> Self {
        let (each_idle, each_used) = many.each_beyond(one);
        Self {
            one_idle_mib: mib(one.idle),
            one_used_mib: mib(one.used),
            many_idle_mib: mib(many.idle),
            many_used_mib: mib(many.used),
            each_idle_mib: mib(each_idle),
            each_used_mib: mib(each_used),
        }
    }
}

/// Measures the program that `CULVERT_BIN` names, with `echo` as its local servers.
pub(crate) async fn run(args: &TunnelsArgs, echo: &Path) -> Vec<Run> {
    let command = echo.display().to_string();
    let mut runs = Vec::new();
    for run in 1..=args.runs {
        eprintln!("run {run} of {}", args.runs);
        runs.push(Run::of(&held_by(1, &command).await, &held_by(args.tunnels.into(), &command).await));
    }
    runs
}

#[derive(Serialize)]
pub(crate) struct Report<'a> {
    pub(crate) machine: Machine,
    pub(crate) options: &'a TunnelsArgs,
    pub(crate) runs: Vec<Run>,
}

impl Report<'_> {
    pub(crate) fn markdown(&self) -> String {
        let of = |figure: fn(&Run) -> f64| median(self.runs.iter().map(figure)).unwrap_or(f64::INFINITY);
        let many = self.options.tunnels;
        let each = [of(|run| run.each_idle_mib), of(|run| run.each_used_mib)];
        let most = mib(MOST);
        let mut lines = vec![
            self.machine.to_string(),
            format!("Medians of {} runs; PSS of `culvert run` alone.\n", self.options.runs),
            "| tunnels | once online | after a session with calls on each |\n|--:|--:|--:|".to_owned(),
            format!("| 1 | {:.2} MiB | {:.2} MiB |", of(|run| run.one_idle_mib), of(|run| run.one_used_mib)),
            format!("| {many} | {:.2} MiB | {:.2} MiB |", of(|run| run.many_idle_mib), of(|run| run.many_used_mib)),
            format!("| each further one | {:.3} MiB | {:.3} MiB |\n", each[0], each[1]),
        ];
        let highest = each[0].max(each[1]);
        let promise = format!("{highest:.3} MiB at most for a further tunnel, its child aside (floor: {most})");
        lines.push(format!("- {}\n", verdict(highest <= most, &promise)));
        lines.join("\n")
    }
}
