//! The client's own engine, with a server of a few lines of shell: `echo` answers at once, `wait` once a file is there.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use culvert_protocol::{GatewayAddress, Labels, Secret, ServerName, limits};
use culvert_tunnel::{
    Bearer, Children, Ledger, LocalServer, Online, Outside, Retry, Status, StdioCommand, Transport, TunnelConfig,
};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::gateway::PATIENCE;

const SERVER: &str = r#"
echo $$ >> "$FOLDER/starts"
echo "here I am" >&2
answer() { printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$1" "$2"; }
while read -r line; do
  id=$(printf '%s' "$line" | sed -nE 's/.*"id":("[^"]*"|[0-9]+).*/\1/p')
  case $line in
    *'"initialize"'*) answer "$id" '{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"sh","version":"1"}}';;
    *'"tools/list"'*) answer "$id" '{"tools":[]}';;
    *'"echo"'*) answer "$id" '{"content":[{"type":"text","text":"echo"}]}';;
    *'"wait"'*) (echo waiting >> "$FOLDER/waiting"; until [ -e "$FOLDER/go" ]; do sleep 0.02; done; answer "$id" '{"content":[{"type":"text","text":"waited"}]}') & ;;
    *'"id":'*) answer "$id" '{}';;
  esac
done
"#;

pub(crate) struct Tunnel {
    pub(crate) status: watch::Receiver<Status>,
    pub(crate) ledger: Arc<Ledger>,
    stop: CancellationToken,
    running: JoinHandle<()>,
    folder: tempfile::TempDir,
}

impl Tunnel {
    pub(crate) fn start(gateway: &GatewayAddress, token: &Secret, transport: Transport) -> Self {
        Self::start_with(gateway, token, |config| config.transport = transport)
    }

    pub(crate) fn start_with(gateway: &GatewayAddress, token: &Secret, change: impl FnOnce(&mut TunnelConfig)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = StdioCommand {
            program: "sh".to_owned(),
            args: vec!["-c".to_owned(), SERVER.to_owned()],
            env: [("FOLDER".to_owned(), folder.path().into())].into(),
            cwd: None,
        };
        let mut config = TunnelConfig {
            name: ServerName::new("sh").unwrap(),
            description: None,
            server: LocalServer::Stdio(server),
            forward_auth: Default::default(),
            gateway: gateway.clone(),
            outbound: Default::default(),
            policy: Default::default(),
            retry: Retry {
                first: Duration::from_millis(50),
                websocket: Duration::from_millis(200),
                ..Retry::default()
            },
            keepalive: limits::KEEPALIVE_DEFAULT,
            max_message: limits::MAX_MESSAGE_DEFAULT,
            start_timeout: limits::START_TIMEOUT_DEFAULT,
            request_timeout: limits::REQUEST_TIMEOUT_DEFAULT,
            transport: Transport::Auto,
            children: Children::default(),
            labels: Labels::new([("team".to_owned(), "tools".to_owned())].into()).unwrap(),
            host: Some("test-host".to_owned()),
            probe_interval: limits::PROBE_INTERVAL_DEFAULT,
            drain: limits::DRAIN_DEFAULT,
        };
        change(&mut config);
        let (sender, status) = watch::channel(Status::Off);
        let ledger = Arc::<Ledger>::default();
        let outside = Outside { bearer: Bearer::fixed(token.clone()), ledger: ledger.clone(), ..Outside::default() };
        let stop = CancellationToken::new();
        let running =
            tokio::spawn(culvert_tunnel::run(config, outside, sender, stop.clone(), fastrand::Rng::with_seed(7)));
        Self { status, ledger, stop, running, folder }
    }

    /// Waits for a status.
    pub(crate) async fn until(&mut self, check: impl Fn(&Status) -> bool) -> Status {
        let now = self.status.clone();
        let waited = tokio::time::timeout(PATIENCE, self.status.wait_for(check)).await;
        waited.unwrap_or_else(|_| panic!("not in time: {:?}", now.borrow())).unwrap().clone()
    }

    /// Waits until it is online in a way.
    pub(crate) async fn online(&mut self, check: impl Fn(&Online) -> bool) -> Online {
        match self.until(|status| matches!(status, Status::Online(online) if check(online))).await {
            Status::Online(online) => online,
            other => unreachable!("{other:?}"),
        }
    }

    /// Waits until so many `wait` calls have reached their servers.
    pub(crate) async fn waiting(&self, calls: usize) {
        let poll = async {
            while lines(self.folder.path().join("waiting")) < calls {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, poll).await.expect("the calls did not arrive");
    }

    /// Lets every `wait` call be answered.
    pub(crate) fn go(&self) {
        std::fs::write(self.folder.path().join("go"), "").unwrap();
    }

    /// How many processes of the server were started.
    pub(crate) fn starts(&self) -> usize {
        lines(self.folder.path().join("starts"))
    }

    /// The process of the server that was started as this one.
    pub(crate) fn process(&self, number: usize) -> u32 {
        let starts = std::fs::read_to_string(self.folder.path().join("starts")).unwrap();
        starts.lines().nth(number).unwrap().parse().unwrap()
    }

    /// Asks it to stop, and does not wait for it.
    pub(crate) fn begin_to_stop(&self) {
        self.stop.cancel();
    }

    pub(crate) async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, self.running).await.expect("it does not stop").unwrap();
    }
}

fn lines(file: PathBuf) -> usize {
    std::fs::read_to_string(file).unwrap_or_default().lines().count()
}
