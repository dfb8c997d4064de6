//! The servers of other apps: found, shown in full, and saved only where they were chosen. And the one of "Try it".

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use culvert_profiles::import::{self, Found, FoundFile, Open, Visibility as Seen, World};
use culvert_profiles::{ConfigError, Content, Draft as Kept, Key, System};
use culvert_protocol::Secret;
use culvert_protocol::text::clean;
use tokio::task::spawn_blocking;

use crate::built_in::draft_gateway;
use crate::culvert::Culvert;
use crate::facts::TRY;
use crate::filled::filled;
use crate::form::empty;
use crate::saving::new_id;
use crate::shown::{
    Draft, Explained, FoundServer, FoundSource, GatewayField, Imported, Need, Pick, Presence, ProfileId, Refusal,
    SecretField, ShownPair, Switch, Visibility, WholeCommand,
};

impl Culvert {
    /// Looks where other apps keep their servers, or into the one file given. Nothing is saved.
    ///
    /// # Errors
    /// The file that was given is not there or cannot be read.
    pub async fn find_imports(&self, file: Option<String>) -> Result<Vec<FoundSource>, Explained> {
        let known = self.known();
        spawn_blocking(move || {
            let files = match &file {
                Some(path) => {
                    let file = one(&expanded(path));
                    if let Err(error) = &file.servers {
                        return Err(crate::check::explained(error));
                    }
                    vec![file]
                }
                None => with_world(|world| import::everywhere(world, None)),
            };
            Ok(files.iter().map(|file| source(file, &known)).collect())
        })
        .await
        .unwrap_or_else(|_| {
            Err(Explained::new("internal", "The search came to no end.", "Please report this with the log."))
        })
    }

    /// Saves the servers that were chosen, each shared through `gateway`. None of them runs yet.
    ///
    /// # Errors
    /// The built-in gateway does not run. What is wrong with a single server is in the answer.
    pub async fn import(&self, picks: Vec<Pick>, gateway: &GatewayField) -> Result<Imported, Explained> {
        if *gateway == GatewayField::BuiltIn {
            self.need_gateway().await?;
        }
        let mut imported = Imported { ids: Vec::new(), refused: Vec::new() };
        let _turn = self.0.writing.lock().await;
        for pick in picks {
            let name = pick.key.rsplit_once('@').map_or(pick.key.as_str(), |(name, _)| name).to_owned();
            match self.import_one(pick, gateway).await {
                Ok(id) => imported.ids.push(id),
                Err(why) => imported.refused.push(Refusal { name, why }),
            }
        }
        self.reload().await?;
        Ok(imported)
    }

    async fn import_one(&self, pick: Pick, gateway: &GatewayField) -> Result<ProfileId, Explained> {
        let gone = || Explained::new("import.gone", "It is not in that file any more.", "Look again.");
        let path = PathBuf::from(&pick.path);
        let file = spawn_blocking(move || one(&path)).await.map_err(|_| gone())?;
        let servers = file.servers.map_err(|error| crate::check::explained(&error))?;
        let found = servers.into_iter().flatten().find(|found| key(found) == pick.key).ok_or_else(gone)?;
        let answers: BTreeMap<Open, Secret> = found
            .needs
            .iter()
            .filter_map(|need| {
                let given = pick.values.get(&need_id(&need.what)).map(|typed| typed.0.clone());
                let given =
                    given.filter(|given| !given.is_empty()).or_else(|| need.default.as_deref().map(Secret::new));
                Some((need.what.clone(), given?))
            })
            .collect();
        let prepared = found.prepare(&answers).map_err(|open| {
            let names: Vec<String> = open.iter().map(need_id).collect();
            Explained::new(
                "config.needs_value",
                format!("It needs a value first: {}.", names.join(", ")),
                "Fill it in.",
            )
        })?;
        let id = new_id();
        let mut draft = prepared.draft;
        let mut secrets = Vec::new();
        for (entry, secret) in prepared.keychain {
            // An entry of its own, whatever others are called.
            let own = format!("{id}/{}", entry.rsplit('/').next().unwrap_or(&entry));
            for key in [Key::SecretEnv, Key::LocalHeaders] {
                let mut map = draft.map(key);
                for value in map.values_mut().filter(|value| value.is(&format!("keychain:{entry}"))) {
                    *value = Secret::new(format!("keychain:{own}"));
                }
                draft.set_map(key, &map);
            }
            secrets.push((own, secret));
        }
        let shared = Draft { gateways: vec![gateway.clone()], token: SecretField::None, ..empty() };
        let through = filled(&shared, None, &id.to_string(), self.choices().gateway_port);
        draft.set_gateways(&through.draft.gateways());
        secrets.extend(through.typed);
        if let Some(name) = draft.text(Key::ServerName) {
            self.0.store.is_free(name)?;
        }
        self.keep_secrets(secrets).await?;
        self.add(draft, id)?;
        Ok(ProfileId(id.to_string()))
    }

