//! `culvert-reaper`: beside every Culvert that has local servers, it ends them should that Culvert be killed.

use std::io::{self, Write as _};
use std::process::ExitCode;

fn main() -> ExitCode {
    if std::env::args_os().len() > 1 {
        let said = "culvert-reaper takes no arguments: culvert starts it, and tells it of its local servers.";
        let _ = writeln!(io::stderr(), "{said}");
        return ExitCode::from(2);
    }
    culvert_reaper::attend(io::stdin().lock());
    ExitCode::SUCCESS
}
