//! Real servers through `culvert run` and `culvert gateway` to real clients: nothing between them but Culvert.

use std::path::Path;

use culvert_tests::own_gateway::{OwnGateway, SECRET};
use culvert_tests::peers::peer;
use culvert_tests::{Culvert, CulvertCommand};
use serde_json::{Value, json};

struct House {
    gateway: OwnGateway,
    token: String,
}

impl House {
    async fn open() -> Self {
        let gateway = OwnGateway::start().await;
        Self { gateway, token: OwnGateway::token("admin@example.com", SECRET).await }
    }

    /// Tunnels a server and tells the URL that MCP clients are to use.
    async fn share(&self, name: &str, command: &[&str]) -> (Culvert, String) {
        let culvert = CulvertCommand::run()
            .args(["--local-stdio", &shell_words::join(command), "--server-name", name])
            .args(["--gateway", &self.gateway.url, "--token", &self.token])
            .start();
        let online = culvert.online().await;
        let url = online["url"].as_str().unwrap_or_else(|| panic!("a URL for MCP clients: {online}"));
        (culvert, url.to_owned())
    }

    async fn sdk1(&self, url: &str, tool: &str, arguments: Value) -> Value {
        self.python("MCP1_PYTHON", "sdk1.py", &[url, tool, &arguments.to_string()]).await
    }

    async fn sdk2(&self, url: &str, tool: &str, arguments: Value, mode: &str) -> Value {
        self.python("MCP2_PYTHON", "sdk2.py", &[url, tool, &arguments.to_string(), mode]).await
    }

    async fn python(&self, python: &str, script: &str, arguments: &[&str]) -> Value {
        let script = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/clients")).join(script);
        let client = CulvertCommand::program(peer(python)).arg("-B").arg(script).args(arguments);
        let finished = client.env("MCP_TOKEN", &self.token).finish().await;
        assert_eq!(finished.code, Some(0), "{finished:#?}");
        serde_json::from_str(finished.out.last().unwrap()).unwrap()
    }

    async fn inspector(&self, url: &str, arguments: &[&str]) -> Value {
        let client = CulvertCommand::program(peer("INSPECTOR"))
            .args(["--cli", url, "--transport", "http", "--header", &format!("Authorization: Bearer {}", self.token)])
            .args(arguments);
        let finished = client.finish().await;
        assert_eq!(finished.code, Some(0), "{finished:#?}");
        serde_json::from_str(&finished.out.join("\n")).unwrap()
    }

    async fn close(self, tunnels: Vec<Culvert>) {
        for tunnel in tunnels {
            tunnel.stop().await;
        }
        self.gateway.culvert.stop().await;
    }
}

fn path(name: &str) -> String {
    peer(name).to_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_python_sdks_of_both_generations_use_a_real_server() {
    let house = House::open().await;
    let (tunnel, url) = house.share("time", &[&path("TIME"), "--local-timezone", "UTC"]).await;
    let arguments = || json!({"timezone": "UTC"});
    let mut answers = vec![house.sdk1(&url, "get_current_time", arguments()).await];
    for mode in ["auto", "legacy"] {
        answers.push(house.sdk2(&url, "get_current_time", arguments(), mode).await);
    }
    for answer in answers {
        assert_eq!(answer["tools"], json!(["convert_time", "get_current_time"]), "{answer}");
        assert_eq!(answer["error"], false, "{answer}");
        assert!(answer["text"].as_str().is_some_and(|text| text.contains("UTC")), "{answer}");
    }
    house.close(vec![tunnel]).await;
}

#[tokio::test]
async fn the_inspector_lists_and_calls() {
    let house = House::open().await;
    let (tunnel, url) = house.share("everything", &[&path("EVERYTHING"), "stdio"]).await;
    let list = house.inspector(&url, &["--method", "tools/list"]).await;
    assert!(list["tools"].as_array().is_some_and(|tools| tools.len() >= 10), "{list}");
    let call = ["--method", "tools/call", "--tool-name", "echo", "--tool-arg", "message=through the culvert"];
    let echo = house.inspector(&url, &call).await;
    assert!(echo["content"][0]["text"].as_str().is_some_and(|text| text.contains("through the culvert")), "{echo}");
    house.close(vec![tunnel]).await;
}

#[tokio::test]
async fn two_clients_at_once_share_one_base_tunnel() {
    let house = House::open().await;
    let (tunnel, url) = house.share("time", &[&path("TIME"), "--local-timezone", "UTC"]).await;
    let arguments = || json!({"timezone": "UTC"});
    let (one, two) = tokio::join!(
        house.sdk1(&url, "get_current_time", arguments()),
        house.sdk2(&url, "get_current_time", arguments(), "auto"),
    );
    for answer in [one, two] {
        assert!(answer["text"].as_str().is_some_and(|text| text.contains("UTC")), "{answer}");
    }
    house.close(vec![tunnel]).await;
}

#[tokio::test]
async fn four_more_real_servers_answer_through_one_gateway() {
    let house = House::open().await;
    let folder = tempfile::tempdir().unwrap();
    let files = folder.path().canonicalize().unwrap();
    let files = files.to_str().unwrap();
    std::fs::write(folder.path().join("note.txt"), "left here by the test").unwrap();
    let git = |arguments: &'static [&'static str]| {
        CulvertCommand::program("git").args(["-C", files]).args(arguments).finish()
    };
    assert_eq!(git(&["init", "--quiet", "--initial-branch", "trunk"]).await.code, Some(0));

    let (git_tunnel, git_url) = house.share("git", &[&path("GIT"), "--repository", files]).await;
    let status = house.sdk1(&git_url, "git_status", json!({"repo_path": files})).await;
    assert!(status["text"].as_str().is_some_and(|text| text.contains("trunk")), "{status}");

    let (files_tunnel, files_url) = house.share("files", &[&path("FILESYSTEM"), files]).await;
    let note = house.sdk1(&files_url, "read_text_file", json!({"path": format!("{files}/note.txt")})).await;
    assert!(note["text"].as_str().is_some_and(|text| text.contains("left here by the test")), "{note}");

    let (memory_tunnel, memory_url) = house.share("memory", &[&path("MEMORY")]).await;
    let graph = house.sdk2(&memory_url, "read_graph", json!({}), "auto").await;
    assert_eq!(graph["error"], false, "{graph}");

    let (all_tunnel, all_url) = house.share("everything", &[&path("EVERYTHING"), "stdio"]).await;
    let echo = house.sdk1(&all_url, "echo", json!({"message": "hello"})).await;
    assert!(echo["text"].as_str().is_some_and(|text| text.contains("hello")), "{echo}");

    house.close(vec![git_tunnel, files_tunnel, memory_tunnel, all_tunnel]).await;
}
