//! A saved profile as the editor's form holds it. No secret comes out of here, not even one that a file has in the open.

use std::collections::BTreeMap;

use culvert_profiles::{Draft as Kept, Key, Platform, SecretRef, Start as KeptStart, looks_secret};
use culvert_protocol::Secret;

use crate::built_in;
use crate::shown::{
    Draft, ForwardAuth, GatewayField, Label, LocalServer, OptionKey, Pair, PairValue, ProfileId, SecretField, Start,
    ToolsField,
};

/// The form of a new profile.
pub(crate) fn empty() -> Draft {
    Draft {
        id: None,
        name: String::new(),
        server: LocalServer::CommandLine { line: String::new(), environment: Vec::new(), folder: String::new() },
        gateways: vec![GatewayField::Url { url: String::new(), own_token: None }],
        token: SecretField::Typed { text: Default::default() },
        start: Start::Last,
        labels: Vec::new(),
        tools: ToolsField::default(),
        proxy: PairValue::Plain { text: String::new() },
        client_key_passphrase: SecretField::None,
        options: BTreeMap::new(),
    }
}

/// The form of a saved one.
pub(crate) fn of_saved(kept: &Kept, id: ProfileId) -> Draft {
    let text = |key| kept.text(key).unwrap_or_default().to_owned();
    let options = OptionKey::ALL.into_iter().filter_map(|option| Some((option, option.shown(kept)?)));
    let labels = kept.map(Key::Labels).into_iter();
    Draft {
        id: Some(id),
        name: text(Key::ServerName),
        server: server(kept),
        gateways: gateways(kept),
        token: kept.text(Key::Token).map_or(SecretField::None, |token| secret(&Secret::new(token))),
        start: match text(Key::Start).parse() {
            Ok(KeptStart::Always) => Start::Always,
            Ok(KeptStart::Never) => Start::Never,
            Ok(KeptStart::Last) | Err(_) => Start::Last,
        },
        labels: labels.map(|(name, value)| Label { name, value: value.expose().to_owned() }).collect(),
        tools: ToolsField {
            only: kept.has(Key::ToolsAllow).then(|| kept.list(Key::ToolsAllow).to_vec()),
            never: kept.list(Key::ToolsDeny).to_vec(),
        },
        proxy: proxy(&text(Key::Proxy)),
        client_key_passphrase: kept
            .text(Key::ClientKeyPassphrase)
            .map_or(SecretField::None, |text| secret(&Secret::new(text))),
        options: options.collect(),
    }
}

fn server(kept: &Kept) -> LocalServer {
    let text = |key| kept.text(key).unwrap_or_default().to_owned();
    let headers = || kept.map(Key::LocalHeaders).iter().map(|(name, value)| hidden(name, value)).collect();
    let forward_auth = || match kept.list(Key::ForwardAuth) {
        [] => ForwardAuth::None,
        names => ForwardAuth::Headers { names: names.to_vec() },
    };
    if kept.has(Key::LocalStreamableHttp) {
        let url = text(Key::LocalStreamableHttp);
        return LocalServer::StreamableHttp { url, headers: headers(), forward_auth: forward_auth() };
    }
    if kept.has(Key::LocalSse) {
        let url = text(Key::LocalSse);
        return LocalServer::Sse { url, headers: headers(), forward_auth: forward_auth() };
    }
    // What looks like a secret is none to be shown, wherever it was put.
    let plain = |(name, value): (&String, &Secret)| Pair {
        name: name.clone(),
        value: match looks_secret(name, value.expose()) {
            true => PairValue::Secret { secret: SecretField::Literal },
            false => PairValue::Plain { text: value.expose().to_owned() },
        },
    };
    let mut environment: Vec<Pair> = kept.map(Key::Env).iter().map(plain).collect();
    environment.extend(kept.map(Key::SecretEnv).iter().map(|(name, value)| hidden(name, value)));
    let folder = text(Key::Cwd);
    match kept.has(Key::Args) {
        true => LocalServer::Command {
            program: text(Key::LocalStdio),
            arguments: kept.list(Key::Args).to_vec(),
            environment,
            folder,
        },
        false => LocalServer::CommandLine { line: text(Key::LocalStdio), environment, folder },
    }
}

fn gateways(kept: &Kept) -> Vec<GatewayField> {
    let field = |gateway: &culvert_profiles::DraftGateway| match built_in::uses_it(gateway) {
        true => GatewayField::BuiltIn,
        false => GatewayField::Url { url: gateway.address.clone(), own_token: gateway.token.as_ref().map(secret) },
    };
    kept.gateways().iter().map(field).collect()
}

/// A proxy's address can be seen unless it has a password in it, or is kept elsewhere.
fn proxy(text: &str) -> PairValue {
    match SecretRef::parse(text, Platform::here()) {
        Ok(SecretRef::Literal(_)) if !has_password(text) => PairValue::Plain { text: text.to_owned() },
        _ if text.is_empty() => PairValue::Plain { text: String::new() },
        _ => PairValue::Secret { secret: secret(&Secret::new(text)) },
    }
}

