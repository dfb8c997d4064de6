//! What somebody who helps needs to see, gathered, shown, and saved exactly as it was shown.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;
use std::time::SystemTime;

use culvert_gateway::tokens::UnixTime;
use culvert_instance::bundle::{Bundle, ServerLines, known_secrets};
use culvert_instance::checks::{Finding, examine};
use culvert_instance::report::{Problem, Report};
use culvert_instance::{Overview, Terms as _};
use culvert_profiles::{Loaded, Redactor};
use tokio::task::spawn_blocking;

use crate::culvert::{Culvert, Running};
use crate::shown::Explained;

impl Culvert {
    /// Gathers it, which tries every server and gateway once and may take a minute. A command that its user has not agreed
    /// to is not run. Dropped, it has no effect.
    pub async fn support_bundle(&self, version: &str) -> String {
        let source = self.0.places.source();
        let read = spawn_blocking(move || source.read()).await;
        let (mut loaded, trouble) = match read {
            Ok(Ok(loaded)) => (loaded, None),
            Ok(Err(error)) => (Loaded::default(), Some(Problem::of(&error))),
            Err(_) => (Loaded::default(), None),
        };
        loaded.profiles.iter_mut().for_each(|profile| self.0.agreement.prepare(profile));
        let redactor = Redactor::new(known_secrets(&loaded, &self.0.sources).await);
        let overview = match &*self.0.running.borrow() {
            Running::Here(instance) => Some(instance.overview().borrow().clone()),
            Running::NotYet | Running::Elsewhere(..) => None,
        };
        let logs = overview.as_deref().map(ServerLines::of);
        let at_rest = || Report::of(&Overview::at_rest(loaded.clone(), |_| false));
        let mut report = overview.as_deref().map_or_else(at_rest, Report::of);
        report.problems.extend(trouble);
        let mut findings: Vec<Finding> = Vec::new();
        for profile in loaded.profiles.iter().filter(|profile| self.0.agreement.is_agreed(profile)) {
            let mut tell = |finding: Finding| findings.push(finding);
            examine(profile, &loaded.hidden, &self.0.sources, fastrand::Rng::new(), &mut tell).await;
        }
        let bundle = Bundle {
            version,
            time: &UnixTime::now().rfc3339(),
            loaded: &loaded,
            report: &report,
            logs: logs.as_deref(),
            findings: Some(&findings),
        };
        let text = bundle.text(&redactor, SystemTime::now());
        *self.0.support.lock().unwrap_or_else(PoisonError::into_inner) = Some(text.clone());
        text
    }

    /// Saves what was gathered last into a folder, in a new file that only the user can read.
    ///
    /// # Errors
    /// Nothing was gathered, or the system's.
    pub async fn save_support(&self, folder: &Path) -> Result<String, Explained> {
        let text = self.0.support.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let text =
            text.ok_or_else(|| Explained::new("support.empty", "Nothing was gathered yet.", "Gather it first."))?;
        let name = UnixTime::now().rfc3339().replace(':', "-");
        let file = folder.join(format!("culvert-support-{name}.txt"));
        let shown = file.to_string_lossy().into_owned();
        let written = spawn_blocking(move || write(file, &text)).await;
        match written {
            Ok(Ok(())) => Ok(shown),
            Ok(Err(error)) => {
                let message = format!("it cannot be saved to {shown}: {error}");
                Err(Explained::new("support.unsaved", message, "Copy it instead, or make room there."))
            }
            Err(_) => Err(Explained::new("internal", "saving it broke off", "Please report this with the log.")),
        }
    }
}

fn write(file: PathBuf, text: &str) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(&file)?.write_all(text.as_bytes());
    if written.is_err() {
        // Half of it would only mislead.
        let _ = std::fs::remove_file(&file);
    }
    written
}

#[cfg(test)]
mod tests {
    use culvert_instance::Places;
    use culvert_profiles::Folders;

    use super::*;
    use crate::culvert::Start;
    use crate::shown::{GatewayField, LocalServer, OnBroken, Saved, SecretField, Switch};

    const TOKEN: &str = "hunter2-hunter2-hunter2";

    fn culvert(folder: &Path) -> Culvert {
        let folders = Folders { config: folder.join("config"), state: folder.join("state") };
        Culvert::start(Start { places: Places(folders), path: Box::pin(async { None }), launch_at_login: Switch::Off })
    }

    /// Saves a profile whose server says that it ran, and has a token in a file.
    async fn saved(culvert: &Culvert, folder: &Path) {
        let (ran, token) = (folder.join("ran"), folder.join("token"));
        std::fs::write(&token, TOKEN).unwrap();
        let mut form = culvert.new_draft();
        form.name = "git".to_owned();
        form.server = LocalServer::Command {
            program: "touch".to_owned(),
            arguments: vec![ran.display().to_string()],
            environment: Vec::new(),
            folder: String::new(),
        };
        form.gateways = vec![GatewayField::Url { url: "http://127.0.0.1:1".to_owned(), own_token: None }];
        form.token = SecretField::File { path: token.display().to_string() };
        while culvert.instance().is_err() {
            tokio::task::yield_now().await;
        }
        let saved = culvert.save(&form, OnBroken::Refuse).await.unwrap();
        assert!(matches!(saved, Saved::Saved { .. }), "{saved:?}");
    }

    #[tokio::test]
    async fn it_tells_of_everything_but_secrets_and_is_saved_as_it_was_shown() {
        let folder = tempfile::tempdir().unwrap();
        let culvert = culvert(folder.path());
        assert_eq!(culvert.save_support(folder.path()).await.unwrap_err().code, "support.empty");
        saved(&culvert, folder.path()).await;
        let text = culvert.support_bundle("0.1.0").await;
        for part in ["== Versions\nculvert 0.1.0", "== Configuration", "== States\ngit: ", "== Doctor\ngit, ", "touch"]
        {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
        assert!(!text.contains(TOKEN), "{text}");
        assert!(folder.path().join("ran").exists(), "its server was tried");
        let file = culvert.save_support(folder.path()).await.unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
        culvert.stop().await;
    }

    #[tokio::test]
    async fn a_command_that_nobody_agreed_to_is_not_run_for_it() {
        let folder = tempfile::tempdir().unwrap();
        {
            let first = culvert(folder.path());
            saved(&first, folder.path()).await;
            first.stop().await;
        }
        let profiles = folder.path().join("config/profiles");
        let file = std::fs::read_dir(&profiles).unwrap().next().unwrap().unwrap().path();
        let other = std::fs::read_to_string(&file).unwrap().replace("/ran", "/ran-unasked");
        std::fs::write(&file, other).unwrap();
        let culvert = culvert(folder.path());
        while culvert.instance().is_err() {
            tokio::task::yield_now().await;
        }
        let text = culvert.support_bundle("0.1.0").await;
        assert!(text.contains("ran-unasked"), "its configuration is shown:\n{text}");
        assert!(!folder.path().join("ran-unasked").exists(), "{text}");
        culvert.stop().await;
    }
}
