//! What passes of a profile's local server: shown tool by tool, switched, and decided about.

use std::time::Duration;

use culvert_instance::tools::{self as told, Annotations, Part, Verdict};
use culvert_profiles::{Content, Draft, Key, OnBroken};
use culvert_protocol::tool_policy::{Feature, Tools as Allowed};
use culvert_tunnel::LivePolicy;
use tokio::time::sleep;

use crate::check::{explained, made};
use crate::culvert::Culvert;
use crate::saving::hand_made;
use crate::shown::{
    Decided, Decision, Effect, Explained, Preset, ProfileId, Switch, Tool, ToolChange, ToolDecision, ToolPart,
    ToolState, Tools, ToolsWish,
};

/// How often somebody who looks is told what is new.
const LOOK: Duration = Duration::from_millis(250);

impl Culvert {
    /// Tells what passes of a profile's local server, now and with each change. Ends when `tell` says that nobody listens.
    pub async fn watch_tools(&self, id: ProfileId, tell: impl Fn(Tools) -> bool) {
        let mut seen = None;
        loop {
            let live = self.live_policy(&id);
            let now = live.as_ref().map(|live| *live.revisions().borrow());
            if seen != Some(now) {
                seen = Some(now);
                if !tell(live.as_ref().map_or_else(unknown, tools)) {
                    return;
                }
            }
            sleep(LOOK).await;
        }
    }

    /// Saves what the user wants of a profile's tools; it holds at once, without a restart.
    ///
    /// # Errors
    /// There is no such profile, or its file is not the app's to change.
    pub async fn wish_tools(&self, id: &ProfileId, wish: &ToolsWish) -> Result<(), Explained> {
        let _turn = self.0.writing.lock().await;
        let saved = self.saved(id)?;
        let Content::Profile(before) = &saved.content else { return Err(hand_made(&saved)) };
        let mut draft = before.clone();
        change(&mut draft, wish);
        if draft != *before {
            // A tool's name may be none that a file can have.
            made(&draft).map_err(|error| explained(&error))?;
            self.0.store.replace(&saved, draft, OnBroken::Refuse)?;
        }
        self.reload().await
    }

    /// Approves held tools or keeps them blocked: all of these, as they were shown, or none.
    ///
    /// # Errors
    /// One of them is another one by now, or it cannot be saved.
    pub async fn decide_tools(&self, id: &ProfileId, decisions: Vec<ToolDecision>) -> Result<(), Explained> {
        let decisions: Vec<_> = decisions
            .into_iter()
            .map(|ToolDecision { name, digest, decision }| told::Decision {
                name,
                digest,
                decided: match decision {
                    Decision::Approve => told::Decided::Approve,
                    Decision::KeepBlocked => told::Decided::KeepBlocked,
                },
            })
            .collect();
        self.instance()?.decide(self.key(id)?, &decisions).await?;
        self.look_again();
        Ok(())
    }

    fn live_policy(&self, id: &ProfileId) -> Option<LivePolicy> {
        let overview = self.instance().ok()?.overview().borrow().clone();
        let view = overview.profiles.iter().find(|view| view.profile.key.as_str() == id.0)?;
        Some(view.policy.clone())
    }
}

fn change(draft: &mut Draft, wish: &ToolsWish) {
    let mut switch = |key, wanted: &Switch, default: Switch| match *wanted == default {
        true => draft.remove(key),
        false => draft.set_text(key, if wanted.is_on() { "true" } else { "false" }),
    };
    match wish {
        ToolsWish::Tool { name, wanted: Switch::On } => draft.allow_tools(std::slice::from_ref(name)),
        ToolsWish::Tool { name, wanted: Switch::Off } => draft.deny_tools(std::slice::from_ref(name)),
        ToolsWish::AllNames => {
            draft.remove(Key::ToolsAllow);
            draft.remove(Key::ToolsDeny);
        }
        ToolsWish::Preset { preset: Preset::Anything } => draft.remove(Key::ToolPreset),
        ToolsWish::Preset { preset: Preset::OnlyRead } => draft.set_text(Key::ToolPreset, "read-only"),
        ToolsWish::Prompts { wanted } => switch(Key::Prompts, wanted, Switch::On),
        ToolsWish::Resources { wanted } => switch(Key::Resources, wanted, Switch::On),
        ToolsWish::HoldChanged { wanted } => switch(Key::HoldChangedTools, wanted, Switch::Off),
    }
}

/// Of a profile that nobody runs here.
fn unknown() -> Tools {
    tools(&LivePolicy::default())
}

fn tools(live: &LivePolicy) -> Tools {
    let (rules, listed) = live.look();
    let found = told::Tools::judged(&rules, listed.as_deref());
    let policy = &rules.policy;
    let passes = |feature| Switch::from(feature == Feature::On);
    Tools {
        known: found.is_known,
        more: u32::try_from(found.more).unwrap_or(u32::MAX),
        tools: found.tools.into_iter().map(tool).collect(),
        preset: if policy.tools == Allowed::ReadOnly { Preset::OnlyRead } else { Preset::Anything },
        named: policy.allow.is_some() || !policy.deny.is_empty(),
        prompts: passes(policy.prompts),
        resources: passes(policy.resources),
        hold_changed: found.holds_changed.into(),
    }
}

