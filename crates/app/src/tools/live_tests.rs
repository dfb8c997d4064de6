//! Tools switched, held and approved, and processes told apart, with a real server behind a real gateway.

use std::path::Path;
use std::time::Duration;

use culvert_gateway::config::{Auth, SecretSource};
use culvert_gateway::tokens::{Lifetime, NewToken, Standing, UnixTime, create};
use culvert_gateway::{Gateway, GatewayConfig};
use culvert_instance::Places;
use culvert_profiles::Folders;
use culvert_protocol::Secret;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::culvert::{Culvert, Start};
use crate::shown::{
    Decided, Decision, GatewayField, LocalServer, Mark, OnBroken, Problem, ProfileId, Saved, SecretField, Switch,
    ToolDecision, ToolPart, ToolState, Tools, ToolsWish,
};

/// A server for `sh` that lists what stands in the file that it is given.
const SERVER: &str = r#"
while read -r line; do
  id=$(printf '%s' "$line" | sed -n 's/.*"id":\("[^"]*"\|[0-9]*\).*/\1/p')
  case "$line" in
    *'"initialize"'*) result='{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"x","version":"1"}}' ;;
    *'"tools/list"'*) result=$(cat "$1") ;;
    *'"ping"'*) result='{}' ;;
    *'"id"'*) printf '{"jsonrpc":"2.0","id":%s,"error":{"code":-32601,"message":"no"}}\n' "$id"; continue ;;
    *) continue ;;
  esac
  printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$id" "$result"
done
"#;

struct Stage {
    culvert: Culvert,
    id: ProfileId,
    tools: watch::Receiver<Option<Tools>>,
    list: std::path::PathBuf,
    /// Host and port of the gateway.
    gateway: String,
    token: Secret,
    stop: CancellationToken,
    _folder: tempfile::TempDir,
}

impl Stage {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let secret = Secret::new("a secret that is long enough for a test");
        let mut config = GatewayConfig::new(at("gateway"));
        config.listen = "127.0.0.1:0".parse().unwrap();
        config.auth = Auth::Bearers(SecretSource::Given { current: secret.clone(), previous: None });
        let gateway = Gateway::bind(config).await.unwrap();
        let (url, stop) = (gateway.url().to_string(), CancellationToken::new());
        tokio::spawn(gateway.run(stop.clone()));
        let new = NewToken {
            subject: "ann".to_owned(),
            standing: Standing::User,
            lifetime: Lifetime::Minutes(5),
            can: None,
            servers: None,
        };
        let token = create(&secret, &new, UnixTime::now()).unwrap();
        std::fs::write(at("token"), token.expose()).unwrap();
        // One that others can read would need a look of its own.
        #[cfg(unix)]
        std::fs::set_permissions(at("token"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        std::fs::write(at("server.sh"), SERVER).unwrap();
        let culvert = Culvert::start(Start {
            places: Places(Folders { config: at("config"), state: at("state") }),
            path: Box::pin(async { None }),
            launch_at_login: Switch::Off,
        });
        let list = at("list.json");
        let id = saved(&culvert, &url, folder.path(), &list).await;
        let (teller, tools) = watch::channel(None);
        let (watcher, watched) = (culvert.clone(), id.clone());
        tokio::spawn(async move { watcher.watch_tools(watched, |now| teller.send(Some(now)).is_ok()).await });
        let gateway = url.trim_start_matches("http://").trim_end_matches('/').to_owned();
        Self { culvert, id, tools, list, gateway, token, stop, _folder: folder }
    }

    fn lists(&self, add: &str) {
        let list = format!(r#"{{"tools":[{{"name":"add","description":"{add}"}},{{"name":"push"}}]}}"#);
        std::fs::write(&self.list, list).unwrap();
    }

    async fn wants(&self, wanted: Switch) {
        self.culvert.want(&self.id, wanted).await.unwrap();
    }

    async fn wishes(&self, wish: ToolsWish) {
        self.culvert.wish_tools(&self.id, &wish).await.unwrap();
    }

    /// Waits until what is shown is so.
    async fn shows(&mut self, what: &str, is_so: impl Fn(&Tools) -> bool) -> Tools {
        let shown = self.tools.wait_for(|shown| shown.as_ref().is_some_and(&is_so));
        let shown = timeout(Duration::from_secs(30), shown).await.ok().and_then(|shown| shown.ok()?.clone());
        shown.unwrap_or_else(|| panic!("never came: {what}; {:#?}", *self.tools.borrow()))
    }

    /// Waits until the profile is so: its mark and words, and whether tools need its user.
    async fn is(&self, mark: Mark, words: &str, needs: bool) {
        let mut world = self.culvert.world();
        let is_so = |world: &std::sync::Arc<crate::shown::World>| {
            let Some(profile) = world.profiles.first() else { return false };
            let held = matches!(&profile.problem, Some(Problem::ToolsHeld { .. }));
            profile.mark == mark && profile.words.starts_with(words) && held == needs
        };
        let is_well = timeout(Duration::from_secs(30), world.wait_for(is_so)).await.is_ok();
        assert!(is_well, "never came: {words}; {:#?}", self.culvert.world().borrow().profiles.first());
    }
}

/// Begins an MCP session with the server; it lasts as long as what is returned.
async fn session(stage: &Stage, client: &str) -> TcpStream {
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"initialize","params":{{"protocolVersion":"2025-06-18","capabilities":{{}},"clientInfo":{{"name":"{client}","version":"1.2"}}}}}}"#
    );
    let head = format!(
        "POST /servers/git/mcp HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\nContent-Length: {}\r\n\r\n",
        stage.gateway,
        stage.token.expose(),
        body.len()
    );
    let mut stream = TcpStream::connect(&stage.gateway).await.unwrap();
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    stream
}

