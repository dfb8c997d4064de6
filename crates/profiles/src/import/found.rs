//! A server that was found, what it still needs, and the profile that it becomes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use culvert_protocol::{Secret, ServerName, text};

use super::Client;
use super::secrecy::{is_secrets_name, looks_like_token, looks_secret};
use crate::command::Platform;
use crate::draft::Draft;
use crate::foreign::server::{Speech, Switch};
use crate::foreign::variables::{Open, Template};
use crate::key::Key;
use crate::origin::Place;
use crate::secret::SecretRef;

/// A part of a server's configuration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    /// The program.
    Command,
    /// One of its arguments, counted from 0.
    Argument(usize),
    /// An environment variable.
    Variable(String),
    /// The folder that it runs in.
    Folder,
    /// Its address.
    Url,
    /// A header for it.
    Header(String),
}

/// Whether an answer is shown while it is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visibility {
    /// It is.
    Shown,
    /// It is a secret.
    Hidden,
}

/// Something that must be answered before the server can run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeedsValue {
    /// What is open.
    pub what: Open,
    /// Where it stands.
    pub uses: BTreeSet<Field>,
    /// What its client would ask, fit to be shown.
    pub question: Option<String>,
    /// Whether the answer is a secret.
    pub visibility: Visibility,
    /// What its client would propose.
    pub default: Option<String>,
    /// What its client would let its user choose from; any text where there is nothing.
    pub options: Vec<String>,
}

/// A value that looks secret, and goes to the keychain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundSecret {
    /// Where it stands: a variable or a header.
    pub field: Field,
    /// The name that it gets in the keychain.
    pub keychain: String,
}

/// What is worth a word about a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImportWarning {
    /// A key that means nothing here.
    Ignored(String),
    /// The name is not one that gateways take.
    Renamed(String),
    /// A value that looks secret stands where every user of the machine can see it: in the command's arguments.
    SecretInArgument(usize),
    /// The address has a key or password in it.
    SecretInUrl,
    /// The file of more variables cannot be read.
    VariablesFileUnread(String),
    /// There is a command and a URL: the command counts.
    UrlLeftOut,
}

impl fmt::Display for ImportWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ignored(key) => write!(f, "the key {key:?} means nothing here and is left out"),
            Self::Renamed(name) => write!(f, "gateways would not take its name; it becomes {name:?}"),
            Self::SecretInArgument(index) => {
                write!(f, "argument {} looks secret, and every user of this machine can see it", index + 1)
            }
            Self::SecretInUrl => f.write_str("the address seems to have a key or password in it"),
            Self::VariablesFileUnread(path) => write!(f, "the variables in {path} cannot be read"),
            Self::UrlLeftOut => f.write_str("it has a command and a url; the url is left out"),
        }
    }
}

/// A value of a variable or header.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Given {
    Text(Template),
    /// Best left where it is.
    Reference(SecretRef),
}

/// What runs, or where it is.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum FoundServer {
    Command { program: Template, args: Vec<Template>, cwd: Option<Template>, env: BTreeMap<String, Given> },
    Address { url: Template, speech: Speech, headers: Vec<(String, Given)> },
}

/// A server of another client. `Debug` shows none of its values.
#[derive(Clone, PartialEq, Eq)]
pub struct Found {
    /// Whose it is.
    pub client: Client,
    /// Where it stands.
    pub place: Place,
    /// The project that it belongs to, if it is for one only.
    pub project: Option<String>,
    /// Its name, fit to be registered.
    pub name: ServerName,
    /// Whether its client has it switched on.
    pub switch: Switch,
    /// What must be answered.
    pub needs: Vec<NeedsValue>,
    /// What goes to the keychain, as far as is known before that.
    pub secrets: Vec<FoundSecret>,
    /// What is worth a word.
    pub warnings: Vec<ImportWarning>,
    pub(super) server: FoundServer,
}

impl fmt::Debug for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Found");
        shown.field("client", &self.client).field("place", &self.place).field("name", &self.name);
        shown.field("needs", &self.needs).field("secrets", &self.secrets).field("warnings", &self.warnings);
        shown.finish_non_exhaustive()
    }
}

