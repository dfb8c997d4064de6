//! A thousand clients whose gateway is killed and comes back: how many come in each tenth of a second, with the waits as
//! they are drawn and with the ceilings of the same waits.

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use culvert_tests::herd::{BIN, Herd, Waits, herd};
use serde::Serialize;

use crate::chart::{Chart, Line, Panel};

#[derive(Args, Debug, Serialize)]
pub(crate) struct HerdArgs {
    /// How many clients
    #[arg(long, default_value_t = 1000)]
    clients: usize,
    /// For how long the gateway is away, in seconds
    #[arg(long, default_value_t = 10)]
    away: u64,
    /// Where chance comes from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Draw it here
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

/// Runs the simulation. Nothing is measured: the same seed gives the same figures everywhere.
///
/// # Errors
/// When the picture cannot be written.
pub(crate) fn run(args: &HerdArgs) -> Result<String, Box<dyn Error>> {
    let away = Duration::from_secs(args.away);
    let of = |waits| herd(args.clients, away, waits, args.seed);
    let (jittered, ceiling) = (of(Waits::Jittered), of(Waits::Ceiling));
    if let Some(file) = &args.svg {
        let title = format!("{} clients whose gateway was away for {} s come back", args.clients, args.away);
        let panel = |name: &str, herd: &Herd| Panel {
            up: format!("tries in {} ms", BIN.as_millis()),
            lines: vec![Line { name: name.to_owned(), points: points(herd) }],
        };
        let panels = vec![panel("as they wait", &jittered), panel("without jitter", &ceiling)];
        std::fs::write(file, Chart { title, across: "seconds after the gateway is back", panels }.svg())?;
    }
    Ok(format!(
        "{} clients, gateway away for {} s, seed {}: at most {} tries in {} ms (without jitter {}), all back after {:.1} s.",
        args.clients,
        args.away,
        args.seed,
        jittered.peak(),
        BIN.as_millis(),
        ceiling.peak(),
        jittered.all_back.as_secs_f64()
    ))
}

/// The bins as steps, down to zero at the end.
fn points(herd: &Herd) -> Vec<(f64, f64)> {
    let bin = BIN.as_secs_f64();
    let mut points = Vec::new();
    for (nth, count) in herd.arrivals.iter().enumerate() {
        points.extend([(nth as f64 * bin, f64::from(*count)), ((nth + 1) as f64 * bin, f64::from(*count))]);
    }
    points.push((herd.arrivals.len() as f64 * bin, 0.0));
    points
}
