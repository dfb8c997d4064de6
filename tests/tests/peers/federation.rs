//! `culvert gateway --publish-to` with the released ContextForge 1.0.7: tunnelled servers in its catalog, called through
//! it by a real MCP client.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use culvert_tests::contextforge::{ContextForge, token_signed_with};
use culvert_tests::own_gateway::{OwnGateway, SECRET};
use culvert_tests::peers::peer;
use culvert_tests::{Culvert, CulvertCommand};
use serde_json::{Value, json};
use tempfile::TempDir;

const NAME: &str = "time in utc";

/// What ContextForge calls the tool: the entry's name, then the server's own.
const TOOL: &str = "time-in-utc-get-current-time";

/// How long ContextForge may take to show something; each of its answers takes a while on a busy machine.
const LONG: Duration = Duration::from_secs(60);

/// A ContextForge, and what a gateway needs to publish there and to come back as the same one.
struct Federation {
    forge: ContextForge,
    folder: TempDir,
    port: u16,
    token: String,
}

impl Federation {
    async fn start() -> Self {
        let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let (forge, token) = tokio::join!(ContextForge::start(), OwnGateway::token("me@example.com", SECRET));
        let folder = tempfile::tempdir().unwrap();
        let federation = Self { forge, folder, port: free.unwrap().port(), token };
        federation.write_token(federation.forge.token());
        federation
    }

    fn token_file(&self) -> PathBuf {
        self.folder.path().join("publishing-token")
    }

    fn write_token(&self, token: &str) {
        use std::os::unix::fs::OpenOptionsExt as _;
        let mut file = std::fs::OpenOptions::new();
        let mut file = file.write(true).create(true).truncate(true).mode(0o600).open(self.token_file()).unwrap();
        std::io::Write::write_all(&mut file, token.as_bytes()).unwrap();
    }

    async fn gateway(&self, more: &[&str]) -> OwnGateway {
        let command = CulvertCommand::bare()
            .args(["gateway", "--json", "--listen", &format!("127.0.0.1:{}", self.port), "--publish-to"])
            .arg(format!("http://{}", self.forge.address()))
            .arg("--publish-token-file")
            .arg(self.token_file())
            .arg("--state-dir")
            .arg(self.folder.path().join("state"))
            .args(["--publish-patience", "1"])
            .args(more)
            .env("JWT_SECRET_KEY", SECRET);
        OwnGateway::start_as(command).await
    }

    fn tunnel(&self) -> Culvert {
        let server = shell_words::join([peer("TIME").to_str().unwrap(), "--local-timezone", "UTC"]);
        CulvertCommand::run()
            .args(["--local-stdio", &server, "--server-name", NAME, "--reconnect-delay", "0.2"])
            .args(["--gateway", &format!("http://127.0.0.1:{}", self.port)])
            .env("REVERSE_PROXY_TOKEN", &self.token)
            .start()
    }

    async fn ask(&self, method: &str, path: &str) -> Value {
        let answer = self.forge.request(method, path).send().await;
        assert_eq!(answer.status, 200, "{method} {path}: {answer:?}");
        answer.json()
    }

    async fn entries(&self) -> Vec<Value> {
        let list = self.ask("GET", "/v1/gateways?include_inactive=true&limit=0").await;
        list.as_array().cloned().unwrap_or_default()
    }

