//! The commands as the window reaches them, on an app without a screen.

use std::collections::BTreeSet;
use std::path::Path;

use culvert_app::{Culvert, Start};
use culvert_instance::Places;
use culvert_profiles::Folders;
use serde_json::{Value, json};
use tauri::ipc::{CallbackFn, InvokeBody};
use tauri::test::{INVOKE_KEY, MockRuntime, get_ipc_response, mock_builder, mock_context, noop_assets};
use tauri::webview::InvokeRequest;
use tauri::{App, Manager as _, WebviewWindow, WebviewWindowBuilder};

use crate::life::with_commands;

struct Stage {
    app: App<MockRuntime>,
    window: WebviewWindow<MockRuntime>,
    _runtime: tokio::runtime::Runtime,
    folder: tempfile::TempDir,
}

impl Stage {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let app = with_commands(mock_builder()).build(mock_context(noop_assets())).unwrap();
        let folders = Folders { config: folder.path().join("config"), state: folder.path().join("state") };
        let culvert = {
            let _within = runtime.enter();
            Culvert::start(Start {
                places: Places(folders),
                path: Box::pin(async { None }),
                launch_at_login: culvert_app::shown::Switch::Off,
            })
        };
        let mut world = culvert.world();
        app.manage(culvert.clone());
        // Saved profiles are run from here once the lock is taken.
        runtime.block_on(async {
            while culvert.reconnect(None).await.is_err() {
                tokio::task::yield_now().await;
            }
            world.borrow_and_update();
        });
        let window = WebviewWindowBuilder::new(&app, "main", Default::default()).build().unwrap();
        Self { app, window, _runtime: runtime, folder }
    }

    fn invoke(&self, command: &str, arguments: Value) -> Result<Value, Value> {
        let request = InvokeRequest {
            cmd: command.to_owned(),
            callback: CallbackFn(0),
            error: CallbackFn(1),
            url: "tauri://localhost".parse().unwrap(),
            body: InvokeBody::Json(arguments),
            headers: Default::default(),
            invoke_key: INVOKE_KEY.to_owned(),
        };
        get_ipc_response(&self.window, request).map(|body| body.deserialize().unwrap())
    }
}

/// A form with a server that needs nothing.
fn form(name: &str) -> Value {
    json!({
        "id": null, "name": name, "token": { "kind": "none" }, "start": "last", "labels": [], "options": {},
        "tools": { "only": null, "never": [] }, "proxy": { "kind": "plain", "text": "" },
        "clientKeyPassphrase": { "kind": "none" },
        "server": { "kind": "commandLine", "line": "sleep 1000", "environment": [], "folder": "" },
        "gateways": [{ "kind": "url", "url": "http://127.0.0.1:1", "ownToken": null }],
    })
}

#[test]
fn the_doors_commands_are_these() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| std::fs::read_to_string(root.join(path)).unwrap();
    let door = read("ui/src/door/tauri.ts");
    let called = |marker: &str| -> Vec<String> {
        let rest = door.match_indices(marker).map(|(at, _)| &door[at + marker.len()..]);
        rest.filter_map(|rest| rest.split_once('(')?.1.trim_start().strip_prefix('\'')?.split('\'').next())
            .map(str::to_owned)
            .collect()
    };
    let called: BTreeSet<String> = called("invoke").into_iter().chain(called("watch<")).collect();
    let commands = read("src-tauri/commands.rs");
    let list = commands.split_once("generate_handler![\n").unwrap().1.split_once(']').unwrap().0;
    let handled: BTreeSet<String> =
        list.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect();
    assert_eq!(called, handled);
    let build = read("src-tauri/build.rs");
    let capability: Value = serde_json::from_str(&read("src-tauri/capabilities/main.json")).unwrap();
    let permitted: BTreeSet<String> = capability["permissions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|name| name.as_str().unwrap().strip_prefix("allow-").unwrap().replace('-', "_"))
        .collect();
    assert_eq!(permitted, handled, "one permission for each command, and no other");
    assert!(handled.iter().all(|name| build.contains(&format!("\"{name}\""))));
}

#[test]
fn a_profile_is_saved_read_switched_and_removed_through_the_commands() {
    let stage = Stage::new();
    let facts = stage.invoke("facts", json!({})).unwrap();
    assert_eq!(facts["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(facts["defaults"]["keepalive"], "30");
    let checked = stage.invoke("check_draft", json!({ "draft": form("a/b") })).unwrap();
    assert_eq!(checked["findings"][0]["field"]["kind"], "name");
    let refused = stage.invoke("save_profile", json!({ "draft": form("a/b"), "onBroken": "refuse" })).unwrap();
    assert_eq!(refused["kind"], "refused");
    let saved = stage.invoke("save_profile", json!({ "draft": form("git"), "onBroken": "refuse" })).unwrap();
    assert_eq!(saved["kind"], "saved", "{saved}");
    let id = saved["id"].clone();
    let mut draft = stage.invoke("read_profile", json!({ "id": id })).unwrap();
    assert_eq!(draft["server"]["line"], "sleep 1000");
    draft["options"]["keepalive"] = json!("20");
    let again = stage.invoke("save_profile", json!({ "draft": draft, "onBroken": "refuse" })).unwrap();
    assert_eq!(again["id"], id);
    let file = std::fs::read_to_string(stage.folder.path().join("config/profiles/git.yaml")).unwrap();
    assert!(file.contains("keepalive") && file.contains("20"), "{file}");
    let push = json!({ "kind": "tool", "name": "push", "wanted": "off" });
    stage.invoke("wish_tools", json!({ "id": id, "wish": push })).unwrap();
    let draft = stage.invoke("read_profile", json!({ "id": id })).unwrap();
    assert_eq!(draft["tools"], json!({ "only": null, "never": ["push"] }));
    let decisions = json!([{ "name": "push", "digest": "", "decision": "approve" }]);
    let undecided = stage.invoke("decide_tools", json!({ "id": id, "decisions": decisions })).unwrap_err();
    assert_eq!(undecided["code"], "tools.nothing_held");
    stage.invoke("want", json!({ "id": id, "wanted": "on" })).unwrap();
    let wanted = std::fs::read_to_string(stage.folder.path().join("state/wanted.json")).unwrap();
    assert!(wanted.contains(id.as_str().unwrap()));
    stage.invoke("remove_profile", json!({ "id": id })).unwrap();
    let gone = stage.invoke("want", json!({ "id": id, "wanted": "on" })).unwrap_err();
    assert_eq!(gone["code"], "profile.unknown");
    assert!(!gone["action"].as_str().unwrap().is_empty());
    let culvert = stage.app.state::<Culvert>().inner().clone();
    tauri::async_runtime::block_on(culvert.stop());
}

#[test]
fn what_is_no_argument_is_refused() {
    let stage = Stage::new();
    assert!(stage.invoke("want", json!({ "id": "x", "wanted": "perhaps" })).is_err());
    assert!(stage.invoke("save_profile", json!({ "draft": {}, "onBroken": "refuse" })).is_err());
    assert!(stage.invoke("set_gateway", json!({ "wanted": "on", "port": 70_000 })).is_err());
    assert!(stage.invoke("wish_tools", json!({ "id": "x", "wish": { "kind": "all" } })).is_err());
    assert!(stage.invoke("read_secret", json!({})).is_err());
}
