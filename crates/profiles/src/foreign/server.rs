//! One server in another MCP client's file, as written there: the keys of all of these clients, which resemble each
//! other enough to be read by one reader.

use std::collections::BTreeMap;

use culvert_protocol::{Secret, text};

use super::env_file::is_name;
use super::tree::{Node, Value};
use crate::error::ConfigError;
use crate::origin::Place;

/// Keys that matter to the client alone.
const OF_NO_MATTER: [&str; 26] = [
    "allowedTools",
    "alwaysAllow",
    "autoApprove",
    "chat",
    "default_tools_approval_mode",
    "description",
    "dev",
    "disabledTools",
    "disabled_tools",
    "enabled_tools",
    "enabledTools",
    "excludeTools",
    "gallery",
    "id",
    "includeTools",
    "name",
    "required",
    "source",
    "startup_timeout_ms",
    "startup_timeout_sec",
    "timeout",
    "tool_timeout_sec",
    "tools",
    "trust",
    "version",
    "$schema",
];

/// Where clients mean different things by one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// What most of them mean.
    Usual,
    /// Gemini CLI: `url` is the older transport, and `$NAME` a variable.
    Gemini,
}

/// How a server by address speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speech {
    StreamableHttp,
    Sse,
}

/// Whether the client has it switched on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Switch {
    /// It starts it.
    #[default]
    On,
    /// It leaves it alone.
    Off,
}

/// A server as another client's file has it: texts may have `${…}` in them. No `Debug`: values may be secrets.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct ForeignServer {
    pub(crate) command: Option<String>,
    pub(crate) args: Vec<String>,
    pub(crate) env: BTreeMap<String, Secret>,
    pub(crate) env_file: Option<String>,
    pub(crate) cwd: Option<String>,
    pub(crate) url: Option<(String, Speech)>,
    pub(crate) headers: Vec<(String, Secret)>,
    pub(crate) switch: Switch,
    /// Keys that mean nothing here, with their places.
    pub(crate) ignored: Vec<(String, Place)>,
}

impl ForeignServer {
    /// Reads an entry.
    ///
    /// # Errors
    /// [`ConfigError::Syntax`] where a value has another shape than every client gives it.
    pub(crate) fn read(node: &Node, dialect: Dialect) -> Result<Self, ConfigError> {
        let Value::Map(_) = node.value else { return Err(misshapen(node, "keys with values are expected here")) };
        let mut server = Self::default();
        let mut named = None;
        for (name, node) in node.members().filter(|(_, node)| !node.is_null()) {
            match name {
                // Zed once had the program and all that belongs to it in one object.
                "command" if matches!(node.value, Value::Map(_)) => {
                    let inner = Self::read_command(node)?;
                    server = Self { command: inner.command, args: inner.args, env: inner.env, ..server };
                }
                "command" => server.command = Some(one_text(node)?),
                "args" => server.args = texts(node)?,
                "env" => server.env.extend(pairs(node)?),
                "envFile" => server.env_file = Some(one_text(node)?),
                "cwd" | "workingDirectory" => server.cwd = Some(one_text(node)?),
                "url" | "serverUrl" => {
                    let url = one_text(node)?;
                    let speech = if dialect == Dialect::Gemini { Speech::Sse } else { speech_of(&url) };
                    server.url = Some((url, speech));
                }
                "httpUrl" => server.url = Some((one_text(node)?, Speech::StreamableHttp)),
                "headers" | "http_headers" | "requestInit" => {
                    // `requestInit` is how some pass headers to JavaScript's fetch.
                    let node = if name == "requestInit" { node.get("headers").unwrap_or(node) } else { node };
                    server.headers.extend(pairs(node)?);
                }
                // Codex names variables instead of values.
                "env_http_headers" => {
                    let reference = |(name, variable): (String, Secret)| {
                        (name, Secret::new(format!("${{env:{}}}", variable.expose())))
                    };
                    server.headers.extend(pairs(node)?.into_iter().map(reference));
                }
                "bearer_token_env_var" => {
                    let value = Secret::new(format!("Bearer ${{env:{}}}", one_text(node)?));
                    server.headers.push(("Authorization".to_owned(), value));
                }
                "env_vars" => {
                    for variable in texts(node)? {
                        let variable = variable_name(node, &variable)?;
                        let value = Secret::new(format!("${{env:{variable}}}"));
                        server.env.entry(variable).or_insert(value);
                    }
                }
                "type" | "transport" | "transportType" => {
                    named = speech_named(&one_text(node)?);
                }
                "disabled" if node.truth() == Some(true) => server.switch = Switch::Off,
                "enabled" if node.truth() == Some(false) => server.switch = Switch::Off,
                "disabled" | "enabled" => {}
                name if OF_NO_MATTER.contains(&name) => {}
                name => server.ignored.push((text::clean(name, 60), node.place.clone())),
            }
        }
        if let (Some((_, speech)), Some(named)) = (&mut server.url, named) {
            *speech = named;
        }
        if server.command.is_none() && server.url.is_none() {
            return Err(misshapen(node, "neither a command nor a url is here"));
        }
        Ok(server)
    }

    fn read_command(node: &Node) -> Result<Self, ConfigError> {
        let mut server = Self::default();
        for (name, node) in node.members().filter(|(_, node)| !node.is_null()) {
            match name {
                "path" | "command" => server.command = Some(one_text(node)?),
                "args" => server.args = texts(node)?,
                "env" => server.env.extend(pairs(node)?),
                _ => {}
            }
        }
        Ok(server)
    }
}

/// What a URL suggests: the older transport's endpoint ends in `/sse` by convention.
fn speech_of(url: &str) -> Speech {
    let path = url.split(['?', '#']).next().unwrap_or(url).trim_end_matches('/');
    if path.ends_with("/sse") { Speech::Sse } else { Speech::StreamableHttp }
}

fn speech_named(name: &str) -> Option<Speech> {
    match name.to_ascii_lowercase().replace(['-', '_'], "").as_str() {
        "sse" => Some(Speech::Sse),
        "http" | "streamable" | "streamablehttp" => Some(Speech::StreamableHttp),
        _ => None,
    }
}

pub(crate) fn misshapen(node: &Node, detail: &str) -> ConfigError {
    ConfigError::Syntax { at: node.place.clone(), detail: detail.to_owned() }
}

fn one_text(node: &Node) -> Result<String, ConfigError> {
    let text = node.text().ok_or_else(|| misshapen(node, "one text or number is expected here"))?;
    match text.contains('\0') {
        true => Err(misshapen(node, "it holds a character that cannot be handed to a process")),
        false => Ok(text),
    }
}

fn texts(node: &Node) -> Result<Vec<String>, ConfigError> {
    match &node.value {
        Value::List(list) => list.iter().map(one_text).collect(),
        _ => Err(misshapen(node, "a list is expected here")),
    }
}

fn pairs(node: &Node) -> Result<Vec<(String, Secret)>, ConfigError> {
    let Value::Map(members) = &node.value else {
        return Err(misshapen(node, "keys with values are expected here"));
    };
    let set = members.iter().filter(|(_, node)| !node.is_null());
    set.map(|(key, node)| Ok((variable_name(node, key)?, Secret::new(one_text(node)?)))).collect()
}

fn variable_name(node: &Node, name: &str) -> Result<String, ConfigError> {
    match is_name(name) {
        true => Ok(name.to_owned()),
        false => Err(misshapen(node, "neither a variable nor a header can have this name")),
    }
}
