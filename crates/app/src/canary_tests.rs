//! Marked secrets wherever a saved profile or another app's file can have one: nothing that the window is answered or told
//! holds them, and no file that the app writes. Commands and addresses are shown as they are, for their user to agree to.

use std::fmt::Debug;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use culvert_gateway::config::SecretSource;
use culvert_instance::Places;
use culvert_profiles::{ConfigFile, Folders, SecretRef, Settings, Surroundings, System, import};
use culvert_protocol::channels::control::{Control, Grant};
use culvert_protocol::envelope::Envelope;
use culvert_protocol::{Secret, sse};
use serde::Serialize;
use tokio::time::timeout;

use crate::culvert::{Culvert, Start};
use crate::shown::{Client, Draft, PairValue, ProfileId, SecretField, Switch, Typed};

/// What every secret here begins with.
const CANARY: &str = "tweety";

const PATIENCE: Duration = Duration::from_secs(30);

const PROFILES: [(&str, &str); 3] = [
    (
        "by-command.yaml",
        "id: a1b2c3d4-0000-4000-8000-000000000001\nname: by-command\ncommand: \"sh -c 'echo started >&2; exit 1'\"\n\
         env: {MY_PASSWORD: tweety-variable}\nsecret_env: {KEY: \"file:SECRET\"}\n\
         gateway: http://127.0.0.1:1\ntoken: tweety-token\nstart: always\n",
    ),
    (
        "by-address.yaml",
        "id: a1b2c3d4-0000-4000-8000-000000000002\nname: by-address\nlocal_streamable_http: \"http://127.0.0.1:1/mcp\"\n\
         local_headers: {Authorization: \"Bearer tweety-header\"}\ngateway: http://127.0.0.1:1\ntoken: \"file:SECRET\"\n\
         proxy: \"http://me:tweety-proxy@127.0.0.1:1\"\nstart: always\n",
    ),
    (
        "keyed.yaml",
        "id: a1b2c3d4-0000-4000-8000-000000000003\nname: keyed\ncommand: exit-at-once\ngateway: [{url: \"https://127.0.0.1:1\", token: tweety-own-token}]\n\
         client_cert: none.pem\nclient_key_passphrase: tweety-passphrase\nstart: always\n",
    ),
];

const OTHERS: &str = r#"{"mcpServers": {
  "a": {"command": "x", "env": {"A_TOKEN": "tweety-imported-variable"}},
  "b": {"url": "https://x.example/mcp", "headers": {"Authorization": "Bearer tweety-imported"}}
}}"#;

/// What was said so far, each with what it was.
#[derive(Default)]
struct Said(Mutex<Vec<(String, String)>>);

impl Said {
    fn add(&self, what: &str, said: impl Serialize) {
        self.0.lock().unwrap().push((what.to_owned(), serde_json::to_string(&said).unwrap()));
    }
}

async fn started(folder: &Path) -> Culvert {
    let folders = Folders { config: folder.join("config"), state: folder.join("state") };
    std::fs::create_dir_all(folder.join("config/profiles")).unwrap();
    std::fs::write(folder.join("secret"), "tweety-file\n").unwrap();
    for (name, text) in PROFILES {
        let text = text.replace("SECRET", &folder.join("secret").display().to_string());
        std::fs::write(folder.join("config/profiles").join(name), text).unwrap();
    }
    let start = Start { places: Places(folders), path: Box::pin(async { None }), launch_at_login: Switch::Off };
    let culvert = Culvert::start(start);
    while culvert.instance().is_err() {
        tokio::task::yield_now().await;
    }
    culvert
}

/// A form into which secrets were typed, in the right places and in a wrong one.
fn with_typed(draft: Draft) -> Draft {
    let typed = |text: &str| SecretField::Typed { text: Typed(Secret::new(text)) };
    Draft {
        token: typed("tweety-typed-token"),
        client_key_passphrase: typed("tweety-typed-passphrase"),
        proxy: PairValue::Plain { text: "http://me:tweety-typed-password@127.0.0.1:1".to_owned() },
        ..draft
    }
}

