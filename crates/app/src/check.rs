//! The engine's own rules on an unsaved form: every part by itself, then all together.

mod parts;

use std::path::Path;

use culvert_instance::Terms as _;
use culvert_profiles::{
    ConfigError, Content, Draft as Kept, DraftGateway, Key, Platform, Profile, Surroundings, Warning, split,
};
use culvert_protocol::Explain;
use culvert_tunnel::{LocalServer as Runs, trial};

use self::parts::{ANY_GATEWAY, parts, server_only};
use crate::culvert::Culvert;
use crate::filled::filled;
use crate::shown::{
    Checked, Draft, Explained, Field, Finding, FoundBy, FoundProgram, LocalServer, OptionKey, PairValue, SecretField,
    Severity,
};

impl Culvert {
    /// What the rules say of a form, and what it would come to.
    pub fn check(&self, form: &Draft) -> Checked {
        let saved = self.0.store.list().unwrap_or_default();
        let own = form
            .id
            .as_ref()
            .and_then(|id| saved.iter().find(|saved| saved.id().is_some_and(|own| own.to_string() == id.0)));
        let before = match own.map(|own| &own.content) {
            Some(Content::Profile(draft)) => Some(draft),
            _ => None,
        };
        let draft = filled(form, before, "typed", self.choices().gateway_port).draft;
        let mut findings = parts(form, &draft);
        let name = form.name.trim();
        let is_taken =
            |saved: &culvert_profiles::Saved| saved.name() == name && own.is_none_or(|own| own.path != saved.path);
        if !name.is_empty() && saved.iter().any(is_taken) {
            let why = Explained::new("profile.name_taken", "Another profile has this name.", "Choose another one.");
            findings.push(Finding { field: Field::Name, severity: Severity::Error, why });
        }
        let mut profile = made(&draft);
        match &mut profile {
            Ok(profile) => {
                self.0.agreement.prepare(profile);
                findings.extend(profile.warnings.iter().map(|warning| of_warning(form, warning)));
            }
            Err(error) => {
                let finding = Finding { field: field_of(error), severity: Severity::Error, why: explained(error) };
                // What was found at a part of it needs no second word.
                let is_new = !findings.iter().any(|known| known.severity == Severity::Error);
                findings.extend(is_new.then_some(finding));
            }
        }
        Checked {
            registered_name: name_of(&profile, &draft),
            words: match &form.server {
                LocalServer::CommandLine { line, .. } => {
                    split(line, Platform::here()).ok().filter(|words| !words.is_empty())
                }
                _ => None,
            },
            program: profile.ok().and_then(|profile| program(&profile)),
            findings,
        }
    }
}

/// The profile that a draft makes in this process's surroundings.
pub(crate) fn made(draft: &Kept) -> Result<Profile, ConfigError> {
    draft.profile(Path::new(""), &Surroundings::of_this_process())
}

/// The name that would be registered, also while the rest of the form is not complete.
fn name_of(profile: &Result<Profile, ConfigError>, draft: &Kept) -> Option<String> {
    if let Ok(profile) = profile {
        return Some(profile.name.to_string());
    }
    let mut only = server_only(draft);
    only.set_text(Key::ServerName, draft.text(Key::ServerName).unwrap_or_default());
    only.set_gateways(&[DraftGateway { address: ANY_GATEWAY.to_owned(), token: None }]);
    made(&only).ok().map(|profile| profile.name.to_string())
}

fn program(profile: &Profile) -> Option<FoundProgram> {
    let Runs::Stdio(command) = &profile.tunnels.first()?.config.server else { return None };
    let found = trial::find(command).ok()?;
    let own = std::env::var_os("PATH").unwrap_or_default();
    let is_own = |folder: &Path| std::env::split_paths(&own).any(|entry| entry == folder);
    let from = match &found.found_in {
        Some(folder) if !is_own(folder) => FoundBy::LoginShell,
        _ => FoundBy::Path,
    };
    Some(FoundProgram { path: found.file.to_string_lossy().into_owned(), from })
}

/// An error without the place in a file that it would have.
pub(crate) fn explained(error: &ConfigError) -> Explained {
    let whole = Explained::of(error);
    let text = whole.message.trim_start_matches([':', ' ']);
    let text = Key::ALL
        .iter()
        .find_map(|key| {
            let rest = text.strip_prefix(key.name())?;
            rest.starts_with([':', ' ']).then(|| rest.trim_start_matches([':', ' ']))
        })
        .unwrap_or(text);
    let mut letters = text.chars();
    let message = letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect());
    Explained { message, ..whole }
}

fn field_of(error: &ConfigError) -> Field {
    match error {
        ConfigError::Name { .. } => Field::Name,
        ConfigError::Labels { .. } => Field::Label { index: 0 },
        ConfigError::BadUrl { .. } | ConfigError::Plaintext { .. } => Field::Gateway { index: 0 },
        ConfigError::Value { key, .. }
        | ConfigError::Placeholder { key, .. }
        | ConfigError::Missing { key }
        | ConfigError::Header { key, .. }
        | ConfigError::Conflict { key, .. } => field_of_key(*key),
        _ => Field::Server,
    }
}

fn field_of_key(key: Key) -> Field {
    if let Some(option) = OptionKey::ALL.into_iter().find(|option| option.key() == key) {
        return Field::Option { key: option };
    }
    match key {
        Key::ServerName => Field::Name,
        Key::Env | Key::SecretEnv | Key::LocalHeaders => Field::Pair { index: 0 },
        Key::Cwd => Field::Folder,
        Key::ForwardAuth => Field::ForwardAuth { index: 0 },
        Key::Labels => Field::Label { index: 0 },
        Key::Gateway => Field::Gateway { index: 0 },
        Key::Token => Field::Token,
        Key::Proxy => Field::Proxy,
        Key::ClientKeyPassphrase => Field::ClientKeyPassphrase,
        Key::ToolsAllow => Field::ToolAllowed { index: 0 },
        Key::ToolsDeny => Field::ToolDenied { index: 0 },
        _ => Field::Server,
    }
}

fn of_warning(form: &Draft, warning: &Warning) -> Finding {
    let field = match warning {
        Warning::TokenInArguments | Warning::TokenInFile(_) | Warning::TokenNotForIt { .. } => Field::Token,
        Warning::SecretInFile(_) if matches!(form.proxy, PairValue::Secret { secret: SecretField::Literal }) => {
            Field::Proxy
        }
        Warning::SecretInFile(_) => Field::ClientKeyPassphrase,
        Warning::HeaderInFile(_) | Warning::VariableInFile(_) => Field::Pair { index: 0 },
        Warning::Renamed { .. } => Field::Name,
        Warning::GatewayTwice(_) | Warning::Plaintext(_) => Field::Gateway { index: 0 },
        Warning::Notice(_) => Field::Option { key: OptionKey::Keepalive },
        Warning::Ignored { .. } | Warning::SwitchedOff(_) | Warning::ShellSyntax(_) => Field::Server,
    };
    let why = Explained::new(warning.code(), warning.to_string().trim_start_matches([':', ' ']), warning.action());
    Finding { field, severity: Severity::Warning, why }
}
