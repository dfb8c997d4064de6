use clap::Parser as _;
use culvert_profiles::{Content, Key};

use super::*;
use crate::args::{Cli, Command};
use crate::terminal::Kind;
use crate::writer::tests::Written;

/// Runs a command line against `folder`.
fn profiles(folder: &std::path::Path, line: &[&str]) -> (Exit, String) {
    let folder = folder.to_str().unwrap();
    let line = [&["culvert", "profiles", "--folder", folder][..], line].concat();
    let Command::Profiles(args) = Cli::try_parse_from(line).unwrap().command else { panic!("another command") };
    let screen = Written::default();
    let terminal = screen.terminal(Kind::Lines);
    let exit = run(*args, &terminal);
    terminal.finish();
    (exit, screen.text())
}

fn saved(folder: &std::path::Path, name: &str) -> String {
    match Store::new(folder.to_path_buf()).find(name).unwrap().content {
        Content::Profile(draft) => draft.to_yaml(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_profile_is_added_once_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let line =
        ["add", "git", "--local-stdio=uvx", "--arg=-x", "--env=A=b", "--secret-env=K=env:K", "--gateway=https://g"];
    let more = ["--token=file:/t", "--label=site=north", "--set=keepalive=45", "--set=start=always"];
    let line = [&line[..], &more[..]].concat();
    assert_eq!(profiles(path, &line).0, Exit::Asked);
    let yaml = saved(path, "git");
    for part in [
        "args:\n  - \"-x\"\n",
        "\"A\": \"b\"",
        "\"K\": \"env:K\"",
        "token: \"file:/t\"",
        "keepalive: 45",
        "start: always",
        "\"site\": \"north\"",
    ] {
        assert!(yaml.contains(part), "{part}: {yaml}");
    }
    let (exit, said) = profiles(path, &line);
    assert_eq!(exit, Exit::Configuration);
    assert!(said.contains("profile.name_taken"), "{said}");
    for line in [&["list"][..], &["list", "--json"], &["show", "git"], &["show", "git", "--json"], &["export", "git"]] {
        assert_eq!(profiles(path, line).0, Exit::Asked, "{line:?}");
    }
    assert_eq!(profiles(path, &["remove", "git"]).0, Exit::Asked);
    let kept = ["add", "kept", "--local-stdio=x", "--secret-env=K=keychain:kept/K"];
    assert_eq!(profiles(path, &kept).0, Exit::Asked);
    let (_, said) = profiles(path, &["remove", "kept"]);
    assert!(said.contains("its secrets stay in the keychain, as kept/K"), "{said}");
    assert_eq!(profiles(path, &["show", "git"]).0, Exit::Configuration);
}

#[test]
fn secrets_are_not_taken_from_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    for more in [&["--token=hunter2"][..], &["--secret-env=K=hunter2"], &["--token=env:"]] {
        let line = [&["add", "git", "--local-stdio=x", "--gateway=https://g"][..], more].concat();
        let (exit, said) = profiles(folder.path(), &line);
        assert_eq!(exit, Exit::Usage);
        assert!(!said.contains("hunter2"), "{said}");
    }
    let wrong = ["add", "git", "--local-stdio=x", "--gateway=nowhere"];
    assert_eq!(profiles(folder.path(), &wrong).0, Exit::Gateway);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was saved");
}

#[test]
fn a_server_of_another_client_is_saved_when_it_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mcp.json");
    let content = r#"{"mcpServers": {"a": {"command": "x", "args": ["${input:where}"]}, "b": {"command": "y", "disabled": true},
        "c": {"command": "z", "env": {"K": "${input:key-token}"}}}}"#;
    std::fs::write(&file, content).unwrap();
    let (file, store) = (file.to_str().unwrap(), folder.path().join("profiles"));
    let (exit, said) = profiles(&store, &["import", file]);
    assert_eq!(exit, Exit::Asked);
    assert!(said.contains("nothing is saved yet") && !store.exists(), "{said}");
    let (exit, said) = profiles(&store, &["import", file, "--name=a"]);
    assert_eq!(exit, Exit::Usage);
    assert!(said.contains("--value input:where="), "{said}");
    let line = ["import", file, "--name=a", "--value=input:where=/srv", "--gateway=https://g", "--token=env:T"];
    assert_eq!(profiles(&store, &line).0, Exit::Asked);
    let yaml = saved(&store, "a");
    assert!(yaml.contains("  - \"/srv\"\n") && yaml.contains("token: \"env:T\""), "{yaml}");
    let line = ["import", file, "--name=c", "--value=input:key-token=hunter2"];
    let (exit, said) = profiles(&store, &line);
    assert_eq!(exit, Exit::Usage, "a secret is named by where it is");
    assert!(!said.contains("hunter2"), "{said}");
    assert_eq!(profiles(&store, &["import", file, "--name=nope"]).0, Exit::Usage);
    assert_eq!(profiles(&store, &["import", "/nowhere.json"]).0, Exit::Configuration);
    assert_eq!(std::fs::read_to_string(file).unwrap(), content, "its file is not touched");
}

