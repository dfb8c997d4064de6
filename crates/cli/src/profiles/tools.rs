//! `culvert tools`: which tools of a saved profile's server pass. A change is taken up by whoever runs the profile.

use clap::{Args, Subcommand};
use culvert_instance::tools::{Decided, Tools};
use culvert_profiles::{Content, Draft, Key, OnBroken, Saved, Store};
use culvert_protocol::text;
use culvert_protocol::tool_policy::Pattern;
use serde_json::{Value, json};

use super::vetting::{self, Vetting};
use super::{Failure, store};
use crate::exit::Exit;
use crate::stdout::print;
use crate::terminal::{Mood, Terminal};

/// Show or change which tools of a saved profile pass, and approve those that have changed.
///
/// In a pattern * stands for any characters, ? for one. A running tunnel takes a change up at once.
#[derive(Debug, Args)]
pub(crate) struct ToolsArgs {
    /// The profile's name, id or file
    name: String,

    #[command(subcommand)]
    command: ToolsCommand,

    /// The folder of the saved profiles [default: $XDG_CONFIG_HOME/culvert/profiles, or ~/.config/culvert/profiles]
    #[arg(long, value_name = "DIR", global = true)]
    #[cfg_attr(windows, arg(help = r"The folder of the saved profiles [default: %APPDATA%\Culvert\profiles]"))]
    folder: Option<std::path::PathBuf>,

    /// A file made by hand, as for `culvert run --config`: NAME is a server in it; shows, approves and keeps blocked
    #[arg(long, value_name = "FILE", global = true, conflicts_with = "folder")]
    config: Option<std::path::PathBuf>,
}

#[derive(Debug, Subcommand)]
enum ToolsCommand {
    /// Show each tool, whether it passes, and what has changed about one that is held back
    List {
        /// Print a JSON object
        #[arg(long)]
        json: bool,

        /// Only what is set; the server is not asked
        #[arg(long)]
        settings: bool,
    },
    /// Let tools pass that are held back, as they are now
    Approve {
        /// Names or patterns
        #[arg(required_unless_present = "all", value_name = "TOOL")]
        tools: Vec<String>,

        /// All that are held back
        #[arg(long, conflicts_with = "tools")]
        all: bool,
    },
    /// Leave changed tools held back, and be reminded of them no more
    KeepBlocked {
        /// Names or patterns
        #[arg(required = true, value_name = "TOOL")]
        tools: Vec<String>,
    },
    /// Let tools pass: again, if they were denied; too, where only some are allowed
    Allow {
        /// Names or patterns
        #[arg(required = true, value_name = "TOOL")]
        tools: Vec<String>,

        /// Let no others pass
        #[arg(long)]
        only: bool,
    },
    /// Let tools pass no more
    Deny {
        /// Names or patterns
        #[arg(required = true, value_name = "TOOL")]
        tools: Vec<String>,
    },
}

/// Does one of the commands.
pub(crate) fn run(args: ToolsArgs, terminal: &Terminal) -> Exit {
    match run_inner(args, terminal) {
        Ok(()) => Exit::Asked,
        Err(failure) => failure.tell(terminal),
    }
}

/// What stands in a file that is never written here.
fn in_file(file: &std::path::Path, args: &ToolsArgs, terminal: &Terminal) -> Result<(), Failure> {
    let (patterns, decided) = match &args.command {
        ToolsCommand::Allow { .. } | ToolsCommand::Deny { .. } => {
            let file = text::clean(&file.to_string_lossy(), 300);
            return Err(Failure::Usage(format!("{file} is made by hand: change the file itself")));
        }
        ToolsCommand::List { json, .. } => {
            let vetting = Vetting::in_file(file, &args.name, terminal)?;
            let tools = vetting.tools();
            let lines = match json {
                true => vec![json!({"tools": tools.tools, "more": tools.more}).to_string()],
                false => vetting::shown(tools),
            };
            return Ok(print(&lines)?);
        }
        ToolsCommand::Approve { all: true, .. } => (vec!["*".to_owned()], Decided::Approve),
        ToolsCommand::Approve { tools, .. } => (tools.clone(), Decided::Approve),
        ToolsCommand::KeepBlocked { tools } => (tools.clone(), Decided::KeepBlocked),
    };
    Vetting::in_file(file, &args.name, terminal)?.decide(&patterns, decided, terminal)
}

