//! Several servers in one configuration, each by itself.

use super::*;
use crate::profile::Start;

/// All of a configuration, with broken entries beside the good ones.
fn all_of(case: &Case<'_>) -> Loaded {
    let file = ConfigFile::parse(case.file, Path::new("c.yaml")).unwrap();
    within(case, |surroundings| loaded(layer(case.flags), Some(file), surroundings)).unwrap()
}

const TWO: &str = "token: shared\ngateway: https://gw\nservers:\n  - name: git-server\n    command: \"uvx mcp-server-git\"\n    \
                   gateway: \"https://gateway1.example.com\"\n  - name: files\n    command: uvx f\n    keepalive: 5\n";

#[test]
fn an_entrys_own_keys_win() {
    let effective = come_to(&Case { file: TWO, flags: &[(Key::Keepalive, "7")], environment: &[] }).unwrap();
    let [git, files] = &effective.tunnels[..] else { panic!("not two") };
    assert_eq!((git.name.as_str(), git.gateway.to_string()), ("git-server", "https://gateway1.example.com".to_owned()));
    let tokens = [None, Some("shared".to_owned())];
    assert_eq!(effective.tokens, tokens, "a gateway of the entry's own does not get the shared token");
    let told = |warning: &Warning| matches!(warning, Warning::TokenNotForIt { .. });
    assert!(effective.warnings.iter().any(told), "and that is said: {:?}", effective.warnings);
    assert_eq!((git.keepalive.as_secs(), files.keepalive.as_secs()), (7, 5));
    let one = "gateway: https://gw\nservers: [{command: uvx f}]";
    assert_eq!(tunnel_of(&Case { file: one, ..NONE }).name.as_str(), "f-laptop-7");
    let (text, _) = refusal(&Case { file: one, flags: &[(Key::LocalStdio, "x")], environment: &[] });
    assert_eq!(text, "c.yaml:2:11: the file lists its servers, so --local-stdio has no server that it belongs to");
    assert_eq!(refusal(&Case { file: "cwd: /\nservers: [{command: f}]", ..NONE }).1, "config.unsupported");
}

#[test]
fn the_file_of_the_reference_is_two_profiles() {
    let file = "servers:\n  - name: git-server\n    command: \"uvx mcp-server-git\"\n    \
                gateway: \"https://gateway1.example.com\"\n\n  - name: filesystem-server\n    \
                command: \"uvx mcp-server-filesystem --directory /data\"\n    gateway: \"https://gateway2.example.com\"\n";
    let loaded = all_of(&Case { file, ..NONE });
    assert!(loaded.broken.is_empty() && loaded.warnings.is_empty());
    let seen: Vec<_> = loaded
        .profiles
        .iter()
        .map(|profile| {
            let [tunnel] = &profile.tunnels[..] else { panic!("not one") };
            let place = profile.place.as_ref().unwrap().to_string();
            (profile.key.as_str(), place, tunnel.config.gateway.to_string())
        })
        .collect();
    assert_eq!(
        seen,
        [
            ("git-server", "c.yaml:2:5".to_owned(), "https://gateway1.example.com".to_owned()),
            ("filesystem-server", "c.yaml:6:5".to_owned(), "https://gateway2.example.com".to_owned()),
        ]
    );
}

#[test]
fn one_broken_entry_touches_no_other() {
    let file = "gateway: https://gw\nlabels: {site: north}\nservers:\n- {name: a, command: x, start: never, labels: {n: '{hostname}'}}\n\
                - {name: b, command: 'oops \"'}\n- {name: c, command: x, args: hunter2}\n- {name: d, keepalive: 0}\n\
                - {name: e@e, command: x}\n- {name: a, command: y}\n- {name: a, command: y, gateway: https://other}\n\
                - {id: 6f6b2c1e-0d5c-4a3e-9d2f-3a1b5c7d9e0f, name: h, command: x}\n\
                - {id: 6f6b2c1e-0d5c-4a3e-9d2f-3a1b5c7d9e0f, name: i, command: x}\n";
    let loaded = all_of(&Case { file, ..NONE });
    let keys: Vec<_> = loaded.profiles.iter().map(|profile| profile.key.as_str()).collect();
    assert_eq!(keys, ["a", "a#2", "6f6b2c1e-0d5c-4a3e-9d2f-3a1b5c7d9e0f"]);
    let a = &loaded.profiles[0];
    assert_eq!(a.labels.iter().collect::<Vec<_>>(), [("n", "laptop-7"), ("site", "north")]);
    assert_eq!((a.start, loaded.profiles[1].start), (Start::Never, Start::Last));
    assert_eq!(a.tunnels[0].config.labels, a.labels);
    let broken: Vec<_> = loaded
        .broken
        .iter()
        .map(|broken| (broken.name.as_deref().unwrap(), broken.error.code(), broken.place.as_ref().unwrap().line))
        .collect();
    assert_eq!(
        broken,
        [
            ("b", "command.invalid", 5),
            ("c", "config.syntax", 6),
            ("d", "config.value", 7),
            ("e@e", "config.value", 8),
            ("a", "config.duplicate", 9),
            ("i", "config.duplicate", 12),
        ]
    );
    assert_eq!(
        loaded.broken[4].error.to_string(),
        "c.yaml:9:3: \"a\" is registered at https://gw already by c.yaml:4:3"
    );
    assert!(loaded.broken[5].id.is_some());
}

