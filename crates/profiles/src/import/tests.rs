//! Files as people have them, one of each client.

use std::collections::BTreeMap;

use culvert_protocol::{Explain as _, Secret};
use proptest::prelude::*;

use super::*;
use crate::key::Key;

fn in_world<T>(what: impl FnOnce(&World<'_>) -> T) -> T {
    what(&World {
        system: System::Linux,
        home: "/home/ann".into(),
        variable: &|name| match name {
            "NOTES_API_KEY" => Some("hunter2-notes".to_owned()),
            "DB_URL" => Some("postgres://ann:hunter2@db/shop".to_owned()),
            "CONTEXT7_API_KEY" => Some("hunter2-context7".to_owned()),
            _ => None,
        },
        file: &|path| match path.to_str().unwrap() {
            "/srv/.env" => Ok("LEVEL=debug\nEXTRA_TOKEN=hunter2-extra\nBRACES='${input:x}'\n".to_owned()),
            "/srv/.cursor/mcp.json" => Ok(include_str!("samples/cursor.json").to_owned()),
            "/home/ann/.codex/config.toml" => Ok(include_str!("samples/codex.toml").to_owned()),
            "/home/ann/.cursor/mcp.json" => Err(io::ErrorKind::PermissionDenied.into()),
            _ => Err(io::ErrorKind::NotFound.into()),
        },
    })
}

fn all_of(path: &str, content: &str) -> Vec<Result<Found, ConfigError>> {
    let path = Path::new(path);
    in_world(|world| read(Client::of(path), path, content, world)).unwrap()
}

fn found(path: &str, content: &str) -> Vec<Found> {
    all_of(path, content).into_iter().map(Result::unwrap).collect()
}

/// The file that a server becomes with these answers, and what goes to the keychain.
fn prepared(found: &Found, answers: &[(Open, &str)]) -> (String, Vec<(String, String)>) {
    let answers: BTreeMap<_, _> = answers.iter().map(|(what, value)| (what.clone(), Secret::new(*value))).collect();
    let prepared = found.prepare(&answers).unwrap();
    let keychain = prepared.keychain.iter().map(|(name, value)| (name.clone(), value.expose().to_owned()));
    let yaml = prepared.draft.to_yaml();
    assert!(
        !yaml.contains("hunter2") || found.warnings.iter().any(|w| !matches!(w, ImportWarning::Ignored(_))),
        "{yaml}"
    );
    (yaml, keychain.collect())
}

fn input(id: &str) -> Open {
    Open::Input(id.to_owned())
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

#[test]
fn claude_desktop() {
    let all = found("/c/Claude/claude_desktop_config.json", include_str!("samples/claude_desktop_config.json"));
    let [files, github, postgres] = &all[..] else { panic!("{all:?}") };
    assert_eq!(files.command().unwrap()[3..], ["/Users/ann/Desktop", "/Users/ann/My Files"]);
    assert!(files.needs.is_empty() && files.secrets.is_empty() && files.warnings.is_empty());
    let (yaml, keychain) = prepared(github, &[]);
    assert_eq!(keychain, [pair("github/GITHUB_PERSONAL_ACCESS_TOKEN", "hunter2-github")]);
    assert_eq!(github.secrets[0].keychain, keychain[0].0);
    assert_eq!(
        yaml,
        "local_stdio: \"docker\"\nargs:\n  - \"run\"\n  - \"-i\"\n  - \"--rm\"\n  - \"-e\"\n  \
         - \"GITHUB_PERSONAL_ACCESS_TOKEN\"\n  - \"ghcr.io/github/github-mcp-server\"\nenv:\n  \
         \"GITHUB_HOST\": \"https://github.example.com\"\nsecret_env:\n  \
         \"GITHUB_PERSONAL_ACCESS_TOKEN\": \"keychain:github/GITHUB_PERSONAL_ACCESS_TOKEN\"\nserver_name: \"github\"\n"
    );
    assert_eq!(postgres.warnings, [ImportWarning::SecretInArgument(2)]);
}

#[test]
fn claude_code() {
    let all = found("/home/ann/.claude.json", include_str!("samples/claude.json"));
    let [sentry, linear, db, old] = &all[..] else { panic!("{all:?}") };
    assert!(sentry.project.is_none() && sentry.url().as_deref() == Some("https://mcp.sentry.dev/mcp"));
    let (yaml, keychain) = prepared(linear, &[]);
    assert!(yaml.starts_with("local_sse: \"https://mcp.linear.app/sse\"\n"), "{yaml}");
    assert_eq!(keychain, [pair("linear/Authorization", "Bearer hunter2-linear")]);
    assert_eq!(db.project.as_deref(), Some("/home/ann/work/shop"));
    assert_eq!(db.command().unwrap()[0], "/opt/tools/db");
    assert_eq!(db.warnings, [ImportWarning::SecretInArgument(1)]);
    assert_eq!((db.switch, old.switch), (Switch::On, Switch::Off));
    let all = found("/srv/.mcp.json", include_str!("samples/project.mcp.json"));
    let [api] = &all[..] else { panic!("{all:?}") };
    let key = Open::Variable("API_KEY".to_owned());
    assert_eq!((&api.needs[0].what, api.needs[0].visibility), (&key, Visibility::Hidden));
    assert_eq!(api.prepare(&BTreeMap::new()).unwrap_err(), std::slice::from_ref(&key));
    let (yaml, keychain) = prepared(api, &[(key, "hunter2")]);
    assert!(yaml.contains("\"X-Team\": \"/srv\"") && yaml.contains("https://api.example.com/mcp"), "{yaml}");
    assert_eq!(keychain, [pair("api/Authorization", "Bearer hunter2")]);
}

#[test]
fn cursor() {
    let all = found("/srv/.cursor/mcp.json", include_str!("samples/cursor.json"));
    let [notes, remote] = &all[..] else { panic!("{all:?}") };
    assert_eq!(notes.command().unwrap()[1..], ["/srv/notes.py", "--home", "/home/ann/notes"]);
    let unset = Open::Variable("NOT_SET_ANYWHERE".to_owned());
    assert_eq!(notes.needs.iter().map(|need| &need.what).collect::<Vec<_>>(), [&unset]);
    let (yaml, keychain) = prepared(notes, &[(unset, "${HOME}")]);
    // What the environment has already stays there; a file of variables is taken as it stands.
    assert!(yaml.contains("\"NOTES_API_KEY\": \"env:NOTES_API_KEY\""), "{yaml}");
    assert!(yaml.contains("\"UNSET\": \"${HOME}\"") && yaml.contains("\"BRACES\": \"${input:x}\""), "{yaml}");
    assert_eq!(keychain, [pair("notes/EXTRA_TOKEN", "hunter2-extra")]);
    assert_eq!(remote.warnings, [ImportWarning::SecretInUrl]);
    assert_eq!(remote.url().as_deref(), Some("https://mcp.example.com/mcp"));
    assert!(prepared(remote, &[]).0.contains("\"X-Key\": \"env:NOTES_API_KEY\""));
    // For the user as a whole there is no workspace.
    let all = found("/home/ann/.cursor/mcp.json", include_str!("samples/cursor.json"));
    let uses = [Field::Argument(0)];
    let folder = all[0].needs.iter().find(|need| need.what == Open::Place("workspaceFolder".to_owned())).unwrap();
    assert_eq!(folder.uses.iter().cloned().collect::<Vec<_>>(), uses);
    assert_eq!(all[0].warnings, [ImportWarning::VariablesFileUnread("${workspaceFolder}/.env".to_owned())]);
}

#[test]
fn vs_code() {
    let all = found("/srv/.vscode/mcp.json", include_str!("samples/vscode.json"));
    let [perplexity, fetch] = &all[..] else { panic!("{all:?}") };
    let [region, key] = &perplexity.needs[..] else { panic!("{:?}", perplexity.needs) };
    assert_eq!((region.default.as_deref(), &region.options[..]), (Some("eu"), &["eu", "us"].map(str::to_owned)[..]));
    assert_eq!((key.question.as_deref(), key.visibility), (Some("Perplexity API Key"), Visibility::Hidden));
    let (yaml, keychain) = prepared(perplexity, &[(input("region"), "us"), (input("perplexity-key"), "plain")]);
    assert!(yaml.contains("  - \"us\"\n") && yaml.contains("cwd: \"/srv\""), "{yaml}");
    assert!(yaml.contains("\"LEVEL\": \"info\""), "what stands in the entry wins over the file: {yaml}");
    assert_eq!(keychain, [pair("Perplexity/EXTRA_TOKEN", "hunter2-extra"), pair("Perplexity/PERPLEXITY", "plain")]);
    assert_eq!(
        (fetch.name.as_str(), &fetch.warnings[..]),
        ("fetch-one", &[ImportWarning::Renamed("fetch-one".to_owned())][..])
    );
    assert!(prepared(fetch, &[]).0.starts_with("local_sse: "));
    let all = found("/home/ann/.config/Code/User/settings.json", include_str!("samples/vscode_settings.json"));
    assert_eq!(all[0].name.as_str(), "time");
}

#[test]
fn windsurf_and_cline() {
    let all = found("/home/ann/.codeium/windsurf/mcp_config.json", include_str!("samples/windsurf.json"));
    assert_eq!(prepared(&all[0], &[]).1, [pair("figma/X-Figma-Token", "hunter2-figma")]);
    assert_eq!((all[0].switch, all[1].switch), (Switch::On, Switch::Off));
    let all = found("/x/cline_mcp_settings.json", include_str!("samples/cline.json"));
    assert_eq!(prepared(&all[0], &[]).1, [pair("weather/OPENWEATHER_API_KEY", "hunter2-weather")]);
    assert!(all[0].warnings.is_empty());
    assert!(prepared(&all[1], &[]).0.starts_with("local_streamable_http: "), "its type counts, not its path");
}

#[test]
fn zed() {
    let all = all_of("/home/ann/.config/zed/settings.json", include_str!("samples/zed_settings.json"));
    let names: Vec<_> = all.iter().map(|found| found.as_ref().map(|found| found.name.to_string())).collect();
    assert_eq!(names[..2], [Ok("local".to_owned()), Ok("older".to_owned())]);
    let error = names[2].as_ref().unwrap_err();
    assert!(error.to_string().ends_with(":7:18: neither a command nor a url is here"), "{error}");
    let (yaml, _) = prepared(all[1].as_ref().unwrap(), &[]);
    assert!(yaml.starts_with("local_stdio: \"/opt/x\"\nargs:\n  - \"--stdio\"\nenv:\n  \"A\": \"b\"\n"), "{yaml}");
}

#[test]
fn codex() {
    let all = found("/home/ann/.codex/config.toml", include_str!("samples/codex.toml"));
    let [context7, figma] = &all[..] else { panic!("{all:?}") };
    let (yaml, keychain) = prepared(context7, &[]);
    assert!(
        yaml.contains("\"MODE\": \"fast\"") && yaml.contains("\"CONTEXT7_API_KEY\": \"env:CONTEXT7_API_KEY\""),
        "{yaml}"
    );
    assert!(keychain.is_empty() && context7.warnings.is_empty());
    assert_eq!(figma.switch, Switch::Off);
    let token = Open::Variable("FIGMA_OAUTH_TOKEN".to_owned());
    let (yaml, keychain) = prepared(figma, &[(token, "hunter2")]);
    assert!(yaml.contains("\"X-Region\": \"us-east-1\""), "{yaml}");
    assert_eq!(keychain, [pair("figma/Authorization", "Bearer hunter2")]);
}

#[test]
fn gemini_cli() {
    let all = found("/home/ann/.gemini/settings.json", include_str!("samples/gemini_settings.json"));
    let by_name: BTreeMap<_, _> = all.iter().map(|found| (found.name.as_str(), found)).collect();
    let python = by_name["python"];
    assert_eq!(
        python.needs.iter().map(|need| need.what.clone()).collect::<Vec<_>>(),
        [Open::Variable("PORT_UNSET".to_owned())]
    );
    let (yaml, _) = prepared(python, &[(Open::Variable("PORT_UNSET".to_owned()), "8080")]);
    assert!(yaml.contains("  - \"8080\"\n") && yaml.contains("\"DATABASE_URL\": \"env:DB_URL\""), "{yaml}");
    assert!(prepared(by_name["http"], &[]).0.starts_with("local_streamable_http: "));
    assert!(prepared(by_name["events"], &[]).0.starts_with("local_sse: "), "a bare url is the older transport there");
}

#[test]
fn each_clients_file_is_looked_for() {
    let all = in_world(|world| everywhere(world, Some(Path::new("/srv"))));
    let seen: Vec<_> = all
        .iter()
        .map(|file| (file.client, file.servers.as_ref().map(Vec::len).map_err(|error| error.code())))
        .collect();
    assert_eq!(seen, [(Client::Cursor, Err("config.unreadable")), (Client::Cursor, Ok(2)), (Client::Codex, Ok(2))]);
}

#[test]
fn a_given_file_tells_its_kind_by_its_content() {
    let count = |path: &str, content: &str| all_of(path, content).len();
    assert_eq!(count("/x/servers.json", include_str!("samples/vscode.json")), 2);
    assert_eq!(count("/x/copy.txt", include_str!("samples/zed_settings.json")), 3);
    assert_eq!(count("/x/copy", include_str!("samples/codex.toml")), 2);
    assert_eq!(count("/x/empty.json", "{}"), 0);
    let error = in_world(|world| one_file(Path::new("/nowhere.json"), world)).servers.unwrap_err();
    assert_eq!(error.code(), "config.unreadable");
    let wrong =
        in_world(|world| read(Client::Other, Path::new("/x.json"), "{\"mcpServers\": {\"a\"", world)).unwrap_err();
    assert_eq!((wrong.code(), wrong.to_string().starts_with("/x.json:1:")), ("config.syntax", true));
}

#[test]
fn another_programs_text_is_never_taken_for_a_reference() {
    let content = r#"{"mcpServers": {
      "a": {"url": "http://127.0.0.1:1", "headers": {"X-A": "command:touch /tmp/x", "X-B": "file:/etc/passwd"}},
      "b": {"command": "x", "env": {"DATABASE_URL": "file:./dev.db", "RUN": "command:touch /tmp/x"}}
    }}"#;
    let all = found("/x/mcp.json", content);
    let (yaml, keychain) = prepared(&all[0], &[]);
    assert!(yaml.contains("\"X-A\": \"keychain:a/X-A\"") && yaml.contains("\"X-B\": \"keychain:a/X-B\""), "{yaml}");
    assert_eq!(keychain[0].1, "command:touch /tmp/x");
    let draft = all[1].prepare(&BTreeMap::new()).unwrap().draft;
    assert!(!draft.has(Key::SecretEnv), "variables in env are never references");
    assert_eq!(draft.map(Key::Env)["RUN"].expose(), "command:touch /tmp/x");
}

