//! `culvert doctor`: the checks of a profile, each printed as it ends, and an exit code for scripts.

use std::io::{IsTerminal as _, Write as _};

use clap::Args;
use culvert_instance::checks::{Finding, Outcome, examine, unusable};
use culvert_instance::{Empty, Source};
use culvert_profiles::{Broken, Loaded, Profile, SecretSources, Settings};
use culvert_protocol::Explain;
use serde_json::json;

use crate::exit::{Exit, say};
use crate::profile_args::ProfileArgs;
use crate::saved::{NoPlace, failed, named, places};
use crate::signals::{Signals, Wish};
use crate::terminal::Terminal;

/// What is checked.
///
/// Starts the local server, tries the way to the gateway step by step, registers under another name for a moment, and
/// leaves nothing behind. Exit code 0 when no check failed, 2 when one did.
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Names of servers of the configuration, or of saved profiles; all where none is given
    names: Vec<String>,

    #[command(flatten)]
    pub(crate) profile: ProfileArgs,

    /// Print each check as a line of JSON, and a line of totals
    #[arg(long)]
    json: bool,
}

/// Checks, and tells.
pub(crate) fn run(mut args: DoctorArgs, terminal: &Terminal) -> Exit {
    if let Err(error) = args.profile.token.settle() {
        say(terminal, &error);
        return Exit::Usage;
    }
    let mut page = Page { json: args.json, coloured: has_colours(), ..Page::default() };
    let (profiles, broken, loaded) = match chosen(&args) {
        Ok(chosen) => chosen,
        Err(Unread::Place(error)) => return failed(terminal, &error),
        Err(Unread::Config(error)) => {
            page.print(&unusable(args.names.first().map_or("", String::as_str), &*error));
            return page.end();
        }
    };
    page.shows_names = profiles.len() + broken.len() > 1;
    for broken in &broken {
        let name = broken.name.as_deref().unwrap_or("a server without a name");
        page.begin(name);
        page.print(&unusable(name, &broken.error));
    }
    match checked(&profiles, &loaded, &mut page, terminal) {
        Ok(Ended::Itself) => page.end(),
        Ok(Ended::Asked) => Exit::Interrupted,
        Err(error) => failed(terminal, &NoPlace::System(error)),
    }
}

/// Why there is nothing to check.
enum Unread {
    Place(NoPlace),
    Config(Box<dyn Explain>),
}

/// The profiles to check, the entries that cannot be used, and all that was read.
fn chosen(args: &DoctorArgs) -> Result<(Vec<Profile>, Vec<Broken>, Loaded), Unread> {
    let flags = args.profile.settings().map_err(|error| Unread::Config(Box::new(error)))?;
    let is_saved = args.profile.config.is_none() && flags == Settings::default();
    let source = match is_saved {
        true => places().map_err(Unread::Place)?.source(),
        false => Source { flags, config: args.profile.config.clone(), empty: Empty::Mistake },
    };
    let loaded = source.read().map_err(|error| Unread::Config(Box::new(error)))?;
    let is_named =
        |broken: &&Broken| args.names.is_empty() || broken.name.as_ref().is_some_and(|name| args.names.contains(name));
    let broken: Vec<_> = loaded.broken.iter().filter(is_named).cloned().collect();
    let is_good = |name: &&String| !broken.iter().any(|broken| broken.name.as_ref() == Some(*name));
    let good: Vec<_> = args.names.iter().filter(is_good).cloned().collect();
    // All that were named may be broken.
    let keys = match args.names.is_empty() || !good.is_empty() {
        true => named(&loaded, &good).map_err(Unread::Place)?,
        false => Vec::new(),
    };
    let profiles: Vec<_> = loaded.profiles.iter().filter(|profile| keys.contains(&profile.key)).cloned().collect();
    match profiles.is_empty() && broken.is_empty() {
        true => Err(Unread::Place(NoPlace::Nothing)),
        false => Ok((profiles, broken, loaded)),
    }
}

/// How the checks came to their end.
enum Ended {
    Itself,
    Asked,
}

