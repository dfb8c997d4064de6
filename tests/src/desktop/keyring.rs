//! GNOME Keyring on a test's session bus: opened as by a login, or shut.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use zbus::Connection;
use zbus::fdo::DBusProxy;
use zbus::names::BusName;

use super::Daemon;
use crate::watched::PATIENCE;

/// The password of the tests' keyrings.
pub(super) const PASSWORD: &str = "correct horse";

/// The name that a keyring has on the bus.
const NAME: &str = "org.freedesktop.secrets";

/// How a keyring is when it starts.
#[derive(Debug, Clone, Copy)]
pub enum Keyring {
    /// Unlocked by a login; made anew if there is none yet.
    Open,
    /// Locked: it holds what an open one had saved before, and asks for its password.
    Shut,
}

impl Keyring {
    pub(super) async fn start(self, mut command: Command, folder: &Path, connection: &Connection) -> Daemon {
        command.args(["--foreground", "--components=secrets"]);
        command.arg(format!("--control-directory={}", folder.join("run/keyring").display()));
        let daemon = match self {
            Self::Open => {
                let password = folder.join("password");
                fs::write(&password, PASSWORD).expect("a file");
                command.arg("--unlock");
                Daemon::start_fed(command, File::open(&password).expect("a file"), &folder.join("logs/keyring"))
            }
            Self::Shut => Daemon::start(command, &folder.join("logs/keyring")),
        };
        until_owned(connection, Owned::Yes).await;
        daemon
    }

    pub(super) async fn gone(connection: &Connection) {
        until_owned(connection, Owned::No).await;
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Owned {
    Yes,
    No,
}

async fn until_owned(connection: &Connection, wanted: Owned) {
    let bus = DBusProxy::new(connection).await.expect("the bus talks about itself");
    let deadline = Instant::now() + PATIENCE;
    loop {
        let name = BusName::try_from(NAME).expect("a name");
        let now = if bus.name_has_owner(name).await.expect("the bus answers") { Owned::Yes } else { Owned::No };
        if now == wanted {
            return;
        }
        assert!(Instant::now() < deadline, "the keyring neither comes nor goes as asked");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
