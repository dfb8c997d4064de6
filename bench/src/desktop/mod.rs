//! The app on a desktop without a screen: how soon it is in the tray, what it holds, and what it does when idle.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use culvert_tests::culvert::Culvert;
use culvert_tests::desktop::{Tray, User};
use serde::Serialize;
use serde_json::json;
use tokio::time::sleep;

use crate::figures::ms;
use crate::procfs;

mod report;

pub(crate) use report::Report;

/// The name of the one profile.
const PROFILE: &str = "echo";

#[derive(Args, Debug, Serialize)]
pub(crate) struct DesktopArgs {
    /// How often the app is started
    #[arg(long, default_value_t = 10)]
    runs: u16,
    /// How long memory is left to settle before it is read, in seconds
    #[arg(long, default_value_t = 5)]
    settle: u64,
    /// How long the idle app is watched, in seconds
    #[arg(long, default_value_t = 60)]
    idle: u64,
}

/// What was seen. Memory is the proportional set size of the app and its web processes, in MiB.
#[derive(Debug, Serialize)]
pub(crate) struct Measured {
    /// From each spawn to the item in the tray, in ms.
    starts_ms: Vec<f64>,
    /// In the tray, one tunnel online, no window made yet.
    tray_mib: f64,
    /// The window open.
    window_mib: f64,
    /// The window closed again.
    closed_mib: f64,
    /// The share of one core that the app uses in the tray with one tunnel online.
    idle_share: f64,
    /// The same after a window was closed.
    idle_after_window_share: f64,
    /// What the rest of the machine used meanwhile.
    others_share: f64,
}

/// Runs the suite with the release builds in `programs`.
pub(crate) async fn run(args: &DesktopArgs, programs: &Path, echo: &Path) -> Measured {
    let app = programs.join("culvert-desktop");
    let user = User::new().await;
    // Else the first close asks.
    user.chose(&json!({"told_that_tunnels_stay": true}));
    user.saves_command(PROFILE, &echo.display().to_string()).await;
    let tray = user.desktop.tray().await;
    let mut starts_ms = Vec::new();
    for run in 1..=args.runs {
        eprintln!("start {run} of {}", args.runs);
        let (app, took) = start(&user, &tray, &app).await;
        starts_ms.push(ms(took));
        app.stop().await;
    }

    eprintln!("memory and idle time, about {} s", 3 * args.settle + 2 * args.idle);
    let settle = Duration::from_secs(args.settle);
    let (running, _) = start(&user, &tray, &app).await;
    let menu = tray.item_number(tray.registered()).await.menu().await;
    menu.toggle(PROFILE).await;
    menu.profile(PROFILE, "online", |words| words.starts_with("online")).await;
    sleep(settle).await;
    let tray_mib = memory(&running, echo);
    let (idle_share, others_share) = idle(args, &running, &app, echo).await;

    menu.click("Open Culvert").await;
    user.desktop.window("Culvert").await;
    sleep(settle).await;
    let window_mib = memory(&running, echo);
    user.desktop.close_window("Culvert").await;
    sleep(settle).await;
    let closed_mib = memory(&running, echo);
    let (idle_after_window_share, others_after) = idle(args, &running, &app, echo).await;
    running.stop().await;
    Measured {
        starts_ms,
        tray_mib,
        window_mib,
        closed_mib,
        idle_share,
        idle_after_window_share,
        others_share: others_share.max(others_after),
    }
}

async fn start(user: &User, tray: &Tray, app: &PathBuf) -> (Culvert, Duration) {
    let next = tray.registered() + 1;
    let spawned = Instant::now();
    let running = user.desktop.user(app).arg("--hidden").start();
    tray.item_number(next).await;
    (running, spawned.elapsed())
}

/// Of the app and its web processes, without the local server.
fn memory(running: &Culvert, echo: &Path) -> f64 {
    let own = running.processes().into_iter().map(|process| process.pid);
    crate::figures::mib(own.filter(|pid| !procfs::runs_program(*pid, echo)).map(procfs::proportional).sum())
}

/// What the app uses of one core, and what all others do.
async fn idle(args: &DesktopArgs, running: &Culvert, app: &Path, echo: &Path) -> (f64, f64) {
    let root = running.processes().into_iter().find(|process| procfs::runs_program(process.pid, app));
    let root: Vec<u32> = root.and_then(|process| u32::try_from(process.pid).ok()).into_iter().collect();
    let clocks = || (procfs::usage(&root, echo).cpu, procfs::machine_cpu());
    let (before, began) = (clocks(), Instant::now());
    sleep(Duration::from_secs(args.idle)).await;
    let (after, elapsed) = (clocks(), began.elapsed().as_secs_f64());
    let own = after.0.saturating_sub(before.0).as_secs_f64() / elapsed;
    let machine = after.1.saturating_sub(before.1).as_secs_f64() / elapsed;
    (own, (machine - own).max(0.0))
}
