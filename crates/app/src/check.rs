//! The engine's own rules on an unsaved form: every part by itself, so that each finding stands at its field, then all
//! together.

use std::collections::BTreeMap;
use std::path::Path;

use culvert_instance::Terms as _;
use culvert_profiles::{
    ConfigError, Content, Draft as Kept, DraftGateway, Key, Platform, Profile, Surroundings, Warning, split,
};
use culvert_protocol::{Explain, Secret};
use culvert_tunnel::{LocalServer as Runs, trial};

use crate::culvert::Culvert;
use crate::filled::filled;
use crate::shown::{
    Checked, Draft, Explained, Field, Finding, ForwardAuth, FoundBy, FoundProgram, GatewayField, LocalServer,
    OptionKey, Pair, Severity,
};

/// What a part is checked beside, where it needs something beside it.
const ANY_COMMAND: &str = "any";
const ANY_GATEWAY: &str = "https://gateway.invalid";

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
                findings.extend(profile.warnings.iter().map(of_warning));
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

/// A draft that only lacks what is to be checked.
fn base() -> Kept {
    let mut draft = Kept::default();
    draft.set_text(Key::LocalStdio, ANY_COMMAND);
    draft.set_list(Key::Args, Vec::new());
    draft.set_gateways(&[DraftGateway { address: ANY_GATEWAY.to_owned(), token: None }]);
    draft
}

fn url_base() -> Kept {
    let mut draft = base();
    draft.remove(Key::LocalStdio);
    draft.remove(Key::Args);
    draft.set_text(Key::LocalStreamableHttp, "http://127.0.0.1:1/mcp");
    draft
}

/// What is wrong with each part by itself.
fn parts(form: &Draft, draft: &Kept) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut judge = |field: Field, draft: &Kept| {
        if let Err(error) = made(draft) {
            findings.push(Finding { field, severity: Severity::Error, why: explained(&error) });
        }
    };
    let with = |mut base: Kept, change: &dyn Fn(&mut Kept)| {
        change(&mut base);
        base
    };
    judge(Field::Name, &with(base(), &|base| base.set_text(Key::ServerName, &form.name)));
    judge(
        Field::Server,
        &with(server_only(draft), &|base| {
            base.set_gateways(&[DraftGateway { address: ANY_GATEWAY.to_owned(), token: None }]);
            base.set_text(Key::AllowPlaintext, draft.text(Key::AllowPlaintext).unwrap_or_default());
        }),
    );
    let (pairs, is_url): (&[Pair], bool) = match &form.server {
        LocalServer::CommandLine { environment, .. } | LocalServer::Command { environment, .. } => (environment, false),
        LocalServer::StreamableHttp { headers, .. } | LocalServer::Sse { headers, .. } => (headers, true),
    };
    let maps = if is_url { vec![Key::LocalHeaders] } else { vec![Key::Env, Key::SecretEnv] };
    for (index, pair) in pairs.iter().enumerate() {
        let name = pair.name.trim();
        for key in &maps {
            let Some(value) = draft.map(*key).remove(name) else { continue };
            let one = BTreeMap::from([(name.to_owned(), value)]);
            let base = if is_url { url_base() } else { base() };
            judge(Field::Pair { index: small(index) }, &with(base, &|base| base.set_map(*key, &one)));
        }
    }
    if let Some(folder) = draft.text(Key::Cwd) {
        judge(Field::Folder, &with(base(), &|base| base.set_text(Key::Cwd, folder)));
    }
    if let LocalServer::StreamableHttp { forward_auth: ForwardAuth::Headers { names }, .. }
    | LocalServer::Sse { forward_auth: ForwardAuth::Headers { names }, .. } = &form.server
    {
        for (index, name) in names.iter().enumerate().filter(|(_, name)| !name.trim().is_empty()) {
            let one = vec![name.trim().to_owned()];
            let field = Field::ForwardAuth { index: small(index) };
            judge(field, &with(url_base(), &|base| base.set_list(Key::ForwardAuth, one.clone())));
        }
    }
    for (index, label) in form.labels.iter().enumerate() {
        if label.name.trim().is_empty() && label.value.trim().is_empty() {
            continue;
        }
        let one = BTreeMap::from([(label.name.trim().to_owned(), Secret::new(label.value.as_str()))]);
        judge(Field::Label { index: small(index) }, &with(base(), &|base| base.set_map(Key::Labels, &one)));
    }
    if let Some(token) = draft.text(Key::Token) {
        judge(Field::Token, &with(base(), &|base| base.set_text(Key::Token, token)));
    }
    for (option, text) in form.options.iter().filter(|(_, text)| !text.trim().is_empty()) {
        judge(Field::Option { key: *option }, &with(base(), &|base| option.write(base, text)));
    }
    gateways(form, draft, &mut findings);
    findings
}

