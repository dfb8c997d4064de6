//! What containers are told to run, run here: the command lines and configurations of Compose, Kubernetes and the
//! images, with the hosts and folders of this machine in place of theirs.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use culvert_tests::http::Request;
use culvert_tests::own_gateway::{OwnGateway, SECRET};
use culvert_tests::watched::PATIENCE;
use culvert_tests::{Culvert, CulvertCommand, Fixture};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{documents, folder, free_address, text};

/// What a container of ours is started with.
#[derive(Debug)]
struct Container {
    arguments: Vec<String>,
    environment: BTreeMap<String, String>,
}

/// A machine on which the files' names lead to something.
struct Site {
    gateway: OwnGateway,
    token: String,
    folder: TempDir,
    /// Where health is answered, or a gateway listens.
    port: u16,
}

impl Site {
    async fn new() -> Self {
        let (gateway, token) = (OwnGateway::start().await, OwnGateway::token("me", SECRET).await);
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("token"), &token).unwrap();
        fs::set_permissions(folder.path().join("token"), fs::Permissions::from_mode(0o600)).unwrap();
        Self { gateway, token, folder, port: free_address().port() }
    }

    fn map(&self, text: &str) -> String {
        let here = self.folder.path().to_str().unwrap();
        text.replace("https://gateway.example.com", &self.gateway.url)
            .replace("/etc/culvert", here)
            .replace("/run/secrets/culvert", here)
            .replace("/var/lib/culvert", here)
            .replace("0.0.0.0:", "127.0.0.1:")
            .replace(":9464", &format!(":{}", self.port))
            .replace(":4444", &format!(":{}", self.port))
    }

    /// With what a ConfigMap has for it.
    fn configure(&self, text: &str) {
        fs::write(self.folder.path().join("culvert.yaml"), self.map(text)).unwrap();
    }

    fn start(&self, container: &Container, fixture: &Fixture) -> Culvert {
        let servers = fixture.stand_ins(&["mcp-server-git", "mcp-server-filesystem"]);
        let arguments = container.arguments.iter().map(|argument| self.map(argument));
        let command = CulvertCommand::bare().args(arguments).path_first(&servers);
        let environment = container.environment.iter();
        environment.fold(command, |command, (name, value)| command.env(name, self.map(value))).start()
    }

    /// Runs it until its server is in the catalog and it says that it is ready; its server, and its labels.
    async fn registers(&self, container: &Container, name: &str) -> (Fixture, Value) {
        let fixture = Fixture::default();
        let tunnel = self.start(container, &fixture);
        self.gateway.server_becomes(name, "online", &self.token).await;
        let list = self.gateway.request("GET", "/reverse-proxy/sessions", &self.token).send().await.json();
        self.answers("/readyz").await;
        self.answers("/healthz").await;
        let finished = tunnel.stop().await;
        assert!(!finished.err.to_lowercase().contains("warn"), "{}", finished.err);
        for line in finished.err.lines() {
            assert!(serde_json::from_str::<Value>(line).is_ok(), "the log is JSON: {line}");
        }
        self.gateway.server_becomes(name, "offline", &self.token).await;
        (fixture, list["sessions"][0]["labels"].clone())
    }

    /// Waits until this path is answered with 200.
    async fn answers(&self, path: &str) {
        let address = SocketAddr::from(([127, 0, 0, 1], self.port));
        let ask = Request::new("GET", address, path);
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = ask.try_send().await;
            if answer.as_ref().is_some_and(|answer| answer.status == 200) {
                return;
            }
            assert!(Instant::now() < deadline, "{path}: {answer:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

/// The services of a Compose file, with what Compose fills in from `.env`.
fn services(path: &str, variables: &[(&str, &str)]) -> BTreeMap<String, Container> {
    let yaml = variables.iter().fold(text(path), |yaml, (name, value)| {
        let begin = format!("${{{name}:?");
        let parts: Vec<_> = yaml.split(&begin).collect();
        let filled = parts[1..].iter().map(|part| format!("{value}{}", part.split_once('}').unwrap().1));
        parts[0].to_owned() + &filled.collect::<String>()
    });
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("compose.yaml");
    fs::write(&file, yaml).unwrap();
    let document = documents(&file).remove(0);
    let services = document["services"].as_object().unwrap();
    let ours = services.iter().filter(|(_, service)| service["image"].as_str().unwrap().starts_with("culvert"));
    ours.map(|(name, service)| {
        let environment = service["environment"].as_object().unwrap();
        let environment = environment.iter().map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()));
        (name.clone(), Container { arguments: texts(&service["command"]), environment: environment.collect() })
    })
    .collect()
}

