//! The tools of a profile's local server as data: what each says, whether it passes, and what has changed about one that
//! is held back. What comes from the server is cleaned and cut, but for the names that decisions refer to.

use culvert_protocol::text;
use culvert_protocol::tool_policy::{Attention, Definition, Rules, Verdict as Judged};
use culvert_tunnel::LivePolicy;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Tools that are told at most.
const MOST: usize = 2000;

/// The longest description that is told, in characters, and the longest part of a change.
const LONGEST: usize = 4000;
const LONGEST_PART: usize = 20_000;

/// The tools of one profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tools {
    /// Whether tools that have changed are held back.
    pub holds_changed: bool,
    /// Whether the local server has listed its tools since it was started; without that, there are none here.
    pub is_known: bool,
    /// By name; 2000 at most.
    pub tools: Vec<Tool>,
    /// How many more there are.
    pub more: usize,
}

/// One tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tool {
    /// Its name, as the server gives it: for decisions and patterns. Not cleaned.
    pub name: String,
    /// The same, fit to be shown.
    pub shown: String,
    /// What people call it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub title: Option<String>,
    /// What it says that it does; line breaks are kept.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub description: Option<String>,
    /// What it says of its effects.
    pub annotations: Annotations,
    /// What a decision about it as it is now refers to.
    pub digest: String,
    /// Whether it passes.
    pub verdict: Verdict,
}

/// A tool's own word about its effects; absent where it says nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Annotations {
    /// It changes nothing.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub read_only: Option<bool>,
    /// It may destroy something.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub destructive: Option<bool>,
    /// Done twice, it does no more than once.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub idempotent: Option<bool>,
    /// It reaches beyond this machine.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub open_world: Option<bool>,
}

/// Whether a tool passes, and by which rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Verdict {
    /// It passes.
    Allowed,
    /// `tools_allow` names only others.
    NotAllowed,
    /// `tools_deny` has a pattern for it.
    Denied {
        /// The first such.
        pattern: String,
    },
    /// `tool_preset: read-only`, and it does not say that it only reads.
    NotReadOnly,
    /// It is new or has changed, and was not approved.
    Held {
        /// Whether the user has decided to keep it so: then it needs no attention.
        kept_blocked: bool,
        /// Whether nothing was approved under its name.
        is_new: bool,
        /// What has changed since it was approved; of a new one, all that it says.
        changes: Vec<Change>,
    },
}

/// One part of a tool that has changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Which part.
    pub part: Part,
    /// What was approved; none: there was nothing.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub old: Option<String>,
    /// What it says now.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub new: Option<String>,
}

/// A part of what a tool says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// What people call it.
    Title,
    /// What it says that it does.
    Description,
    /// What it takes.
    InputSchema,
    /// What it gives.
    OutputSchema,
    /// What it says of its effects.
    Annotations,
    /// All of it: it cannot be told part by part.
    Whole,
}

/// A decision about a tool as it was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// The tool's [`name`](Tool::name).
    pub name: String,
    /// Its [`digest`](Tool::digest): another one, and the decision is not taken.
    pub digest: String,
    /// What was decided.
    pub decided: Decided,
}

/// What is decided about a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decided {
    /// It passes as it is now.
    Approve,
    /// It stays back as long as it is as now, and needs no attention.
    KeepBlocked,
}

impl Part {
    /// Each with its member of a tool's definition.
    const ALL: [(Self, &str); 6] = [
        (Self::Title, "title"),
        (Self::Description, "description"),
        (Self::InputSchema, "inputSchema"),
        (Self::OutputSchema, "outputSchema"),
        (Self::Annotations, "annotations"),
        (Self::Whole, "asListed"),
    ];
}

impl Tools {
    /// What is so now.
    pub fn of(live: &LivePolicy) -> Self {
        let (rules, listed) = live.look();
        Self::judged(&rules, listed.as_deref())
    }

    /// These tools under these rules; `None`: nobody has listed them.
    pub fn judged(rules: &Rules, listed: Option<&[Definition]>) -> Self {
        let all = listed.unwrap_or_default();
        Self {
            holds_changed: rules.holds(),
            is_known: listed.is_some(),
            tools: all.iter().take(MOST).map(|tool| Tool::judged(rules, tool)).collect(),
            more: all.len().saturating_sub(MOST),
        }
    }

    /// Those that are held back and need the user's attention.
    pub fn needing_attention(&self) -> impl Iterator<Item = &Tool> {
        self.tools.iter().filter(|tool| matches!(tool.verdict, Verdict::Held { kept_blocked: false, .. }))
    }
}

