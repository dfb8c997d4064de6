//! npm `server-everything`: the one that asks its client for everything a server may ask for.

use serde_json::json;

use super::{Client, Local, Payload, Step, program};

#[derive(Debug)]
pub(crate) struct Everything;

impl Local for Everything {
    fn name(&self) -> &'static str {
        "everything"
    }

    fn says_it_is(&self) -> &'static str {
        "mcp-servers/everything"
    }

    fn is_modern(&self) -> bool {
        false
    }

    fn command(&self) -> Vec<String> {
        vec![program("EVERYTHING"), "stdio".into()]
    }

    fn tools(&self, client: Client) -> Vec<&'static str> {
        let mut tools = vec![
            "echo",
            "get-annotated-message",
            "get-env",
            "get-resource-links",
            "get-resource-reference",
            "get-roots-list",
            "get-structured-content",
            "get-sum",
            "get-tiny-image",
            "gzip-file-as-resource",
            "simulate-research-query",
            "toggle-simulated-logging",
            "toggle-subscriber-updates",
            "trigger-elicitation-request",
            "trigger-long-running-operation",
            "trigger-sampling-request",
        ];
        // The Python SDKs declare elicitation by URL along with that by form.
        if client.is_python() {
            tools.push("trigger-url-elicitation");
        }
        tools
    }

    fn steps(&self, marker: &str, payloads: &[Payload]) -> Vec<Step> {
        let mut steps = vec![Step::says("get-sum", json!({"a": 2, "b": 40}), "The sum of 2 and 40 is 42.")];
        for payload in payloads {
            steps.push(Step::says("echo", json!({"message": payload.argument()}), format!("Echo: {}", payload.text)));
        }
        steps.push(takes_steps(100));
        steps.push(Step::given_up("trigger-long-running-operation", json!({"duration": 20, "steps": 200})));
        let form = "User provided the requested information";
        steps.push(Step::holds("trigger-elicitation-request", json!({}), form));
        steps.push(Step::holds("trigger-elicitation-request", json!({}), format!("Name: {marker} elicited")));
        steps.extend(self.marked(marker));
        steps
    }

    fn marked(&self, marker: &str) -> Vec<Step> {
        // A number of steps that differs between neighbours, so that foreign progress is noticed.
        let own: u32 = marker.trim_start_matches('m').parse().unwrap();
        vec![
            Step::says("echo", json!({"message": marker}), format!("Echo: {marker}")),
            takes_steps(10 + own % 7),
            Step::holds(
                "trigger-sampling-request",
                json!({"prompt": marker}),
                format!("\"text\": \"{marker} sampled\""),
            ),
            Step::holds("get-roots-list", json!({}), format!("file:///{marker}-root")),
            Step::says("echo", json!({"message": format!("{marker} again")}), format!("Echo: {marker} again")),
        ]
    }
}

fn takes_steps(count: u32) -> Step {
    let text = format!("Long running operation completed. Duration: 0.5 seconds, Steps: {count}.");
    Step::steps("trigger-long-running-operation", json!({"duration": 0.5, "steps": count}), count, text)
}
