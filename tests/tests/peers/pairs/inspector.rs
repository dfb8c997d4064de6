//! MCP's Inspector by its command line, which makes one request a run, or one again and again (`--load`).

use std::time::Duration;

use culvert_tests::CulvertCommand;
use culvert_tests::culvert::Finished;
use culvert_tests::peers::peer;
use serde_json::{Value, json};

use super::findings::Call;
use super::house::House;
use super::local::Local;
use super::payload::{Payload, sha256};
use super::{CROWD, Client};

const PATIENCE: Duration = Duration::from_secs(100);

const LIST: &[&str] = &["--method", "tools/list"];

/// An argument of a command line has 128 KiB at most.
const LARGEST_ARGUMENT: usize = 96 * 1024;

/// Lists, makes each call that it can make with this server, has answers of these sizes where it can have them, and
/// makes many calls at once. It cannot answer a server, show progress, or give a call up.
pub(crate) async fn inspect(era: Era, local: &dyn Local, sizes: &[usize]) {
    let who = format!("the Inspector ({era:?}) with {}", local.name());
    let house = House::open().await;
    // It begins a session with each run and ends none: all but the last wait for their end by idling.
    let (tunnel, url) = house.share(local, local.command(), &["--max-sessions", "40"]).await;
    let inspector = Inspector { url: &url, token: &house.token, era };
    if era == Era::Modern && !local.is_modern() {
        let refused = inspector.run(LIST).await;
        assert_eq!(refused.code, Some(1), "{who}: there is nothing to fall back to: {refused:#?}");
        let directly = CulvertCommand::program(peer("INSPECTOR")).arg("--cli").args(local.command());
        let refused = directly.args(["--protocol-era", "modern", "--quiet"]).args(LIST).finish().await;
        assert_eq!(refused.code, Some(1), "{who}: refused through Culvert, so it must be directly: {refused:#?}");
        return house.close(tunnel).await;
    }

    let list = parse(&inspector.run(LIST).await);
    let mut tools: Vec<_> = list["tools"].as_array().unwrap().iter().filter_map(|tool| tool["name"].as_str()).collect();
    tools.sort_unstable();
    // It declares neither sampling nor elicitation.
    let can_see = |tool: &&str| !tool.starts_with("trigger-") || tool.ends_with("-operation");
    let expected: Vec<_> = local.tools(Client::TypeScript1).into_iter().filter(can_see).collect();
    assert_eq!(tools, expected, "{who}");

    let folder = tempfile::tempdir().unwrap();
    let payload = Payload::new(folder.path(), LARGEST_ARGUMENT / 2);
    let steps = local.steps("m00", std::slice::from_ref(&payload));
    let able: Vec<_> = steps.iter().filter(|step| step.needs_only_an_answer() && !asks(&step.call)).collect();
    for step in &able {
        step.judge(&inspector.calls(&step.call, &payload).await, &who);
    }
    local.holds(&payload).await;

    let (calls, at_once) = ((10 * CROWD).to_string(), CROWD.to_string());
    let load = ["--format", "json", "--load", "--load-requests", &calls, "--load-concurrency", &at_once];
    let told = inspector.makes(&able.last().unwrap().call, &payload, &load).await;
    let told = &parse(&told)["result"];
    assert_eq!((&told["ok"], &told["errors"]), (&json!(10 * CROWD), &json!(0)), "{who}: {told}");

    for size in sizes {
        let payload = Payload::new(folder.path(), *size);
        if let Some(step) = local.gives(&payload) {
            step.judge(&inspector.calls(&step.call, &payload).await, &who);
        }
    }
    house.close(tunnel).await;
}

/// Whether the tool asks its client for something.
fn asks(call: &Value) -> bool {
    let tool = call["tool"].as_str().unwrap();
    ["ask", "get-roots-list", "trigger-elicitation-request", "trigger-sampling-request"].contains(&tool)
}

/// How it is told to choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Era {
    Auto,
    Legacy,
    Modern,
}

#[derive(Debug)]
struct Inspector<'a> {
    url: &'a str,
    token: &'a str,
    era: Era,
}

impl Inspector<'_> {
    /// What the tool said, as the programs in `clients` tell it.
    async fn calls(&self, call: &Value, payload: &Payload) -> Call {
        let result = parse(&self.makes(call, payload, &[]).await);
        let parts = result["content"].as_array().unwrap().iter().filter_map(|part| part["text"].as_str());
        let text = parts.collect::<Vec<_>>().join("\n");
        let failed = result["isError"] == true;
        Call { failed, bytes: text.len(), sha256: sha256(text.as_bytes()), text, ..Call::default() }
    }

    async fn makes(&self, call: &Value, payload: &Payload, more: &[&str]) -> Finished {
        let arguments = payload.put_into(&call["arguments"]).to_string();
        let tool = call["tool"].as_str().unwrap();
        let call = ["--method", "tools/call", "--tool-name", tool, "--tool-args-json", &arguments];
        self.run(&[&call[..], more].concat()).await
    }

    async fn run(&self, arguments: &[&str]) -> Finished {
        let era = match self.era {
            Era::Auto => "auto",
            Era::Legacy => "legacy",
            Era::Modern => "modern",
        };
        let bearer = format!("Authorization: Bearer {}", self.token);
        let client = CulvertCommand::program(peer("INSPECTOR")).args([
            "--cli",
            self.url,
            "--transport",
            "http",
            "--protocol-era",
            era,
            "--header",
            &bearer,
            "--quiet",
        ]);
        client.args(arguments).start().end_within(PATIENCE).await
    }
}

/// What it printed, which is a result of MCP. It ends with 5 when a tool failed.
fn parse(finished: &Finished) -> Value {
    assert!(matches!(finished.code, Some(0 | 5)), "{finished:#?}");
    serde_json::from_str(&finished.out.join("\n")).unwrap_or_else(|error| panic!("{error}: {finished:#?}"))
}
