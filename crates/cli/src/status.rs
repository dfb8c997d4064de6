//! `culvert status`: how the saved profiles are, once or as it changes.

use std::io::Write as _;

use clap::Args;
use culvert_instance::control::{NotAsked, Question, follow};
use culvert_instance::report::{ProfileReport, Report, TunnelReport};
use culvert_instance::{Overview, Places};

use crate::exit::{Exit, say};
use crate::moment;
use crate::saved::{NoPlace, asked, failed, places, unasked};
use crate::terminal::{Mood, Terminal};

/// How it is shown.
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// Go on, and show every change
    #[arg(long, short)]
    watch: bool,

    /// As JSON: an object, with --watch one a line
    #[arg(long)]
    json: bool,
}

/// Shows how everything is. Exit code 1 when something wanted is not online.
pub(crate) fn run(args: &StatusArgs, terminal: &Terminal) -> Exit {
    let places = match places() {
        Ok(places) => places,
        Err(error) => return failed(terminal, &error),
    };
    let show = |report: &Report| match args.json {
        true => json(report),
        false => print(report, terminal),
    };
    if args.watch {
        return watch(&places, show, terminal);
    }
    match asked(&places, &Question::Status) {
        Ok(Ok(report)) => {
            show(&report);
            if is_well(&report) { Exit::Asked } else { Exit::Internal }
        }
        Ok(Err(NotAsked::Nobody)) => at_rest(&places, show, args.json, terminal),
        Ok(Err(error)) => failed(terminal, &unasked(error)),
        Err(error) => failed(terminal, &NoPlace::System(error)),
    }
}

fn watch(places: &Places, show: impl Fn(&Report), terminal: &Terminal) -> Exit {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(terminal, &NoPlace::System(error)),
    };
    let socket = places.socket();
    let followed = runtime.block_on(follow(&socket, |report| {
        show(&report);
        true
    }));
    match followed {
        Ok(()) => Exit::Asked,
        Err(NotAsked::Nobody) => {
            terminal.say(Mood::Info, "nothing runs the saved profiles; `culvert up` does");
            Exit::Internal
        }
        Err(error) => failed(terminal, &unasked(error)),
    }
}

/// What is saved, while nobody runs it.
fn at_rest(places: &Places, show: impl Fn(&Report), in_json: bool, terminal: &Terminal) -> Exit {
    let loaded = match places.source().read() {
        Ok(loaded) => loaded,
        Err(error) => {
            say(terminal, &error);
            return Exit::from(&error);
        }
    };
    let (wanted, _) = places.wanted().read();
    let report = Report::of(&Overview::at_rest(loaded, |key| wanted.is_up(key)));
    show(&report);
    if !in_json && !report.profiles.is_empty() {
        terminal.say(Mood::Info, "nothing runs the saved profiles; `culvert up` does");
    }
    if report.profiles.iter().any(|profile| profile.wanted) { Exit::Internal } else { Exit::Asked }
}

/// Whether everything that is wanted is online.
fn is_well(report: &Report) -> bool {
    let well = |profile: &ProfileReport| !profile.wanted || matches!(profile.state.as_str(), "online" | "attention");
    report.problems.is_empty() && report.profiles.iter().all(well)
}

fn json(report: &Report) {
    let line = serde_json::to_string(report).unwrap_or_default();
    // Nobody reads on: that is no error of ours.
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// A line for each profile, and what to do where something is wrong. Data, so on stdout.
pub(crate) fn print(report: &Report, terminal: &Terminal) {
    let width = report.profiles.iter().map(|profile| profile.name.chars().count()).max().unwrap_or_default().min(32);
    let mut text = String::new();
    for profile in &report.profiles {
        for (nth, tunnel) in profile.tunnels.iter().enumerate() {
            let name = if nth == 0 { profile.name.as_str() } else { "" };
            let words = if profile.wanted { words(tunnel) } else { "off".to_owned() };
            text.push_str(&format!("{name:width$}  {words}  {}\n", tunnel.gateway));
            let troubles = tunnel.cause.iter().chain(&tunnel.notices).filter(|_| profile.wanted);
            for trouble in troubles {
                text.push_str(&format!("{:width$}  {} [{}]\n", "", trouble.message, trouble.code));
                text.push_str(&format!("{:width$}  → {}\n", "", trouble.action));
            }
        }
    }
    if report.profiles.is_empty() && report.problems.is_empty() {
        text.push_str("no profiles are saved\n");
    }
    let _ = write!(std::io::stdout(), "{text}");
    for problem in &report.problems {
        let line = format!("{} [{}]\n  → {}", problem.message, problem.code, problem.action);
        terminal.say(Mood::Warning, &line);
    }
}

/// How one tunnel is, in a few words.
fn words(tunnel: &TunnelReport) -> String {
    let mut words = vec![tunnel.status.clone()];
    if let Some(seconds) = tunnel.online_seconds {
        words[0] = format!("online for {}", moment::seconds(std::time::Duration::from_secs(seconds)));
    }
    match tunnel.server.as_deref() {
        Some("silent") => words.push("server does not answer".to_owned()),
        Some("restarting") => words.push("server is being restarted".to_owned()),
        _ => {}
    }
    if let Some(ms) = tunnel.round_trip_ms {
        words.push(format!("{ms} ms"));
    }
    match tunnel.tools {
        Some(1) => words.push("1 tool".to_owned()),
        Some(tools) => words.push(format!("{tools} tools")),
        None => {}
    }
    if tunnel.transport.as_deref() == Some("sse") {
        words.push("over SSE".to_owned());
    }
    if let Some(seconds) = tunnel.retry_seconds {
        words.push(format!("next try in {}", moment::seconds(std::time::Duration::from_secs(seconds))));
    }
    if !tunnel.in_use_by.is_empty() {
        words.push(format!("in use by {}", tunnel.in_use_by.join(", ")));
    }
    words.join(", ")
}
