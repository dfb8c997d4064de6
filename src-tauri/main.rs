//! `culvert-desktop`.
#![cfg_attr(not(debug_assertions), windows_subsystem = "windows")]

use std::process::ExitCode;

use culvert_desktop::{Options, run};
use culvert_tunnel::reaper;

fn main() -> ExitCode {
    if reaper::attend_if_asked() {
        return ExitCode::SUCCESS;
    }
    let _retained = reaper::retain();
    match run(tauri::generate_context!(), Options::of_this_process()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}
