//! One gateway that may be killed and comes back at its address, and tunnels to it through bad networks.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use tempfile::TempDir;
use tokio::sync::Mutex;

use crate::culvert::{Culvert, CulvertCommand};
use crate::cutter::{Cutter, Plan};
use crate::fixture::Fixture;
use crate::http::Request;
use crate::own_gateway::{OwnGateway, SECRET};

/// How long a call may take, in seconds.
const PATIENCE: &str = "3";

/// As much of each line is kept as tells which call it is, in bytes.
const CUT: &str = "300";

/// How long a session may be without a link, in seconds.
const GRACE: &str = "30";

/// The gateway and its tunnels.
#[derive(Debug)]
pub struct House {
    gateway: Mutex<Option<OwnGateway>>,
    state: TempDir,
    /// Where the gateway is, whether it lives or not.
    pub address: SocketAddr,
    /// A token that may do everything.
    pub token: String,
    /// Counts up when the gateway is about to die and when it is back: odd while it is down.
    turns: AtomicU64,
    /// The tunnels.
    pub tunnels: Vec<Tunnel>,
}

/// One tunnel and its network.
#[derive(Debug)]
pub struct Tunnel {
    /// The name of its server.
    pub name: String,
    /// Its network.
    pub cutter: Cutter,
    /// Its server.
    pub fixture: Fixture,
    /// Its process.
    pub culvert: Culvert,
}

impl House {
    /// A house with a tunnel for each of these transports, each with a network of this plan and a seed of its own.
    pub async fn open(transports: &[&str], plan: &Plan) -> Self {
        let state = tempfile::tempdir().expect("a temporary folder");
        let token = OwnGateway::token("me@example.com", SECRET).await;
        let gateway = OwnGateway::start_as(command(&state, "127.0.0.1:0")).await;
        let address = gateway.address();
        let mut tunnels = Vec::new();
        for (number, transport) in (0..).zip(transports) {
            let plan = Plan { seed: plan.seed.wrapping_mul(31).wrapping_add(number), ..plan.clone() };
            let cutter = Cutter::before(address, plan).await;
            let (fixture, name) = (Fixture::new(&["--cut", CUT]), format!("{transport}-{number}"));
            let culvert = OwnGateway::tunnel_through(&cutter.url(), &fixture, &name, &token)
                .args(["--transport", transport, "--request-timeout", PATIENCE])
                .start();
            culvert.online().await;
            tunnels.push(Tunnel { name, cutter, fixture, culvert });
        }
        Self { gateway: Mutex::new(Some(gateway)), state, address, token, turns: AtomicU64::new(0), tunnels }
    }

    /// A request to the gateway.
    pub fn request(&self, method: &str, path: &str) -> Request {
        Request::new(method, self.address, path).bearer(&self.token)
    }

    /// The names of all servers that are online.
    pub async fn online(&self) -> Vec<String> {
        let Some(answer) = self.request("GET", "/servers").try_send().await else { return Vec::new() };
        let listed = answer.json();
        let online = listed["servers"].as_array().into_iter().flatten().filter(|entry| entry["status"] == "online");
        online.filter_map(|entry| entry["name"].as_str().map(str::to_owned)).collect()
    }

    /// The name of the first server that is online and was not `before`.
    ///
    /// # Panics
    /// When there is none in time.
    pub async fn newcomer(&self, before: &[String], patience: Duration) -> String {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(name) = self.online().await.into_iter().find(|name| !before.contains(name)) {
                return name;
            }
            assert!(Instant::now() < deadline, "nobody came in {} s", patience.as_secs());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// How often the gateway has died or come back.
    pub fn turns(&self) -> u64 {
        self.turns.load(Ordering::SeqCst)
    }

    /// Kills the gateway and starts it anew at its address.
    pub async fn restart_gateway(&self) {
        let mut gateway = self.gateway.lock().await;
        self.turns.fetch_add(1, Ordering::SeqCst);
        if let Some(old) = gateway.take() {
            old.culvert.signal(Signal::SIGKILL);
            old.culvert.end().await;
        }
        *gateway = Some(OwnGateway::start_as(command(&self.state, &self.address.to_string())).await);
        self.turns.fetch_add(1, Ordering::SeqCst);
    }

    /// The gateway's process.
    pub async fn gateway_pid(&self) -> i32 {
        self.gateway.lock().await.as_ref().expect("it runs").culvert.pid()
    }

    /// Ends everything; nothing may be left.
    pub async fn close(self) {
        for tunnel in self.tunnels {
            tunnel.cutter.calm();
            tunnel.culvert.stop().await;
        }
        if let Some(gateway) = self.gateway.into_inner() {
            gateway.culvert.stop().await;
        }
    }
}

fn command(state: &TempDir, listen: &str) -> CulvertCommand {
    CulvertCommand::bare()
        .args(["gateway", "--json", "--listen", listen, "--grace", GRACE, "--request-timeout", PATIENCE])
        .arg("--state-dir")
        .arg(state.path())
        .env("JWT_SECRET_KEY", SECRET)
}