#[tokio::test]
async fn no_answer_and_no_event_of_the_app_holds_a_secret() {
    let folder = tempfile::tempdir().unwrap();
    let (culvert, said) = (started(folder.path()).await, Said::default());
    let _look = culvert.look();
    let mut worlds = culvert.world();
    // Every state on the way there counts.
    let all_tried = async {
        loop {
            let world = worlds.borrow_and_update().clone();
            said.add("a world", &*world);
            // A command that nobody has agreed to in the app does not run.
            let is_tried = |profile: &crate::shown::Profile| profile.name == "by-address" && profile.problem.is_some();
            if world.profiles.len() == PROFILES.len() && world.profiles.iter().any(is_tried) {
                break;
            }
            worlds.changed().await.unwrap();
        }
    };
    timeout(PATIENCE, all_tried).await.expect("each profile is tried");
    for (id, name) in [(1, "by-command"), (2, "by-address"), (3, "keyed")] {
        let id = ProfileId(format!("a1b2c3d4-0000-4000-8000-00000000000{id}"));
        let draft = culvert.read(&id).unwrap();
        said.add(&format!("the form of {name}"), &draft);
        said.add(&format!("what is wrong with {name}"), culvert.check(&draft));
        culvert.test(&draft, |steps| said.add(&format!("a test of {name}"), steps)).await;
        let typed = with_typed(draft.clone());
        said.add("what is wrong with what was typed", culvert.check(&typed));
        culvert.test(&typed, |steps| said.add("a test of it", steps)).await;
        let (calls, log) = (
            culvert.watch_calls(id.clone(), |calls| {
                said.add("calls", calls);
                false
            }),
            culvert.watch_log(id.clone(), |lines| {
                said.add("log", lines);
                false
            }),
        );
        let _ = timeout(Duration::from_millis(200), async { tokio::join!(calls, log) }).await;
        let tools = culvert.watch_tools(id.clone(), |tools| {
            said.add("tools", tools);
            false
        });
        let _ = timeout(Duration::from_millis(200), tools).await;
        let again = culvert.save(&draft, crate::shown::OnBroken::Refuse).await;
        said.add(&format!("what saving {name} again comes to"), again.map_err(|why| why.message));
        for client in [Client::McpJson, Client::Curl] {
            said.add("an entry for an app", culvert.use_in(&id, client).await.map(|(_, copied)| copied));
        }
        said.add("what switching comes to", culvert.want(&id, Switch::Off).await);
        said.add("what agreeing comes to", culvert.agree(&id, "another").await);
        said.add("what deciding comes to", culvert.decide_tools(&id, Vec::new()).await);
    }
    let others = folder.path().join("mcp.json");
    std::fs::write(&others, OTHERS).unwrap();
    said.add("what others have", culvert.find_imports(Some(others.display().to_string())).await.unwrap());
    said.add("what is gathered for support", culvert.support_bundle("0.1.0").await);
    let saved = culvert.save_support(folder.path()).await.unwrap();
    said.add("the saved support bundle", std::fs::read_to_string(saved).unwrap());
    said.add("facts", crate::facts("0.1.0"));
    said.add("a world at the end", &**culvert.world().borrow());
    said.add("what a developer prints", format!("{culvert:?}"));
    culvert.stop().await;

    let all = said.0.into_inner().unwrap();
    assert!(all.len() > 20, "{}", all.len());
    for (what, text) in &all {
        assert!(!text.contains(CANARY), "a secret is in {what}:\n{text}");
    }
    for file in ["state", "config/app.json"] {
        holds_none(&folder.path().join(file));
    }
}

fn holds_none(path: &Path) {
    for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
        holds_none(&entry.path());
    }
    let text = std::fs::read(path).unwrap_or_default();
    assert!(!String::from_utf8_lossy(&text).contains(CANARY), "a secret is in {}", path.display());
}

#[test]
fn no_type_that_holds_a_secret_prints_it() {
    let secret = || Secret::new("tweety-secret");
    let mut held: Vec<Box<dyn Debug>> = vec![
        Box::new(secret()),
        Box::new(Some(SecretRef::Literal(secret()))),
        Box::new(culvert_tunnel::Bearer::fixed(secret())),
        Box::new(SecretSource::Given { current: secret(), previous: Some(secret()) }),
        Box::new(Grant::new(1024, 1 << 20, Duration::ZERO, secret())),
        Box::new(Control::Resume { session_id: "s".to_owned(), key: secret(), received: 0, attempt: 1 }),
        Box::new(sse::Event::Open { connection: "c".to_owned(), key: secret() }),
        Box::new(culvert_profiles::Redactor::new(vec![secret()])),
        Box::new(culvert_link::Proxy::parse("http://me:tweety-password@127.0.0.1:1")),
        Box::new(Envelope::parse(
            r#"{"type":"request","payload":{"id":1,"method":"ping"},"authentication":{"X-Key":"tweety-key"}}"#,
        )),
    ];
    let surroundings = Surroundings::of_this_process();
    for (name, text) in PROFILES {
        let file = ConfigFile::parse(text, Path::new(name)).unwrap();
        held.push(Box::new(file.clone()));
        let loaded = culvert_profiles::loaded(Settings::default(), Some(file), &surroundings).unwrap();
        assert_eq!((loaded.profiles.len(), loaded.broken.len()), (1, 0), "{:?}", loaded.broken);
        for tunnel in loaded.profiles.iter().flat_map(|profile| &profile.tunnels) {
            let proxy = || Secret::new("http://me:tweety-found@127.0.0.1:1");
            let complete = tunnel.complete(&loaded.hidden, &mut |_| Ok(proxy())).unwrap();
            held.push(Box::new(complete));
        }
        held.push(Box::new(loaded));
    }
    let world = import::World {
        system: System::Linux,
        home: "/home/ann".into(),
        variable: &|_| None,
        file: &|_| Ok(OTHERS.to_owned()),
    };
    held.push(Box::new(import::one_file(Path::new("/srv/mcp.json"), &world)));
    for one in held {
        let panic = std::panic::catch_unwind(AssertUnwindSafe(|| panic!("{one:?}\n{one:#?}"))).unwrap_err();
        let words = panic.downcast::<String>().unwrap();
        assert!(!words.contains(CANARY) && words.len() > 5, "a secret is in what is printed:\n{words}");
    }
}
