//! Tries on Windows what Culvert promises about local servers there, and is the local server that is tried.

mod family;
mod killed;
mod server;
mod stopped;

use std::path::PathBuf;
use std::process::ExitCode;

/// What is asked of this program.
enum Part {
    /// To be a local server that does not end by itself, with a process of its own beside it.
    Server,
    /// To be that process.
    Grandchild,
    /// To kill Culverts, so many, and look whether anybody stays.
    Killed { rounds: u32, trial: Trial },
    /// To have a profile stopped, and look whether anybody stays.
    Stopped { trial: Trial },
}

/// With what is tried.
struct Trial {
    culvert: PathBuf,
    /// Its address.
    gateway: String,
}

impl Part {
    fn of(arguments: impl IntoIterator<Item = String>) -> Option<Self> {
        let arguments: Vec<String> = arguments.into_iter().collect();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let trial = |culvert: &str, gateway: &str| Trial { culvert: culvert.into(), gateway: gateway.to_owned() };
        Some(match arguments[..] {
            ["serve"] => Self::Server,
            [family::GRANDCHILD] => Self::Grandchild,
            ["killed", rounds, culvert, gateway] => {
                Self::Killed { rounds: rounds.parse().ok()?, trial: trial(culvert, gateway) }
            }
            ["stopped", culvert, gateway] => Self::Stopped { trial: trial(culvert, gateway) },
            _ => return None,
        })
    }
}

fn main() -> ExitCode {
    let done = match Part::of(std::env::args().skip(1)) {
        Some(Part::Server) => server::serve(),
        Some(Part::Grandchild) => family::stay(family::GRANDCHILD),
        Some(Part::Killed { rounds, trial }) => {
            killed::a_killed_culvert_leaves_no_server_behind_on_windows(rounds, &trial)
        }
        Some(Part::Stopped { trial }) => stopped::a_stopped_server_leaves_nobody_on_windows(&trial),
        None => Err("culvert-windows serve | killed ROUNDS CULVERT GATEWAY | stopped CULVERT GATEWAY".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("culvert-windows: {error}");
            ExitCode::FAILURE
        }
    }
}