impl Tool {
    fn judged(rules: &Rules, tool: &Definition) -> Self {
        let says: Value = serde_json::from_str(tool.text()).unwrap_or_default();
        let text =
            |name: &str| says[name].as_str().map(|text| paragraphs(text, LONGEST)).filter(|text| !text.is_empty());
        let effects = &says["annotations"];
        Self {
            name: tool.name().to_owned(),
            shown: text::clean(tool.name(), 128),
            title: text("title").or_else(|| effects["title"].as_str().map(|title| text::clean(title, 200))),
            description: text("description"),
            annotations: Annotations {
                read_only: effects["readOnlyHint"].as_bool(),
                destructive: effects["destructiveHint"].as_bool(),
                idempotent: effects["idempotentHint"].as_bool(),
                open_world: effects["openWorldHint"].as_bool(),
            },
            digest: tool.digest().to_string(),
            verdict: match rules.verdict(tool) {
                Judged::Allowed => Verdict::Allowed,
                Judged::NotAllowed => Verdict::NotAllowed,
                Judged::Denied(pattern) => Verdict::Denied { pattern: text::clean(pattern.as_str(), 256) },
                Judged::Writes => Verdict::NotReadOnly,
                Judged::Held { old, attention } => Verdict::Held {
                    kept_blocked: attention == Attention::Settled,
                    is_new: old.is_none(),
                    changes: changes(old, tool),
                },
            },
        }
    }
}

/// What has changed, part by part.
fn changes(old: Option<&Definition>, new: &Definition) -> Vec<Change> {
    let parts = |tool: &Definition| serde_json::from_str::<Value>(tool.text()).unwrap_or_default();
    let (before, now) = (old.map(parts).unwrap_or_default(), parts(new));
    let shown = |value: Option<&Value>| {
        value.map(|value| match value {
            Value::String(text) => paragraphs(text, LONGEST_PART),
            other => paragraphs(&serde_json::to_string_pretty(other).unwrap_or_default(), LONGEST_PART),
        })
    };
    let mut all: Vec<_> = Part::ALL
        .into_iter()
        .filter(|(_, member)| before.get(member) != now.get(member))
        .map(|(part, member)| {
            let (old, new) = (before.get(member), now.get(member));
            match (shown(old), shown(new)) {
                // They differ in what cannot be seen.
                (old_shown, new_shown) if old_shown == new_shown => {
                    let spelled = |value: Option<&Value>| {
                        value.map(|value| text::clean(&value.to_string().escape_debug().to_string(), LONGEST_PART))
                    };
                    Change { part, old: spelled(old), new: spelled(new) }
                }
                (old, new) => Change { part, old, new },
            }
        })
        .collect();
    // A member that is there twice, of which one shows, or one that may be taken for another: both texts tell.
    let is_told = |tool: &Definition, parts: &Value| {
        let is_part = |name: &String| name == "name" || Part::ALL.iter().any(|(_, member)| name == member);
        let has_parts_alone = parts.as_object().is_some_and(|parts| parts.keys().all(is_part));
        let written = parts.to_string();
        has_parts_alone && written == tool.text()
    };
    let is_whole = all.iter().any(|change| change.part == Part::Whole);
    let hides = old.is_some_and(|old| all.is_empty() || !is_told(old, &before)) || !is_told(new, &now);
    if hides && !is_whole {
        let whole = |tool: &Definition| paragraphs(tool.text(), LONGEST_PART);
        all.push(Change { part: Part::Whole, old: old.map(whole), new: Some(whole(new)) });
    }
    all
}

/// A text of several lines, each cleaned; cut after so many characters.
fn paragraphs(text: &str, most: usize) -> String {
    let mut left = most;
    let mut lines = Vec::new();
    for line in text.lines() {
        let line = text_line(line, left);
        left = left.saturating_sub(line.chars().count() + 1);
        lines.push(line);
        if left == 0 {
            lines.push("…".to_owned());
            break;
        }
    }
    lines.join("\n").trim_end().to_owned()
}

/// A line without control characters; what it begins with stays, because indents tell.
fn text_line(line: &str, most: usize) -> String {
    let indent = line.len() - line.trim_start_matches(' ').len();
    format!("{}{}", " ".repeat(indent.min(most)), text::clean(line, most))
}

#[cfg(test)]
mod tests {
    use culvert_protocol::tool_policy::{ChangedTools, Pattern, ToolPolicy};
    use serde_json::json;