fn checked(profiles: &[Profile], loaded: &Loaded, page: &mut Page, terminal: &Terminal) -> std::io::Result<Ended> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ended = runtime.block_on(async {
        let mut signals = Signals::new(terminal.kind())?;
        let sources = SecretSources::of_this_process(loaded.hidden.iter().cloned());
        let all = async {
            for profile in profiles {
                page.begin(profile.name.as_str());
                let mut tell = |finding: Finding| page.print(&finding);
                examine(profile, &loaded.hidden, &sources, fastrand::Rng::new(), &mut tell).await;
            }
        };
        let asked = async { while signals.next().await != Wish::End {} };
        // Whatever was started ends with the future that is dropped.
        Ok(tokio::select! {
            () = all => Ended::Itself,
            () = asked => Ended::Asked,
        })
    });
    // A name look-up that hangs must not keep the process from its end.
    runtime.shutdown_background();
    ended
}

/// Whether stdout is a screen that may be coloured.
fn has_colours() -> bool {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    std::io::stdout().is_terminal() && !is_set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// What is printed, and how often each result came.
#[derive(Debug, Default)]
struct Page {
    json: bool,
    coloured: bool,
    /// Whether there are several servers, so that it must be said whose check it is.
    shows_names: bool,
    /// The gateway of the last check, where there was one.
    gateway: Option<String>,
    well: usize,
    warnings: usize,
    failed: usize,
    skipped: usize,
}

impl Page {
    fn begin(&mut self, name: &str) {
        self.gateway = None;
        if self.shows_names && !self.json {
            write(&format!("{name}\n"));
        }
    }

    fn print(&mut self, finding: &Finding) {
        *match finding.result {
            Outcome::Ok => &mut self.well,
            Outcome::Warning => &mut self.warnings,
            Outcome::Failed => &mut self.failed,
            Outcome::Skipped => &mut self.skipped,
        } += 1;
        if self.json {
            // Nothing in it can fail to be written.
            return write(&format!("{}\n", serde_json::to_string(finding).unwrap_or_default()));
        }
        if self.gateway != finding.gateway {
            self.gateway.clone_from(&finding.gateway);
            if let Some(gateway) = &self.gateway {
                write(&format!("{gateway}\n"));
            }
        }
        write(&self.lines(finding));
    }

    /// The check in a line; where it is not well, also why it matters and what to do.
    fn lines(&self, finding: &Finding) -> String {
        let (sign, colour) = match finding.result {
            Outcome::Ok => ("✓", "32"),
            Outcome::Warning => ("!", "33"),
            Outcome::Failed => ("✗", "31"),
            Outcome::Skipped => ("–", "2"),
        };
        let sign = if self.coloured { format!("\x1b[{colour}m{sign}\x1b[0m") } else { sign.to_owned() };
        let code = finding.code.as_ref().map(|code| format!(" [{code}]")).unwrap_or_default();
        let mut lines = format!("  {sign} {:13} {}{code}\n", finding.check.id(), finding.evidence);
        if let Some(next_step) = &finding.next_step {
            lines.push_str(&format!("      {}\n      → {next_step}\n", finding.why));
        }
        lines
    }

    /// The last line, and what it means for scripts.
    fn end(&self) -> Exit {
        let Self { well, warnings, failed, skipped, .. } = self;
        write(&match self.json {
            true => {
                let result = if *failed > 0 { "failed" } else { "ok" };
                let totals = json!({"ok": well, "warning": warnings, "failed": failed, "skipped": skipped});
                format!("{}\n", json!({"event": "checked", "result": result, "totals": totals}))
            }
            false => format!("{well} well, {warnings} with a warning, {failed} failed, {skipped} skipped\n"),
        });
        if *failed > 0 { Exit::Usage } else { Exit::Asked }
    }
}

/// Data, so on stdout. Nobody reads on: that is no error of ours.
fn write(text: &str) {
    let mut stdout = std::io::stdout();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

#[cfg(test)]
mod tests {
    use culvert_protocol::Cause;

    use super::*;

    #[test]
    fn what_failed_is_told_with_its_code_and_its_next_step_and_counts() {
        let cause = Cause::CommandInvalid { detail: "a quote is open".to_owned() };
        let finding = unusable("git", &cause);
        let mut page = Page::default();
        assert_eq!(
            page.lines(&finding),
            "  ✗ configuration the command of the local server cannot be read: a quote is open [command.invalid]\n      \
             Nothing starts from settings that cannot be used.\n      → Write it as you would type it in a shell, with \
             matching quotes.\n"
        );
        page.coloured = true;
        assert!(page.lines(&finding).starts_with("  \x1b[31m✗\x1b[0m "));
        page.failed = 1;
        assert_eq!(page.end().code(), 2);
        assert_eq!(Page { warnings: 1, ..Page::default() }.end(), Exit::Asked);
    }
}
