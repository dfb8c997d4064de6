//! `culvert-desktop`.
#![cfg_attr(not(debug_assertions), windows_subsystem = "windows")]

use std::env::consts::EXE_SUFFIX;
use std::process::ExitCode;

use culvert_desktop::{Options, run};
use culvert_tunnel::reaper;

fn main() -> ExitCode {
    if reaper::attend_if_asked() {
        return ExitCode::SUCCESS;
    }
    // The command line beside it does the same without a desktop's libraries in memory.
    let _retained = std::env::current_exe().map(|own| {
        let slim = own.with_file_name(format!("culvert{EXE_SUFFIX}"));
        reaper::retain(if slim.is_file() { slim } else { own })
    });
    match run(tauri::generate_context!(), Options::of_this_process()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}