    use super::*;

    fn tool(value: Value) -> Definition {
        Definition::parse(&value.to_string()).unwrap()
    }

    #[test]
    fn each_tool_is_told_with_its_rule() {
        let live = LivePolicy::default();
        live.set(ToolPolicy {
            deny: vec![Pattern::new("rm*").unwrap()],
            changed: ChangedTools::Held,
            ..ToolPolicy::default()
        });
        assert!(!Tools::of(&live).is_known);
        let add = json!({
            "name": "add", "description": "Adds\n  two\u{1b}[31m", "inputSchema": {"a": 1},
            "annotations": {"title": "Sum", "readOnlyHint": true},
        });
        live.listed(vec![tool(add.clone()), tool(json!({"name": "rmdir"}))]);
        let told = Tools::of(&live);
        assert_eq!(
            serde_json::to_value(&told.tools).unwrap(),
            json!([
                {"name": "add", "shown": "add", "title": "Sum", "description": "Adds\n  two [31m",
                 "annotations": {"read_only": true}, "digest": tool(add.clone()).digest().to_string(),
                 "verdict": {"is": "allowed"}},
                {"name": "rmdir", "shown": "rmdir", "annotations": {}, "digest": told.tools[1].digest,
                 "verdict": {"is": "denied", "pattern": "rm*"}},
            ])
        );
        let mut other = add.clone();
        other["description"] = json!("Adds, and mails the sum");
        other["outputSchema"] = json!({"type": "object"});
        let fresh = json!({"name": "new", "title": "Fresh", "inputSchema": {"a": 1}});
        live.listed(vec![tool(other), tool(fresh), tool(json!({"name": "rmdir", "title": "x"}))]);
        let told = Tools::of(&live);
        let verdicts: Vec<_> = told.tools.iter().map(|tool| serde_json::to_value(&tool.verdict).unwrap()).collect();
        assert_eq!(
            verdicts,
            [
                json!({"is": "held", "kept_blocked": false, "is_new": false, "changes": [
                    {"part": "description", "old": "Adds\n  two [31m", "new": "Adds, and mails the sum"},
                    {"part": "output_schema", "new": "{\n  \"type\": \"object\"\n}"},
                ]}),
                json!({"is": "held", "kept_blocked": false, "is_new": true, "changes": [
                    {"part": "title", "new": "Fresh"}, {"part": "input_schema", "new": "{\n  \"a\": 1\n}"},
                ]}),
                json!({"is": "denied", "pattern": "rm*"}),
            ]
        );
        assert_eq!(told.needing_attention().count(), 2);
    }

    #[test]
    fn a_change_that_hides_behind_a_member_of_the_same_name_is_shown() {
        let read = |text: &str| Definition::parse(text).unwrap();
        let old = read(r#"{"name":"a","description":"good"}"#);
        let new = read(r#"{"name":"a","description":"evil","description":"good"}"#);
        let [change] = &changes(Some(&old), &new)[..] else { panic!() };
        assert!(change.part == Part::Whole && change.new.as_ref().unwrap().contains("evil"));
        // Another change beside it hides it no better.
        for hidden in [r#""description":"evil","description":"fine""#, r#""description":"fine","Description":"evil""#] {
            let [part, whole] = &changes(Some(&old), &read(&format!(r#"{{"name":"a",{hidden}}}"#)))[..] else {
                panic!()
            };
            assert_eq!((part.part, part.new.as_deref()), (Part::Description, Some("fine")));
            assert!(whole.part == Part::Whole && whole.new.as_ref().unwrap().contains("evil"), "{hidden}");
        }
        let plain = r#"{"name":"a","description":"x","inputSchema":{"minimum":0.5,"maximum":1e300}}"#;
        assert_eq!(changes(Some(&old), &read(plain)).len(), 2, "what hides nothing is told part by part");
    }

    #[test]
    fn a_change_that_cannot_be_seen_is_spelled_out() {
        let old = tool(json!({"name": "a", "description": "good"}));
        let new = tool(json!({"name": "a", "description": "good\u{e0041}\u{200b}"}));
        let [change] = &changes(Some(&old), &new)[..] else { panic!() };
        assert!(change.old != change.new && change.new.as_ref().unwrap().contains("u{200b}"), "{change:?}");
    }

    #[test]
    fn long_texts_are_cut() {
        assert!(paragraphs(&"word\n".repeat(10_000), 100).chars().count() < 110);
        assert!(paragraphs(&"x".repeat(10_000), 100).chars().count() < 110);
    }
}