    /// The only entry, once it is so.
    async fn entry_becomes(&self, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + LONG;
        loop {
            let entries = self.entries().await;
            assert!(entries.len() < 2, "one server, one entry: {entries:#?}");
            match entries.into_iter().next() {
                Some(entry) if is_so(&entry) => return entry,
                other => assert!(Instant::now() < deadline, "the entry should become {what}: {other:#?}"),
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    async fn entry_is_in_use(&self) -> Value {
        self.entry_becomes("enabled, without our word in its tags", |entry| {
            entry["enabled"] == true && entry["tags"].as_array().is_some_and(|tags| tags.len() == 1)
        })
        .await
    }

    async fn entry_is_disabled(&self) -> Value {
        self.entry_becomes("disabled", |entry| entry["enabled"] == false).await
    }

    /// The tools of an entry, by name and whether they are enabled.
    async fn tools(&self, entry: &Value) -> Vec<(String, bool, String)> {
        let id = entry["id"].as_str().unwrap();
        let tools = self.ask("GET", &format!("/v1/tools?gateway_id={id}&include_inactive=true&limit=0")).await;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let tool = |tool: &Value| (text(&tool["name"]), tool["enabled"] == true, text(&tool["id"]));
        let mut tools: Vec<_> = tools.as_array().unwrap().iter().map(tool).collect();
        tools.sort();
        tools
    }

    /// A real MCP client lists the tools and calls one through ContextForge.
    async fn client_calls(&self) {
        let finished = CulvertCommand::program(peer("MCP2_PYTHON"))
            .args(["-I", "-B"])
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/demo/client.py"))
            .arg(format!("http://{}/mcp", self.forge.address()))
            .args([TOOL, r#"{"timezone":"UTC"}"#])
            .env("MCP_TOKEN", self.forge.token())
            .finish()
            .await;
        assert_eq!(finished.code, Some(0), "{finished:#?}");
        let said = |leg: &str| finished.out.iter().find(|line| line.starts_with(leg)).cloned().unwrap_or_default();
        assert!(said("tools/list").contains(TOOL), "{finished:#?}");
        assert!(said("tools/call").contains("\"timezone\": \"UTC\""), "{finished:#?}");
    }
}

#[tokio::test]
async fn contextforge_lists_a_tunnelled_server_and_calls_it_as_long_as_it_is_there() {
    let mut federation = Federation::start().await;
    let gateway = federation.gateway(&[]).await;
    let tunnel = federation.tunnel();
    let entry = federation.entry_is_in_use().await;
    assert_eq!(entry["name"], NAME);
    assert_eq!(entry["authType"], "bearer");
    assert_eq!(entry["transport"], "STREAMABLEHTTP");
    federation.client_calls().await;

    tunnel.stop().await;
    let disabled = federation.entry_is_disabled().await;
    assert!(federation.tools(&disabled).await.iter().all(|(_, enabled, _)| !enabled), "no client is shown them");
    let tunnel = federation.tunnel();
    assert_eq!(federation.entry_is_in_use().await["id"], entry["id"], "enabled, not made anew");

    tunnel.stop().await;
    gateway.culvert.stop().await;
    federation.forge.down().await;
}

#[tokio::test]
#[ignore = "waits for bearers to end and restarts ContextForge: make test-all"]
async fn contextforge_restarts_bearers_end_and_what_people_did_there_stays() {
    const LIFE: u64 = 30;
    let mut federation = Federation::start().await;
    federation.write_token(&token_signed_with("quite-another-secret-0123456789abcdef").await);
    let seconds = LIFE.to_string();
    let life = ["--publish-bearer-life", seconds.as_str()];
    let gateway = federation.gateway(&life).await;
    let tunnel = federation.tunnel();
    gateway.culvert.says("publish.token").await;
    assert_eq!(federation.entries().await.len(), 0);
    federation.write_token(federation.forge.token());
    let entry = federation.entry_is_in_use().await;

    // The bearer that it was made with ends; ContextForge has another one by then.
    let made_at = Instant::now();
    gateway.culvert.says("has a new bearer").await;
    tokio::time::sleep((made_at + Duration::from_secs(LIFE + 2)).saturating_duration_since(Instant::now())).await;
    federation.client_calls().await;

    // Somebody puts both tools into a virtual server, and switches one of them off.
    let tools = federation.tools(&entry).await;
    let ids: Vec<_> = tools.iter().map(|(.., id)| id.clone()).collect();
    let [(off, ..), _] = &tools[..] else { panic!("the server has two tools: {tools:?}") };
    let (off, off_id) = (off.clone(), ids[0].clone());
    let bundle = json!({"server": {"name": "bundle", "description": "both", "associated_tools": ids}});
    let made = federation.forge.request("POST", "/v1/servers").json(&bundle).send().await;
    assert!(matches!(made.status, 200 | 201), "{made:?}");
    let bundle = made.json()["id"].as_str().unwrap().to_owned();
    federation.ask("POST", &format!("/v1/tools/{off_id}/state?activate=false")).await;
    tunnel.stop().await;
    federation.entry_is_disabled().await;
    let tunnel = federation.tunnel();
    let back = federation.entry_is_in_use().await;
    assert_eq!(back["id"], entry["id"]);
    let enabled: Vec<_> = federation.tools(&back).await.into_iter().map(|(name, enabled, _)| (name, enabled)).collect();
    assert!(enabled.contains(&(off.clone(), false)), "{enabled:?}");
    assert_eq!(enabled.iter().filter(|(_, enabled)| *enabled).count(), 1, "{enabled:?}");
    federation.ask("POST", &format!("/v1/tools/{off_id}/state?activate=true")).await;
    let bundle = federation.ask("GET", &format!("/v1/servers/{bundle}")).await;
    assert_eq!(bundle["associatedTools"].as_array().map(Vec::len), Some(2), "{bundle}");

    // It restarts, and the gateway waits for it.
    federation.forge.down().await;
    gateway.culvert.says("publish.unreachable").await;
    federation.forge.up().await;
    gateway.culvert.says("ContextForge answers again").await;
    assert_eq!(federation.entry_is_in_use().await["id"], entry["id"]);
    federation.client_calls().await;

    // The tunnel's client stays and comes back to the next gateway by itself.
    let before = gateway.culvert.words();
    gateway.culvert.stop().await;
    federation.entry_is_disabled().await;
    let gateway = federation.gateway(&life).await;
    assert_eq!(federation.entry_is_in_use().await["id"], entry["id"], "adopted, not made anew");
    federation.client_calls().await;

    // Whose owner forgets it is deleted.
    tunnel.stop().await;
    gateway.server_becomes(NAME, "offline", &federation.token).await;
    let path = format!("/servers/{}", NAME.replace(' ', "%20"));
    let forgotten = gateway.request("DELETE", &path, &federation.token).send().await;
    assert_eq!(forgotten.status, 200, "{forgotten:?}");
    gateway.culvert.says("deleted at ContextForge").await;
    assert_eq!(federation.entries().await.len(), 0);

    let said = before + &gateway.culvert.words();
    gateway.culvert.stop().await;
    assert!(!said.contains("eyJ"), "no token is ever said: {said}");
    federation.forge.down().await;
}

#[tokio::test]
async fn without_an_address_for_contextforge_or_a_token_the_gateway_says_what_is_missing() {
    let publishing = |more: &[&str]| {
        let command = CulvertCommand::bare().args(["gateway", "--json", "--listen", "127.0.0.1:0"]).args(more);
        let file = command.write("publishing-token", "a.b.c");
        command.arg("--publish-token-file").arg(file)
    };
    let far = publishing(&["--publish-to", "https://contextforge.example.com"]).finish().await;
    assert_eq!((far.code, far.failure()["code"].as_str()), (Some(9), Some("publish.address")), "{far:#?}");
    assert!(far.err.contains("--public-url"), "{}", far.err);
    let open =
        publishing(&["--publish-to", "http://contextforge.example.com", "--public-url", "https://gw.example.com"]);
    assert_eq!(open.finish().await.failure()["code"], "publish.plaintext");
    let bare = CulvertCommand::bare().args(["gateway", "--json", "--listen", "127.0.0.1:0"]);
    let none = bare.args(["--publish-to", "http://localhost:1", "--publish-token-file", "/nonexistent"]).finish().await;
    assert_eq!(none.failure()["code"], "publish.token");
}