#[test]
fn secrets_stay_references_until_they_are_needed() {
    let file = "gateway: https://gw\ntoken: keychain:gw\nservers:\n\
                - {name: a, command: x, token: env:TOKEN_A, env: {DEBUG: 'file:db'}, secret_env: {KEY: env:KEY, PW: keychain:pw}}\n\
                - {name: b, local_sse: 'http://127.0.0.1:1', local_headers: {X-Key: 'command:pass key'}}\n";
    let loaded = all_of(&Case { file, ..NONE });
    assert!(loaded.broken.is_empty(), "{:?}", loaded.broken);
    assert_eq!(loaded.hidden.iter().collect::<Vec<_>>(), ["KEY", "TOKEN_A"]);
    let shown: Vec<Vec<_>> = loaded
        .profiles
        .iter()
        .map(|profile| profile.tunnels[0].secrets.all().map(ToString::to_string).collect())
        .collect();
    assert_eq!(shown, [vec!["env:TOKEN_A", "env:KEY", "keychain:pw"], vec!["keychain:gw", "command:pass …"]]);
    let mut follow =
        |reference: &crate::SecretRef| Ok(culvert_protocol::Secret::new(format!("<{reference}>").replace(' ', "")));
    let token = loaded.profiles[0].tunnels[0].token(&mut follow).unwrap();
    let a = loaded.profiles[0].tunnels[0].complete(&loaded.hidden, &mut follow).unwrap();
    let LocalServer::Stdio(command) = a.server else { panic!("no command") };
    let env: Vec<_> = command.env.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    assert_eq!(env, [("DEBUG", "file:db"), ("KEY", "<env:KEY>"), ("PW", "<keychain:pw>"), ("TOKEN_A", "")]);
    assert_eq!(token.unwrap().expose(), "<env:TOKEN_A>");
    let mut locked = |_: &crate::SecretRef| Err(crate::BadValue::UnsetVariable);
    let error = loaded.profiles[1].tunnels[0].token(&mut locked).unwrap_err();
    assert!(error.to_string().starts_with("c.yaml:2:8: token: "), "{error}");
}

proptest! {
    /// Whatever a file says, it comes to profiles, broken entries or an error with a code, and shows no token.
    #[test]
    fn any_file_comes_to_something(
        lines in prop::collection::vec(
            "( {0,4}-? ?)(name|command|args|env|gateway|token|servers|labels|start|id|url|mcpServers|secret_env|<<)?: ?[-\\[\\]{}&*!|>'\"a-z0-9 :,#]{0,14}",
            0..8,
        ),
        json: bool,
    ) {
        let content = if json { format!("{{\"mcpServers\": {{{}}}}}", lines.join(",")) } else { lines.join("\n") };
        let content = content.replace("token:", "token: hunter2");
        let file = ConfigFile::parse(&content, Path::new(if json { "m.json" } else { "c.yaml" }));
        let result = file.and_then(|file| within(&NONE, |surroundings| loaded(layer(BOTH), Some(file), surroundings)));
        let errors: Vec<ConfigError> = match result {
            Ok(loaded) => {
                let shown = format!("{loaded:?}");
                prop_assert!(!shown.contains("hunter2"), "{}", shown);
                loaded.broken.into_iter().map(|broken| broken.error).collect()
            }
            Err(error) => vec![error],
        };
        for error in errors {
            prop_assert!(!error.code().is_empty() && !error.action().is_empty());
        }
    }
}
