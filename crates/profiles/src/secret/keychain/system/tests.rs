//! Against a real GNOME Keyring, on a session bus and in a home that exist for one test. Each test runs itself again
//! inside of such a session, because a process can only have one.

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::super::{Keychain, PATIENCE, Prompt};
use super::*;

/// Names the session's folder inside of it.
const FOLDER: &str = "CULVERT_TEST_KEYCHAIN_FOLDER";

/// The password of the test's keyring.
const PASSWORD: &str = "correct horse";

/// How long anything here may take.
const LIMIT: Duration = Duration::from_secs(20);

/// The inside of a session with a bus.
struct Session {
    folder: PathBuf,
    keychain: Keychain,
}

/// Whether a keyring opens when it starts.
enum Door {
    Open,
    Shut,
}

/// A running GNOME Keyring, ended when dropped.
struct Keyring(Child);

impl Drop for Keyring {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Session {
    /// Starts a keyring and waits until it is on the bus.
    async fn keyring(&self, door: Door) -> Keyring {
        let password = self.folder.join("password");
        fs::write(&password, PASSWORD).unwrap();
        let mut command = Command::new("gnome-keyring-daemon");
        command.args(["--foreground", "--components=secrets"]).stdout(Stdio::null()).stderr(Stdio::null());
        command.arg(format!("--control-directory={}", self.folder.join("control").display()));
        match door {
            Door::Open => command.arg("--unlock").stdin(fs::File::open(&password).unwrap()),
            Door::Shut => command.stdin(Stdio::null()),
        };
        let keyring = Keyring(command.spawn().unwrap());
        let begun = Instant::now();
        while matches!(self.keychain.get("nothing", Prompt::Never).await, Err(KeychainError::Absent(_))) {
            assert!(begun.elapsed() < LIMIT, "the keyring does not come");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        keyring
    }

    /// Ends a keyring and waits until the bus knows.
    async fn end(&self, keyring: Keyring) {
        drop(keyring);
        let begun = Instant::now();
        while !matches!(self.keychain.get("nothing", Prompt::Never).await, Err(KeychainError::Absent(_))) {
            assert!(begun.elapsed() < LIMIT, "the keyring does not go");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// A window for the password that opens and is never answered.
    fn prompter(&self) {
        let pid = self.folder.join("prompter");
        let service = format!(
            "[D-BUS Service]\nName=org.gnome.keyring.SystemPrompter\nExec=/bin/sh -c 'echo $$ > {0}.new; mv {0}.new {0}; exec sleep 60'\n",
            pid.display()
        );
        fs::write(self.folder.join("services/prompter.service"), service).unwrap();
    }

    /// Closes the window, as its user does who does not know the password.
    fn dismiss(&self) {
        let pid = fs::read_to_string(self.folder.join("prompter")).unwrap().trim().parse().unwrap();
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL).unwrap();
    }
}

/// Runs `body` in a session of its own; `test` is the name of the calling test.
fn in_a_session(test: &str, body: impl AsyncFnOnce(Session)) {
    if let Some(folder) = env::var_os(FOLDER) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let session = Session { folder: folder.into(), keychain: Keychain::of_the_system() };
        return runtime.block_on(body(session));
    }
    let folder = tempfile::tempdir().unwrap();
    let run_as = format!("{}::{test}", module_path!().split_once("::").unwrap().1);
    let output = session_in(folder.path())
        .arg(env::current_exe().unwrap())
        .args(["--exact", &run_as, "--nocapture"])
        .output()
        .expect("dbus-run-session is missing; run `make setup`");
    let told = [output.stdout, output.stderr].map(|told| String::from_utf8_lossy(&told).into_owned()).join("\n");
    assert!(output.status.success() && told.contains("1 passed"), "{told}");
}

fn session_in(folder: &Path) -> Command {
    let at = |name: &str| folder.join(name);
    for name in ["services", "data", "run"] {
        fs::create_dir(at(name)).unwrap();
    }
    fs::set_permissions(at("run"), fs::Permissions::from_mode(0o700)).unwrap();
    // Nothing is started by being asked for but what the test puts into `services`.
    let bus = format!(
        "<busconfig><type>session</type><listen>unix:dir={}</listen><auth>EXTERNAL</auth><servicedir>{}</servicedir>\
         <policy context=\"default\"><allow send_destination=\"*\" eavesdrop=\"true\"/>\
         <allow eavesdrop=\"true\"/><allow own=\"*\"/></policy></busconfig>",
        at("run").display(),
        at("services").display()
    );
    fs::write(at("bus.conf"), bus).unwrap();
    let mut command = Command::new("dbus-run-session");
    command.arg("--config-file").arg(at("bus.conf")).arg("--");
    command.env(FOLDER, folder).env("HOME", folder).env("XDG_RUNTIME_DIR", at("run")).env("XDG_DATA_HOME", at("data"));
    for name in ["DISPLAY", "WAYLAND_DISPLAY", "DBUS_SESSION_BUS_ADDRESS"] {
        command.env_remove(name);
    }
    command
}

#[test]
fn what_is_saved_is_found_after_the_keyring_was_started_anew_and_can_be_deleted() {
    in_a_session("what_is_saved_is_found_after_the_keyring_was_started_anew_and_can_be_deleted", async |session| {
        let keychain = &session.keychain;
        let none = || KeychainError::NoEntry("git".to_owned());
        let keyring = session.keyring(Door::Open).await;
        assert_eq!(keychain.get("git", Prompt::Never).await, Err(none()));
        keychain.set("git", Secret::new("one"), Prompt::Never).await.unwrap();
        keychain.set("git", Secret::new("two"), Prompt::Never).await.unwrap();
        keychain.set("other", Secret::new("three"), Prompt::Never).await.unwrap();
        assert_eq!(keychain.get("git", Prompt::Never).await, Ok(Secret::new("two")));

        // Other programs find it under the names that the documentation gives.
        let lookup = Command::new("secret-tool").args(["lookup", "service", SERVICE, "username", "git"]).output();
        assert_eq!(lookup.unwrap().stdout, b"two");

        session.end(keyring).await;
        let keyring = session.keyring(Door::Open).await;
        assert_eq!(keychain.get("git", Prompt::Never).await, Ok(Secret::new("two")));
        keychain.delete("git", Prompt::Never).await.unwrap();
        assert_eq!(keychain.get("git", Prompt::Never).await, Err(none()));
        assert_eq!(keychain.delete("git", Prompt::Never).await, Err(none()));
        assert_eq!(keychain.get("other", Prompt::Never).await, Ok(Secret::new("three")));
        drop(keyring);
    });
}

#[test]
fn without_a_keyring_that_is_told_at_once() {
    in_a_session("without_a_keyring_that_is_told_at_once", async |session| {
        let begun = Instant::now();
        for prompt in [Prompt::Never, Prompt::Allowed] {
            let told = session.keychain.get("git", prompt).await;
            assert!(matches!(told, Err(KeychainError::Absent(_))), "{told:?}");
            let told = session.keychain.set("git", Secret::new("t"), prompt).await;
            assert!(matches!(told, Err(KeychainError::Absent(_))), "{told:?}");
        }
        assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
    });
}

#[test]
fn a_locked_keyring_is_a_state_that_passes_and_nobody_is_asked_unasked() {
    in_a_session("a_locked_keyring_is_a_state_that_passes_and_nobody_is_asked_unasked", async |session| {
        let keychain = &session.keychain;
        let keyring = session.keyring(Door::Open).await;
        keychain.set("git", Secret::new("one"), Prompt::Never).await.unwrap();
        session.end(keyring).await;

        session.prompter();
        let keyring = session.keyring(Door::Shut).await;
        let begun = Instant::now();
        assert_eq!(keychain.get("git", Prompt::Never).await, Err(KeychainError::Locked));
        assert_eq!(keychain.set("git", Secret::new("two"), Prompt::Never).await, Err(KeychainError::Locked));
        assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
        assert!(!session.folder.join("prompter").exists(), "no window was opened");

        // Now it may be opened. It stays unanswered, and the caller is not kept.
        assert_eq!(keychain.get("git", Prompt::Allowed).await, Err(KeychainError::Locked));
        assert!(session.folder.join("prompter").exists());
        assert_eq!(keychain.get("git", Prompt::Never).await, Err(KeychainError::Locked));
        session.dismiss();

        // Unlocked at last, as by a login.
        session.end(keyring).await;
        let keyring = session.keyring(Door::Open).await;
        assert_eq!(keychain.get("git", Prompt::Never).await, Ok(Secret::new("one")));
        drop(keyring);
    });
}
