//! A form as the profile that it would be saved as, with the secrets that were typed into it apart.

use std::collections::BTreeMap;

use culvert_profiles::{Draft as Kept, DraftGateway, Key};
use culvert_protocol::{GatewayAddress, Secret};

use crate::built_in;
use crate::form::has_password;
use crate::shown::{
    Draft, ForwardAuth, GatewayField, LocalServer, OptionKey, Pair, PairValue, SecretField, Start, ToolsField, Typed,
};

/// What a form comes to.
#[derive(Debug)]
pub(crate) struct Filled {
    /// The profile.
    pub(crate) draft: Kept,
    /// What was typed, by the entry of the keychain that it goes to.
    pub(crate) typed: Vec<(String, Secret)>,
}

/// The keys that a form holds besides its options.
const HELD: [Key; 18] = [
    Key::LocalStdio,
    Key::Args,
    Key::Env,
    Key::SecretEnv,
    Key::Cwd,
    Key::LocalStreamableHttp,
    Key::LocalSse,
    Key::LocalHeaders,
    Key::ForwardAuth,
    Key::ServerName,
    Key::Labels,
    Key::Gateway,
    Key::Token,
    Key::ClientKeyPassphrase,
    Key::Proxy,
    Key::ToolsAllow,
    Key::ToolsDeny,
    Key::Start,
];

/// Fills a form in. Typed secrets become references to entries that begin with `prefix`; what stays as it is comes from
/// `before`, the profile as it is saved. `port` is the built-in gateway's.
pub(crate) fn filled(form: &Draft, before: Option<&Kept>, prefix: &str, port: u16) -> Filled {
    let mut work = Work { before, prefix, typed: Vec::new() };
    // What no form has a field for stays as it is.
    let mut draft = before.cloned().unwrap_or_default();
    HELD.into_iter().for_each(|key| draft.remove(key));
    draft.set_text(Key::ServerName, &form.name);
    for option in OptionKey::ALL {
        draft.set_text(option.key(), form.options.get(&option).map_or("", String::as_str));
    }
    draft.set_text(
        Key::Start,
        match form.start {
            Start::Last => "",
            Start::Always => "always",
            Start::Never => "never",
        },
    );
    let labels = form.labels.iter().filter(|label| !label.name.trim().is_empty() || !label.value.trim().is_empty());
    draft.set_map(
        Key::Labels,
        &labels.map(|label| (label.name.trim().to_owned(), Secret::new(label.value.as_str()))).collect(),
    );
    work.server(&mut draft, &form.server);
    work.way(&mut draft, form);
    tools(&mut draft, &form.tools, before);
    let saved = before.and_then(|before| before.text(Key::Token)).map(Secret::new);
    if let Some(token) = work.secret(&form.token, saved, "token") {
        draft.set_text(Key::Token, token.expose());
    }
    let gateways: Vec<_> =
        form.gateways.iter().enumerate().filter_map(|(at, field)| work.gateway(at, field, port)).collect();
    draft.set_gateways(&gateways);
    Filled { draft, typed: work.typed }
}

fn tools(draft: &mut Kept, tools: &ToolsField, before: Option<&Kept>) {
    let given = |rows: &[String]| -> Vec<String> {
        rows.iter().map(|row| row.trim().to_owned()).filter(|row| !row.is_empty()).collect()
    };
    if let Some(only) = &tools.only {
        // Without any: none passes.
        draft.set_list(Key::ToolsAllow, given(only));
    }
    let never = given(&tools.never);
    // An empty list says as much as none; one that stands there stays.
    if !never.is_empty()
        || before.is_some_and(|before| before.has(Key::ToolsDeny) && before.list(Key::ToolsDeny).is_empty())
    {
        draft.set_list(Key::ToolsDeny, never);
    }
}

struct Work<'a> {
    before: Option<&'a Kept>,
    prefix: &'a str,
    typed: Vec<(String, Secret)>,
}