/// A workload of the manifests: what its pods run, the cluster's facts filled in.
fn workload(path: &str, kind: &str) -> Container {
    let documents = documents(&folder().join(path));
    let it = documents.iter().find(|document| document["kind"] == kind).unwrap();
    let container = &it["spec"]["template"]["spec"]["containers"][0];
    let variables = container["env"].as_array().unwrap().iter().map(|variable| {
        let facts = [("spec.nodeName", "node-7"), ("metadata.name", "culvert-fleet-2"), ("metadata.namespace", "shop")];
        let value = variable["value"].as_str().map(str::to_owned).unwrap_or_else(|| {
            let path = variable["valueFrom"]["fieldRef"]["fieldPath"].as_str().unwrap();
            facts.iter().find(|(known, _)| *known == path).unwrap().1.to_owned()
        });
        (variable["name"].as_str().unwrap().to_owned(), value)
    });
    Container { arguments: texts(&container["args"]), environment: variables.collect() }
}

fn config_map(path: &str) -> String {
    let documents = documents(&folder().join(path));
    let map = documents.iter().find(|document| document["kind"] == "ConfigMap").unwrap();
    map["data"]["culvert.yaml"].as_str().unwrap().to_owned()
}

fn with_probes(path: &str, kind: &str, live: &str, ready: &str) {
    let documents = documents(&folder().join(path));
    let it = documents.iter().find(|document| document["kind"] == kind).unwrap();
    let container = &it["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["livenessProbe"]["httpGet"]["path"], live, "{path}");
    assert_eq!(container["readinessProbe"]["httpGet"]["path"], ready, "{path}");
}

#[tokio::test]
async fn compose_shares_two_servers() {
    let site = Site::new().await;
    let services = services("compose/compose.yaml", &[("TOKEN", &site.token)]);
    assert_eq!(services.len(), 2);
    let (git, _) = site.registers(&services["reverse-proxy-git"], "git").await;
    assert_eq!(git.events("start")[0]["arguments"], json!(["--repository", "/repository"]));
    let (files, _) = site.registers(&services["reverse-proxy-filesystem"], "filesystem").await;
    assert_eq!(files.events("start")[0]["arguments"], json!(["/data"]));
    site.gateway.culvert.stop().await;
}

#[tokio::test]
async fn kubernetes_shares_one_server_of_a_fixed_name_or_one_for_each_ordinal() {
    let site = Site::new().await;
    let labels = json!({"node": "node-7", "namespace": "shop"});
    for (path, map, kind, name) in [
        ("kubernetes/deployment.yaml", "kubernetes/configmap.yaml", "Deployment", "git"),
        ("kubernetes/statefulset.yaml", "kubernetes/statefulset.yaml", "StatefulSet", "culvert-fleet-2"),
    ] {
        site.configure(&config_map(map));
        assert_eq!(site.registers(&workload(path, kind), name).await.1, labels, "{path}");
        with_probes(path, kind, "/healthz", "/readyz");
    }
    site.gateway.culvert.stop().await;
}

#[tokio::test]
async fn a_gateway_in_a_container_answers_and_makes_tokens() {
    let [compose, kubernetes] = [
        services("compose/gateway.yaml", &[("HOST", "gateway.example.com")]).remove("gateway").unwrap(),
        workload("kubernetes/gateway.yaml", "Deployment"),
    ];
    with_probes("kubernetes/gateway.yaml", "Deployment", "/healthz", "/readyz");
    for container in [compose, kubernetes] {
        // Beside its own gateway, which lends it the name.
        let site = Site::new().await;
        let gateway = site.start(&container, &Fixture::default());
        site.answers("/healthz").await;
        let state = site.folder.path().join("gateway");
        let made =
            CulvertCommand::bare().args(["token", "create", "-u", "me", "--state-dir"]).arg(&state).finish().await;
        let address = SocketAddr::from(([127, 0, 0, 1], site.port));
        let list = Request::new("GET", address, "/servers").bearer(&made.out[0]).send().await;
        assert_eq!(list.status, 200, "{list:?}");
        gateway.stop().await;
        site.gateway.culvert.stop().await;
    }
}