    /// Makes, saves and connects a small server, shared through the built-in gateway.
    ///
    /// # Errors
    /// The built-in gateway does not run, or the profile cannot be saved.
    pub async fn try_it(&self) -> Result<ProfileId, Explained> {
        self.need_gateway().await?;
        let id = {
            let _turn = self.0.writing.lock().await;
            let free = (1..100).map(|nth| if nth == 1 { "time".to_owned() } else { format!("time-{nth}") });
            let name =
                free.into_iter().find(|name| self.0.store.is_free(name).is_ok()).unwrap_or_else(|| "time".to_owned());
            let mut draft = Kept::default();
            draft.set_text(Key::ServerName, &name);
            draft.set_text(Key::LocalStdio, TRY);
            draft.set_gateways(&[draft_gateway(self.choices().gateway_port)]);
            let id = new_id();
            self.add(draft, id)?;
            self.reload().await?;
            ProfileId(id.to_string())
        };
        self.want(&id, Switch::On).await?;
        Ok(id)
    }

    /// The names and commands of what is saved.
    fn known(&self) -> Vec<(String, String)> {
        let all = self.0.store.list().unwrap_or_default();
        let words = |draft: &Kept| {
            let line = draft.text(Key::LocalStdio).unwrap_or_default();
            match draft.has(Key::Args) {
                true => shell_words::join(std::iter::once(&line.to_owned()).chain(draft.list(Key::Args))),
                false => line.to_owned(),
            }
        };
        all.iter()
            .map(|saved| match &saved.content {
                Content::Profile(draft) => (saved.name(), words(draft)),
                _ => (saved.name(), String::new()),
            })
            .collect()
    }
}

fn with_world<T>(ask: impl FnOnce(&World<'_>) -> T) -> T {
    let variable = |name: &str| std::env::var(name).ok();
    let home = std::env::home_dir().unwrap_or_default();
    ask(&World { system: System::here(), home, variable: &variable, file: &read })
}

fn one(path: &Path) -> FoundFile {
    with_world(|world| import::one_file(path, world))
}

/// A path as people type it.
fn expanded(path: &str) -> PathBuf {
    let path = path.trim();
    match (path.strip_prefix("~/"), std::env::home_dir()) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => path.into(),
    }
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(import::LARGEST + 1).read_to_string(&mut text)?;
    if text.len() as u64 > import::LARGEST { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(text) }
}

/// What a choice names: two projects of one file may have servers of one name.
fn key(found: &Found) -> String {
    format!("{}@{}:{}", found.name, found.place.line, found.place.column)
}

/// What an answer names.
fn need_id(what: &Open) -> String {
    match what {
        Open::Variable(name) | Open::Place(name) => clean(name, 80),
        Open::Input(id) => format!("input:{}", clean(id, 80)),
    }
}

fn source(file: &FoundFile, known: &[(String, String)]) -> FoundSource {
    let (mut servers, mut troubles) = (Vec::new(), Vec::new());
    let mut trouble = |error: &ConfigError| troubles.push(Explained::of(error));
    match &file.servers {
        Err(error) => trouble(error),
        Ok(all) => {
            for found in all {
                match found {
                    Ok(found) => servers.push(server(found, known)),
                    Err(error) => trouble(error),
                }
            }
        }
    }
    let path = file.path.to_string_lossy().into_owned();
    FoundSource { app: file.client.name().to_owned(), path, servers, troubles }
}

fn server(found: &Found, known: &[(String, String)]) -> FoundServer {
    let pairs = found.pairs().into_iter().map(|(name, value)| ShownPair { name: clean(&name, 100), value }).collect();
    let command = match found.command() {
        Some(words) => WholeCommand::Command {
            line: shell_words::join(words.iter().map(|word| clean(word, 2000))),
            folder: found.folder(),
            environment: pairs,
            programs: Vec::new(),
        },
        None => WholeCommand::Url { url: found.url().unwrap_or_default(), headers: pairs, programs: Vec::new() },
    };
    let line = match &command {
        WholeCommand::Command { line, .. } => line.as_str(),
        WholeCommand::Url { .. } => "",
    };
    let is_known = known.iter().any(|(name, words)| name == found.name.as_str() || (!line.is_empty() && words == line));
    let mut warnings: Vec<String> = found.warnings.iter().map(|warning| clean(&warning.to_string(), 300)).collect();
    if found.switch == import::Switch::Off {
        warnings.push("switched off there".to_owned());
    }
    let need = |need: &import::NeedsValue| Need {
        id: need_id(&need.what),
        label: need.question.clone().unwrap_or_else(|| need_id(&need.what)),
        visibility: match need.visibility {
            Seen::Shown => Visibility::Shown,
            Seen::Hidden => Visibility::Hidden,
        },
        proposed: need.default.clone().filter(|_| need.visibility == Seen::Shown),
        options: need.options.clone(),
    };
    FoundServer {
        key: key(found),
        name: found.name.to_string(),
        project: found.project.clone(),
        command,
        needs: found.needs.iter().map(need).collect(),
        presence: if is_known { Presence::Known } else { Presence::New },
        warnings,
    }
}