/// A profile ready to be saved, without gateways, once its secrets are in the keychain.
#[derive(Debug)]
pub struct Prepared {
    /// The profile.
    pub draft: Draft,
    /// What the keychain is to hold, by name.
    pub keychain: Vec<(String, Secret)>,
}

impl Found {
    /// The command's words, to be shown in full before anybody agrees to it; what is open stands as in the file. `None`
    /// for a server by address.
    pub fn command(&self) -> Option<Vec<String>> {
        match &self.server {
            FoundServer::Command { program, args, .. } => {
                Some(std::iter::once(program).chain(args).map(|word| word.filled(&|_| None)).collect())
            }
            FoundServer::Address { .. } => None,
        }
    }

    /// Its address without the query, which may hold a key. `None` for a command.
    pub fn url(&self) -> Option<String> {
        match &self.server {
            FoundServer::Address { url, .. } => {
                let url = url.filled(&|_| None);
                Some(text::clean(url.split(['?', '#']).next().unwrap_or_default(), 200))
            }
            FoundServer::Command { .. } => None,
        }
    }

    /// Its variables, or the headers for its address, by name: what is open stands as in the file, and the value of one
    /// that goes to the keychain is left out.
    pub fn pairs(&self) -> Vec<(String, Option<String>)> {
        let shown = |name: &String, given: &Given| {
            let is_secret = self.secrets.iter().any(|secret| match &secret.field {
                Field::Variable(field) | Field::Header(field) => field == name,
                _ => false,
            });
            let value = match given {
                _ if is_secret => None,
                Given::Text(template) => Some(text::clean(&template.filled(&|_| None), 1000)),
                Given::Reference(reference) => Some(reference.to_string()),
            };
            (name.clone(), value)
        };
        match &self.server {
            FoundServer::Command { env, .. } => env.iter().map(|(name, given)| shown(name, given)).collect(),
            FoundServer::Address { headers, .. } => headers.iter().map(|(name, given)| shown(name, given)).collect(),
        }
    }

    /// The folder that it runs in, where the file names one.
    pub fn folder(&self) -> Option<String> {
        match &self.server {
            FoundServer::Command { cwd, .. } => cwd.as_ref().map(|cwd| text::clean(&cwd.filled(&|_| None), 1000)),
            FoundServer::Address { .. } => None,
        }
    }

    /// The profile that it becomes with these answers.
    ///
    /// # Errors
    /// What has no answer.
    pub fn prepare(&self, answers: &BTreeMap<Open, Secret>) -> Result<Prepared, Vec<Open>> {
        let open: Vec<_> =
            self.needs.iter().map(|need| &need.what).filter(|what| !answers.contains_key(what)).collect();
        if !open.is_empty() {
            return Err(open.into_iter().cloned().collect());
        }
        let answer = |what: &Open| answers.get(what).map(|value| value.expose().to_owned());
        let fill = |template: &Template| template.filled(&answer);
        let mut draft = Draft::default();
        let mut keychain = Vec::new();
        draft.set_text(Key::ServerName, self.name.as_str());
        match &self.server {
            FoundServer::Command { program, args, cwd, env } => {
                draft.set_text(Key::LocalStdio, &fill(program));
                draft.set_list(Key::Args, args.iter().map(fill).collect());
                draft.set_text(Key::Cwd, &cwd.as_ref().map(fill).unwrap_or_default());
                let (mut plain, mut secret) = (BTreeMap::new(), BTreeMap::new());
                for (name, given) in env {
                    match self.value(name, given, &fill, &mut keychain) {
                        Value::Plain(value) => _ = plain.insert(name.clone(), value),
                        Value::Reference(reference) => _ = secret.insert(name.clone(), reference),
                    }
                }
                draft.set_map(Key::Env, &plain);
                draft.set_map(Key::SecretEnv, &secret);
            }
            FoundServer::Address { url, speech, headers } => {
                let key = match speech {
                    Speech::StreamableHttp => Key::LocalStreamableHttp,
                    Speech::Sse => Key::LocalSse,
                };
                draft.set_text(key, &fill(url));
                let header = |(name, given): &(String, Given)| match self.value(name, given, &fill, &mut keychain) {
                    Value::Plain(value) | Value::Reference(value) => (name.clone(), value),
                };
                draft.set_map(Key::LocalHeaders, &headers.iter().map(header).collect());
            }
        }
        Ok(Prepared { draft, keychain })
    }

