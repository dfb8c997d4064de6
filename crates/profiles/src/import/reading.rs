//! A client's file, read into the servers that it holds. All clients keep them in one of a few shapes, so that a given
//! file need not say whose it is.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use culvert_protocol::{Secret, ServerName, text};

use super::client::project_of;
use super::found::{Field, Found, FoundServer, Given, ImportWarning, NeedsValue, Visibility};
use super::secrecy::{is_secrets_name, looks_secret};
use super::{Client, World};
use crate::error::ConfigError;
use crate::foreign::env_file::variables_of;
use crate::foreign::server::{Dialect, ForeignServer, Switch, misshapen};
use crate::foreign::tree::{Node, Value};
use crate::foreign::variables::{Known, Open, Template, only_variable};
use crate::secret::SecretRef;

/// The servers in `content`, the text of a client's file at `path`, in its order; each by itself good or bad.
///
/// # Errors
/// [`ConfigError::Syntax`] for a file that cannot be read at all, with line and column.
pub fn read(
    client: Client,
    path: &Path,
    content: &str,
    world: &World<'_>,
) -> Result<Vec<Result<Found, ConfigError>>, ConfigError> {
    let root = root(path, content)?;
    let of_file = project_of(path, &world.home).map(|folder| folder.to_string_lossy().into_owned());
    let mut all = Vec::new();
    let mut add = |servers: Option<&Node>, inputs: Option<&Node>, project: Option<&str>, off: &[String]| {
        let Some(servers) = servers.filter(|servers| !servers.is_null()) else { return };
        if !matches!(servers.value, Value::Map(_)) {
            return all.push(Err(misshapen(servers, "keys with values are expected here")));
        }
        let reader = Reader { client, inputs: questions(inputs), project, world };
        for (name, node) in servers.members() {
            let found = reader.server(name, node);
            all.push(found.map(|found| if off.iter().any(|off| off == name) { found.switched_off() } else { found }));
        }
    };
    let here = of_file.as_deref();
    add(root.get("mcpServers"), root.get("inputs"), here, &[]);
    add(root.get("servers"), root.get("inputs"), here, &[]);
    let mcp = root.get("mcp");
    add(mcp.and_then(|mcp| mcp.get("servers")), mcp.and_then(|mcp| mcp.get("inputs")), here, &[]);
    add(root.get("context_servers"), None, here, &[]);
    add(root.get("mcp_servers"), None, here, &[]);
    for (folder, project) in root.get("projects").into_iter().flat_map(Node::members) {
        let off = ["disabledMcpServers", "disabledMcpjsonServers"].into_iter().filter_map(|key| project.get(key));
        let off: Vec<_> = off.flat_map(Node::texts).collect();
        add(project.get("mcpServers"), None, Some(folder), &off);
    }
    Ok(all)
}

fn root(path: &Path, content: &str) -> Result<Node, ConfigError> {
    let file = Arc::from(path);
    let is_toml = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("toml"));
    let is_json = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("json"));
    let begins_like_json = content.trim_start_matches('\u{feff}').trim_start().starts_with(['{', '/']);
    if is_toml || !(is_json || begins_like_json) { Node::toml(content, &file) } else { Node::json(content, &file) }
}

/// What a client would ask its user, by id.
fn questions(inputs: Option<&Node>) -> BTreeMap<String, NeedsValue> {
    let list = match inputs.map(|inputs| &inputs.value) {
        Some(Value::List(list)) => list.as_slice(),
        _ => &[],
    };
    let question = |node: &Node| {
        let text = |name: &str| node.get(name).and_then(Node::text).map(|text| text::clean(&text, 300));
        let id = node.get("id").and_then(Node::text)?;
        let is_hidden = node.get("password").and_then(Node::truth) == Some(true);
        let needs = NeedsValue {
            what: Open::Input(id.clone()),
            uses: BTreeSet::new(),
            question: text("description"),
            visibility: if is_hidden || is_secrets_name(&id) { Visibility::Hidden } else { Visibility::Shown },
            default: text("default").filter(|default| !default.is_empty()),
            options: node
                .get("options")
                .into_iter()
                .flat_map(Node::texts)
                .map(|text| text::clean(&text, 300))
                .collect(),
        };
        Some((id, needs))
    };
    list.iter().filter_map(question).collect()
}

struct Reader<'a> {
    client: Client,
    inputs: BTreeMap<String, NeedsValue>,
    project: Option<&'a str>,
    world: &'a World<'a>,
}

