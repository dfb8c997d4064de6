//! A desktop session that exists for one test: a display, a session bus, a home, and as much of a tray, a keyring and
//! a window manager as the test asks for. Everything in it ends with it.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use zbus::Connection;

use crate::built;
use crate::culvert::CulvertCommand;
use crate::processes;
use crate::watched::PATIENCE;

pub mod daemon;
mod keyring;
mod menu;
mod notifications;
mod panel;
mod tray;
mod user;
mod web_driver;
mod words;

pub use daemon::Daemon;
pub use keyring::Keyring;
pub use menu::{Entry, Menu};
pub use notifications::{Notifications, Told};
pub use panel::{Ground, Panel};
pub use tray::{Item, Tray};
pub use user::{Running, User, online_with_figure};
pub use web_driver::{Element, WebDriver, keys};
pub use words::{Spoken, WordsOnScreen};

/// The display's width, in pixels.
const WIDTH: u32 = 1280;

/// Its height, in pixels.
const HEIGHT: u32 = 800;

/// A session. Its parts are dropped from first to last, so the bus and the display outlive what uses them.
#[derive(Debug)]
pub struct Desktop {
    keyring: Option<Daemon>,
    others: Vec<Daemon>,
    connection: Connection,
    _bus: Daemon,
    _display: Daemon,
    rest: Rest,
    environment: Vec<(String, OsString)>,
    folder: TempDir,
}

impl Desktop {
    /// A display with a window manager, a session bus and an empty home. No tray and no keyring.
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for name in ["home", "run", "services", "logs", "tmp"] {
            std::fs::create_dir(folder.path().join(name)).expect("a folder");
        }
        let private = std::fs::Permissions::from_mode(0o700);
        std::fs::set_permissions(folder.path().join("run"), private).expect("a folder of its owner's alone");
        let mark = uuid::Uuid::new_v4().to_string();
        let mut environment = surroundings(folder.path());
        let log = |name: &str| folder.path().join("logs").join(name);

        let mut xvfb = command("Xvfb", &environment, &mark);
        xvfb.args(["-displayfd", "1", "-screen", "0", &format!("{WIDTH}x{HEIGHT}x24"), "-nolisten", "tcp", "-noreset"]);
        let (display, number) = Daemon::start_telling(xvfb, &log("display"));
        environment.push(("DISPLAY".into(), format!(":{number}").into()));

        let mut bus = command("dbus-daemon", &environment, &mark);
        bus.arg("--config-file").arg(bus_configuration(folder.path())).args(["--nofork", "--print-address"]);
        let (bus, address) = Daemon::start_telling(bus, &log("bus"));
        let builder = zbus::connection::Builder::address(address.as_str()).expect("an address");
        let connection = builder.build().await.expect("the bus takes connections");
        environment.push(("DBUS_SESSION_BUS_ADDRESS".into(), address.into()));