#[test]
fn what_no_process_can_be_handed_is_no_server() {
    for entry in [
        r#"{"command": "x\u0000y"}"#,
        r#"{"command": "x", "args": ["a\u0000"]}"#,
        r#"{"command": "x", "env": {"A": "\u0000"}}"#,
        r#"{"command": "x", "env": {"A\u0000": "b"}}"#,
        r#"{"command": "x", "env": {"A=B": "c"}}"#,
        r#"{"command": "x", "env": {"": "c"}}"#,
        r#"{"command": "x", "env": {"A\u001f": "c"}}"#,
        r#"{"command": "x", "env_vars": ["=A"]}"#,
        &format!(r#"{{"command": "x", "env": {{"{}": "c"}}}}"#, "A".repeat(101)),
        r#"{"command": "x", "cwd": "/\u0000"}"#,
    ] {
        let all = all_of("/x/mcp.json", &format!(r#"{{"mcpServers": {{"a": {entry}, "b": {{"command": "y"}}}}}}"#));
        assert!(all[0].is_err(), "{entry}");
        assert!(all[1].is_ok(), "the other one is as good as before");
    }
    let nowhere =
        r#"{"projects": {"/srv/\u0000": {"mcpServers": {"a": {"command": "x", "cwd": "${workspaceFolder}"}}}}}"#;
    assert!(all_of("/home/ann/.claude.json", nowhere)[0].is_err());
}

#[test]
fn debug_shows_no_value() {
    for (path, content) in [
        ("/c/Claude/claude_desktop_config.json", include_str!("samples/claude_desktop_config.json")),
        ("/home/ann/.claude.json", include_str!("samples/claude.json")),
        ("/srv/.cursor/mcp.json", include_str!("samples/cursor.json")),
    ] {
        for found in found(path, content) {
            assert!(!format!("{found:?}").contains("hunter2"));
        }
    }
}

proptest! {
    #[test]
    fn no_file_is_too_odd(entry in "[-{}\\[\\]\":,$a-z0-9 ]{0,60}", key in "(command|args|env|url|headers|envFile|cwd|disabled|type)", toml: bool) {
        let content = match toml {
            true => format!("[mcp_servers.a]\n{key} = {entry}\n"),
            false => format!("{{\"mcpServers\": {{\"a\": {{\"command\": \"x\", \"{key}\": {entry}}}}}}}"),
        };
        let path = if toml { "/x/config.toml" } else { "/x/mcp.json" };
        if let Ok(all) = in_world(|world| read(Client::Other, Path::new(path), &content, world)) {
            for found in all.into_iter().flatten() {
                let answers = found.needs.iter().map(|need| (need.what.clone(), Secret::new("${x}"))).collect();
                let draft = found.prepare(&answers).unwrap().draft;
                prop_assert!(draft.settings(Path::new("a.yaml")).is_ok() || content.contains('='));
            }
        }
    }
}