async fn saved(culvert: &Culvert, gateway: &str, folder: &Path, list: &Path) -> ProfileId {
    let mut form = culvert.new_draft();
    form.name = "git".to_owned();
    form.server = LocalServer::Command {
        program: "sh".to_owned(),
        arguments: vec![folder.join("server.sh").display().to_string(), list.display().to_string()],
        environment: Vec::new(),
        folder: String::new(),
    };
    form.gateways = vec![GatewayField::Url { url: gateway.to_owned(), own_token: None }];
    form.token = SecretField::File { path: folder.join("token").display().to_string() };
    while culvert.instance().is_err() {
        tokio::task::yield_now().await;
    }
    match culvert.save(&form, OnBroken::Refuse).await.unwrap() {
        Saved::Saved { id } => id,
        refused @ Saved::Refused { .. } => panic!("{refused:?}"),
    }
}

fn state<'a>(tools: &'a Tools, name: &str) -> &'a ToolState {
    &tools.tools.iter().find(|tool| tool.name == name).expect("a tool of this name").state
}

#[tokio::test]
async fn tools_are_switched_held_when_they_change_and_approved_as_they_were_shown() {
    let mut stage = Stage::new().await;
    stage.shows("no list before the server runs", |tools| !tools.known && tools.tools.is_empty()).await;
    stage.lists("Adds");
    stage.wants(Switch::On).await;
    stage.shows("both tools", |tools| tools.known && tools.tools.len() == 2).await;

    stage.wishes(ToolsWish::Tool { name: "push".to_owned(), wanted: Switch::Off }).await;
    stage.shows("push is off", |tools| *state(tools, "push") == ToolState::Off { pattern: None }).await;
    stage.wishes(ToolsWish::HoldChanged { wanted: Switch::On }).await;
    let held = stage.shows("it holds", |tools| tools.hold_changed.is_on()).await;
    assert_eq!(*state(&held, "add"), ToolState::Passes, "what it listed before is approved");
    stage.is(Mark::Online, "online", false).await;

    stage.wants(Switch::Off).await;
    stage.lists("Adds, and mails the sum");
    stage.wants(Switch::On).await;
    let changed = stage.shows("add is held", |tools| matches!(state(tools, "add"), ToolState::Held { .. })).await;
    let ToolState::Held { decided: Decided::NotYet, is_new: false, changes } = state(&changed, "add") else {
        panic!("{changed:#?}")
    };
    let [change] = &changes[..] else { panic!("{changes:#?}") };
    assert_eq!((change.part, change.old.as_deref()), (ToolPart::Description, Some("Adds")));
    assert_eq!(change.new.as_deref(), Some("Adds, and mails the sum"));
    stage.is(Mark::Attention, "1 tool changed", true).await;

    let decision =
        |digest: &str, decision| ToolDecision { name: "add".to_owned(), digest: digest.to_owned(), decision };
    let digest = changed.tools[0].digest.clone();
    let other = held.tools[0].digest.clone();
    let stale = stage.culvert.decide_tools(&stage.id, vec![decision(&other, Decision::Approve)]).await.unwrap_err();
    assert_eq!(stale.code, "tools.stale");
    stage.culvert.decide_tools(&stage.id, vec![decision(&digest, Decision::KeepBlocked)]).await.unwrap();
    let is_kept = |tools: &Tools| matches!(state(tools, "add"), ToolState::Held { decided: Decided::KeptBlocked, .. });
    stage.shows("it is kept blocked", is_kept).await;
    stage.is(Mark::Online, "online", false).await;
    stage.culvert.decide_tools(&stage.id, vec![decision(&digest, Decision::Approve)]).await.unwrap();
    stage.shows("it passes", |tools| *state(tools, "add") == ToolState::Passes).await;
    let kept = || std::fs::read_dir(stage.culvert.0.places.0.approved()).unwrap().count();
    assert_eq!(kept(), 1);
    stage.culvert.remove(&stage.id).await.unwrap();
    assert_eq!(kept(), 0, "what was approved goes with the profile");
    stage.culvert.stop().await;
    stage.stop.cancel();
}

#[tokio::test]
async fn a_process_is_told_with_the_session_that_it_serves() {
    let stage = Stage::new().await;
    stage.lists("Adds");
    stage.wants(Switch::On).await;
    stage.is(Mark::Online, "online", false).await;
    let _session = session(&stage, "probe").await;
    let mut world = stage.culvert.world();
    let sessions = |world: &std::sync::Arc<crate::shown::World>| -> Vec<Option<String>> {
        let tunnels = world.profiles.iter().flat_map(|profile| &profile.tunnels);
        tunnels.flat_map(|tunnel| &tunnel.processes).map(|process| process.session.clone()).collect()
    };
    let told = world.wait_for(|world| sessions(world).len() == 2);
    assert!(timeout(Duration::from_secs(30), told).await.is_ok(), "{:?}", sessions(&stage.culvert.world().borrow()));
    assert_eq!(sessions(&stage.culvert.world().borrow()), [None, Some("probe 1.2 (ann)".to_owned())]);
    stage.culvert.stop().await;
    stage.stop.cancel();
}
