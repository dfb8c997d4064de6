//! The engine's rules on every part of a form by itself, so that each finding stands at its field.

use std::collections::BTreeMap;

use culvert_profiles::{Draft as Kept, DraftGateway, Key};
use culvert_protocol::Secret;

use super::{explained, made};
use crate::shown::{
    Draft, Explained, Field, Finding, ForwardAuth, GatewayField, LocalServer, OptionKey, Pair, PairValue, SecretField,
    Severity,
};

/// What a part is checked beside, where it needs something beside it.
const ANY_COMMAND: &str = "any";
pub(super) const ANY_GATEWAY: &str = "https://gateway.invalid";

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
pub(super) fn parts(form: &Draft, draft: &Kept) -> Vec<Finding> {
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
        let certificate = draft.text(Key::ClientCert).filter(|_| *option == OptionKey::ClientKey);
        judge(
            Field::Option { key: *option },
            &with(base(), &|base| {
                base.set_text(Key::ClientCert, certificate.unwrap_or_default());
                base.set_text(option.key(), text);
            }),
        );
    }
    if let Some(passphrase) = draft.text(Key::ClientKeyPassphrase) {
        judge(
            Field::ClientKeyPassphrase,
            &with(base(), &|base| {
                base.set_text(Key::ClientCert, draft.text(Key::ClientCert).unwrap_or_default());
                base.set_text(Key::ClientKeyPassphrase, passphrase);
            }),
        );
    }
    // What was typed is judged itself: the reference that it becomes is always well formed.
    let proxy = match &form.proxy {
        PairValue::Plain { text } => text.as_str(),
        PairValue::Secret { secret: SecretField::Typed { text } } => text.0.expose(),
        PairValue::Secret { .. } => draft.text(Key::Proxy).unwrap_or_default(),
    };
    judge(Field::Proxy, &with(base(), &|base| base.set_text(Key::Proxy, proxy)));
    for (key, rows) in [(Key::ToolsAllow, form.tools.only.as_ref()), (Key::ToolsDeny, Some(&form.tools.never))] {
        let rows = rows.into_iter().flatten().map(|row| row.trim()).enumerate();
        for (index, row) in rows.filter(|(_, row)| !row.is_empty()) {
            let index = small(index);
            let field = if key == Key::ToolsAllow { Field::ToolAllowed { index } } else { Field::ToolDenied { index } };
            judge(field, &with(base(), &|base| base.set_list(key, vec![row.to_owned()])));
        }
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
pub(super) fn server_only(draft: &Kept) -> Kept {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filled::filled;
    use crate::form::empty;
    use crate::shown::{Label, ToolsField, Typed};

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
    fn the_way_to_the_gateway_is_checked_as_it_is_typed() {
        let fields = |change: &dyn Fn(&mut Draft)| {
            found(|form| change(form)).into_iter().map(|(field, _)| field).collect::<Vec<_>>()
        };
        let typed = |text: &str| SecretField::Typed { text: Typed(Secret::new(text)) };
        let plain = |text: &str| PairValue::Plain { text: text.to_owned() };
        assert_eq!(fields(&|form| form.proxy = plain("http://me:hunter2@proxy:3128")), []);
        assert_eq!(fields(&|form| form.proxy = plain("ftp://proxy")), [Field::Proxy]);
        let secret = found(|form| form.proxy = PairValue::Secret { secret: typed("http://me:hunter2@proxy/path") });
        assert!(matches!(&secret[..], [(Field::Proxy, message)] if !message.contains("hunter2")), "{secret:?}");
        let key = Field::Option { key: OptionKey::ClientKey };
        let with_key = |form: &mut Draft, certificate: &str| {
            form.options.insert(OptionKey::ClientCert, certificate.to_owned());
            form.options.insert(OptionKey::ClientKey, "/me.key".to_owned());
            form.client_key_passphrase = typed("phrase");
        };
        assert_eq!(fields(&|form| with_key(form, "")), [key, Field::ClientKeyPassphrase]);
        assert_eq!(fields(&|form| with_key(form, "/me.pem")), []);
        let pattern = "x".repeat(2000);
        let tools = ToolsField { only: Some(vec!["git_*".to_owned(), pattern.clone()]), never: vec![pattern] };
        assert_eq!(
            fields(&|form| form.tools = tools.clone()),
            [Field::ToolAllowed { index: 1 }, Field::ToolDenied { index: 0 }]
        );
    }

    #[test]
    fn messages_speak_of_no_file() {
        let said = found(|form| _ = form.options.insert(OptionKey::Keepalive, "soon".to_owned()));
        let (_, message) = &said[0];
        assert!(message.starts_with("\"soon\": ") && !message.contains("keepalive"), "{message}");
    }
}
