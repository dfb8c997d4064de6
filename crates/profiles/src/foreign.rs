//! Files of other MCP clients: what stands in them, and one with `mcpServers` as a configuration of ours.

pub(crate) mod env_file;
pub(crate) mod server;
pub(crate) mod tree;
pub(crate) mod variables;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use culvert_protocol::{Secret, ServerName, text};

use crate::error::ConfigError;
use crate::file::{ConfigFile, Entry, Written};
use crate::headers::LocalHeaders;
use crate::key::Key;
use crate::origin::{Origin, Place, Sourced};
use crate::secret::SecretRef;
use crate::settings::Settings;
use crate::surroundings::Surroundings;
use crate::value::BadValue;
use crate::warning::Warning;

use self::env_file::variables_of;
use self::server::{Dialect, ForeignServer, Speech, Switch, misshapen};
use self::tree::{Node, Value};
use self::variables::{Known, Template};

pub use self::variables::Open;

/// The member that holds the servers in most clients' files.
const MCP_SERVERS: &str = "mcpServers";

/// A file with `mcpServers`, as a configuration; `None` if `content` is none such.
pub(crate) fn config(content: &str, path: &Path) -> Option<Result<ConfigFile, ConfigError>> {
    if !content.contains(MCP_SERVERS) {
        return None;
    }
    let root = match Node::json(content, &Arc::from(path)) {
        Ok(root) => root,
        Err(error) => return Some(Err(error)),
    };
    let servers = root.get(MCP_SERVERS)?;
    if !matches!(servers.value, Value::Map(_) | Value::Null) {
        return Some(Err(misshapen(servers, "keys with values are expected here")));
    }
    let entries = servers.members().map(|(name, node)| entry(name, node)).collect();
    let others = root.members().filter(|(name, _)| *name != MCP_SERVERS);
    let warnings = others.map(|(name, node)| ignored(name, &node.place)).collect();
    Some(Ok(ConfigFile { top: Settings::default(), servers: Some(entries), warnings }))
}

fn ignored(name: &str, place: &Place) -> Warning {
    Warning::Ignored { at: place.clone(), key: text::clean(name, 60) }
}

fn entry(name: &str, node: &Node) -> Entry {
    let read = ForeignServer::read(node, Dialect::Usual);
    let mut warnings = Vec::new();
    if let Ok(server) = &read {
        warnings.extend(server.ignored.iter().map(|(name, place)| ignored(name, place)));
        if server.switch == Switch::Off {
            warnings.push(Warning::SwitchedOff(node.place.clone()));
        }
    }
    let settings = read.map(|server| Written::Foreign(Box::new(ForeignEntry { name: name.to_owned(), server })));
    Entry { name: Some(text::clean(name, 128)), place: node.place.clone(), settings, warnings }
}

/// A server of another client's file, not filled in yet. `Debug` shows its name only.
#[derive(Clone, PartialEq, Eq)]
pub struct ForeignEntry {
    name: String,
    server: ForeignServer,
}

impl fmt::Debug for ForeignEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ForeignEntry").field("name", &self.name).finish_non_exhaustive()
    }
}

impl ForeignEntry {
    /// Whether its client has it switched off.
    pub(crate) fn is_switched_off(&self) -> bool {
        self.server.switch == Switch::Off
    }

    /// The same as settings of ours, `${…}` filled in from the environment.
    pub(crate) fn settings(
        self,
        at: &Place,
        surroundings: &Surroundings<'_>,
        warnings: &mut Vec<Warning>,
    ) -> Result<Settings, ConfigError> {
        let Self { name, server } = self;
        let known = Known { variable: &|name| surroundings.variable(name), places: &|_| None };
        let mut open = None;
        let mut fill = |text: &str| {
            let template = Template::read(text, &known);
            open = open.take().or_else(|| template.open().next().cloned());
            template.filled(&|_| None)
        };
        let command = server.command.as_deref().map(&mut fill);
        let args: Vec<_> = server.args.iter().map(|arg| fill(arg)).collect();
        let mut env: BTreeMap<_, _> = match server.env_file.as_deref().map(&mut fill) {
            Some(file) => variables_in(&file, at, surroundings)?,
            None => BTreeMap::new(),
        };
        env.extend(server.env.iter().map(|(name, value)| (name.clone(), fill(value.expose()))));
        let cwd = server.cwd.as_deref().map(&mut fill).filter(|cwd| !cwd.trim().is_empty());
        let url = server.url.as_ref().map(|(url, speech)| (fill(url), *speech));
        let headers: Vec<_> = server.headers.iter().map(|(name, value)| (name.clone(), fill(value.expose()))).collect();
        if let Some(open) = open {
            return Err(ConfigError::NeedsValue { at: at.clone(), what: open });
        }
        let origin = Origin::File(at.clone());
        let here = |key| {
            let origin = origin.clone();
            move |problem| ConfigError::Value { origin, key, shown: None, problem }
        };
        let known = ServerName::from_lossy(&name).ok_or_else(|| here(Key::ServerName)(BadValue::Empty))?;
        if known.as_str() != name {
            warnings.push(Warning::Renamed { at: at.clone(), name: known.to_string() });
        }
        let mut settings = Settings::default();
        let mut set = |key, raw| settings.set(key, raw, origin.clone());
        use crate::document::Raw;
        set(Key::ServerName, Raw::Text(known.to_string()))?;
        match (url, command) {
            (Some((url, speech)), None) => {
                let key = match speech {
                    Speech::StreamableHttp => Key::LocalStreamableHttp,
                    Speech::Sse => Key::LocalSse,
                };
                set(key, Raw::Text(url))?;
                let mut read = Vec::with_capacity(headers.len());
                for (name, value) in headers {
                    // Whoever wrote that file meant the text itself: no file of another program makes ours run things.
                    match SecretRef::parse(&value, surroundings.platform) {
                        Ok(SecretRef::Literal(value)) => read.push((name, value)),
                        Ok(_) => return Err(here(Key::LocalHeaders)(BadValue::Reference)),
                        Err(problem) => return Err(here(Key::LocalHeaders)(problem.into())),
                    }
                }
                if !read.is_empty() {
                    settings.local_headers = Some(Sourced::new(LocalHeaders(read), origin.clone()));
                }
            }
            (_, command) => {
                set(Key::LocalStdio, Raw::Text(command.unwrap_or_default()))?;
                set(Key::Args, Raw::List(args))?;
                set(Key::Env, Raw::Map(env))?;
                if let Some(cwd) = cwd {
                    set(Key::Cwd, Raw::Text(cwd))?;
                }
            }
        }
        Ok(settings)
    }
}

/// The variables of a file that a server's entry names.
fn variables_in(
    file: &str,
    at: &Place,
    surroundings: &Surroundings<'_>,
) -> Result<BTreeMap<String, String>, ConfigError> {
    let text = (surroundings.secret_file)(&surroundings.folder.join(file)).map_err(|error| ConfigError::Value {
        origin: Origin::File(at.clone()),
        key: Key::Env,
        shown: Some(text::clean(file, 60)),
        problem: BadValue::UnreadableFile(error.kind()),
    })?;
    Ok(variables_of(&text)
        .into_iter()
        .map(|(name, value): (String, Secret)| (name, value.expose().to_owned()))
        .collect())
}

#[cfg(test)]
mod tests;
