//! The servers of other MCP clients: found, shown in full, and saved when they are named.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use clap::Args;
use culvert_profiles::import::{self, Found, FoundFile, Open, Switch, Visibility, World};
use culvert_profiles::{DraftGateway, Key, Platform, Prompt, SecretRef, SecretSources, Store, System};
use culvert_protocol::{Explain as _, Secret, text};
use serde::Serialize;

use super::add::{reference, save};
use super::{Failure, home, in_runtime, variable};
use crate::args::TokenText;
use crate::stdout::print;
use crate::terminal::{Mood, Terminal};

#[derive(Debug, Args)]
pub(super) struct ImportArgs {
    /// Look into this file only [default: wherever known clients keep theirs, for the user and the current folder]
    file: Option<PathBuf>,

    /// Save the server of this name; may be repeated. Without any, what is found is shown and nothing is saved
    #[arg(long, value_name = "NAME")]
    name: Vec<String>,

    /// Save all servers that are switched on
    #[arg(long, conflicts_with = "name")]
    all: bool,

    /// The gateway to share them with; may be repeated
    #[arg(long, value_name = "URL")]
    gateway: Vec<String>,

    /// Where the token for it is: keychain:NAME, env:NAME, file:PATH, command:…
    #[arg(long, value_name = "REFERENCE")]
    token: Option<TokenText>,

    /// A value that a server needs, as WHAT=VALUE; for a secret VALUE says where it is, as in env:NAME
    #[arg(long, value_name = "WHAT=VALUE")]
    value: Vec<TokenText>,

    /// Print what is found as a JSON array
    #[arg(long, conflicts_with_all = ["name", "all"])]
    json: bool,
}

/// What something open is called after `--value`.
pub(super) fn called(what: &Open) -> String {
    match what {
        Open::Variable(name) | Open::Place(name) => text::clean(name, 80),
        Open::Input(id) => format!("input:{}", text::clean(id, 80)),
    }
}

pub(super) fn import(store: &Store, args: &ImportArgs, terminal: &Terminal) -> Result<(), Failure> {
    let home = home()?;
    let world = World { system: System::here(), home, variable: &variable, file: &read };
    let folder = std::env::current_dir().ok();
    let files = match &args.file {
        Some(path) => {
            let file = import::one_file(path, &world);
            // One that was asked for must be readable.
            match file.servers {
                Err(error) => return Err(error.into()),
                Ok(_) => vec![file],
            }
        }
        None => import::everywhere(&world, folder.as_deref()),
    };
    if args.name.is_empty() && !args.all {
        return show(&files, args, terminal);
    }
    let all: Vec<_> = files.iter().flat_map(|file| file.servers.iter().flatten()).flatten().collect();
    let chosen = choose(&all, args)?;
    for found in chosen {
        let answers = answers(found, &args.value)?;
        let prepared = found.prepare(&answers).map_err(|open| Failure::Open(found.name.as_str().to_owned(), open))?;
        let mut draft = prepared.draft;
        let gateways = args.gateway.iter().flat_map(|text| culvert_profiles::addresses(text));
        draft.set_gateways(&gateways.map(|address| DraftGateway { address, token: None }).collect::<Vec<_>>());
        if let Some(token) = &args.token {
            draft.set_text(Key::Token, reference(&token.0)?.expose());
        }
        for warning in &found.warnings {
            terminal.say(Mood::Warning, &format!("{}: {warning}", found.name));
        }
        save(store, draft, prepared.keychain, terminal)?;
    }
    Ok(())
}

/// The servers that are named, each once.
fn choose<'a>(all: &[&'a Found], args: &ImportArgs) -> Result<Vec<&'a Found>, Failure> {
    if args.all {
        return Ok(all.iter().copied().filter(|found| found.switch == Switch::On).collect());
    }
    let one = |name: &String| {
        let mut of_name = all.iter().copied().filter(|found| found.name.as_str() == name);
        match (of_name.next(), of_name.next()) {
            (Some(only), None) => Ok(only),
            (Some(first), Some(_)) => Err(Failure::Usage(format!(
                "several servers are called {}: name the file, such as {}",
                first.name,
                text::clean(&first.place.file.to_string_lossy(), 300)
            ))),
            (None, _) => Err(Failure::Usage(format!("no server called {:?} was found", text::clean(name, 128)))),
        }
    };
    args.name.iter().map(one).collect()
}