/// Whether what was typed as a proxy's address may hold a password: right or wrong, it then goes to the keychain.
pub(crate) fn has_password(address: &str) -> bool {
    let is_reference =
        SecretRef::parse(address, Platform::here()).is_ok_and(|reference| !matches!(reference, SecretRef::Literal(_)));
    !is_reference && address.contains('@')
}

fn hidden(name: &str, value: &Secret) -> Pair {
    Pair { name: name.to_owned(), value: PairValue::Secret { secret: secret(value) } }
}

/// Where a secret is kept, without the secret.
fn secret(kept: &Secret) -> SecretField {
    match SecretRef::parse(kept.expose(), Platform::here()) {
        Ok(SecretRef::Env(variable)) => SecretField::Environment { variable },
        Ok(SecretRef::File(path)) => SecretField::File { path: path.to_string_lossy().into_owned() },
        // Quoted anew: what was written may have other blanks and the same meaning.
        Ok(SecretRef::Command(words)) => SecretField::Command { command: shell_words::join(words) },
        Ok(SecretRef::Credential(name)) => SecretField::Credential { name },
        Ok(SecretRef::Keychain(_)) => SecretField::Saved,
        Ok(SecretRef::Literal(_)) | Err(_) => SecretField::Literal,
    }
}

#[cfg(test)]
mod tests {
    use culvert_profiles::DraftGateway;

    use super::*;

    #[test]
    fn no_secret_comes_out_of_a_saved_profile() {
        let mut kept = Kept::default();
        kept.set_text(Key::ServerName, "git");
        kept.set_text(Key::LocalStdio, "uvx mcp-server-git");
        kept.set_text(Key::Token, "hunter2");
        kept.set_text(Key::Keepalive, "20");
        let env = [("A", "hunter2"), ("B", "keychain:git/B"), ("C", "file:/run/c"), ("D", "command:pass show x")];
        let env = env.map(|(name, value)| (name.to_owned(), Secret::new(value)));
        kept.set_map(Key::SecretEnv, &env.into());
        kept.set_gateways(&[
            DraftGateway { address: "https://gw".to_owned(), token: Some(Secret::new("hunter2")) },
            built_in::draft_gateway(4444),
        ]);
        let draft = of_saved(&kept, ProfileId("id".to_owned()));
        let json = serde_json::to_string(&draft).unwrap();
        assert!(!json.contains("hunter2"), "{json}");
        assert_eq!(draft.token, SecretField::Literal);
        let LocalServer::CommandLine { environment, .. } = &draft.server else { panic!("a line") };
        let fields: Vec<_> = environment
            .iter()
            .map(|pair| match &pair.value {
                PairValue::Secret { secret } => secret.clone(),
                PairValue::Plain { .. } => panic!("{} is a secret", pair.name),
            })
            .collect();
        assert_eq!(
            fields,
            [
                SecretField::Literal,
                SecretField::Saved,
                SecretField::File { path: "/run/c".to_owned() },
                SecretField::Command { command: "pass show x".to_owned() },
            ]
        );
        let own = GatewayField::Url { url: "https://gw".to_owned(), own_token: Some(SecretField::Literal) };
        assert_eq!(draft.gateways, [own, GatewayField::BuiltIn]);
        assert_eq!(draft.options, BTreeMap::from([(OptionKey::Keepalive, "20".to_owned())]));
    }

    #[test]
    fn a_proxy_is_shown_unless_it_has_a_password_or_is_elsewhere() {
        let plain = |text: &str| PairValue::Plain { text: text.to_owned() };
        let kept = |secret| PairValue::Secret { secret };
        assert_eq!(proxy(""), plain(""));
        assert_eq!(proxy("http://proxy:3128"), plain("http://proxy:3128"));
        assert_eq!(proxy("http://me:hunter2@proxy:3128"), kept(SecretField::Literal));
        assert_eq!(proxy("keychain:proxy"), kept(SecretField::Saved));
        assert_eq!(proxy("env:PROXY"), kept(SecretField::Environment { variable: "PROXY".to_owned() }));
        assert!(has_password("me:hunter2@proxy") && !has_password("command:op read me@proxy"));
    }

    #[test]
    fn each_kind_of_server_has_its_form() {
        let mut kept = Kept::default();
        kept.set_text(Key::LocalStdio, "npx");
        kept.set_list(Key::Args, vec!["-y".to_owned(), "x y".to_owned()]);
        assert!(matches!(server(&kept), LocalServer::Command { arguments, .. } if arguments == ["-y", "x y"]));
        let mut kept = Kept::default();
        kept.set_text(Key::LocalSse, "http://127.0.0.1:1/sse");
        assert!(matches!(server(&kept), LocalServer::Sse { forward_auth: ForwardAuth::None, .. }));
        kept.set_list(Key::ForwardAuth, vec!["authorization".to_owned()]);
        assert!(matches!(server(&kept), LocalServer::Sse { forward_auth: ForwardAuth::Headers { .. }, .. }));
    }
}