impl Work<'_> {
    fn server(&mut self, draft: &mut Kept, server: &LocalServer) {
        match server {
            LocalServer::CommandLine { line, environment, folder } => {
                draft.set_text(Key::LocalStdio, line);
                self.environment(draft, environment, folder);
            }
            LocalServer::Command { program, arguments, environment, folder } => {
                draft.set_text(Key::LocalStdio, program);
                draft.set_list(Key::Args, arguments.clone());
                self.environment(draft, environment, folder);
            }
            LocalServer::StreamableHttp { url, headers, forward_auth } => {
                draft.set_text(Key::LocalStreamableHttp, url);
                self.headers(draft, headers, forward_auth);
            }
            LocalServer::Sse { url, headers, forward_auth } => {
                draft.set_text(Key::LocalSse, url);
                self.headers(draft, headers, forward_auth);
            }
        }
    }

    fn environment(&mut self, draft: &mut Kept, pairs: &[Pair], folder: &str) {
        draft.set_text(Key::Cwd, folder);
        let (mut plain, mut hidden) = (BTreeMap::new(), BTreeMap::new());
        let (before, in_the_open) = (self.saved_map(Key::SecretEnv), self.saved_map(Key::Env));
        for pair in given(pairs) {
            let name = pair.name.trim().to_owned();
            match &pair.value {
                PairValue::Plain { text } => _ = plain.insert(name, Secret::new(text.as_str())),
                // It stays where it was written.
                PairValue::Secret { secret: SecretField::Literal } if in_the_open.contains_key(&name) => {
                    plain.extend(in_the_open.get_key_value(&name).map(|(name, value)| (name.clone(), value.clone())));
                }
                PairValue::Secret { secret } => {
                    let saved = before.get(&name).cloned();
                    if let Some(value) = self.secret(secret, saved, &format!("env/{name}")) {
                        hidden.insert(name, value);
                    }
                }
            }
        }
        draft.set_map(Key::Env, &plain);
        draft.set_map(Key::SecretEnv, &hidden);
    }

    fn headers(&mut self, draft: &mut Kept, pairs: &[Pair], forward_auth: &ForwardAuth) {
        let mut headers = BTreeMap::new();
        let before = self.saved_map(Key::LocalHeaders);
        for pair in given(pairs) {
            let name = pair.name.trim().to_owned();
            let value = match &pair.value {
                PairValue::Plain { text } => Some(Secret::new(text.as_str())),
                PairValue::Secret { secret } => {
                    self.secret(secret, before.get(&name).cloned(), &format!("header/{name}"))
                }
            };
            headers.extend(value.map(|value| (name, value)));
        }
        draft.set_map(Key::LocalHeaders, &headers);
        if let ForwardAuth::Headers { names } = forward_auth {
            let names: Vec<_> =
                names.iter().map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect();
            if !names.is_empty() {
                draft.set_list(Key::ForwardAuth, names);
            }
        }
    }

    fn gateway(&mut self, at: usize, field: &GatewayField, port: u16) -> Option<DraftGateway> {
        let GatewayField::Url { url, own_token } = field else { return Some(built_in::draft_gateway(port)) };
        if url.trim().is_empty() && own_token.is_none() {
            return None;
        }
        let known = GatewayAddress::parse(url).ok();
        let before = self.before.map(Kept::gateways).unwrap_or_default();
        let of_address =
            before.iter().find(|saved| known.is_some() && GatewayAddress::parse(&saved.address).ok() == known);
        // An address that was corrected keeps the token beside it.
        let saved = of_address.or_else(|| before.get(at)).and_then(|saved| saved.token.clone());
        let host = known.as_ref().map_or_else(|| at.to_string(), crate::world::host_and_port);
        let token = own_token.as_ref().and_then(|field| self.secret(field, saved, &format!("gateway/{host}")));
        Some(DraftGateway { address: url.trim().to_owned(), token })
    }

    fn way(&mut self, draft: &mut Kept, form: &Draft) {
        let saved = |before: Option<&Kept>, key| before.and_then(|before| before.text(key)).map(Secret::new);
        let before = saved(self.before, Key::ClientKeyPassphrase);
        if let Some(passphrase) = self.secret(&form.client_key_passphrase, before, "client-key") {
            draft.set_text(Key::ClientKeyPassphrase, passphrase.expose());
        }
        let proxy = match &form.proxy {
            PairValue::Plain { text } if has_password(text) => {
                let typed = SecretField::Typed { text: Typed(Secret::new(text.trim())) };
                self.secret(&typed, None, "proxy")
            }
            PairValue::Plain { text } => Some(Secret::new(text.trim())),
            PairValue::Secret { secret } => {
                let before = saved(self.before, Key::Proxy);
                self.secret(secret, before, "proxy")
            }
        };
        if let Some(proxy) = proxy {
            draft.set_text(Key::Proxy, proxy.expose());
        }
    }

    fn saved_map(&self, key: Key) -> BTreeMap<String, Secret> {
        self.before.map(|before| before.map(key)).unwrap_or_default()
    }

    /// A field as it is written in a file; `saved` is what is written there now.
    fn secret(&mut self, field: &SecretField, saved: Option<Secret>, name: &str) -> Option<Secret> {
        match field {
            SecretField::None => None,
            SecretField::Saved | SecretField::Literal => saved,
            SecretField::Typed { text } if text.0.is_empty() => None,
            SecretField::Typed { text } => {
                let entry = format!("{}/{name}", self.prefix);
                self.typed.push((entry.clone(), text.0.clone()));
                Some(Secret::new(format!("keychain:{entry}")))
            }
            SecretField::Environment { variable } => Some(Secret::new(format!("env:{}", variable.trim()))),
            SecretField::File { path } => Some(Secret::new(format!("file:{}", path.trim()))),
            SecretField::Command { command } => Some(Secret::new(format!("command:{}", command.trim()))),
            SecretField::Credential { name } => Some(Secret::new(format!("credential:{}", name.trim()))),
        }
    }
}

