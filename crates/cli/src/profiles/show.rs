//! What is saved, listed, shown, passed on and removed.

use clap::Args;
use culvert_instance::control::{self, Question};
use culvert_profiles::{ApprovedFile, Content, Key, Saved, Store};
use culvert_protocol::{Explain as _, text};
use serde::Serialize;

use super::{Failure, in_runtime};
use crate::saved::places;
use crate::stdout::print;
use crate::terminal::{Mood, Terminal};

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Print a JSON array
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// The profile's name, id or file
    name: String,

    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct RemoveArgs {
    /// The profile's name, id or file
    name: String,
}

/// What somebody wants to see a profile for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Look,
    Export,
}

#[derive(Serialize)]
struct Row {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    file: String,
    /// `profile`, `several` or `broken`.
    kind: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    gateways: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    start: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

impl Row {
    fn of(saved: &Saved) -> Self {
        let file = text::clean(&saved.path.to_string_lossy(), 300);
        let row = Self {
            name: saved.name(),
            id: saved.id().map(|id| id.to_string()),
            file,
            kind: "several",
            gateways: Vec::new(),
            start: None,
            code: None,
            message: None,
        };
        match &saved.content {
            Content::Profile(draft) => Self {
                kind: "profile",
                gateways: draft.gateways().iter().map(|gateway| address(&gateway.address)).collect(),
                start: Some(text::clean(draft.text(Key::Start).unwrap_or("last"), 20)),
                ..row
            },
            Content::Several => row,
            Content::Broken(error) => {
                Self { kind: "broken", code: Some(error.code()), message: Some(error.to_string()), ..row }
            }
        }
    }

    fn told(&self) -> String {
        let what = match self.kind {
            "profile" if self.gateways.is_empty() => "no gateway yet".to_owned(),
            "profile" => self.gateways.join(", "),
            "broken" => self.message.clone().unwrap_or_default(),
            _ => format!("several servers in {}", self.file),
        };
        format!("{:<24} {what}", self.name)
    }
}

/// An address as far as it can be shown: what is none may be anything.
fn address(text: &str) -> String {
    culvert_protocol::GatewayAddress::parse(text).map_or_else(|_| "(no address)".to_owned(), |known| known.to_string())
}

pub(super) fn list(store: &Store, args: &ListArgs) -> Result<(), Failure> {
    let rows: Vec<_> = store.list()?.iter().map(Row::of).collect();
    let lines = match args.json {
        true => serde_json::to_string(&rows).into_iter().collect(),
        false => rows.iter().map(Row::told).collect::<Vec<_>>(),
    };
    Ok(print(&lines)?)
}

pub(super) fn show(store: &Store, args: &ShowArgs, purpose: Purpose, terminal: &Terminal) -> Result<(), Failure> {
    let saved = store.find(&args.name)?;
    let mut draft = match &saved.content {
        Content::Profile(draft) => draft.clone(),
        Content::Several => {
            let file = text::clean(&saved.path.to_string_lossy(), 300);
            return Err(Failure::Usage(format!("{file} holds several servers: look at the file itself")));
        }
        Content::Broken(error) => return Err(Failure::Config(error.clone())),
    };
    if purpose == Purpose::Export {
        draft.remove(Key::Id);
    }
    for key in draft.take_out_secrets() {
        terminal.say(Mood::Warning, &format!("secrets in {key} are left out"));
    }
    let lines = match args.json {
        true => vec![draft.to_json()],
        false => draft.to_yaml().lines().map(str::to_owned).collect(),
    };
    Ok(print(&lines)?)
}

pub(super) fn remove(store: &Store, args: &RemoveArgs, terminal: &Terminal) -> Result<(), Failure> {
    let saved = store.find(&args.name)?;
    store.remove(&saved)?;
    terminal.say(Mood::Info, &format!("removed {}", saved.name()));
    forget_approved(store, &saved)?;
    if let Content::Profile(draft) = &saved.content {
        let kept: Vec<_> = draft.keychain_entries().iter().map(|name| text::clean(name, 128)).collect();
        if !kept.is_empty() {
            // Another profile, or a file by hand, may use them too.
            terminal.say(Mood::Info, &format!("its secrets stay in the keychain, as {}", kept.join(", ")));
        }
    }
    Ok(())
}

/// What was approved of its tools goes with a profile. Whoever runs it lets go of it first, and would write it again.
fn forget_approved(store: &Store, saved: &Saved) -> Result<(), Failure> {
    let Ok(places) = places() else { return Ok(()) };
    if store.folder() == places.0.profiles() {
        // Where nobody runs it, or cannot be asked, nothing needs to be waited for.
        let _ = in_runtime(control::ask(&places.socket(), &Question::Reload))?;
    }
    let key = saved.id().map_or_else(|| saved.name(), |id| id.to_string());
    ApprovedFile::forget(&places.0.approved(), &key);
    Ok(())
}
