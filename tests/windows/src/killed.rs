//! A Culvert that is killed: nobody of the family of its local server may stay.

use std::env;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::Trial;
use crate::family::{Done, WATCHED_AT, Watch};

/// How long a local server may take to be there, on a slow machine.
const BEGINNING: Duration = Duration::from_secs(60);

/// How long the system may take to end a family.
const END: Duration = Duration::from_secs(10);

/// In every other round the kill comes at some moment of the first so many milliseconds.
const EARLY: u32 = 1500;

/// How long is looked at the end whether somebody shows up late.
const LATE: Duration = Duration::from_secs(3);

/// Kills so many Culverts by `TerminateProcess`: by turns when the family is there, and at some moment while it begins.
///
/// # Errors
/// That somebody stayed, or that it could not be tried.
pub(crate) fn a_killed_culvert_leaves_no_server_behind_on_windows(rounds: u32, trial: &Trial) -> Done {
    let watch = Watch::begin()?;
    let (mut whole, mut caught) = (0, 0);
    for round in 0..rounds {
        let mut culvert = start(trial, &watch)?;
        let family = if round % 2 == 0 {
            whole += 1;
            watch.family(BEGINNING)
        } else {
            // Evenly spread, and the same each time: 149 and 1500 have no divisor in common.
            thread::sleep(Duration::from_millis(u64::from(round * 149 % EARLY)));
            Ok(Vec::new())
        };
        culvert.kill()?;
        culvert.wait()?;
        let mut family = family?;
        while let Some(member) = watch.next(Duration::ZERO)? {
            family.push(member);
        }
        caught += family.len();
        for member in family {
            member.see_off(END).map_err(|error| format!("round {round}: {error}"))?;
        }
    }
    while let Some(member) = watch.next(LATE)? {
        caught += 1;
        member.see_off(END).map_err(|error| format!("afterwards: {error}"))?;
    }
    println!("{rounds} killed, {whole} of them with their whole family, {caught} processes seen: none stayed");
    Ok(())
}

fn start(trial: &Trial, watch: &Watch) -> Result<Child, Box<dyn std::error::Error>> {
    let server = format!("\"{}\" serve", env::current_exe()?.display());
    let mut command = Command::new(&trial.culvert);
    command.args(["run", "--server-name", "killed", "--gateway", &trial.gateway, "--local-stdio", &server]);
    command.env(WATCHED_AT, watch.address()?).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    Ok(command.spawn()?)
}
