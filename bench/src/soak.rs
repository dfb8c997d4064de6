//! Hours of calls over bad networks with children that fail: each gets its one answer, and memory and descriptors of both
//! ends stay where they are.

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use culvert_tests::cutter::{Plan, Trick};
use culvert_tests::faults::{House, Mishaps, Tally, round};

use crate::chart::{Chart, Line, Panel};

/// The links that are tried.
const TRANSPORTS: [&str; 2] = ["ws", "sse"];

/// Calls of one round.
const CALLS: usize = 300;

/// How often memory and descriptors are read.
const SAMPLE: Duration = Duration::from_secs(2);

/// How much more a process may hold in the last quarter than in the second, as a share and in bytes. In the first one
/// allocators settle.
const GROWTH: (f64, u64) = (0.10, 4 * 1024 * 1024);

/// How many descriptors more.
const MORE: usize = 8;

#[derive(Args, Debug)]
pub(crate) struct SoakArgs {
    /// How long
    #[arg(long, default_value_t = 60.0)]
    minutes: f64,
    /// The number of the first round; a failure tells the number that it had
    #[arg(long, env = "SEED")]
    seed: Option<u64>,
    /// Write every sample here
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Draw them here
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

/// One process at one moment.
#[derive(Debug, Clone)]
struct Sample {
    seconds: f64,
    process: String,
    resident: u64,
    descriptors: usize,
}

/// Runs it, and says whether all was flat.
///
/// # Errors
/// When something grew, or a file cannot be written. A call without its one answer is a panic that tells the seed.
pub(crate) async fn run(args: &SoakArgs) -> Result<String, Box<dyn Error>> {
    let first = args.seed.unwrap_or_else(|| fastrand::u64(1..1_000_000));
    let plan = Plan {
        seed: first,
        longest: 60_000,
        pauses: 20..400,
        half_open: vec![],
        tricks: vec![Trick::Bytes, Trick::Drip, Trick::Again],
    };
    let house = House::open(&TRANSPORTS, &plan).await;
    let mut processes = vec![("gateway".to_owned(), house.gateway_pid().await)];
    processes.extend(house.tunnels.iter().map(|tunnel| (format!("client over {}", tunnel.name), tunnel.culvert.pid())));
    let begun = Instant::now();
    let (mut samples, mut all, mut seed) = (Vec::new(), Tally::default(), first);
    while begun.elapsed().as_secs_f64() < args.minutes * 60.0 {
        let sampling = async {
            loop {
                tokio::time::sleep(SAMPLE).await;
                samples.extend(processes.iter().map(|(name, pid)| sample(begun, name, *pid)));
            }
        };
        let tally = tokio::select! {
            tally = round(&house, seed, CALLS, Mishaps::Children) => tally,
            never = sampling => never,
        };
        eprintln!("{:.0} s, seed {seed}: {tally}", begun.elapsed().as_secs_f64());
        all.add(tally);
        seed += 1;
    }
    house.close().await;
    if let Some(file) = &args.csv {
        fs::write(file, csv(&samples))?;
    }
    if let Some(file) = &args.svg {
        fs::write(file, chart(&samples, &processes, &all, args.minutes).svg())?;
    }
    let mut report = format!("{:.0} minutes, seeds {first} to {}: {all}\n", args.minutes, seed - 1);
    let mut is_flat = true;
    for (name, _) in &processes {
        let (text, flat) = verdict(name, &samples);
        is_flat &= flat;
        let _ = writeln!(report, "- {text}");
    }
    if is_flat { Ok(report) } else { Err(format!("something grows\n{report}").into()) }
}

fn sample(begun: Instant, process: &str, pid: i32) -> Sample {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let resident =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse().ok());
    Sample {
        seconds: begun.elapsed().as_secs_f64(),
        process: process.to_owned(),
        resident: resident.map_or(0, |kib: u64| kib * 1024),
        descriptors: fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count),
    }
}

fn csv(samples: &[Sample]) -> String {
    let mut text = "seconds,process,resident_bytes,descriptors\n".to_owned();
    for Sample { seconds, process, resident, descriptors } in samples {
        let _ = writeln!(text, "{seconds:.1},{process},{resident},{descriptors}");
    }
    text
}

fn chart(samples: &[Sample], processes: &[(String, i32)], all: &Tally, minutes: f64) -> Chart {
    let lines = |of: fn(&Sample) -> f64| {
        let line = |(name, _): &(String, i32)| Line {
            name: name.clone(),
            points: samples
                .iter()
                .filter(|sample| sample.process == *name)
                .map(|sample| (sample.seconds / 60.0, of(sample)))
                .collect(),
        };
        processes.iter().map(line).collect()
    };
    Chart {
        title: format!("{minutes:.0} minutes, {} calls, {} faults", all.calls(), all.cuts + all.mishaps),
        across: "minutes",
        panels: vec![
            Panel {
                up: "resident memory, MiB".to_owned(),
                lines: lines(|sample| sample.resident as f64 / 1_048_576.0),
            },
            Panel { up: "descriptors".to_owned(), lines: lines(|sample| sample.descriptors as f64) },
        ],
    }
}

/// What a process held in the second quarter and in the last one, by their medians, and whether that is as good as the
/// same.
fn verdict(name: &str, samples: &[Sample]) -> (String, bool) {
    let mine: Vec<&Sample> = samples.iter().filter(|sample| sample.process == name).collect();
    let quarter = mine.len() / 4;
    let median = |part: &[&Sample], of: fn(&Sample) -> u64| {
        let mut values: Vec<u64> = part.iter().map(|sample| of(sample)).collect();
        values.sort_unstable();
        values.get(values.len() / 2).copied().unwrap_or_default()
    };
    let (second, last) = (&mine[quarter..2 * quarter], &mine[3 * quarter..]);
    let resident = |part| median(part, |sample| sample.resident);
    let descriptors = |part| median(part, |sample| sample.descriptors as u64) as usize;
    let (before, after) = (resident(second), resident(last));
    let (few, many) = (descriptors(second), descriptors(last));
    let allowed = before + ((before as f64 * GROWTH.0) as u64).max(GROWTH.1);
    let is_flat = after <= allowed && many <= few + MORE;
    let mib = |bytes: u64| bytes as f64 / 1_048_576.0;
    let text = format!("{name}: {:.1} MiB, then {:.1}; {few} descriptors, then {many}", mib(before), mib(after));
    (crate::report::verdict(is_flat, &text), is_flat)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_grows_is_seen_and_what_settles_is_not() {
        let series = |of: fn(u64) -> (u64, usize)| -> Vec<Sample> {
            let one = |n| {
                let (resident, descriptors) = of(n);
                Sample { seconds: n as f64, process: "p".to_owned(), resident, descriptors }
            };
            (0..400).map(one).collect()
        };
        const MIB: u64 = 1_048_576;
        assert!(verdict("p", &series(|n| ((20 * MIB).min(5 * MIB + n * MIB / 4), 20))).1, "it settles");
        assert!(!verdict("p", &series(|n| (20 * MIB + n * MIB / 20, 20))).1, "memory grows");
        assert!(!verdict("p", &series(|n| (20 * MIB, 20 + n as usize / 10))).1, "descriptors grow");
    }
}
