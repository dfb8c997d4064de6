//! References followed for real: files, commands and variables of this machine.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::time::Instant;

use super::*;
use crate::secret::problem::KeychainError;
use crate::secret::watched::Reread;

fn secrets(folder: &Path) -> SecretSources {
    let directory = folder.to_str().unwrap().to_owned();
    let variable = move |name: &str| match name {
        "KEY" => Some(" from variable ".to_owned()),
        "BLANK" => Some(" ".to_owned()),
        "CREDENTIALS_DIRECTORY" => Some(directory.clone()),
        _ => None,
    };
    SecretSources(
        Arc::new(Sources {
            keychain: Keychain::of_the_system(),
            variable: Box::new(variable),
            folder: folder.to_owned(),
            hidden: Vec::new(),
            commands: Semaphore::new(COMMANDS),
            command_limit: Duration::from_millis(500),
            clock: Arc::new(SystemTime::now),
            kept: Mutex::default(),
        }),
        Typed::default(),
    )
}

fn reference(text: &str) -> SecretRef {
    SecretRef::parse(text, crate::command::Platform::Unix).unwrap()
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

async fn read(secrets: &SecretSources, text: &str) -> Result<String, SecretError> {
    secrets.read(&reference(text), Prompt::Never).await.map(|secret| secret.expose().to_owned())
}

#[tokio::test]
async fn every_kind_leads_to_its_secret() {
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("key"), "from file\n");
    let secrets = secrets(folder.path());
    let absolute = format!("file:{}", folder.path().join("key").display());
    for (text, is) in [
        ("hunter2", "hunter2"),
        ("env:KEY", "from variable"),
        ("file:key", "from file"),
        (&absolute, "from file"),
        ("credential:key", "from file"),
        ("command:echo 'from command'", "from command"),
    ] {
        assert_eq!(read(&secrets, text).await.as_deref(), Ok(is), "{text}");
    }
}

#[tokio::test]
async fn what_leads_nowhere_says_where() {
    let folder = tempfile::tempdir().unwrap();
    let secrets = secrets(folder.path());
    for (text, told) in [
        ("env:NOPE", "the environment variable NOPE is not set".to_owned()),
        ("env:BLANK", "the environment variable BLANK is not set".to_owned()),
        (
            "file:nope",
            format!("the file {} cannot be read: there is no such file", folder.path().join("nope").display()),
        ),
        ("command:false", "the command false exited with code 1".to_owned()),
        ("command:sleep 1000", "the command sleep gave no answer within 0 s".to_owned()),
    ] {
        assert_eq!(read(&secrets, text).await.unwrap_err().to_string(), told);
    }
    let nowhere = SecretSources::of_this_process([]);
    if env::var_os("CREDENTIALS_DIRECTORY").is_none() {
        let told = read(&nowhere, "credential:gw").await.unwrap_err();
        assert_eq!(told, SecretError::NoCredentials("gw".to_owned()));
    }
}

#[tokio::test]
async fn a_readable_file_is_told_and_a_credential_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    write(&key, "t");
    let secrets = secrets(folder.path());
    assert_eq!(secrets.notice(&reference("file:key")).await, None);
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let told = secrets.notice(&reference("file:key")).await;
    assert!(matches!(told, Some(SecretNotice::ReadableByOthers { mode: 0o644, .. })), "{told:?}");
    assert_eq!(secrets.notice(&reference("credential:key")).await, None);
    assert_eq!(secrets.watch(&reference("file:key")).first().await.unwrap().expose(), "t");
    let watched = secrets.watch(&reference("file:key"));
    watched.first().await.unwrap();
    assert_eq!(watched.condition().borrow().notice, told);
}

/// Runs `change`; the new token must be there within five seconds.
async fn changes(watched: &Watched, to: &str, change: impl FnOnce()) {
    let mut secret = watched.secret();
    let begun = Instant::now();
    change();
    let seen = timeout(Duration::from_secs(5), secret.wait_for(|secret| *secret == Some(Secret::new(to)))).await;
    assert!(seen.is_ok(), "{to} was not seen within {:?}", begun.elapsed());
}

