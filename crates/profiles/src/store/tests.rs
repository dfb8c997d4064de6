use culvert_protocol::Secret;
use tempfile::TempDir;

use super::*;
use crate::draft::DraftGateway;

fn store() -> (TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(folder.path().join("profiles"));
    (folder, store)
}

fn draft(name: &str) -> Draft {
    let mut draft = Draft::default();
    draft.set_text(Key::ServerName, name);
    draft.set_text(Key::LocalStdio, "uvx x");
    draft.set_gateways(&[DraftGateway { address: "https://g".to_owned(), token: Some(Secret::new("keychain:g")) }]);
    draft
}

fn id(nth: u8) -> ProfileId {
    ProfileId::of_random([nth; 16])
}

/// The file of this name, with `content`, as the store reads it.
fn made_by_hand(store: &Store, name: &str, content: &str) -> Saved {
    fs::create_dir_all(&store.folder).unwrap();
    fs::write(store.folder.join(name), content).unwrap();
    store.find(name).unwrap()
}

#[test]
fn profiles_are_added_found_and_removed() {
    let (_folder, store) = store();
    assert!(store.list().unwrap().is_empty());
    let git = store.add(draft("git"), id(1)).unwrap();
    assert_eq!(git.path.file_name().unwrap(), "git.yaml");
    store.add(draft("My notes"), id(2)).unwrap();
    assert_eq!(store.add(draft("git"), id(3)).unwrap_err().code(), "profile.name_taken");
    for wanted in [id(1).to_string().as_str(), "git", "git.yaml"] {
        assert_eq!(store.find(wanted).unwrap().id(), Some(id(1)), "{wanted}");
    }
    assert_eq!(store.list().unwrap().iter().map(Saved::name).collect::<Vec<_>>(), ["git", "My notes"]);
    store.remove(&git).unwrap();
    assert_eq!(store.find("git").unwrap_err().code(), "profile.not_found");
    assert_eq!(store.remove(&git).unwrap_err().code(), "profile.not_written");
}

#[test]
fn a_change_keeps_id_file_and_comments() {
    let (_folder, store) = store();
    let path = store.add(draft("git"), id(1)).unwrap().path;
    let with_comment = format!("# main\n{}", fs::read_to_string(&path).unwrap());
    fs::write(&path, with_comment).unwrap();
    let saved = store.find("git").unwrap();
    let mut new = draft("renamed");
    new.set_text(Key::Keepalive, "45");
    let again = store.replace(&saved, new.clone(), OnBroken::Refuse).unwrap();
    assert_eq!((again.id(), &again.path), (Some(id(1)), &path));
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("# main\n") && text.ends_with("keepalive: 45\n"), "{text}");
    assert_eq!(store.replace(&saved, new, OnBroken::Refuse).unwrap_err().code(), "profile.changed");
    let mut wrong = draft("renamed");
    wrong.set_text(Key::Keepalive, "soon");
    assert_eq!(store.replace(&again, wrong, OnBroken::Refuse).unwrap_err().code(), "config.value");
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn hand_made_files_are_never_written() {
    let (_folder, store) = store();
    let id = id(1);
    for (name, content) in [
        ("no-id.yaml", "name: a\ncommand: x\n".to_owned()),
        ("flow.yaml", format!("{{name: a, command: x, id: {id}}}\n")),
        ("json.json", format!("{{\"name\": \"a\", \"id\": \"{id}\"}}\n")),
        ("several.yaml", "servers: [{command: x}]\n".to_owned()),
        ("foreign.json", "{\"mcpServers\": {\"a\": {\"command\": \"x\"}}}\n".to_owned()),
    ] {
        let saved = made_by_hand(&store, name, &content);
        let refused = store.replace(&saved, draft("b"), OnBroken::KeepAside).unwrap_err();
        assert_eq!(refused.code(), "profile.hand_made", "{name}");
        assert_eq!(fs::read_to_string(&saved.path).unwrap(), content);
    }
    assert_eq!(store.remove(&store.find("several").unwrap()).unwrap_err().code(), "profile.hand_made");
    store.remove(&store.find("no-id").unwrap()).unwrap();
}

#[cfg(unix)]
#[test]
fn a_linked_file_is_its_authors() {
    let (folder, store) = store();
    let real = folder.path().join("real.yaml");
    fs::write(&real, format!("name: a\ncommand: x\nid: {}\n", id(1))).unwrap();
    fs::create_dir_all(&store.folder).unwrap();
    std::os::unix::fs::symlink(&real, store.folder.join("a.yaml")).unwrap();
    let saved = store.find("a").unwrap();
    std::os::unix::fs::symlink("/nowhere", store.folder.join("b.yaml")).unwrap();
    assert_eq!(store.add(draft("b"), id(2)).unwrap().path.file_name().unwrap(), "b-2.yaml");
    assert_eq!(store.replace(&saved, draft("b"), OnBroken::Refuse).unwrap_err().code(), "profile.hand_made");
}

#[test]
fn a_broken_file_is_kept() {
    let (_folder, store) = store();
    let saved = made_by_hand(&store, "git.yaml", "name: git\ntoken: \"open\n");
    assert!(matches!(&saved.content, Content::Broken(error) if error.code() == "config.syntax"));
    let refused = store.replace(&saved, draft("git"), OnBroken::Refuse).unwrap_err();
    assert_eq!(refused.code(), "profile.broken");
    assert!(refused.to_string().contains("git.yaml:3:1"), "{refused}");
    let mut new = draft("git");
    new.set_id(id(1));
    store.replace(&saved, new.clone(), OnBroken::KeepAside).unwrap();
    assert_eq!(fs::read_to_string(store.folder.join("git.yaml.broken")).unwrap(), "name: git\ntoken: \"open\n");
    let saved = made_by_hand(&store, "git.yaml", "- again");
    store.replace(&saved, new, OnBroken::KeepAside).unwrap();
    assert_eq!(fs::read_to_string(store.folder.join("git.yaml.broken-1")).unwrap(), "- again");
    assert_eq!(store.list().unwrap().len(), 1, "what is kept is no profile");
}

#[test]
fn debug_shows_no_secret() {
    let (_folder, store) = store();
    let saved = made_by_hand(&store, "a.yaml", "name: a\ntoken: hunter2\n");
    assert!(!format!("{saved:?}").contains("hunter2"));
}
