//! A tool policy between a gateway and a child that both say anything: no call of a denied tool gets through, and no
//! list that gets through has one.

use culvert_protocol::ToolPolicy;
use culvert_protocol::message::Message;
use culvert_protocol::tool_policy::{ChangedTools, Desk, Feature, Pattern, Rules, ToClient, ToServer, Tools};
use serde_json::Value;

pub(crate) fn run(data: &[u8]) {
    let Some((first, text)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let pattern = |text: &str| Pattern::new(text).expect("a pattern");
    let policy = ToolPolicy {
        allow: (first & 1 == 1).then(|| vec![pattern("read*"), pattern("list")]),
        deny: vec![pattern("delete*"), pattern("*secret")],
        tools: if first & 2 == 2 { Tools::ReadOnly } else { Tools::All },
        prompts: if first & 4 == 4 { Feature::Off } else { Feature::On },
        resources: Feature::On,
        changed: if first & 16 == 16 { ChangedTools::Held } else { ChangedTools::default() },
    };
    let rules = Rules::from(policy.clone());
    let mut desk = if first & 8 == 8 { Desk::opened_late() } else { Desk::default() };
    // The child may say anything in the result of another call: only what answers this list is one.
    let mut is_awaited = false;
    for line in text.lines() {
        if let Some(line) = line.strip_prefix('<') {
            let step = desk.to_client(&rules, line);
            let answers = is_awaited && answers_the_list(line);
            is_awaited &= !answers;
            match step {
                ToClient::Pass if answers => has_no_denied_tool(&policy, line),
                ToClient::Pass => {}
                ToClient::Instead(lines) => {
                    for line in lines {
                        let line = std::str::from_utf8(&line).expect("a list is text");
                        assert!(Message::parse(line).is_ok(), "what goes on is a message: {line}");
                        if answers {
                            has_no_denied_tool(&policy, line);
                        }
                    }
                }
                ToClient::Ours(_) => {}
            }
        } else if desk.to_server(&rules, line) == ToServer::Pass {
            let Ok(value) = serde_json::from_str::<Value>(line) else { continue };
            is_awaited |= value["method"] == "tools/list" && value["id"] == "list";
            if value["method"] == "tools/call" {
                let name = value["params"]["name"].as_str().expect("a call that passes names its tool");
                assert_eq!(policy.judge_name(name), Ok(()), "{line}");
            }
            assert!(policy.prompts == Feature::On || value["method"] != "prompts/get", "{line}");
        }
    }
}

fn answers_the_list(line: &str) -> bool {
    serde_json::from_str::<Value>(line).is_ok_and(|value| value["id"] == "list" && value.get("method").is_none())
}

fn has_no_denied_tool(policy: &ToolPolicy, line: &str) {
    let Ok(value) = serde_json::from_str::<Value>(line) else { return };
    for tool in value["result"]["tools"].as_array().into_iter().flatten() {
        if let Some(name) = tool["name"].as_str() {
            assert_eq!(policy.judge_name(name), Ok(()), "{line}");
        }
    }
}
