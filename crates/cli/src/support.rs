//! `culvert support-bundle`: what somebody who helps needs to see, shown first and saved only then.

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use clap::Args;
use culvert_instance::bundle::{Bundle, ServerLines, known_secrets};
use culvert_instance::checks::{Finding, examine};
use culvert_instance::control::{Question, ask, logs};
use culvert_instance::report::{Problem, Report};
use culvert_instance::{Empty, Overview, Source};
use culvert_profiles::{Loaded, Redactor, SecretSources, Settings};

use crate::exit::Exit;
use crate::moment;
use crate::saved::{NoPlace, failed, places};
use crate::terminal::{Mood, Terminal};

/// Show what somebody who helps needs to see, without secrets.
///
/// Versions, configuration, states, what local servers wrote, and the doctor's findings. It is printed on stdout; with
/// --output it is saved as well, after a question.
#[derive(Debug, Args)]
pub(crate) struct SupportArgs {
    /// The configuration file or folder; without it, the saved profiles
    #[arg(long, value_name = "PATH")]
    config: Option<PathBuf>,

    /// Save it here; a file that is there already is not overwritten
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Save it without asking
    #[arg(long, requires = "output")]
    yes: bool,

    /// Start no server and ask no gateway for it
    #[arg(long)]
    no_doctor: bool,
}

/// What was gathered.
struct Gathered {
    report: Report,
    logs: Option<Vec<ServerLines>>,
    findings: Option<Vec<Finding>>,
    redactor: Redactor,
}

/// Gathers, shows, and saves where that is wanted.
pub(crate) fn run(args: &SupportArgs, terminal: &Terminal) -> Exit {
    let places = places();
    let source = match (&args.config, &places) {
        (Some(config), _) => Source { flags: Settings::default(), config: Some(config.clone()), empty: Empty::Mistake },
        (None, Ok(places)) => places.source(),
        (None, Err(error)) => return failed(terminal, error),
    };
    let (loaded, trouble) = match source.read() {
        Ok(loaded) => (loaded, None),
        Err(error) => (Loaded::default(), Some(Problem::of(&error))),
    };
    let socket = places.ok().filter(|_| args.config.is_none()).map(|places| places.socket());
    terminal.say(Mood::Info, "gathering, which may take a minute");
    let gathered = tokio::runtime::Builder::new_current_thread().enable_all().build().map(|runtime| {
        let gathered = runtime.block_on(gather(&loaded, socket.as_deref(), !args.no_doctor));
        // A name look-up that hangs must not keep the process from its end.
        runtime.shutdown_background();
        gathered
    });
    let Gathered { mut report, logs, findings, redactor } = match gathered {
        Ok(gathered) => gathered,
        Err(error) => return failed(terminal, &NoPlace::System(error)),
    };
    report.problems.extend(trouble);
    let time = moment::now();
    let bundle = Bundle {
        version: env!("CULVERT_VERSION"),
        time: &time,
        loaded: &loaded,
        report: &report,
        logs: logs.as_deref(),
        findings: findings.as_deref(),
    };
    let text = bundle.text(&redactor, SystemTime::now());
    let mut stdout = std::io::stdout();
    // Nobody reads on: that is no error of ours.
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    match &args.output {
        Some(file) => save(file, &text, args.yes, terminal),
        None => Exit::Asked,
    }
}

async fn gather(loaded: &Loaded, socket: Option<&Path>, with_doctor: bool) -> Gathered {
    let sources = SecretSources::of_this_process(loaded.hidden.iter().cloned());
    let redactor = Redactor::new(known_secrets(loaded, &sources).await);
    let (mut report, mut lines) = (None, None);
    if let Some(socket) = socket {
        report = ask(socket, &Question::Status).await.ok();
        lines = logs(socket).await.ok();
    }
    let report = report.unwrap_or_else(|| Report::of(&Overview::at_rest(loaded.clone(), |_| false)));
    let mut findings = with_doctor.then(Vec::new);
    if let Some(findings) = &mut findings {
        for profile in &loaded.profiles {
            let mut tell = |finding: Finding| findings.push(finding);
            examine(profile, &loaded.hidden, &sources, fastrand::Rng::new(), &mut tell).await;
        }
    }
    Gathered { report, logs: lines, findings, redactor }
}

fn save(file: &Path, text: &str, without_asking: bool, terminal: &Terminal) -> Exit {
    let shown = file.display();
    if !without_asking {
        if !std::io::stdin().is_terminal() {
            terminal.say(Mood::Error, "nobody can be asked whether to save it\n  → Look at it, then give --yes.");
            return Exit::Usage;
        }
        terminal.say(Mood::Info, &format!("save this to {shown}? [y/N]"));
        let mut answer = String::new();
        let _ = std::io::stdin().read_line(&mut answer);
        if !matches!(answer.trim(), "y" | "Y" | "yes") {
            terminal.say(Mood::Info, "not saved");
            return Exit::Asked;
        }
    }
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let saved = options.open(file).and_then(|mut file| file.write_all(text.as_bytes()));
    match saved {
        Ok(()) => {
            terminal.say(Mood::Info, &format!("saved to {shown}"));
            Exit::Asked
        }
        Err(error) => {
            terminal.say(Mood::Error, &format!("it cannot be saved to {shown}: {error}"));
            Exit::Internal
        }
    }
}
