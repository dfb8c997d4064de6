use culvert_protocol::Explain as _;

use super::*;
use crate::command::Platform;
use crate::origin::Sourced;

fn read_folder(files: &[(&str, &str)], flags: Settings) -> Result<Loaded, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    let surroundings = Surroundings {
        variable: &|name| (name == "REVERSE_PROXY_TOKEN").then(|| "for-all".to_owned()),
        secret_file: &|_| Err(std::io::ErrorKind::NotFound.into()),
        host: "laptop-7".to_owned(),
        folder: "/".into(),
        platform: Platform::Unix,
    };
    Loaded::read(flags, Some(folder.path()), &surroundings)
}

fn gateway(address: &str) -> Settings {
    let gateway = Sourced::new(vec![address.to_owned().into()], Origin::Flag("--gateway"));
    Settings { gateway: Some(gateway), ..Settings::default() }
}

#[test]
fn every_file_is_read_and_a_broken_one_touches_no_other() {
    let files = [
        ("b.yml", "name: b\ncommand: x\ngateway: https://own\nlog_level: DEBUG\n"),
        ("a.yaml", "name: a\ncommand: x\n"),
        ("c.JSON", "{\"name\": \"c\", \"command\": \"x\",}"),
        ("d.yaml", "keepalive: 7\nservers:\n- {name: d, command: x}\n- {name: e, command: x, keepalive: 0}\n"),
        ("f.json", "{\"mcpServers\": {\"f\": {\"command\": \"x\"}}}"),
        ("g.yaml", "name: g\ncommand: x\nkeep_alive: 7\n"),
        ("h.yaml", "command: x\nservers: [{command: y}]\n"),
        (".hidden.yaml", "name: h\ncommand: x\n"),
        ("notes.txt", "nothing"),
    ];
    let loaded = read_folder(&files, gateway("https://flag")).unwrap();
    let profiles: Vec<_> = loaded
        .profiles
        .iter()
        .map(|profile| {
            let tunnel = &profile.tunnels[0];
            (profile.name.as_str(), tunnel.config.gateway.to_string(), tunnel.secrets.token.is_some())
        })
        .collect();
    let at_flag = |name| (name, "https://flag".to_owned(), true);
    let own = ("b", "https://own".to_owned(), false);
    assert_eq!(profiles, [at_flag("a"), own, at_flag("d"), at_flag("f")], "a file's own gateway gets no token for all");
    assert_eq!(loaded.profiles[2].tunnels[0].config.keepalive.as_secs(), 7);
    let broken: Vec<_> = loaded
        .broken
        .iter()
        .map(|broken| {
            let file = broken.place.as_ref().unwrap().file.file_name().unwrap().to_str().unwrap().to_owned();
            (file, broken.error.code())
        })
        .collect();
    let expected = [
        ("c.JSON", "config.syntax"),
        ("d.yaml", "config.value"),
        ("g.yaml", "config.unknown_key"),
        ("h.yaml", "config.unsupported"),
    ];
    assert_eq!(broken, expected.map(|(file, code)| (file.to_owned(), code)));
    assert_eq!(loaded.warnings.iter().map(|warning| warning.code()).collect::<Vec<_>>(), ["config.ignored"]);
}

#[test]
fn one_name_at_one_gateway_is_once_in_a_folder() {
    let file = "name: a\ncommand: x\n";
    let loaded = read_folder(&[("1.yaml", file), ("2.yaml", file)], gateway("https://g")).unwrap();
    assert_eq!((loaded.profiles.len(), loaded.broken[0].error.code()), (1, "config.duplicate"));
}

#[test]
fn a_folder_without_profiles_says_so() {
    let error = read_folder(&[("notes.txt", "nothing")], Settings::default()).unwrap_err();
    assert_eq!(error.code(), "config.empty");
    assert!(!error.action().is_empty());
}