fn tool(tool: told::Tool) -> Tool {
    let told::Tool { name, shown, title, description, annotations, digest, verdict } = tool;
    let state = match verdict {
        Verdict::Allowed => ToolState::Passes,
        Verdict::NotAllowed => ToolState::NotAmong,
        Verdict::Denied { pattern } => ToolState::Off { pattern: Some(pattern).filter(|pattern| *pattern != shown) },
        Verdict::NotReadOnly => ToolState::NotReading,
        Verdict::Held { kept_blocked, is_new, changes } => ToolState::Held {
            decided: if kept_blocked { Decided::KeptBlocked } else { Decided::NotYet },
            is_new,
            changes: changes.into_iter().map(tool_change).collect(),
        },
    };
    Tool { name, shown, title, description, effect: effect(annotations), digest, state }
}

/// MCP has tools that say nothing else count as destructive; here only what is said counts.
fn effect(said: Annotations) -> Effect {
    match (said.read_only, said.destructive) {
        (Some(true), _) => Effect::Reads,
        (_, Some(true)) => Effect::Destroys,
        (Some(false), _) | (_, Some(false)) => Effect::Writes,
        (None, None) => Effect::Unsaid,
    }
}

fn tool_change(told::Change { part, old, new }: told::Change) -> ToolChange {
    let part = match part {
        Part::Title => ToolPart::Title,
        Part::Description => ToolPart::Description,
        Part::InputSchema => ToolPart::Takes,
        Part::OutputSchema => ToolPart::Gives,
        Part::Annotations => ToolPart::Effects,
        Part::Whole => ToolPart::Whole,
    };
    ToolChange { part, old, new }
}

#[cfg(test)]
mod live_tests;

#[cfg(test)]
mod tests {
    use culvert_protocol::tool_policy::{ChangedTools, Definition, Pattern, ToolPolicy};

    use super::*;

    fn definition(text: &str) -> Definition {
        Definition::parse(text).unwrap()
    }

    #[test]
    fn each_tool_is_shown_with_its_rule_and_what_has_changed() {
        let live = LivePolicy::default();
        assert_eq!((tools(&live).known, tools(&live).prompts), (false, Switch::On));
        live.set(ToolPolicy {
            deny: vec![Pattern::new("rm*").unwrap(), Pattern::new("push").unwrap()],
            prompts: Feature::Off,
            changed: ChangedTools::Held,
            ..ToolPolicy::default()
        });
        let others =
            [r#"{"name":"push"}"#, r#"{"name":"rmdir","annotations":{"destructiveHint":true}}"#].map(definition);
        let add = |text: &str| definition(&format!(r#"{{"name":"add","description":"{text}"}}"#));
        let list = |first| [vec![first], others.to_vec()].concat();
        live.listed(list(add("Adds")));
        live.listed(list(add("Adds and mails")));
        let shown = tools(&live);
        assert_eq!((shown.prompts, shown.resources, shown.hold_changed), (Switch::Off, Switch::On, Switch::On));
        let states: Vec<_> = shown.tools.into_iter().map(|tool| (tool.name, tool.effect, tool.state)).collect();
        let change = ToolChange {
            part: ToolPart::Description,
            old: Some("Adds".to_owned()),
            new: Some("Adds and mails".to_owned()),
        };
        let held = ToolState::Held { decided: Decided::NotYet, is_new: false, changes: vec![change] };
        assert_eq!(
            states,
            [
                ("add".to_owned(), Effect::Unsaid, held),
                ("push".to_owned(), Effect::Unsaid, ToolState::Off { pattern: None }),
                ("rmdir".to_owned(), Effect::Destroys, ToolState::Off { pattern: Some("rm*".to_owned()) }),
            ]
        );
    }

    #[test]
    fn a_wish_changes_its_key_and_no_other() {
        let mut draft = Draft::default();
        let tool = |name: &str, wanted| ToolsWish::Tool { name: name.to_owned(), wanted };
        change(&mut draft, &tool("push", Switch::Off));
        change(&mut draft, &ToolsWish::Preset { preset: Preset::OnlyRead });
        change(&mut draft, &ToolsWish::Prompts { wanted: Switch::Off });
        change(&mut draft, &ToolsWish::HoldChanged { wanted: Switch::On });
        assert_eq!(draft.list(Key::ToolsDeny), ["push"]);
        let texts = [Key::ToolPreset, Key::Prompts, Key::Resources, Key::HoldChangedTools].map(|key| draft.text(key));
        assert_eq!(texts, [Some("read-only"), Some("false"), None, Some("true")]);
        change(&mut draft, &tool("push", Switch::On));
        change(&mut draft, &ToolsWish::Preset { preset: Preset::Anything });
        change(&mut draft, &ToolsWish::Prompts { wanted: Switch::On });
        change(&mut draft, &ToolsWish::HoldChanged { wanted: Switch::Off });
        assert!(draft == Draft::default(), "{draft:?}");
        draft.set_list(Key::ToolsAllow, Vec::new());
        change(&mut draft, &tool("push", Switch::On));
        assert_eq!(draft.list(Key::ToolsAllow), ["push"]);
        change(&mut draft, &ToolsWish::AllNames);
        assert!(draft == Draft::default(), "{draft:?}");
    }
}
