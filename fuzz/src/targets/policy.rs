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
    let mut desk = Desk::default();
    for line in text.lines() {
        if let Some(line) = line.strip_prefix('<') {
            match desk.to_client(&rules, line) {
                ToClient::Pass => has_no_denied_tool(&policy, line),
                ToClient::Instead(lines) => {
                    for line in lines {
                        let line = std::str::from_utf8(&line).expect("a list is text");
                        assert!(Message::parse(line).is_ok(), "what goes on is a message: {line}");
                        has_no_denied_tool(&policy, line);
                    }
                }
                ToClient::Ours(_) => {}
            }
        } else if desk.to_server(&rules, line) == ToServer::Pass {
            for reader in [Reader::Careful, Reader::Careless] {
                let Some(value) = reader.read(line) else { continue };
                if value["method"] == "tools/call" {
                    let name = value["params"]["name"].as_str().expect("a call that passes names its tool");
                    assert_eq!(policy.judge_name(name), Ok(()), "{line}");
                }
                assert!(policy.prompts == Feature::On || value["method"] != "prompts/get", "{line}");
            }
        }
    }
}

/// Who reads what passes.
#[derive(Clone, Copy)]
enum Reader {
    /// By the letter.
    Careful,
    /// Whatever the case of names; the last of two counts.
    Careless,
}

impl Reader {
    fn read(self, line: &str) -> Option<Value> {
        let value = serde_json::from_str(line).ok()?;
        Some(match self {
            Self::Careful => value,
            Self::Careless => lowered(value),
        })
    }
}

fn lowered(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            members.into_iter().map(|(name, value)| (name.to_lowercase(), lowered(value))).collect()
        }
        Value::Array(items) => items.into_iter().map(lowered).collect(),
        other => other,
    }
}

fn has_no_denied_tool(policy: &ToolPolicy, line: &str) {
    for value in [Reader::Careful, Reader::Careless].into_iter().filter_map(|reader| reader.read(line)) {
        for tool in value["result"]["tools"].as_array().into_iter().flatten() {
            if let Some(name) = tool["name"].as_str() {
                assert_eq!(policy.judge_name(name), Ok(()), "{line}");
            }
        }
    }
}
