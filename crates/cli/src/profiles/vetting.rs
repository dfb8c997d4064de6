//! The tools of a saved profile's server as it lists them now: asked of whoever runs the profile, or of the server itself,
//! which is started for a moment then.

use std::path::Path;

use culvert_instance::control::{self, NotAsked};
use culvert_instance::tools::{Change, Decided, Decision, Part, Tool, Tools, Verdict};
use culvert_instance::{Empty, Offline, Places, Source};
use culvert_profiles::{Loaded, Profile, Saved, SecretSources, Settings, Store};
use culvert_protocol::text;
use culvert_protocol::tool_policy::Pattern;

use super::{Failure, in_runtime};
use crate::saved::{places, unasked};
use crate::stdout::print;
use crate::terminal::{Mood, Terminal};

/// A profile's tools, and who takes decisions about them.
pub(super) struct Vetting {
    tools: Tools,
    by: By,
}

enum By {
    /// Whoever runs the profile, at this socket, by this key.
    Running(Places, String),
    /// Nobody runs it.
    Nobody(Box<Offline>),
}

impl Vetting {
    /// Asks for the tools of the profile in `saved`.
    pub(super) fn of(store: &Store, saved: &Saved, terminal: &Terminal) -> Result<Self, Failure> {
        let places = places().map_err(Failure::Place)?;
        let source =
            Source { flags: Settings::default(), config: Some(store.folder().to_path_buf()), empty: Empty::Fine };
        let loaded = source.read()?;
        let profile = find(&loaded, saved)?;
        if store.folder() == places.0.profiles() {
            let key = profile.key.to_string();
            match in_runtime(control::tools(&places.socket(), &key))? {
                Ok(tools) if tools.is_known => return Ok(Self { tools, by: By::Running(places, key) }),
                // Of a profile that is down, whoever runs the others knows no tools.
                Ok(_) | Err(NotAsked::Nobody) => {}
                Err(error) => return Err(Failure::Place(unasked(error))),
            }
        }
        Self::meet(&loaded, &profile, &places, terminal)
    }

    /// Asks the server of this name in a file made by hand.
    pub(super) fn in_file(file: &Path, name: &str, terminal: &Terminal) -> Result<Self, Failure> {
        let source = Source { flags: Settings::default(), config: Some(file.to_path_buf()), empty: Empty::Mistake };
        let loaded = source.read()?;
        let is_it = |profile: &&Profile| profile.name.as_str() == name || profile.key.as_str() == name;
        let profile = loaded.profiles.iter().find(is_it).cloned();
        let profile = profile.ok_or_else(|| {
            let known: Vec<_> = loaded.profiles.iter().map(|profile| profile.name.as_str()).collect();
            let name = text::clean(name, 100);
            Failure::Usage(format!("there is no server {name} in it that can be used; there are: {}", known.join(", ")))
        })?;
        Self::meet(&loaded, &profile, &places().map_err(Failure::Place)?, terminal)
    }

    fn meet(loaded: &Loaded, profile: &Profile, places: &Places, terminal: &Terminal) -> Result<Self, Failure> {
        terminal.say(Mood::Info, "the local server is started for a moment, and asked for its tools");
        let sources = SecretSources::of_this_process(loaded.hidden.iter().cloned());
        let approved = places.0.approved();
        let met = in_runtime(Offline::meet(profile, &loaded.hidden, &sources, &approved, fastrand::Rng::new()))?;
        let offline = met.map_err(Failure::Server)?;
        Ok(Self { tools: offline.tools(), by: By::Nobody(Box::new(offline)) })
    }

    /// What was answered.
    pub(super) fn tools(&self) -> &Tools {
        &self.tools
    }

    /// Decides about those held tools that a pattern stands for.
    pub(super) fn decide(mut self, patterns: &[String], decided: Decided, terminal: &Terminal) -> Result<(), Failure> {
        let mut decisions: Vec<Decision> = Vec::new();
        for text in patterns {
            let pattern = Pattern::new(text.trim()).map_err(|bad| Failure::Usage(bad.to_string()))?;
            let held = self.tools.tools.iter().filter(|tool| {
                matches!(tool.verdict, Verdict::Held { .. }) && (pattern.matches(&tool.name) || tool.name == *text)
            });
            let before = decisions.len();
            decisions.extend(held.map(|tool| Decision {
                name: tool.name.clone(),
                digest: tool.digest.clone(),
                decided,
            }));
            if decisions.len() == before && text != "*" {
                let text = text::clean(text, 128);
                return Err(Failure::Usage(format!("no tool that is held back is called {text}")));
            }
        }
        if decisions.is_empty() {
            terminal.say(Mood::Info, "no tool is held back");
            return Ok(());
        }
        let tools = match &mut self.by {
            By::Running(places, key) => {
                let asked = in_runtime(control::decide(&places.socket(), key, decisions.clone()))?;
                asked.map_err(|error| Failure::Place(unasked(error)))?
            }
            By::Nobody(offline) => offline.decide(&decisions).map_err(Failure::Undecided)?,
        };
        let is_decided = |tool: &&Tool| decisions.iter().any(|decision| decision.name == tool.name);
        Ok(print(&lines(tools.tools.iter().filter(is_decided)))?)
    }
}