impl Reader<'_> {
    fn server(&self, name: &str, node: &Node) -> Result<Found, ConfigError> {
        if self.project.is_some_and(|folder| folder.contains('\0')) {
            return Err(misshapen(node, "its project's folder has a character that no folder can have"));
        }
        let dialect = if self.client == Client::GeminiCli { Dialect::Gemini } else { Dialect::Usual };
        let written = ForeignServer::read(node, dialect)?;
        let mut warnings: Vec<_> = written.ignored.iter().map(|(key, _)| ImportWarning::Ignored(key.clone())).collect();
        let known = ServerName::from_lossy(name).ok_or_else(|| misshapen(node, "a server has a name"))?;
        if known.as_str() != name {
            warnings.push(ImportWarning::Renamed(known.to_string()));
        }
        let usual = |text: &str| match dialect {
            Dialect::Usual => text.to_owned(),
            Dialect::Gemini => braced(text),
        };
        let template = |text: &str| self.template(&usual(text));
        let server = match (&written.command, &written.url) {
            (Some(program), url) => {
                if url.is_some() {
                    warnings.push(ImportWarning::UrlLeftOut);
                }
                let mut env = BTreeMap::new();
                if let Some(file) = &written.env_file {
                    env.extend(self.variables(&template(file), &mut warnings));
                }
                let given =
                    |(name, value): (&String, &Secret)| (name.clone(), self.given(name, &usual(value.expose())));
                env.extend(written.env.iter().map(given));
                FoundServer::Command {
                    program: template(program),
                    args: written.args.iter().map(|arg| template(arg)).collect(),
                    cwd: written.cwd.as_deref().map(template),
                    env,
                }
            }
            (None, Some((url, speech))) => {
                let header =
                    |(name, value): &(String, Secret)| (name.clone(), self.given(name, &usual(value.expose())));
                let headers = written.headers.iter().map(header).collect();
                FoundServer::Address { url: template(url), speech: *speech, headers }
            }
            (None, None) => return Err(misshapen(node, "neither a command nor a url is here")),
        };
        let needs = self.needs(&server);
        let mut found = Found {
            client: self.client,
            place: node.place.clone(),
            project: self.project.map(|folder| text::clean(folder, 300)),
            name: known,
            switch: written.switch,
            needs,
            secrets: Vec::new(),
            warnings,
            server,
        };
        found.judge();
        Ok(found)
    }

    fn template(&self, text: &str) -> Template {
        let places = |name: &str| match name {
            "userHome" => Some(self.world.home.to_string_lossy().into_owned()),
            "workspaceFolder" | "workspaceRoot" | "cwd" | "CLAUDE_PROJECT_DIR" => self.project.map(str::to_owned),
            "workspaceFolderBasename" => {
                let name = Path::new(self.project?).file_name()?;
                Some(name.to_string_lossy().into_owned())
            }
            _ => None,
        };
        Template::read(text, &Known { variable: &|name| self.variable(name), places: &places })
    }

    fn variable(&self, name: &str) -> Option<String> {
        (self.world.variable)(name).filter(|value| !value.trim().is_empty())
    }

    /// A variable's or header's value. A secret that the environment has already is best left there.
    fn given(&self, name: &str, text: &str) -> Given {
        if let Some(variable) = only_variable(text)
            && let Some(set) = self.variable(&variable)
            && (looks_secret(name, &set) || looks_secret(&variable, &set))
        {
            return Given::Reference(SecretRef::Env(variable));
        }
        Given::Text(self.template(text))
    }

    /// The variables of a file, if that can be read.
    fn variables(&self, file: &Template, warnings: &mut Vec<ImportWarning>) -> Vec<(String, Given)> {
        if file.open().next().is_some() {
            // Which folder is meant, only the client knows at each start.
            warnings.push(ImportWarning::VariablesFileUnread(text::clean(&file.filled(&|_| None), 200)));
            return Vec::new();
        }
        let path = file.filled(&|_| None);
        let from = self.project.map_or(self.world.home.as_path(), Path::new);
        match (self.world.file)(&from.join(&path)) {
            // These texts are taken as they are.
            // No program can be handed a NUL.
            Ok(content) if !content.contains('\0') => variables_of(&content)
                .into_iter()
                .map(|(name, value)| (name, Given::Text(Template::plain(value.expose()))))
                .collect(),
            _ => {
                warnings.push(ImportWarning::VariablesFileUnread(text::clean(&path, 200)));
                Vec::new()
            }
        }
    }

    /// What the server leaves open, each once.
    fn needs(&self, server: &FoundServer) -> Vec<NeedsValue> {
        let mut needs: Vec<NeedsValue> = Vec::new();
        let mut see = |field: Field, template: &Template| {
            for what in template.open() {
                let is_secret = match &field {
                    Field::Variable(name) | Field::Header(name) => is_secrets_name(name),
                    _ => false,
                };
                let at = needs.iter().position(|need| need.what == *what).unwrap_or_else(|| {
                    needs.push(self.question(what));
                    needs.len() - 1
                });
                needs[at].uses.insert(field.clone());
                if is_secret {
                    needs[at].visibility = Visibility::Hidden;
                }
            }
        };
        match server {
            FoundServer::Command { program, args, cwd, env } => {
                see(Field::Command, program);
                args.iter().enumerate().for_each(|(index, arg)| see(Field::Argument(index), arg));
                cwd.iter().for_each(|cwd| see(Field::Folder, cwd));
                for (name, given) in env {
                    if let Given::Text(template) = given {
                        see(Field::Variable(name.clone()), template);
                    }
                }
            }
            FoundServer::Address { url, headers, .. } => {
                see(Field::Url, url);
                for (name, given) in headers {
                    if let Given::Text(template) = given {
                        see(Field::Header(name.clone()), template);
                    }
                }
            }
        }
        needs
    }

    fn question(&self, what: &Open) -> NeedsValue {
        let asked = match what {
            Open::Input(id) => self.inputs.get(id).cloned(),
            Open::Variable(_) | Open::Place(_) => None,
        };
        let visibility = match what {
            Open::Variable(name) | Open::Input(name) if is_secrets_name(name) => Visibility::Hidden,
            _ => Visibility::Shown,
        };
        asked.unwrap_or_else(|| NeedsValue {
            what: what.clone(),
            uses: BTreeSet::new(),
            question: None,
            visibility,
            default: None,
            options: Vec::new(),
        })
    }
}

impl Found {
    fn switched_off(self) -> Self {
        Self { switch: Switch::Off, ..self }
    }
}

/// `$NAME`, which Gemini CLI fills in, written as `${NAME}`.
fn braced(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..=at]);
        rest = &rest[at + 1..];
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
        if rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
            out.push('{');
            out.push_str(&rest[..end]);
            out.push('}');
            rest = &rest[end..];
        }
    }
    out.push_str(rest);
    out
}