#[tokio::test]
async fn a_file_written_renamed_or_swapped_is_seen_within_five_seconds() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let secrets = secrets(folder.path());

    write(&at("plain"), "one");
    let plain = secrets.watch(&reference("file:plain"));
    assert_eq!(plain.first().await.unwrap().expose(), "one");
    changes(&plain, "two", || write(&at("plain"), "two")).await;
    write(&at("next"), "six");
    changes(&plain, "six", || fs::rename(at("next"), at("plain")).unwrap()).await;

    // A mounted Secret: token → ..data/token, ..data → ..TIME, swapped by a rename.
    for (time, text) in [("..1", "old"), ("..2", "new")] {
        fs::create_dir(at(time)).unwrap();
        write(&at(time).join("token"), text);
    }
    symlink("..1", at("..data")).unwrap();
    symlink("..data/token", at("token")).unwrap();
    let mounted = secrets.watch(&reference("file:token"));
    assert_eq!(mounted.first().await.unwrap().expose(), "old");
    changes(&mounted, "new", || {
        symlink("..2", at("..data_tmp")).unwrap();
        fs::rename(at("..data_tmp"), at("..data")).unwrap();
        fs::remove_dir_all(at("..1")).unwrap();
    })
    .await;

    // Gone, and there again: the last good one stands meanwhile.
    fs::remove_file(at("plain")).unwrap();
    plain.condition().wait_for(|condition| condition.trouble.is_some()).await.unwrap();
    assert_eq!(plain.secret().borrow().clone(), Some(Secret::new("six")));
    changes(&plain, "back", || write(&at("plain"), "back")).await;
}

#[tokio::test]
async fn a_command_is_run_again_when_asked() {
    let folder = tempfile::tempdir().unwrap();
    let count = folder.path().join("count");
    let secrets = secrets(folder.path());
    let text = format!("command:sh -c 'echo x >> {0}; wc -l < {0}'", count.display());
    let watched = secrets.watch(&reference(&text));
    assert_eq!(watched.first().await.unwrap().expose(), "1");
    assert_eq!(watched.refresh().await, Reread::Changed);
    assert_eq!(watched.secret().borrow().clone(), Some(Secret::new("2")));
    // The same reference is the same keeper.
    let other = secrets.watch(&reference(&text));
    assert_eq!(other.first().await.unwrap().expose(), "2");
    drop((watched, other));
    assert_eq!(secrets.watch(&reference(&text)).first().await.unwrap().expose(), "3");
}

#[tokio::test]
async fn what_is_no_bearer_token_is_not_handed_on() {
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("t"), "Bearer abc");
    let secrets = secrets(folder.path());
    let watched = secrets.watch(&reference("file:t"));
    assert_eq!(
        watched.first().await.unwrap_err().to_string(),
        "file:t holds no bearer token: one is made of visible ASCII characters, without blanks"
    );
    changes(&watched, "abc", || write(&folder.path().join("t"), "abc")).await;
}

#[tokio::test]
async fn a_file_that_gives_no_answer_holds_one_thread_and_no_caller() {
    let folder = tempfile::tempdir().unwrap();
    let file = File::default();
    let (release, hangs) = std::sync::mpsc::channel::<()>();
    let begun = Instant::now();
    let hanging = file.ask(move || hangs.recv());
    tokio::pin!(hanging);
    assert!(timeout(Duration::from_millis(100), &mut hanging).await.is_err());
    let path = folder.path().join("t");
    assert_eq!(file.ask(move || Stamp::of(&path).is_none()).await, None, "not while the first one hangs");
    assert!(begun.elapsed() < FILE_PATIENCE);
    release.send(()).unwrap();
    assert!(hanging.await.is_some());
    assert_eq!(file.ask(|| 1).await, Some(1));
}

#[tokio::test]
async fn a_missing_keychain_is_a_state_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    // Whatever this machine has, it has no entry of this name.
    let told = secrets(folder.path()).read(&reference("keychain:no-such-entry-here"), Prompt::Never).await;
    assert!(
        matches!(
            told,
            Err(SecretError::Keychain(
                KeychainError::Absent(_) | KeychainError::NoEntry(_) | KeychainError::Locked | KeychainError::Silent(_)
            ))
        ),
        "{told:?}"
    );
}
