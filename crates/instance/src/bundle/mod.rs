//! What somebody who helps needs to see: versions, configuration, states, recent lines of local servers and the doctor's
//! findings, as one text without secrets. It is made here and shown; saving it is for whoever shows it.

mod configuration;
mod logs;
mod secrets;

use std::fmt::Write as _;
use std::time::SystemTime;

use culvert_profiles::{Loaded, Redactor};

pub use self::logs::{ServerLine, ServerLines};
pub use self::secrets::known_secrets;
use crate::checks::{Finding, Outcome};
use crate::report::{Problem, Report, TunnelReport};

/// What goes into it.
#[derive(Debug, Clone, Copy)]
pub struct Bundle<'a> {
    /// Culvert's own version, with its commit.
    pub version: &'a str,
    /// When it is made, as people read it.
    pub time: &'a str,
    /// The configuration.
    pub loaded: &'a Loaded,
    /// How everything is.
    pub report: &'a Report,
    /// What local servers wrote to their stderr; `None` where nobody runs them who could tell.
    pub logs: Option<&'a [ServerLines]>,
    /// What the doctor found; `None` where it was not asked.
    pub findings: Option<&'a [Finding]>,
}

impl Bundle<'_> {
    /// The text, with everything taken out of it that `redactor` knows or suspects. Ages are counted from `now`.
    pub fn text(&self, redactor: &Redactor, now: SystemTime) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = self.write(&mut text, now);
        redactor.text(&text)
    }

    fn write(&self, out: &mut String, now: SystemTime) -> std::fmt::Result {
        writeln!(out, "Culvert support bundle, {}", self.time)?;
        writeln!(out, "Secrets were taken out, and what looks like one. Read it through before you send it.\n")?;
        writeln!(out, "== Versions\nculvert {}\n{}", self.version, system())?;
        writeln!(out, "\n== Configuration")?;
        for profile in &self.loaded.profiles {
            configuration::write(out, profile)?;
        }
        if self.loaded.profiles.is_empty() {
            writeln!(out, "no server")?;
        }
        writeln!(out, "\n== States")?;
        if self.logs.is_none() {
            writeln!(out, "Not known: nothing runs the saved profiles, or this is not their folder.")?;
        }
        for profile in self.report.profiles.iter().filter(|_| self.logs.is_some()) {
            let wanted = if profile.wanted { "wanted" } else { "not wanted" };
            writeln!(out, "{}: {}, {wanted}", profile.name, profile.state)?;
            profile.tunnels.iter().try_for_each(|tunnel| state(out, tunnel))?;
        }
        self.report.problems.iter().try_for_each(|problem| told(out, "", problem))?;
        writeln!(out, "\n== Doctor")?;
        match self.findings {
            Some(findings) => findings.iter().try_for_each(|finding| found(out, finding))?,
            None => writeln!(out, "not asked")?,
        }
        writeln!(out, "\n== What local servers wrote")?;
        match self.logs {
            Some(logs) => logs.iter().try_for_each(|server| server.write(out, now))?,
            None => writeln!(
                out,
                "Not to be had: nothing runs the saved profiles. Of `culvert run` it is on stderr, under systemd in the journal."
            )?,
        }
        Ok(())
    }
}

fn state(out: &mut String, tunnel: &TunnelReport) -> std::fmt::Result {
    write!(out, "  {}: {}", tunnel.gateway, tunnel.status)?;
    if let Some(seconds) = tunnel.online_seconds {
        write!(out, " for {seconds} s")?;
    }
    if let Some(seconds) = tunnel.retry_seconds {
        write!(out, ", next try in {seconds} s, {} failed", tunnel.attempt.unwrap_or_default())?;
    }
    let words = [("server", &tunnel.server), ("over", &tunnel.transport)];
    for (what, word) in words.into_iter().filter_map(|(what, word)| Some((what, word.as_ref()?))) {
        write!(out, ", {what} {word}")?;
    }
    if let Some(tools) = tunnel.tools {
        write!(out, ", {tools} tools")?;
    }
    writeln!(out)?;
    tunnel.cause.iter().chain(&tunnel.notices).try_for_each(|problem| told(out, "    ", problem))
}

fn told(out: &mut String, indent: &str, Problem { code, message, action }: &Problem) -> std::fmt::Result {
    writeln!(out, "{indent}{message} [{code}]\n{indent}→ {action}")
}

fn found(out: &mut String, finding: &Finding) -> std::fmt::Result {
    let result = match finding.result {
        Outcome::Ok => "ok",
        Outcome::Warning => "warning",
        Outcome::Failed => "failed",
        Outcome::Skipped => "not tried",
    };
    let at = finding.gateway.as_ref().map(|gateway| format!(" at {gateway}")).unwrap_or_default();
    let code = finding.code.as_ref().map(|code| format!(" [{code}]")).unwrap_or_default();
    writeln!(out, "{}{at}, {}, {result}: {}{code}", finding.server, finding.check.id(), finding.evidence)
}

/// This machine's system, as far as it says.
fn system() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let release = read("/etc/os-release");
    let name = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME=")).unwrap_or(std::env::consts::OS);
    let kernel = read("/proc/sys/kernel/osrelease");
    format!("{}, {} {}", name.trim_matches('"'), std::env::consts::ARCH, kernel.trim()).trim_end().to_owned()
}

#[cfg(test)]
mod tests;