    fn value(
        &self,
        name: &str,
        given: &Given,
        fill: &dyn Fn(&Template) -> String,
        keychain: &mut Vec<(String, Secret)>,
    ) -> Value {
        match given {
            Given::Reference(SecretRef::Env(variable)) => Value::Reference(Secret::new(format!("env:{variable}"))),
            Given::Reference(_) => Value::Plain(Secret::default()),
            Given::Text(template) => {
                let value = fill(template);
                if self.is_secret(name, template, &value) {
                    let entry = keychain_name(&self.name, name);
                    keychain.push((entry.clone(), Secret::new(value)));
                    return Value::Reference(Secret::new(format!("keychain:{entry}")));
                }
                Value::Plain(Secret::new(value))
            }
        }
    }

    /// Whether a value goes to the keychain: it looks so, a secret answer is part of it, or it would be taken for a
    /// reference, which another program's file must not bring in.
    fn is_secret(&self, name: &str, template: &Template, value: &str) -> bool {
        let hidden =
            |what: &Open| self.needs.iter().any(|need| need.what == *what && need.visibility == Visibility::Hidden);
        let is_header = matches!(self.server, FoundServer::Address { .. });
        let is_reference = || !matches!(SecretRef::parse(value, Platform::here()), Ok(SecretRef::Literal(_)));
        looks_secret(name, value)
            || template.open().any(hidden)
            || (is_header && !value.trim().is_empty() && is_reference())
    }

    /// Sees what of the values goes to the keychain, and what is better not where it is.
    pub(super) fn judge(&mut self) {
        let empty = |template: &Template| template.filled(&|_| Some(String::new()));
        let mut secrets = Vec::new();
        let mut see = |field: Field, name: &str, given: &Given| {
            if let Given::Text(template) = given
                && (self.is_secret(name, template, &empty(template))
                    || (template.open().next().is_some() && is_secrets_name(name)))
            {
                secrets.push(FoundSecret { field, keychain: keychain_name(&self.name, name) });
            }
        };
        let mut warnings = Vec::new();
        match &self.server {
            FoundServer::Command { args, env, .. } => {
                env.iter().for_each(|(name, given)| see(Field::Variable(name.clone()), name, given));
                let args: Vec<_> = args.iter().map(empty).collect();
                for (index, arg) in args.iter().enumerate() {
                    let (name, value) = arg.split_once('=').unwrap_or(("", arg));
                    let before = index.checked_sub(1).and_then(|before| args.get(before)).map_or("", String::as_str);
                    let is_behind_flag = before.starts_with("--") && !before.contains('=') && !arg.starts_with('-');
                    let named = looks_secret(name, value) || (is_behind_flag && looks_secret(before, arg));
                    if named || looks_like_token(value) {
                        warnings.push(ImportWarning::SecretInArgument(index));
                    }
                }
            }
            FoundServer::Address { url, headers, .. } => {
                headers.iter().for_each(|(name, given)| see(Field::Header(name.clone()), name, given));
                let url = empty(url);
                let query = url.split_once('?').map_or("", |(_, query)| query);
                let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
                if looks_like_token(&url) || pairs.into_iter().any(|(name, value)| looks_secret(name, value)) {
                    warnings.push(ImportWarning::SecretInUrl);
                }
            }
        }
        self.secrets = secrets;
        self.warnings.extend(warnings);
    }
}

enum Value {
    Plain(Secret),
    Reference(Secret),
}

/// The name of a server's secret in the keychain.
fn keychain_name(server: &ServerName, name: &str) -> String {
    let name = ServerName::from_lossy(name).map_or_else(|| "value".to_owned(), |name| name.to_string());
    format!("{server}/{name}")
}