#[test]
fn only_keys_with_a_text_can_be_set() {
    let folder = tempfile::tempdir().unwrap();
    for set in ["--set=token=hunter2", "--set=env=x", "--set=keep_alive=5", "--set=keepalive"] {
        let path = folder.path().to_str().unwrap();
        let line = ["culvert", "profiles", "--folder", path, "add", "a", "--local-stdio=x", set];
        assert_eq!(Cli::try_parse_from(line).unwrap_err().exit_code(), 2, "{set}");
    }
    assert!(Key::ALL.contains(&Key::Keepalive));
}

#[test]
fn tools_are_denied_and_allowed_line_by_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    assert_eq!(profiles(path, &["add", "git", "--local-stdio=uvx", "--gateway=https://g"]).0, Exit::Asked);
    let tools = |line: &[&str]| {
        let line = [&["culvert", "tools", "--folder", path.to_str().unwrap(), "git"][..], line].concat();
        let Command::Tools(args) = Cli::try_parse_from(line).unwrap().command else { panic!("another command") };
        let screen = Written::default();
        let terminal = screen.terminal(Kind::Lines);
        let exit = tools::run(args, &terminal);
        terminal.finish();
        (exit, screen.text())
    };
    let before = saved(path, "git");
    let (exit, said) = tools(&["deny", "git_push", "git_reset*"]);
    assert!(exit == Exit::Asked && said.contains("git_push, git_reset*"), "{said}");
    assert!(saved(path, "git").contains("tools_deny:\n  - \"git_push\"\n  - \"git_reset*\"\n"));
    tools(&["allow", "git_push"]);
    tools(&["allow", "git_reset*", "other"]);
    assert_eq!(saved(path, "git"), before, "what was never denied needs no word");
    tools(&["allow", "--only", "git_*"]);
    tools(&["allow", "list"]);
    tools(&["deny", "git_*"]);
    let yaml = saved(path, "git");
    assert!(yaml.contains("tools_allow:\n  - \"list\"\n") && yaml.contains("tools_deny:\n  - \"git_*\"\n"), "{yaml}");
    tools(&["deny", "list"]);
    assert!(saved(path, "git").contains("tools_allow: []\n"), "and nothing passes, as it was meant");
    assert_eq!(tools(&["list", "--settings", "--json"]).0, Exit::Asked);
    assert_eq!(tools(&["deny", ""]).0, Exit::Usage);
    let by_hand = path.join("by-hand.yaml");
    std::fs::write(&by_hand, "servers:\n- {name: git, command: x, gateway: 'https://g'}\n").unwrap();
    let line = ["culvert", "tools", "--config", by_hand.to_str().unwrap(), "git", "deny", "x"];
    let Command::Tools(args) = Cli::try_parse_from(line).unwrap().command else { panic!("another command") };
    let screen = Written::default();
    let terminal = screen.terminal(Kind::Lines);
    assert_eq!(tools::run(args, &terminal), Exit::Usage);
    terminal.finish();
    assert!(screen.text().contains("change the file itself"), "{}", screen.text());
}
