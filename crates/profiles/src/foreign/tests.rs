use culvert_protocol::Explain;
use culvert_tunnel::LocalServer;

use super::*;
use crate::command::Platform;
use crate::load::{Loaded, loaded};
use crate::origin::Sourced;

fn come_to(content: &str) -> Result<Loaded, ConfigError> {
    let surroundings = Surroundings {
        variable: &|name| match name {
            "API_KEY" => Some("hunter2".to_owned()),
            "REVERSE_PROXY_TOKEN" => Some("t".to_owned()),
            _ => None,
        },
        secret_file: &|path| match path.to_str() {
            Some("/home/ann/.env") => Ok("FROM_FILE=yes\nB=file\n".to_owned()),
            _ => Err(std::io::ErrorKind::NotFound.into()),
        },
        host: "laptop-7".to_owned(),
        folder: "/home/ann".into(),
        platform: Platform::Unix,
    };
    let gateway = Some(Sourced::new(vec!["https://gw".to_owned().into()], Origin::Flag("--gateway")));
    let file = ConfigFile::parse(content, Path::new("m.json"))?;
    loaded(Settings { gateway, ..Settings::default() }, Some(file), &surroundings)
}

#[test]
fn the_file_of_another_client_is_a_configuration() {
    let loaded = come_to(
        r#"{
  // Claude Desktop's own settings stay its own.
  "globalShortcut": "Ctrl+Space",
  "mcpServers": {
    "files": {"command": "/my tools/npx", "args": ["-y", "${HOME:-/srv}/x", 1], "env": {"A": "${API_KEY}", "B": true},
              "envFile": ".env", "cwd": "/srv", "autoApprove": ["read"], "color": "red",},
    "my/notes": {"type": "http", "url": "http://127.0.0.1:1/mcp", "headers": {"X-Key": "${env:API_KEY}"}},
    "old": {"url": "http://127.0.0.1:2/sse"},
    "off": {"command": "x", "disabled": true},
  },
}"#,
    )
    .unwrap();
    assert!(loaded.broken.is_empty(), "{:?}", loaded.broken);
    let [files, notes, old] = &loaded.profiles[..] else { panic!("not three: {:?}", loaded.profiles) };
    let LocalServer::Stdio(command) = &files.tunnels[0].config.server else { panic!("no command") };
    assert_eq!(
        (command.program.as_str(), &command.args[..]),
        ("/my tools/npx", &["-y", "/srv/x", "1"].map(str::to_owned)[..])
    );
    let env: Vec<_> = command.env.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    assert_eq!(env, [("A", "hunter2"), ("B", "true"), ("FROM_FILE", "yes")]);
    assert_eq!(files.place.as_ref().unwrap().to_string(), "m.json:5:14");
    assert!(files.tunnels[0].secrets.token.is_some());
    assert_eq!(notes.name.as_str(), "my-notes");
    assert!(matches!(notes.tunnels[0].config.server, LocalServer::StreamableHttp { .. }));
    assert!(matches!(old.tunnels[0].config.server, LocalServer::Sse { .. }));
    let codes =
        |warnings: &[Warning]| warnings.iter().map(|warning| (warning.code(), warning.to_string())).collect::<Vec<_>>();
    let ignored = |place: &str, key: &str| ("config.ignored", format!("{place}: the key {key:?} says nothing here"));
    assert_eq!(codes(&files.warnings), [ignored("m.json:6:83", "color")]);
    assert_eq!(notes.warnings.iter().map(Explain::code).collect::<Vec<_>>(), ["header.in_file", "server.renamed"]);
    assert_eq!(codes(&loaded.warnings)[0], ignored("m.json:3:21", "globalShortcut"));
    assert_eq!(loaded.warnings[1].code(), "server.switched_off");
}

#[test]
fn what_cannot_be_had_breaks_its_entry_alone() {
    let loaded = come_to(
        r#"{"mcpServers": {
    "input": {"command": "x", "env": {"KEY": "${input:key}"}},
    "unset": {"command": "${NOPE}"},
    "file": {"command": "x", "envFile": "nope"},
    "shape": {"command": "x", "args": "-y"},
    "nothing": {"cwd": "/"},
    "reference": {"url": "http://127.0.0.1:1", "headers": {"X": "command:touch /tmp/x"}},
    "good": {"command": "x"}
}}"#,
    )
    .unwrap();
    let broken: Vec<_> =
        loaded.broken.iter().map(|broken| (broken.name.as_deref().unwrap(), broken.error.to_string())).collect();
    let expected = [
        ("input", "m.json:2:14: ${input:key} stands for something that only its own client knows"),
        ("unset", "m.json:3:14: the environment variable NOPE is not set"),
        ("file", "m.json:4:13: env \"nope\": it refers to a file that cannot be read: there is no such file"),
        ("shape", "m.json:5:39: a list is expected here"),
        ("nothing", "m.json:6:16: neither a command nor a url is here"),
        (
            "reference",
            "m.json:7:18: local_headers: this kind of reference to a secret is not supported; use env:NAME or file:PATH",
        ),
    ];
    assert_eq!(broken, expected.map(|(name, error)| (name, error.to_owned())));
    assert_eq!(loaded.profiles[0].name.as_str(), "good");
    for broken in &loaded.broken {
        assert!(!broken.error.action().is_empty());
    }
}

#[test]
fn files_that_are_none_or_no_json_say_so() {
    assert_eq!(
        come_to(r#"{"mcpServers": []}"#).unwrap_err().to_string(),
        "m.json:1:16: keys with values are expected here"
    );
    assert_eq!(come_to("{\"mcpServers\": {\n\"a\": }").unwrap_err().code(), "config.syntax");
    assert_eq!(come_to(r#"{"mcpServers": {}}"#).unwrap_err().code(), "config.missing");
    let own = come_to(r#"{"command": "x", "description": "reads mcpServers"}"#).unwrap();
    assert_eq!(own.profiles.len(), 1);
}

#[test]
fn debug_shows_no_secret() {
    let file =
        ConfigFile::parse(r#"{"mcpServers": {"a": {"command": "x", "env": {"K": "hunter2"}}}}"#, Path::new("m.json"));
    assert!(!format!("{file:?}").contains("hunter2"));
}