/// The values given for what is open. A secret is read from where its value says.
fn answers(found: &Found, values: &[TokenText]) -> Result<BTreeMap<Open, Secret>, Failure> {
    let mut answers = BTreeMap::new();
    for need in &found.needs {
        let name = called(&need.what);
        let given = values.iter().find_map(|value| value.0.expose().strip_prefix(&name)?.strip_prefix('='));
        let answer = match (given, need.visibility) {
            (Some(given), Visibility::Shown) => Some(Secret::new(given)),
            (Some(given), Visibility::Hidden) => Some(secret(&reference(&Secret::new(given))?)?),
            (None, _) => need.default.as_deref().map(Secret::new),
        };
        answers.extend(answer.map(|answer| (need.what.clone(), answer)));
    }
    Ok(answers)
}

fn secret(reference: &Secret) -> Result<Secret, Failure> {
    let parsed = SecretRef::parse(reference.expose(), Platform::here());
    let parsed = parsed.map_err(|problem| Failure::Usage(problem.to_string()))?;
    let read = async { SecretSources::of_this_process([]).read(&parsed, Prompt::Allowed).await };
    in_runtime(read)?.map_err(Failure::Secret)
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(import::LARGEST + 1).read_to_string(&mut text)?;
    if text.len() as u64 > import::LARGEST { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(text) }
}

#[derive(Serialize)]
struct Row {
    name: String,
    client: &'static str,
    file: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    project: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    switched_off: bool,
    needs: Vec<String>,
    /// What would go to the keychain.
    secrets: Vec<String>,
    warnings: Vec<String>,
}

impl Row {
    fn of(found: &Found) -> Self {
        Self {
            name: found.name.to_string(),
            client: found.client.name(),
            file: found.place.to_string(),
            project: found.project.clone(),
            command: found.command().map(|words| words.iter().map(|word| text::clean(word, 1000)).collect()),
            url: found.url(),
            switched_off: found.switch == Switch::Off,
            needs: found.needs.iter().map(|need| called(&need.what)).collect(),
            secrets: found.secrets.iter().map(|secret| secret.keychain.clone()).collect(),
            warnings: found.warnings.iter().map(ToString::to_string).collect(),
        }
    }

    fn told(&self) -> Vec<String> {
        let runs = self.command.as_ref().map(|words| words.join(" ")).or_else(|| self.url.clone()).unwrap_or_default();
        let off = if self.switched_off { ", switched off there" } else { "" };
        let project = self.project.as_ref().map(|folder| format!(" for {folder}")).unwrap_or_default();
        let mut lines = vec![format!("{:<24} {}{project}{off}", self.name, self.client), format!("  {runs}")];
        let more = [("needs", self.needs.join(", ")), ("to the keychain", self.secrets.join(", "))];
        lines.extend(
            more.into_iter().filter(|(_, text)| !text.is_empty()).map(|(title, text)| format!("  {title}: {text}")),
        );
        lines.extend(self.warnings.iter().map(|warning| format!("  note: {warning}")));
        lines
    }
}

fn show(files: &[FoundFile], args: &ImportArgs, terminal: &Terminal) -> Result<(), Failure> {
    let mut rows = Vec::new();
    for file in files {
        let servers = match &file.servers {
            Ok(servers) => servers.as_slice(),
            Err(error) => {
                terminal.say(Mood::Warning, &format!("{}: {error} [{}]", file.client.name(), error.code()));
                &[]
            }
        };
        for server in servers {
            match server {
                Ok(found) => rows.push(Row::of(found)),
                Err(error) => {
                    terminal.say(Mood::Warning, &format!("{}: {error} [{}]", file.client.name(), error.code()))
                }
            }
        }
    }
    let lines = match args.json {
        true => serde_json::to_string(&rows).into_iter().collect(),
        false => rows.iter().flat_map(Row::told).collect::<Vec<_>>(),
    };
    print(&lines)?;
    if !args.json {
        let next = match rows.is_empty() {
            true => "no servers were found",
            false => "nothing is saved yet: culvert profiles import --name NAME --gateway URL --token REFERENCE",
        };
        terminal.say(Mood::Info, next);
    }
    Ok(())
}
