//! A user's home whose saved profiles have a secret wherever one can be.

use std::collections::BTreeMap;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use culvert_tests::own_gateway::OwnGateway;
use culvert_tests::proxy::AskingProxy;
use culvert_tests::watched::PATIENCE;
use culvert_tests::{Authority, Culvert, CulvertCommand, FakeGateway, Fixture, Manner};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::by_address::ByAddress;
use super::loud;
use super::marks::Marks;
use super::surfaces;

pub(super) struct Home {
    folder: TempDir,
    /// A good token, of which only the variable of `from-env` is made.
    pub(super) token: String,
    pub(super) health_token: String,
    health: SocketAddr,
    variables: BTreeMap<&'static str, String>,
    /// Files that hold a secret because the user put it there.
    given: Vec<PathBuf>,
    child: Fixture,
    by_address: ByAddress,
    header: String,
    proxy: AskingProxy,
    tls: FakeGateway,
    _authority: Authority,
    refuses: FakeGateway,
}

impl Home {
    pub(super) async fn new(marks: &mut Marks, gateway: &OwnGateway, signing: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new();
        let token = marks.token("token-from-env", signing).await;
        let [from_file, from_command, literal] = [
            marks.token("token-from-file", signing).await,
            marks.token("token-from-command", signing).await,
            marks.token("token-in-the-file", signing).await,
        ];
        let [child, plain, header, query, password, passphrase, bad, health_token, tls_token] = [
            "childs-secret",
            "childs-plain-variable",
            "header",
            "query",
            "proxy-password",
            "passphrase",
            "bad-token",
            "health-token",
            "tls-token",
        ]
        .map(|name| marks.add(name));
        let proxy = AskingProxy::start("me", &password).await;
        let by_address = ByAddress::start().await;
        let tls = FakeGateway::with_tls(Manner::next().token(&tls_token), &authority).await;
        let refuses = FakeGateway::start(Manner::next().token("another")).await;
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let health = listener.local_addr().unwrap();
        drop(listener);

        let mut home = Self {
            folder,
            token: token.clone(),
            health_token: health_token.clone(),
            health,
            variables: BTreeMap::from([
                ("TOKEN_IN_ENV", token),
                ("CHILDS_SECRET", child),
                ("HEADER", header.clone()),
                ("OUR_PROXY", format!("http://me:{password}@{}", proxy.address)),
                ("PASSPHRASE", passphrase.clone()),
                ("TLS_TOKEN", tls_token),
            ]),
            given: Vec::new(),
            child: Fixture::default(),
            by_address,
            header,
            proxy,
            tls,
            _authority: authority,
            refuses,
        };
        let (certificate, key) = home._authority.server_files();
        let root = home._authority.root();
        let key = home.encrypted(&key, &passphrase);
        let in_file = home.private("token", &from_file);
        let printed = home.private("printed", &from_command);
        home.private("health-token", &health_token);
        let (command, url, server) = (home.child.command(), gateway.url.clone(), home.by_address.url(&query));
        let (tls_url, refused_url) = (home.tls.url().replace("127.0.0.1", "localhost"), home.refuses.url());
        let file = format!("file:{}", in_file.display());
        home.profile(
            "from-env",
            json!({
                "command": command, "gateway": url, "token": "env:TOKEN_IN_ENV",
                "env": {"PLAIN_PASSWORD": plain}, "secret_env": {"SECRET_OF_CHILD": "env:CHILDS_SECRET"},
                "hold_changed_tools": true, "audit_log": home.folder().join("audit.log"),
            }),
        );
        home.profile("from-file", json!({"command": command, "gateway": url, "token": file}));
        let print = format!("command:cat {}", printed.display());
        home.profile("from-command", json!({"command": command, "gateway": url, "token": print}));
        home.profile("in-the-file", json!({"command": command, "gateway": url, "token": literal}));
        home.profile("proxied", json!({"command": command, "gateway": url, "token": file, "proxy": "env:OUR_PROXY"}));
        home.profile("by-address", json!({
            "local_streamable_http": server, "local_headers": {"X-Key": "env:HEADER"}, "gateway": url, "token": file,
        }));
        home.profile(
            "keyed",
            json!({
                "command": command, "gateway": tls_url, "token": "env:TLS_TOKEN", "ca_cert": root,
                "client_cert": certificate, "client_key": key, "client_key_passphrase": "env:PASSPHRASE",
            }),
        );
        home.profile("refused", json!({"command": command, "gateway": refused_url, "token": bad}));
        home
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn given(&self) -> Vec<PathBuf> {
        self.given.clone()
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.folder.path().join("state/culvert/control.sock")
    }

    pub(super) fn figures(&self) -> SocketAddr {
        self.health
    }

    /// A command of this user.
    fn culvert(&self, arguments: &[&str]) -> CulvertCommand {
        let command = CulvertCommand::bare()
            .args(arguments)
            .env("XDG_CONFIG_HOME", self.folder.path().join("config"))
            .env("XDG_STATE_HOME", self.folder.path().join("state"));
        self.variables.iter().fold(command, |command, (name, value)| command.env(name, value))
    }

    /// What runs the profiles.
    pub(super) fn up(&self) -> CulvertCommand {
        let up = self.culvert(&["up", "--health-listen", &self.health.to_string(), "--health-token-file"]);
        up.arg(self.folder.path().join("health-token"))
    }

    /// Waits until every profile is online, but the one that is refused: each secret was good where it went.
    pub(super) async fn all_as_expected(&self, runner: &Culvert) {
        runner.says("until Ctrl-C").await;
        let deadline = Instant::now() + PATIENCE * 2;
        loop {
            let told = self.culvert(&["status", "--json"]).finish().await;
            let report: Value = serde_json::from_str(&told.out.join("\n")).unwrap_or_default();
            let profiles = report["profiles"].as_array().cloned().unwrap_or_default();
            let is_settled = |profile: &Value| match profile["name"].as_str() {
                Some("refused") => profile["tunnels"][0]["cause"]["code"] == "auth.rejected",
                _ => profile["state"] == "online",
            };
            if profiles.len() == 8 && profiles.iter().all(is_settled) {
                break;
            }
            assert!(Instant::now() < deadline, "they should be online: {report:#}");
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        assert!(!self.proxy.led().is_empty(), "one went through the proxy");
        assert!(self.by_address.was_told(&self.header), "the header arrived");
        assert!(self.tls.links() > 0 && self.refuses.upgrades() > 0);
    }

    pub(super) fn servers_inherit_nothing(&self, marks: &Marks, runner: &Culvert) {
        let servers = runner.servers();
        assert!(servers.len() >= 6, "{servers:?}");
        for server in &servers {
            let own = ["childs-secret", "childs-plain-variable"];
            surfaces::inherited(marks, server, &own, &[&self.child.file("record.jsonl")]);
        }
        let has_its_secret = |pid: i32| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            let secret = format!("SECRET_OF_CHILD={}", self.variables["CHILDS_SECRET"]);
            environment.split(|byte| *byte == 0).any(|variable| variable == secret.as_bytes())
        };
        assert!(servers.iter().any(|server| has_its_secret(server.pid)), "and one has what is its own");
        let others = servers.iter().filter(|server| !has_its_secret(server.pid)).count();
        assert!(others >= 5, "a secret is for one server alone");
    }

    /// What every other command shows of it all.
    pub(super) async fn commands_say_nothing(&self, marks: &Marks, format: &str) {
        let bundle = self.folder.path().join("bundle.txt");
        for arguments in [
            &["status"][..],
            &["status", "--json"],
            &["profiles", "list"],
            &["profiles", "list", "--json"],
            &["profiles", "show", "from-env"],
            &["profiles", "show", "in-the-file"],
            &["profiles", "show", "by-address"],
            &["profiles", "export", "in-the-file"],
            &["profiles", "export", "from-env"],
            &["tools", "from-env", "list"],
            &["tools", "by-address", "list", "--json"],
            &["doctor", "--json", "in-the-file", "refused", "proxied", "by-address", "keyed"],
            &["sessions", "--json", "--gateway", &self.refuses.url(), "--token", "env:TLS_TOKEN"],
            &["support-bundle", "--yes", "--output", bundle.to_str().unwrap()],
        ] {
            let finished = loud(self.culvert(arguments), format).finish().await;
            let own: &[&str] = match arguments {
                // They show a file of the user's as it is, but for what is a secret or looks like one.
                ["profiles", "show" | "export", ..] => &["childs-plain-variable"],
                _ => &[],
            };
            marks.nowhere_in_but(&arguments.join(" "), format!("{finished:?}").as_bytes(), own);
        }
        assert!(bundle.exists(), "there is a bundle");
    }

    fn profile(&mut self, name: &str, mut keys: Value) {
        keys["name"] = name.into();
        keys["reconnect_delay"] = json!(0.05);
        let folder = self.folder.path().join("config/culvert/profiles");
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join(format!("{name}.json"));
        fs::write(&path, keys.to_string()).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        self.given.push(path);
    }

    fn private(&mut self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, format!("{text}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        self.given.push(path.clone());
        path
    }

    /// The key encrypted by OpenSSL, which is there wherever these tests run; it says so where it is not.
    fn encrypted(&self, key: &Path, passphrase: &str) -> PathBuf {
        let path = self.folder.path().join("encrypted.key");
        let made = Command::new("openssl")
            .args(["pkcs8", "-topk8", "-v2", "aes-256-cbc", "-passout", "env:PASSPHRASE", "-in"])
            .args([key, Path::new("-out"), &path])
            .env("PASSPHRASE", passphrase)
            .status();
        assert!(made.is_ok_and(|made| made.success()), "openssl encrypts a key");
        path
    }
}
