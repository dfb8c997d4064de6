//! The systemd units' own command lines, run with a service runner that is played: it hears when they are ready, that
//! they live, and that they stop.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use culvert_tests::http::Request;
use culvert_tests::own_gateway::{OwnGateway, SECRET};
use culvert_tests::watched::Watched;
use culvert_tests::{Culvert, CulvertCommand, Fixture};
use nix::sys::signal::Signal;
use serde_json::json;
use tempfile::TempDir;
use tokio::net::UnixDatagram;
use tokio::task::JoinHandle;

use super::{free_address, text};

/// What systemd gives a service: folders, credentials, and an ear.
struct Runner {
    folder: TempDir,
    heard: Arc<Watched<Vec<String>>>,
    listening: JoinHandle<()>,
}

impl Runner {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["etc", "state", "config", "credentials"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let socket = UnixDatagram::bind(folder.path().join("notify")).unwrap();
        let heard = Arc::<Watched<Vec<String>>>::default();
        let hearing = heard.clone();
        let listening = tokio::spawn(async move {
            let mut buffer = [0; 1000];
            while let Ok(length) = socket.recv(&mut buffer).await {
                hearing.change(|heard| heard.push(String::from_utf8_lossy(&buffer[..length]).into_owned()));
            }
        });
        Self { folder, heard, listening }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// Starts what a unit starts, as `NAME` in `UNIT@NAME`, with its options in place of those of the unit.
    fn start(
        &self,
        unit: &str,
        name: &str,
        options: &str,
        prepare: impl FnOnce(CulvertCommand) -> CulvertCommand,
    ) -> Culvert {
        let unit = text(unit);
        let line = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
        let at = |path: &str| self.at(path).to_str().unwrap().to_owned();
        let line = line
            .replace("%i", name)
            .replace("%S", &at("state"))
            .replace("%E", &at("config"))
            .replace("/etc/culvert", &at("etc"))
            .replace("${CREDENTIALS_DIRECTORY}", &at("credentials"))
            .replace("$CULVERT_GATEWAY_OPTIONS", options);
        let words = shell_words::split(&line).unwrap();
        let [program, arguments @ ..] = &words[..] else { panic!("{line}") };
        assert_eq!(program, "/usr/bin/culvert");
        let command = CulvertCommand::bare()
            .args(arguments)
            .env("NOTIFY_SOCKET", self.at("notify"))
            .env("CREDENTIALS_DIRECTORY", self.at("credentials"))
            .env("WATCHDOG_USEC", "200000");
        prepare(command).start()
    }

    async fn hears(&self, word: &str, times: usize) {
        let enough = |heard: &Vec<String>| (heard.iter().filter(|one| *one == word).count() >= times).then_some(());
        self.heard.until(&format!("{word} {times} times"), enough).await;
    }

    fn has_heard(&self, word: &str) -> bool {
        self.heard.look().iter().any(|one| one == word)
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

fn on(address: SocketAddr) -> CulvertCommand {
    CulvertCommand::bare().args(["gateway", "--json", "--listen", &address.to_string()]).env("JWT_SECRET_KEY", SECRET)
}

#[tokio::test]
async fn a_tunnel_is_ready_when_it_is_online_lives_reloads_and_stops() {
    let (runner, address) = (Runner::new(), free_address());
    let example = text("systemd/example.yaml").replace("https://gateway.example.com", &format!("http://{address}"));
    fs::write(runner.at("etc/git.yaml"), example + "reconnect_delay: 0.05\n").unwrap();
    fs::write(runner.at("credentials/token"), OwnGateway::token("me", SECRET).await).unwrap();
    let fixture = Fixture::default();
    let servers = fixture.stand_ins(&["uvx"]);
    let tunnel = runner.start("systemd/culvert@.service", "git", "", |command| command.path_first(&servers));

    tunnel.says("gateway.refused").await;
    runner.hears("WATCHDOG=1", 3).await;
    assert!(!runner.has_heard("READY=1"), "nobody can call it yet");

    let gateway = OwnGateway::start_as(on(address)).await;
    runner.hears("READY=1", 1).await;
    let token = fs::read_to_string(runner.at("credentials/token")).unwrap();
    let entry = gateway.catalog(&token).await.remove(0);
    assert_eq!(entry["status"], "online");
    for server in tunnel.servers() {
        let environment = fs::read_to_string(format!("/proc/{}/environ", server.pid)).unwrap();
        assert!(!environment.contains("NOTIFY_SOCKET=") && !environment.contains("WATCHDOG_USEC="), "{environment:?}");
    }

    // ExecReload.
    tunnel.signal(Signal::SIGHUP);
    runner.hears("READY=1", 2).await;
    let heard = runner.heard.look().clone();
    let reloading = heard.iter().position(|word| word.starts_with("RELOADING=1\nMONOTONIC_USEC="));
    let ready = heard.iter().rposition(|word| word == "READY=1");
    assert!(reloading.is_some() && reloading < ready, "{heard:?}");
    assert_eq!(gateway.catalog(&token).await.remove(0)["status"], json!("online"));
    assert!(!runner.has_heard("STOPPING=1"));

    tunnel.stop().await;
    runner.hears("STOPPING=1", 1).await;
    gateway.culvert.stop().await;
}

#[tokio::test]
async fn a_gateway_is_ready_when_it_listens_lives_and_stops() {
    let (runner, address) = (Runner::new(), free_address());
    let unit = text("systemd/culvert-gateway.service");
    let options = unit.lines().find_map(|line| line.strip_prefix("Environment=\"CULVERT_GATEWAY_OPTIONS=")).unwrap();
    let options = options.trim_end_matches('"').replace("127.0.0.1:4444", &address.to_string());
    fs::write(runner.at("credentials/jwt-secret"), SECRET).unwrap();
    let gateway = runner.start("systemd/culvert-gateway.service", "", &options, |command| command);

    runner.hears("READY=1", 1).await;
    assert_eq!(Request::new("GET", address, "/healthz").send().await.status, 200);
    let token = OwnGateway::token("me", SECRET).await;
    assert_eq!(Request::new("GET", address, "/servers").bearer(&token).send().await.status, 200);
    runner.hears("WATCHDOG=1", 3).await;
    assert!(runner.at("state/culvert-gateway/lock").exists(), "its state is where systemd put it");

    gateway.stop().await;
    runner.hears("STOPPING=1", 1).await;
}

#[tokio::test]
async fn a_users_service_starts_what_was_up_and_can_be_asked_for_the_rest() {
    let (runner, gateway) = (Runner::new(), OwnGateway::start().await);
    let (fixture, token) = (Fixture::default(), OwnGateway::token("me", SECRET).await);
    fs::create_dir_all(runner.at("config/culvert/profiles")).unwrap();
    for (name, start) in [("first", "always"), ("second", "last"), ("third", "never")] {
        let (command, url) = (fixture.command(), &gateway.url);
        let profile =
            json!({"local_stdio": command, "server_name": name, "gateway": url, "token": token, "start": start});
        fs::write(runner.at(&format!("config/culvert/profiles/{name}.json")), profile.to_string()).unwrap();
    }
    let places = |command: CulvertCommand| {
        let command = command.env("XDG_CONFIG_HOME", runner.at("config"));
        command.env("XDG_STATE_HOME", runner.at("state"))
    };
    let start = || runner.start("systemd/user/culvert.service", "", "", places);
    let online = async || {
        let catalog = gateway.catalog(&token).await;
        let online = catalog.iter().filter(|entry| entry["status"] == "online");
        online.map(|entry| entry["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };

    let service = start();
    runner.hears("READY=1", 1).await;
    assert_eq!(online().await, ["first"]);
    let asked = places(CulvertCommand::bare()).args(["up", "second", "third"]).finish().await;
    assert_eq!(asked.code, Some(0), "{asked:#?}");
    for name in ["second", "third"] {
        gateway.server_becomes(name, "online", &token).await;
    }
    service.stop().await;
    runner.hears("STOPPING=1", 1).await;

    let again = start();
    runner.hears("READY=1", 2).await;
    assert_eq!(online().await, ["first", "second"]);
    again.stop().await;
    gateway.culvert.stop().await;
}