fn run_inner(args: ToolsArgs, terminal: &Terminal) -> Result<(), Failure> {
    if let Some(file) = &args.config {
        return in_file(file, &args, terminal);
    }
    let store = store(args.folder)?;
    let saved = store.find(&args.name)?;
    let mut draft = match &saved.content {
        Content::Profile(draft) => draft.clone(),
        Content::Several => {
            let file = text::clean(&saved.path.to_string_lossy(), 300);
            return Err(Failure::Usage(format!("{file} holds several servers: change the file itself")));
        }
        Content::Broken(error) => return Err(Failure::Config(error.clone())),
    };
    match args.command {
        ToolsCommand::List { json, settings: true } => return Ok(print(&shown(&draft, json))?),
        ToolsCommand::List { json, settings: false } => {
            if !json {
                // What is set is known even where the server does not come up.
                print(&shown(&draft, false))?;
            }
            let vetting = Vetting::of(&store, &saved, terminal)?;
            let lines = match json {
                true => vec![with_tools(&draft, vetting.tools())],
                false => vetting::shown(vetting.tools()),
            };
            return Ok(print(&lines)?);
        }
        ToolsCommand::Approve { tools, all } => {
            let tools = if all { vec!["*".to_owned()] } else { tools };
            return Vetting::of(&store, &saved, terminal)?.decide(&tools, Decided::Approve, terminal);
        }
        ToolsCommand::KeepBlocked { tools } => {
            return Vetting::of(&store, &saved, terminal)?.decide(&tools, Decided::KeepBlocked, terminal);
        }
        ToolsCommand::Allow { tools, only: true } => draft.allow_only_tools(&checked(&tools)?),
        ToolsCommand::Allow { tools, only: false } => draft.allow_tools(&checked(&tools)?),
        ToolsCommand::Deny { tools } => draft.deny_tools(&checked(&tools)?),
    }
    change(&store, &saved, draft, terminal)
}

fn change(store: &Store, saved: &Saved, draft: Draft, terminal: &Terminal) -> Result<(), Failure> {
    for line in shown(&draft, false) {
        terminal.say(Mood::Info, &line);
    }
    if Content::Profile(draft.clone()) != saved.content {
        store.replace(saved, draft, OnBroken::Refuse)?;
    }
    Ok(())
}

fn checked(tools: &[String]) -> Result<Vec<String>, Failure> {
    let pattern = |text: &String| Pattern::new(text.trim()).map(|pattern| pattern.as_str().to_owned());
    tools.iter().map(pattern).collect::<Result<_, _>>().map_err(|bad| Failure::Usage(bad.to_string()))
}

fn shown(draft: &Draft, as_json: bool) -> Vec<String> {
    let text = |key: Key| draft.text(key).or(key.about().default).unwrap_or_default().to_owned();
    let allow = draft.has(Key::ToolsAllow).then(|| draft.list(Key::ToolsAllow));
    let deny = draft.list(Key::ToolsDeny);
    if as_json {
        return vec![settings(draft).to_string()];
    }
    let listed = |list: &[String]| match list {
        [] => "none".to_owned(),
        list => text::clean(&list.join(", "), 2000),
    };
    vec![
        format!("allowed:   {}", allow.map_or_else(|| "all".to_owned(), listed)),
        format!("denied:    {}", listed(deny)),
        format!("preset:    {}", text::clean(&text(Key::ToolPreset), 60)),
        format!("prompts:   {}", text::clean(&text(Key::Prompts), 60)),
        format!("resources: {}", text::clean(&text(Key::Resources), 60)),
        format!("changed:   {}", if holds(draft) { "held back until approved" } else { "pass" }),
    ]
}

/// What is set, as JSON.
fn settings(draft: &Draft) -> Value {
    let text = |key: Key| draft.text(key).or(key.about().default).unwrap_or_default().to_owned();
    json!({
        "tools_allow": draft.has(Key::ToolsAllow).then(|| draft.list(Key::ToolsAllow)),
        "tools_deny": draft.list(Key::ToolsDeny), "tool_preset": text(Key::ToolPreset),
        "prompts": text(Key::Prompts), "resources": text(Key::Resources),
        "hold_changed_tools": text(Key::HoldChangedTools),
    })
}

/// The same with the server's own tools.
fn with_tools(draft: &Draft, tools: &Tools) -> String {
    let mut all = settings(draft);
    all["tools"] = json!(tools.tools);
    all["more"] = json!(tools.more);
    all.to_string()
}

fn holds(draft: &Draft) -> bool {
    let held = draft.text(Key::HoldChangedTools).unwrap_or_default().trim().to_ascii_lowercase();
    matches!(held.as_str(), "true" | "yes" | "on")
}
