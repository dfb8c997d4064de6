//! A computer that sleeps, as far as its processes notice: logind's word on a private system bus (python-dbusmock), and a
//! clock that jumps (libfaketime).

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use zbus::connection::Builder;
use zbus::zvariant::Value;
use zbus::{Connection, Proxy};

use crate::desktop::daemon::Daemon;
use crate::watched::PATIENCE;

const NAME: &str = "org.freedesktop.login1";

/// A system bus of the test's own, with a logind on it that says what it is told to.
#[derive(Debug)]
pub struct Logind {
    connection: Connection,
    address: String,
    _daemons: [Daemon; 2],
    _folder: TempDir,
}

impl Logind {
    /// Starts both.
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let socket = folder.path().join("bus");
        let address = format!("unix:path={}", socket.display());
        let mut bus = Command::new("dbus-daemon");
        bus.args(["--session", "--nofork", "--nopidfile", "--address", &address]);
        let bus = Daemon::start(bus, &folder.path().join("bus.log"));
        // Its socket is there a moment before anybody listens at it.
        until("the bus", || std::os::unix::net::UnixStream::connect(&socket).is_ok()).await;
        // The distribution's own Python, for which its packages are.
        let mut mock = Command::new("/usr/bin/python3");
        mock.args(["-m", "dbusmock", "--system", "--template", "logind"]).env("DBUS_SYSTEM_BUS_ADDRESS", &address);
        let mock = Daemon::start(mock, &folder.path().join("logind.log"));
        let builder = Builder::address(&*address).expect("an address");
        let connection = builder.build().await.expect("the bus takes us");
        let logind = Self { connection, address, _daemons: [bus, mock], _folder: folder };
        let deadline = Instant::now() + PATIENCE;
        while !logind.names().await.iter().any(|name| name == NAME) {
            assert!(Instant::now() < deadline, "python-dbusmock should play logind");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        logind
    }

    /// What to set `DBUS_SYSTEM_BUS_ADDRESS` to.
    pub fn address(&self) -> &str {
        &self.address
    }

    async fn names(&self) -> Vec<String> {
        let bus = Proxy::new(&self.connection, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus");
        bus.await.expect("the bus").call("ListNames", &()).await.expect("its names")
    }

    /// Waits until so many programs listen on the bus, ourselves and the logind aside.
    pub async fn heard_by(&self, programs: usize) {
        let deadline = Instant::now() + PATIENCE;
        while self.names().await.iter().filter(|name| name.starts_with(':')).count() < programs + 2 {
            assert!(Instant::now() < deadline, "{programs} should listen on the bus");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Says that the system is about to sleep, or that it woke up.
    pub async fn prepare_for_sleep(&self, sleeps: Asleep) {
        let mock = Proxy::new(&self.connection, NAME, "/org/freedesktop/login1", "org.freedesktop.DBus.Mock").await;
        let arguments = vec![Value::from(sleeps == Asleep::Soon)];
        let signal = ("org.freedesktop.login1.Manager", "PrepareForSleep", "b", arguments);
        let sent: Result<(), _> = mock.expect("the logind").call("EmitSignal", &signal).await;
        sent.expect("the signal is sent");
    }
}

/// What logind says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asleep {
    /// The system is about to sleep.
    Soon,
    /// It woke up.
    NoMore,
}

/// The clock on the wall of a process; the one that runs is left alone, as in a real sleep.
#[derive(Debug)]
pub struct Clock {
    offset: PathBuf,
    library: PathBuf,
}

impl Clock {
    /// A clock that is right, steered by a file in this folder.
    pub fn new(folder: &Path) -> Self {
        let library =
            ["x86_64", "aarch64"].map(|machine| format!("/usr/lib/{machine}-linux-gnu/faketime/libfaketime.so.1"));
        let library = library.iter().map(PathBuf::from).find(|library| library.exists());
        let clock = Self { offset: folder.join("clock"), library: library.expect("libfaketime; run `make setup`") };
        clock.set("+0");
        clock
    }

    /// Sets it so far ahead or back: `+600`, `-1d`.
    pub fn set(&self, offset: &str) {
        std::fs::write(&self.offset, format!("{offset}\n")).expect("a file");
    }

    /// The variables of a process that has this clock.
    pub fn environment(&self) -> [(&'static str, &Path); 4] {
        let on = Path::new("1");
        [
            ("LD_PRELOAD", &self.library),
            ("FAKETIME_TIMESTAMP_FILE", &self.offset),
            ("FAKETIME_NO_CACHE", on),
            ("FAKETIME_DONT_FAKE_MONOTONIC", on),
        ]
    }
}

async fn until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
