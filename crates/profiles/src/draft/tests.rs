use proptest::prelude::*;

use super::*;
use crate::command::Platform;

fn read(content: &str) -> Draft {
    Draft::read(content, Path::new("a.yaml")).unwrap().unwrap()
}

fn surroundings() -> Surroundings<'static> {
    Surroundings {
        variable: &|_| None,
        secret_file: &|_| Err(std::io::ErrorKind::NotFound.into()),
        host: "laptop-7".to_owned(),
        folder: "/".into(),
        platform: Platform::Unix,
    }
}

#[test]
fn a_draft_is_written_so_that_it_reads_the_same() {
    let mut draft = Draft::default();
    draft.set_id(ProfileId::of_random([7; 16]));
    draft.set_text(Key::ServerName, "git-{hostname}");
    draft.set_text(Key::LocalStdio, "C:\\tools\\git \"x\"");
    draft.set_list(Key::Args, vec![]);
    draft.set_map(Key::SecretEnv, &BTreeMap::from([("KEY".to_owned(), Secret::new("keychain:git KEY"))]));
    draft.set_text(Key::Keepalive, "45");
    draft.set_text(Key::Start, "always");
    draft.set_text(Key::Transport, " ");
    draft.set_gateways(&[
        DraftGateway { address: "https://a".to_owned(), token: None },
        DraftGateway { address: "https://b".to_owned(), token: Some(Secret::new("keychain:b")) },
    ]);
    let yaml = draft.to_yaml();
    assert_eq!(
        yaml,
        "local_stdio: \"C:\\\\tools\\\\git \\\"x\\\"\"\nargs: []\nsecret_env:\n  \"KEY\": \"keychain:git KEY\"\n\
         server_name: \"git-{hostname}\"\ngateway:\n  - \"https://a\"\n  - url: \"https://b\"\n    token: \"keychain:b\"\n\
         keepalive: 45\nstart: always\nid: 07070707-0707-4707-8707-070707070707\n"
    );
    assert!(read(&yaml) == draft);
    assert!(Draft::read(&draft.to_json(), Path::new("a.json")).unwrap().unwrap() == draft);
    assert_eq!(draft.profile(Path::new("a.yaml"), &surroundings()).unwrap().tunnels.len(), 2);
    assert!(!format!("{draft:?}").contains("keychain"));
}

#[test]
fn secrets_that_are_written_out_can_be_taken_out() {
    let mut draft = read(
        "name: a\ntoken: hunter2\nsecret_env: {A: hunter3, B: 'env:B'}\nlocal_headers: {C: 'keychain:c'}\n\
         gateway: [{url: https://a, token: hunter4}, {url: https://b, token: 'file:/b'}]\n",
    );
    assert_eq!(draft.take_out_secrets(), [Key::SecretEnv, Key::Gateway, Key::Token]);
    let yaml = draft.to_yaml();
    assert!(!yaml.contains("hunter") && !yaml.contains("\ntoken"), "{yaml}");
    assert!(yaml.contains("env:B") && yaml.contains("keychain:c") && yaml.contains("file:/b"), "{yaml}");
    assert!(draft.take_out_secrets().is_empty());
    assert_eq!(draft.keychain_entries().into_iter().collect::<Vec<_>>(), ["c"]);
    let mut by_address = read("name: a\nlocal_sse: 'https://x.example/sse?key=hunter5'\n");
    assert_eq!(by_address.take_out_secrets(), [Key::LocalSse]);
    assert_eq!(by_address.text(Key::LocalSse), Some("https://x.example/sse"));
}

const BY_HAND: &str = "# Ours since 2024\n\nname: git   # as in the catalog\n\n# the server\ncommand: uvx mcp-server-git\n\
                       args:\n- --repository   # why\n- /srv\n\ngateway: https://a#b   # main\nkeepalive: 45\n# the end\n";

#[test]
fn a_changed_key_changes_its_lines_only() {
    let mut draft = read(BY_HAND);
    assert_eq!(edited(BY_HAND, &draft).as_deref(), Some(BY_HAND));
    draft.set_text(Key::ServerName, "files");
    draft.set_text(Key::Gateway, "https://c");
    draft.remove(Key::Keepalive);
    draft.set_text(Key::MaxSessions, "3");
    let now = edited(BY_HAND, &draft).unwrap();
    let expected = BY_HAND
        .replace("name: git   #", "server_name: \"files\" #")
        .replace("gateway: https://a#b   #", "gateway: \"https://c\" #")
        .replace("keepalive: 45\n", "")
        + "max_sessions: 3\n";
    assert_eq!(now, expected);
    draft.set_list(Key::Args, vec!["--other".to_owned()]);
    let now = edited(&now, &draft).unwrap();
    assert!(now.contains("uvx mcp-server-git\nargs:\n  - \"--other\"\n\ngateway: "), "{now}");
    assert!(read(&now) == draft);
}

#[test]
fn what_cannot_be_changed_by_lines_is_left_alone() {
    for content in [
        "{name: a, command: x}\n",
        "&all\nname: a\n",
        "name: &n a\ndescription: *n\n",
        "name: >\n folded\n\"description\": x\nservers: []\n",
    ] {
        let Ok(Some(mut draft)) = Draft::read(content, Path::new("a.yaml")) else { continue };
        draft.set_text(Key::ServerName, "b");
        if let Some(now) = edited(content, &draft) {
            assert!(read(&now) == draft, "{content}");
        }
    }
    let mut draft = read("{name: a, command: x}\n");
    draft.set_text(Key::ServerName, "b");
    assert_eq!(edited("{name: a, command: x}\n", &draft), None);
    let mut draft = read("name: &n a\ndescription: *n\n");
    draft.set_text(Key::ServerName, "b");
    assert_eq!(edited("name: &n a\ndescription: *n\n", &draft), None);
}

proptest! {
    #[test]
    fn any_text_survives_being_written(name in "\\PC{0,20}|[\\x00-\\x7f\u{85}\u{2028}\u{feff}]{0,12}", value in any::<String>()) {
        let mut draft = Draft::default();
        draft.set_list(Key::Args, vec![name.clone(), value.clone()]);
        draft.0.insert(Key::Env, Raw::Map(BTreeMap::from([(format!("k{name}"), value.clone())])));
        draft.set_text(Key::ServerDescription, &value);
        let yaml = draft.to_yaml();
        prop_assert!(read(&yaml) == draft, "{:?}", yaml);
    }

    #[test]
    fn an_edit_says_the_new_or_nothing(content in "((name|command|args|keepalive|#|- |  x|\\{)[:a-z\"' #-]{0,8}\n){0,6}", text in "[a-z #:]{1,8}") {
        if let Ok(Some(mut draft)) = Draft::read(&content, Path::new("a.yaml")) {
            draft.set_text(Key::ServerName, &text);
            if let Some(now) = edited(&content, &draft) {
                prop_assert!(read(&now) == draft);
            }
        }
    }
}