fn gateways(form: &Draft, draft: &Kept, findings: &mut Vec<Finding>) {
    let plaintext = draft.text(Key::AllowPlaintext).filter(|text| text.parse::<bool>().is_ok()).unwrap_or_default();
    let judged = |gateway: DraftGateway| {
        let mut base = base();
        base.set_text(Key::AllowPlaintext, plaintext);
        base.set_gateways(&[gateway]);
        made(&base).err()
    };
    for (index, field) in form.gateways.iter().enumerate() {
        let GatewayField::Url { url, own_token } = field else { continue };
        let index = small(index);
        let missing = || {
            Explained::new("config.missing", "There is no gateway yet.", "Give its address, or use the built-in one.")
        };
        if url.trim().is_empty() {
            findings.push(Finding { field: Field::Gateway { index }, severity: Severity::Error, why: missing() });
            continue;
        }
        if let Some(error) = judged(DraftGateway { address: url.trim().to_owned(), token: None }) {
            findings.push(Finding {
                field: Field::Gateway { index },
                severity: Severity::Error,
                why: explained(&error),
            });
            continue;
        }
        let token =
            draft.gateways().into_iter().find(|gateway| gateway.address == url.trim()).and_then(|found| found.token);
        if let (Some(_), Some(token)) = (own_token, token)
            && let Some(error) = judged(DraftGateway { address: url.trim().to_owned(), token: Some(token) })
        {
            findings.push(Finding {
                field: Field::GatewayToken { index },
                severity: Severity::Error,
                why: explained(&error),
            });
        }
    }
    if form.gateways.is_empty() {
        let why =
            Explained::new("config.missing", "There is no gateway yet.", "Give its address, or use the built-in one.");
        findings.push(Finding { field: Field::Gateway { index: 0 }, severity: Severity::Error, why });
    }
}

/// The local server of a draft, with nothing beside it.
fn server_only(draft: &Kept) -> Kept {
    let mut only = Kept::default();
    for key in [Key::LocalStdio, Key::LocalStreamableHttp, Key::LocalSse] {
        only.set_text(key, draft.text(key).unwrap_or_default());
    }
    if draft.has(Key::Args) {
        only.set_list(Key::Args, draft.list(Key::Args).to_vec());
    }
    only
}

fn small(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
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
        _ => Field::Server,
    }
}

fn of_warning(warning: &Warning) -> Finding {
    let field = match warning {
        Warning::TokenInArguments | Warning::TokenInFile(_) => Field::Token,
        Warning::SecretInFile(_) => Field::Server,
        Warning::HeaderInFile(_) | Warning::VariableInFile(_) => Field::Pair { index: 0 },
        Warning::Renamed { .. } => Field::Name,
        Warning::GatewayTwice(_) | Warning::Plaintext(_) => Field::Gateway { index: 0 },
        Warning::Notice(_) => Field::Option { key: OptionKey::Keepalive },
        Warning::Ignored { .. } | Warning::SwitchedOff(_) | Warning::ShellSyntax(_) => Field::Server,
    };
    let why = Explained::new(warning.code(), warning.to_string().trim_start_matches([':', ' ']), warning.action());
    Finding { field, severity: Severity::Warning, why }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::form::empty;
    use crate::shown::{Label, PairValue, SecretField};

    fn found(change: impl FnOnce(&mut Draft)) -> Vec<(Field, String)> {
        let mut form = empty();
        form.server = LocalServer::CommandLine {
            line: "uvx mcp-server-git".to_owned(),
            environment: Vec::new(),
            folder: String::new(),
        };
        form.gateways = vec![GatewayField::Url { url: "https://gw.example.com".to_owned(), own_token: None }];
        change(&mut form);
        let draft = filled(&form, None, "typed", 4444).draft;
        parts(&form, &draft).into_iter().map(|finding| (finding.field, finding.why.message)).collect()
    }

    #[test]
    fn every_wrong_part_is_found_at_its_own_field() {
        assert_eq!(found(|_| {}), []);
        let fields = |change: &dyn Fn(&mut Draft)| {
            found(|form| change(form)).into_iter().map(|(field, _)| field).collect::<Vec<_>>()
        };
        assert_eq!(fields(&|form| form.name = "a/b".to_owned()), [Field::Name]);
        let line = |line: &str| LocalServer::CommandLine {
            line: line.to_owned(),
            environment: Vec::new(),
            folder: String::new(),
        };
        assert_eq!(fields(&|form| form.server = line("uvx 'open")), [Field::Server]);
        assert_eq!(fields(&|form| form.server = line("")), [Field::Server]);
        assert_eq!(fields(&|form| form.gateways.clear()), [Field::Gateway { index: 0 }]);
        let url = |url: &str| GatewayField::Url { url: url.to_owned(), own_token: None };
        assert_eq!(fields(&|form| form.gateways.push(url("gw"))), [Field::Gateway { index: 1 }]);
        assert_eq!(fields(&|form| form.gateways.push(url("http://gw.example.com"))), [Field::Gateway { index: 1 }]);
        let several = fields(&|form| {
            form.options.insert(OptionKey::Keepalive, "soon".to_owned());
            form.options.insert(OptionKey::MaxSessions, "-1".to_owned());
            form.labels = vec![
                Label { name: "ok".to_owned(), value: "yes".to_owned() },
                Label { name: String::new(), value: "x".to_owned() },
            ];
        });
        assert!(several.contains(&Field::Label { index: 1 }), "{several:?}");
        for key in [OptionKey::Keepalive, OptionKey::MaxSessions] {
            assert!(several.contains(&Field::Option { key }), "{several:?}");
        }
        assert_eq!(several.len(), 3);
        let token = SecretField::Environment { variable: String::new() };
        assert_eq!(fields(&|form| form.token = token.clone()), [Field::Token]);
        let pair = Pair { name: "A=B".to_owned(), value: PairValue::Plain { text: "x".to_owned() } };
        let with_pair =
            LocalServer::CommandLine { line: "x".to_owned(), environment: vec![pair], folder: String::new() };
        assert_eq!(fields(&|form| form.server = with_pair.clone()), [Field::Pair { index: 0 }]);
    }

    #[test]
    fn messages_speak_of_no_file() {
        let said = found(|form| _ = form.options.insert(OptionKey::Keepalive, "soon".to_owned()));
        let (_, message) = &said[0];
        assert!(message.starts_with("\"soon\": ") && !message.contains("keepalive"), "{message}");
    }
}