fn find(loaded: &Loaded, saved: &Saved) -> Result<Profile, Failure> {
    let is_in = |path: Option<&culvert_profiles::Place>| path.is_some_and(|place| *place.file == *saved.path);
    if let Some(profile) = loaded.profiles.iter().find(|profile| is_in(profile.place.as_ref())) {
        return Ok(profile.clone());
    }
    match loaded.broken.iter().find(|broken| is_in(broken.place.as_ref())) {
        Some(broken) => Err(Failure::Config(broken.error.clone())),
        None => Err(Failure::Usage("the profile is not there any more".to_owned())),
    }
}

/// All tools for people.
pub(super) fn shown(tools: &Tools) -> Vec<String> {
    let mut all = vec![String::new()];
    if !tools.is_known {
        all.push("the server has not listed its tools".to_owned());
    }
    all.extend(lines(tools.tools.iter()));
    if tools.more > 0 {
        all.push(format!("and {} more", tools.more));
    }
    all
}

fn lines<'a>(tools: impl Iterator<Item = &'a Tool> + Clone) -> Vec<String> {
    let width = tools.clone().map(|tool| tool.shown.chars().count()).max().unwrap_or_default().min(40);
    let mut all = Vec::new();
    for tool in tools {
        all.push(format!("{:width$}  {}", tool.shown, words(&tool.verdict)));
        if let Verdict::Held { is_new, changes, .. } = &tool.verdict {
            let shown = |change| if *is_new { said(change) } else { beside(change) };
            changes.iter().for_each(|change| all.extend(shown(change)));
        }
    }
    all
}

fn words(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Allowed => "allowed".to_owned(),
        Verdict::NotAllowed => "not among those that tools_allow names".to_owned(),
        Verdict::Denied { pattern } => format!("denied: tools_deny has {pattern}"),
        Verdict::NotReadOnly => "denied: it does not say that it only reads".to_owned(),
        Verdict::Held { kept_blocked, is_new, .. } => {
            let what = if *is_new { "new" } else { "changed" };
            match kept_blocked {
                true => format!("kept blocked: {what}"),
                false => format!("held back: {what}"),
            }
        }
    }
}

/// What a part was, and under it what it is.
fn beside(change: &Change) -> Vec<String> {
    [vec![part(change)], marked('-', &change.old), marked('+', &change.new)].concat()
}

/// What a part of a new one says: whoever decides has nothing else to go by.
fn said(change: &Change) -> Vec<String> {
    [vec![part(change)], marked('+', &change.new)].concat()
}

fn part(change: &Change) -> String {
    let part = match change.part {
        Part::Title => "title",
        Part::Description => "description",
        Part::InputSchema => "input schema",
        Part::OutputSchema => "output schema",
        Part::Annotations => "annotations",
        Part::Whole => "as listed",
    };
    format!("  {part}")
}

fn marked(mark: char, words: &Option<String>) -> Vec<String> {
    match words {
        None => vec![format!("    {mark} (nothing)")],
        Some(words) => words.lines().map(|line| format!("    {mark} {line}")).collect(),
    }
}

#[cfg(test)]
mod tests {
    use culvert_protocol::tool_policy::{Approved, ChangedTools, Definition, Rules, ToolPolicy};

    use super::*;

    #[test]
    fn old_words_stand_above_the_new_ones() {
        let tool = |text: &str| Definition::parse(text).unwrap();
        let approved = Approved::all([tool(r#"{"name":"add","description":"Adds\ntwo"}"#), tool(r#"{"name":"same"}"#)]);
        let policy = ToolPolicy {
            changed: ChangedTools::Held,
            deny: vec![Pattern::new("rm*").unwrap()],
            ..ToolPolicy::default()
        };
        let listed = [
            tool(r#"{"name":"add","description":"Adds","annotations":{"readOnlyHint":true}}"#),
            tool(r#"{"name":"same"}"#),
            tool(r#"{"name":"fresh","description":"Mails\nall"}"#),
            tool(r#"{"name":"rmdir"}"#),
        ];
        let tools = Tools::judged(&Rules { policy, approved: Some(approved) }, Some(&listed));
        assert_eq!(
            shown(&tools),
            [
                "",
                "add    held back: changed",
                "  description",
                "    - Adds",
                "    - two",
                "    + Adds",
                "  annotations",
                "    - (nothing)",
                "    + {",
                "    +   \"readOnlyHint\": true",
                "    + }",
                "same   allowed",
                "fresh  held back: new",
                "  description",
                "    + Mails",
                "    + all",
                "rmdir  denied: tools_deny has rm*",
            ]
        );
    }
}
