//! The figures of the suite `load` as Markdown.

use serde::Serialize;

use super::callers::SIZE;
use super::{LoadArgs, Run, Stage};
use crate::figures::{Figures, median};
use crate::machine::Machine;
use crate::report::{disturbed, verdict};

/// What a thousand tunnels may take, in MB of 10⁶ bytes.
const GOAL: f64 = 100.0;

#[derive(Serialize)]
pub(crate) struct Report<'a> {
    pub(crate) machine: Machine,
    pub(crate) options: &'a LoadArgs,
    pub(crate) runs: Vec<Run>,
}

fn mb(mib: f64) -> f64 {
    mib * 1.048_576
}

impl Report<'_> {
    pub(crate) fn markdown(&self) -> String {
        let of = |figure: &dyn Fn(&Run) -> f64| median(self.runs.iter().map(figure)).unwrap_or(f64::INFINITY);
        let LoadArgs { tunnels, rate, seconds, runs, without_streams } = self.options;
        let stream = if *without_streams { "" } else { " and an event stream" };
        let empty = of(&|run| mb(run.empty.resident_mib));
        let row = |what: String, stage: &dyn Fn(&Run) -> Stage| {
            let resident = of(&|run| mb(stage(run).resident_mib));
            let each = (resident - empty) * 1e3 / f64::from(*tunnels);
            let (descriptors, took) = (of(&|run| stage(run).descriptors as f64), of(&|run| stage(run).seconds));
            format!("| {what} | {resident:.1} | {each:.1} | {descriptors:.0} | {took:.1} |")
        };
        let load = |what: String, figures: &dyn Fn(&Run) -> Figures| {
            let of = |pick: &dyn Fn(&Figures) -> f64| of(&|run| pick(&figures(run)));
            format!(
                "| {what} | {:.0} | {:.2} | {:.2} | {:.1} | {:.1} | {:.2} | {:.2} | {:.1} |",
                of(&|f| f.per_s),
                of(&|f| f.p50_ms),
                of(&|f| f.p99_ms),
                self.runs.iter().map(|run| figures(run).max_ms).fold(0.0, f64::max),
                of(&|f| f.cpu_us),
                of(&|f| f.peer_busy),
                of(&|f| f.driver_busy),
                of(&|f| mb(f.peak_mib)),
            )
        };
        let mut lines = vec![
            self.machine.to_string(),
            format!("Medians of {runs} runs (max: the worst), {seconds} s per load, {SIZE} B per call.\n"),
            "| the gateway with | RSS MB | kB each | descriptors | opened in s |\n|:--|--:|--:|--:|--:|".to_owned(),
            format!("| nothing | {empty:.1} | | {:.0} | |", of(&|run| run.empty.descriptors as f64)),
            row(format!("{tunnels} tunnels"), &|run| run.tunnels),
            row(format!("a session{stream} on each"), &|run| run.sessions),
            row("the same, after both loads".to_owned(), &|run| run.after),
            String::new(),
            "| load | calls/s | p50 ms | p99 ms | max ms | CPU µs/call | gateway busy | driver busy | peak MB |\n\
             |:--|--:|--:|--:|--:|--:|--:|--:|--:|"
                .to_owned(),
            load(format!("{rate} calls/s, evenly"), &|run| run.steady),
            load("every session at once".to_owned(), &|run| run.full),
            String::new(),
            format!(
                "With {tunnels} tunnels and nobody calling the gateway uses {:.3} of a core.",
                of(&|run| run.idle_busy)
            ),
        ];
        let both: Vec<_> = self.runs.iter().flat_map(|run| [Ok(run.steady), Ok(run.full)]).collect();
        lines.extend(disturbed(both.iter()));
        let [held, after] = [of(&|run| mb(run.tunnels.resident_mib)), of(&|run| mb(run.after.resident_mib))];
        let goal = GOAL * f64::from(*tunnels) / 1000.0;
        let promise = format!("{held:.1} MB for {tunnels} tunnels (goal: {goal:.0})");
        lines.push(format!(
            "\n- {}; {after:.1} MB with a session{stream} on each, after calls\n",
            verdict(held <= goal, &promise)
        ));
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_goal_is_judged_by_the_tunnels_and_the_rest_is_told() {
        let stage = |resident_mib| Stage { resident_mib, descriptors: 9, seconds: 1.0 };
        let figures = Figures {
            calls: 1.0,
            p50_ms: 1.0,
            p99_ms: 2.0,
            max_ms: 3.0,
            per_s: 1000.0,
            cpu_us: 5.0,
            resident_mib: 1.0,
            peak_mib: 1.0,
            peer_busy: 0.1,
            echo_busy: 0.0,
            driver_busy: 0.1,
            others_busy: 0.0,
        };
        let run = |held| Run {
            empty: stage(5.0),
            tunnels: stage(held),
            idle_busy: 0.01,
            sessions: stage(60.0),
            steady: figures,
            full: figures,
            after: stage(120.0),
        };
        let options = LoadArgs { tunnels: 1000, rate: 1000, seconds: 1, runs: 1, without_streams: false };
        let told = |held| Report { machine: Machine::default(), options: &options, runs: vec![run(held)] }.markdown();
        assert!(told(50.0).contains("- ✓ 52.4 MB for 1000 tunnels (goal: 100); 125.8 MB with"), "{}", told(50.0));
        assert!(told(100.0).contains("- ✗ 104.9 MB for 1000"), "{}", told(100.0));
        assert!(told(50.0).contains("| 1000 tunnels | 52.4 | 47.2 | 9 | 1.0 |"), "{}", told(50.0));
    }
}
