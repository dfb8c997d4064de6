//! The walk through the reference: every code block of the document that `culvert run` follows, run or parsed, with
//! nothing mapped but the two Python commands and the host names.

mod blocks;
mod containers;
mod manifest;

use culvert_tests::own_gateway::OwnGateway;
use culvert_tests::{Authority, Culvert, CulvertCommand, FakeGateway, Fixture, Manner};
use nix::sys::signal::Signal;

use manifest::{Entry, Kind};

/// What the blocks find where they run: gateways behind TLS at the mapped names, and stand-ins for the servers and the
/// launcher that they name.
struct Surroundings {
    authority: Authority,
    /// `gateway.example.com`, `gateway1.example.com` and `gateway2.example.com`.
    gateways: [FakeGateway; 3],
    server: Fixture,
}

const HOSTS: [&str; 3] = ["gateway.example.com", "gateway1.example.com", "gateway2.example.com"];
const PROGRAMS: [&str; 3] = ["uvx", "mcp-server-git", "mcp-server-filesystem"];

impl Surroundings {
    async fn new() -> Self {
        let authority = Authority::new();
        let gateway = || FakeGateway::with_tls(Manner::next(), &authority);
        let gateways = [gateway().await, gateway().await, gateway().await];
        Self { authority, gateways, server: Fixture::default() }
    }

    fn map(&self, text: &str) -> String {
        let hosts = HOSTS.iter().zip(&self.gateways);
        hosts.fold(map_commands(text), |text, (host, gateway)| {
            text.replace(&format!("//{host}"), &format!("//localhost:{}", gateway.address().port()))
        })
    }

    /// Makes a command find what the blocks expect on their machine.
    fn prepare(&self, command: CulvertCommand) -> CulvertCommand {
        let bin = self.server.stand_ins(&PROGRAMS);
        let culvert = bin.join("culvert");
        if !culvert.exists() {
            std::os::unix::fs::symlink(culvert_tests::built::culvert(), &culvert).unwrap();
        }
        command.path_first(&bin).env("SSL_CERT_FILE", self.authority.root())
    }

    fn shell(&self, script: &str) -> CulvertCommand {
        let script = format!("set -eu\n{}\nwait\n", self.map(script));
        self.prepare(CulvertCommand::program("bash").arg("-c").arg(script))
    }

    fn links(&self) -> [usize; 3] {
        self.gateways.each_ref().map(FakeGateway::links)
    }

    /// Waits until each gateway has got as many new registrations as `wanted` says, then ends what runs.
    async fn registers(&self, running: Culvert, before: [usize; 3], wanted: [usize; 3]) {
        for ((gateway, before), wanted) in self.gateways.iter().zip(before).zip(wanted) {
            if wanted > 0 {
                gateway.registered_number(before + wanted).await;
            }
        }
        running.signal_each("culvert run", Signal::SIGTERM);
        let finished = running.end().await;
        assert_eq!(finished.code, Some(0), "{finished:#?}");
    }
}

fn map_commands(text: &str) -> String {
    text.replace("python3 -m mcpgateway.reverse_proxy", "culvert run")
        .replace("python3 -m mcpgateway.utils.create_jwt_token", "culvert token create")
}

#[tokio::test]
async fn every_block_of_the_reference_runs_or_has_its_reason() {
    let surroundings = Surroundings::new().await;
    for entry in manifest::read() {
        eprintln!("block {}: {:?}", entry.block, entry.fate);
        entry.check();
        walk(&surroundings, &entry).await;
    }
}

async fn walk(around: &Surroundings, entry: &Entry) {
    match entry.kind {
        Kind::None => {}
        // Written where `config.sh` finds it, which follows it.
        Kind::File => {}
        Kind::Shell => blocks::shell(around, entry).await,
        Kind::Flags => blocks::flags(around, entry).await,
        Kind::Servers => blocks::servers(around, entry).await,
        Kind::Address => blocks::address(around, entry).await,
        Kind::Token => blocks::token(around, entry).await,
        Kind::Curl => blocks::curl(around, entry).await,
        Kind::Dockerfile | Kind::Compose | Kind::Kubernetes => {
            for service in containers::services(entry) {
                containers::run(around, &service).await;
            }
        }
    }
}

/// The two sides of the quick start at once, against Culvert's own gateway: the token that the block makes opens it.
#[tokio::test]
async fn the_quick_start_registers_with_a_real_gateway_of_ours() {
    let around = Surroundings::new().await;
    let gateway = OwnGateway::with_tls(&around.authority, "your-secret-key").await;
    let script = map_commands(&manifest::text("quick-start.sh")).replace(HOSTS[0], gateway.authority());
    let running = around.prepare(CulvertCommand::program("bash").arg("-c").arg(script)).start();
    running.says("online").await;
    running.signal_each("culvert run", Signal::SIGTERM);
    assert_eq!(running.end().await.code, Some(0));
    gateway.culvert.stop().await;
}
