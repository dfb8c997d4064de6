//! `servers/both_eras.py`: a server of both eras, for what no published one can show in the era of 2026-07-28.

use serde_json::json;

use super::{Client, Local, Payload, Step, program};

#[derive(Debug)]
pub(crate) struct BothEras;

impl Local for BothEras {
    fn name(&self) -> &'static str {
        "both-eras"
    }

    fn says_it_is(&self) -> &'static str {
        "both-eras"
    }

    fn is_modern(&self) -> bool {
        true
    }

    fn command(&self) -> Vec<String> {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/servers/both_eras.py");
        vec![program("MCP2_PYTHON"), "-B".into(), script.into()]
    }

    fn tools(&self, _: Client) -> Vec<&'static str> {
        vec!["ask", "echo", "steps"]
    }

    fn steps(&self, marker: &str, payloads: &[Payload]) -> Vec<Step> {
        let mut steps: Vec<_> = payloads
            .iter()
            .map(|payload| Step::says("echo", json!({"message": payload.argument()}), payload.text.clone()))
            .collect();
        steps.push(takes_steps(100));
        steps.push(Step::given_up("steps", json!({"count": 200, "pause_ms": 100})));
        steps.extend(self.marked(marker));
        steps
    }

    fn marked(&self, marker: &str) -> Vec<Step> {
        let own: u32 = marker.trim_start_matches('m').parse().unwrap();
        let answers = format!("name {marker} elicited; model {marker} sampled; roots file:///{marker}-root");
        vec![
            Step::says("echo", json!({"message": marker}), marker),
            takes_steps(10 + own % 7),
            Step::says("ask", json!({"prompt": marker}), answers),
            Step::says("echo", json!({"message": format!("{marker} again")}), format!("{marker} again")),
        ]
    }
}

fn takes_steps(count: u32) -> Step {
    Step::steps("steps", json!({"count": count, "pause_ms": 5}), count, format!("{count} steps done"))
}