        let windows = Daemon::start(command("openbox", &environment, &mark), &log("openbox"));
        let (keyring, others) = (None, vec![windows]);
        Self { keyring, others, connection, _bus: bus, _display: display, rest: Rest { mark }, environment, folder }
    }

    /// Its user's home.
    pub fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// A connection to its bus.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// A program of its user's, marked and watched like any that a test starts.
    pub fn user(&self, program: impl AsRef<Path>) -> CulvertCommand {
        let command = CulvertCommand::program(program.as_ref());
        self.environment.iter().fold(command, |command, (name, value)| command.env(name, value))
    }

    /// The app, as launched by its user.
    pub fn app(&self) -> CulvertCommand {
        self.user(built::desktop())
    }

    /// `culvert`, on the same profiles.
    pub fn culvert(&self) -> CulvertCommand {
        self.user(built::culvert())
    }

    /// Sets a variable for whatever is started from now on.
    pub fn set(&mut self, name: &str, value: impl Into<OsString>) {
        self.environment.push((name.into(), value.into()));
    }

    /// Begins to watch the tray, as a panel would. What wants to be in it finds it from now on.
    pub async fn tray(&self) -> Tray {
        Tray::on(&self.connection).await
    }

    /// Begins to show notifications.
    pub async fn notifications(&self) -> Notifications {
        Notifications::on(&self.connection).await
    }

    /// Starts a keyring in the place of the one that may be there, and waits until it is on the bus.
    pub async fn keyring(&mut self, keyring: Keyring) {
        self.end_keyring().await;
        let command = command("gnome-keyring-daemon", &self.environment, &self.rest.mark);
        self.keyring = Some(keyring.start(command, self.folder.path(), &self.connection).await);
    }

    /// Ends the keyring and waits until it has left the bus.
    pub async fn end_keyring(&mut self) {
        if let Some(keyring) = self.keyring.take() {
            drop(keyring);
            Keyring::gone(&self.connection).await;
        }
    }

    /// Lets a keyring ask for its password, in a window of its own.
    pub fn prompter(&self) {
        let program = "/usr/libexec/gcr-prompter";
        self.service("prompter", &format!("[D-BUS Service]\nName=org.gnome.keyring.SystemPrompter\nExec={program}\n"));
    }

    /// Answers the keyring's question, once it is asked, with the password that it was made with.
    pub async fn answer_prompt(&self) {
        let deadline = Instant::now() + PATIENCE;
        let search = ["search", "--onlyvisible", "--class", "gcr-prompter"];
        while self.user("xdotool").args(search).finish().await.out.is_empty() {
            assert!(Instant::now() < deadline, "nobody asks for the keyring's password");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let focus = [&search[..], &["windowfocus", "--sync"]].concat();
        for tool in [&focus[..], &["type", keyring::PASSWORD], &["key", "Return"]] {
            let done = self.user("xdotool").args(tool).finish().await;
            assert_eq!(done.code, Some(0), "{done:?}");
        }
    }

    /// What is on the clipboard, as another program gets it.
    pub async fn clipboard(&self) -> String {
        let read = self.user("xclip").args(["-out", "-selection", "clipboard"]).finish().await;
        assert_eq!(read.code, Some(0), "{read:?}");
        read.out.join("\n")
    }

    /// How many windows with this title are to be seen.
    pub async fn windows(&self, title: &str) -> usize {
        let pattern = format!("^{title}$");
        self.user("xdotool").args(["search", "--onlyvisible", "--name", &pattern]).finish().await.out.len()
    }

    /// Waits until there is one.
    pub async fn window(&self, title: &str) {
        let deadline = Instant::now() + PATIENCE;
        while self.windows(title).await == 0 {
            assert!(Instant::now() < deadline, "no window {title:?} opens");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until there is none.
    pub async fn no_window(&self, title: &str) {
        let deadline = Instant::now() + PATIENCE;
        while self.windows(title).await > 0 {
            assert!(Instant::now() < deadline, "the window {title:?} stays");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Closes the window with this title as its user does, with the window manager's key: pressed again where the first
    /// time went by a window that was only just coming up.
    pub async fn close_window(&self, title: &str) {
        let pattern = format!("^{title}$");
        let activate = ["search", "--onlyvisible", "--name", &pattern, "windowactivate", "--sync"];
        let deadline = Instant::now() + PATIENCE;
        while self.windows(title).await > 0 {
            assert!(Instant::now() < deadline, "the window {title:?} stays");
            // The key goes to whatever is active: sent to a window, it would pass the window manager by.
            for tool in [&activate[..], &["key", "alt+F4"]] {
                self.user("xdotool").args(tool).finish().await;
            }
            let soon = Instant::now() + Duration::from_secs(3);
            while self.windows(title).await > 0 && Instant::now() < soon {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }

    /// Lets the bus start this service when somebody asks for it.
    fn service(&self, name: &str, text: &str) {
        let path = self.folder.path().join("services").join(name).with_extension("service");
        std::fs::write(path, text).expect("a file");
    }

    /// A program of the desktop's own, which lives as long as the desktop.
    fn companion(&mut self, program: &str, arguments: &[&str]) -> i32 {
        let mut command = command(program, &self.environment, &self.rest.mark);
        command.args(arguments);
        let name = Path::new(program).file_name().unwrap_or_default();
        let log = self.folder.path().join("logs").join(name);
        let daemon = Daemon::start(command, &log);
        let pid = daemon.pid();
        self.others.push(daemon);
        pid
    }
}

/// What every program here is told. Nothing of the tester's own but the search path.
fn surroundings(folder: &Path) -> Vec<(String, OsString)> {
    let at = |name: &str| folder.join(name).into_os_string();
    vec![
        ("PATH".into(), std::env::var_os("PATH").unwrap_or_default()),
        ("HOME".into(), at("home")),
        ("XDG_CONFIG_HOME".into(), at("home/.config")),
        ("XDG_STATE_HOME".into(), at("home/.local/state")),
        ("XDG_DATA_HOME".into(), at("home/.local/share")),
        ("XDG_CACHE_HOME".into(), at("home/.cache")),
        ("XDG_RUNTIME_DIR".into(), at("run")),
        ("TMPDIR".into(), at("tmp")),
        ("SHELL".into(), "/bin/sh".into()),
        ("LANG".into(), "C.UTF-8".into()),
        ("GDK_BACKEND".into(), "x11".into()),
        // Settings of GTK's own live and die with each program.
        ("GSETTINGS_BACKEND".into(), "memory".into()),
        ("LIBGL_ALWAYS_SOFTWARE".into(), "1".into()),
        // Without this, each GTK program asks for an accessibility bus that few tests have.
        ("NO_AT_BRIDGE".into(), "1".into()),
    ]
}

/// A bus that starts nothing by itself but what a test puts into `services`.
fn bus_configuration(folder: &Path) -> PathBuf {
    let text = format!(
        "<busconfig><type>session</type><listen>unix:dir={}</listen><auth>EXTERNAL</auth><servicedir>{}</servicedir>\
         <policy context=\"default\"><allow send_destination=\"*\" eavesdrop=\"true\"/>\
         <allow eavesdrop=\"true\"/><allow own=\"*\"/></policy></busconfig>",
        folder.join("run").display(),
        folder.join("services").display()
    );
    let path = folder.join("bus.conf");
    std::fs::write(&path, text).expect("a file");
    path
}

fn command(program: &str, environment: &[(String, OsString)], mark: &str) -> Command {
    let mut command = Command::new(program);
    command.env_clear().envs(environment.iter().map(|(name, value)| (name, value))).env(processes::MARK, mark);
    command
}

/// Ends what the session's programs started in turn. The programs themselves were dropped before.
#[derive(Debug)]
struct Rest {
    mark: String,
}

impl Drop for Rest {
    fn drop(&mut self) {
        processes::end_all(&self.mark);
    }
}