/// Rows in which anything was typed.
fn given(pairs: &[Pair]) -> impl Iterator<Item = &Pair> {
    pairs.iter().filter(|pair| {
        let is_plain_and_empty = matches!(&pair.value, PairValue::Plain { text } if text.is_empty());
        !pair.name.trim().is_empty() || !is_plain_and_empty
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::form::of_saved;
    use crate::shown::ProfileId;

    fn kept() -> Kept {
        let mut kept = Kept::default();
        kept.set_text(Key::ServerName, "git-{hostname}");
        kept.set_text(Key::LocalStdio, "uvx mcp-server-git");
        kept.set_text(Key::Cwd, "/work");
        kept.set_text(Key::Token, "keychain:git/token");
        kept.set_text(Key::Start, "always");
        kept.set_text(Key::MaxSessions, "3");
        kept.set_text(Key::Proxy, "http://me:hunter2@proxy:3128");
        kept.set_text(Key::ClientCert, "/etc/me.pem");
        kept.set_text(Key::ClientKeyPassphrase, "hunter2");
        kept.set_text(Key::LogLevel, "DEBUG");
        kept.set_list(Key::ToolsAllow, vec!["git_*".to_owned(), "with, comma".to_owned()]);
        kept.set_list(Key::ToolsDeny, Vec::new());
        let env = [("A", "b"), ("MY_PASSWORD", "hunter2-hunter2")];
        kept.set_map(Key::Env, &env.map(|(name, value)| (name.to_owned(), Secret::new(value))).into());
        kept.set_map(Key::SecretEnv, &[("K".to_owned(), Secret::new("hunter2"))].into());
        kept.set_map(Key::Labels, &[("team".to_owned(), Secret::new("blue"))].into());
        kept.set_gateways(&[
            DraftGateway { address: "https://gw.example.com".to_owned(), token: Some(Secret::new("env:GW")) },
            built_in::draft_gateway(4444),
        ]);
        kept
    }

    #[test]
    fn a_form_that_nobody_touched_is_the_same_profile() {
        let kept = kept();
        let form = of_saved(&kept, ProfileId("id".to_owned()));
        assert!(!serde_json::to_string(&form).unwrap().contains("hunter2"));
        let Filled { draft, typed } = filled(&form, Some(&kept), "id", 4444);
        assert!(draft == kept, "{}\n{}", draft.to_yaml(), kept.to_yaml());
        assert!(typed.is_empty());
    }

    #[test]
    fn what_is_typed_goes_to_the_keychain_and_what_is_taken_out_is_gone() {
        let kept = kept();
        let mut form = of_saved(&kept, ProfileId("id".to_owned()));
        form.token = SecretField::Typed { text: Typed(Secret::new("env:looks-like-a-reference")) };
        let LocalServer::CommandLine { environment, .. } = &mut form.server else { panic!("a line") };
        environment.retain(|pair| pair.name != "K");
        form.gateways[0] = GatewayField::Url { url: "https://gw.example.org".to_owned(), own_token: None };
        let Filled { draft, typed } = filled(&form, Some(&kept), "id", 5555);
        assert_eq!(draft.text(Key::Token), Some("keychain:id/token"));
        assert_eq!(typed, [("id/token".to_owned(), Secret::new("env:looks-like-a-reference"))]);
        assert!(draft.map(Key::SecretEnv).is_empty());
        assert_eq!(draft.text(Key::Proxy), kept.text(Key::Proxy), "what was not shown stays");
        assert_eq!(draft.text(Key::LogLevel), kept.text(Key::LogLevel), "what has no field stays");
        let gateways = draft.gateways();
        assert_eq!((gateways[0].token.is_none(), gateways[1].address.as_str()), (true, "http://127.0.0.1:5555"));
    }

    #[test]
    fn a_password_in_the_proxys_address_goes_to_the_keychain() {
        let mut form = of_saved(&kept(), ProfileId("id".to_owned()));
        form.proxy = PairValue::Plain { text: " http://me:other@proxy:3128 ".to_owned() };
        form.client_key_passphrase = SecretField::Typed { text: Typed(Secret::new("phrase")) };
        let Filled { draft, typed } = filled(&form, Some(&kept()), "id", 4444);
        assert_eq!(draft.text(Key::Proxy), Some("keychain:id/proxy"));
        assert_eq!(draft.text(Key::ClientKeyPassphrase), Some("keychain:id/client-key"));
        let typed: BTreeMap<_, _> = typed.into_iter().collect();
        assert_eq!(typed["id/proxy"], Secret::new("http://me:other@proxy:3128"));
        assert_eq!(typed["id/client-key"], Secret::new("phrase"));
        form.proxy = PairValue::Plain { text: "http://proxy:3128".to_owned() };
        let Filled { draft, typed } = filled(&form, Some(&kept()), "id", 4444);
        assert_eq!((draft.text(Key::Proxy), typed.len()), (Some("http://proxy:3128"), 1));
        form.proxy = PairValue::Secret { secret: SecretField::None };
        assert!(!filled(&form, Some(&kept()), "id", 4444).draft.has(Key::Proxy));
    }

    #[test]
    fn tools_are_lists_and_none_allowed_is_not_all() {
        let mut form = of_saved(&kept(), ProfileId("id".to_owned()));
        form.tools =
            ToolsField { only: Some(vec![" ".to_owned()]), never: vec![" git_push ".to_owned(), String::new()] };
        let Filled { draft, .. } = filled(&form, Some(&kept()), "id", 4444);
        assert!(draft.has(Key::ToolsAllow) && draft.list(Key::ToolsAllow).is_empty());
        assert_eq!(draft.list(Key::ToolsDeny), ["git_push"]);
        form.tools = ToolsField::default();
        let Filled { draft, .. } = filled(&form, Some(&draft), "id", 4444);
        assert!(!draft.has(Key::ToolsAllow) && !draft.has(Key::ToolsDeny));
    }

    #[test]
    fn a_corrected_address_keeps_the_token_beside_it() {
        let kept = kept();
        let mut form = of_saved(&kept, ProfileId("id".to_owned()));
        let GatewayField::Url { url, .. } = &mut form.gateways[0] else { panic!("an address") };
        *url = "https://gw2.example.com".to_owned();
        form.gateways[0] = match form.gateways[0].clone() {
            GatewayField::Url { url, .. } => GatewayField::Url { url, own_token: Some(SecretField::Literal) },
            other => other,
        };
        let Filled { draft, .. } = filled(&form, Some(&kept), "id", 4444);
        assert!(draft.gateways()[0].token.as_ref().is_some_and(|token| token.is("env:GW")));
    }
}
