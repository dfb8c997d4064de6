//! A new profile, made of flags.

use std::collections::BTreeMap;

use clap::Args;
use culvert_profiles::{Draft, DraftGateway, Key, Keychain, Platform, Prompt, SecretRef, Shape, Store};
use culvert_protocol::{Secret, text};

use super::{Failure, in_runtime, new_id, surroundings};
use crate::args::TokenText;
use crate::terminal::{Mood, Terminal};
use crate::token_flags::from_stdin;

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("local").required(true))]
pub(super) struct AddArgs {
    /// The name to register; {hostname} and {env:NAME} are filled in
    name: String,

    /// The command of the local MCP server, as typed in a shell
    #[arg(long, value_name = "COMMAND", group = "local")]
    local_stdio: Option<String>,

    /// The URL of a server that speaks Streamable HTTP
    #[arg(long, value_name = "URL", group = "local")]
    local_streamable_http: Option<String>,

    /// The URL of one that speaks the older HTTP with SSE
    #[arg(long, value_name = "URL", group = "local")]
    local_sse: Option<String>,

    /// An argument, passed on as it is; the command is then the program alone. May be repeated
    #[arg(long = "arg", value_name = "TEXT", allow_hyphen_values = true, requires = "local_stdio")]
    args: Vec<String>,

    /// A variable for the server, as NAME=VALUE; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair, requires = "local_stdio")]
    env: Vec<(String, String)>,

    /// A secret variable, as NAME=keychain:…, NAME=env:…, NAME=file:…; may be repeated
    #[arg(long, value_name = "NAME=REFERENCE", requires = "local_stdio")]
    secret_env: Vec<TokenText>,

    /// A header for the URL, as NAME=env:…, NAME=file:…, NAME=keychain:…; may be repeated
    #[arg(long, value_name = "NAME=REFERENCE", conflicts_with = "local_stdio")]
    local_header: Vec<TokenText>,

    /// The gateway's address; may be repeated
    #[arg(long, value_name = "URL")]
    gateway: Vec<String>,

    /// Where the token for it is: keychain:NAME, env:NAME, file:PATH, command:…
    #[arg(long, value_name = "REFERENCE")]
    token: Option<TokenText>,

    /// Read the token from the first line of stdin, and keep it in the system's keychain
    #[arg(long, conflicts_with = "token")]
    token_stdin: bool,

    /// A label, as NAME=VALUE; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    label: Vec<(String, String)>,

    /// Any other key of a configuration file that has a text or number, as KEY=VALUE; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = setting)]
    set: Vec<(Key, String)>,
}

/// `NAME=VALUE`.
fn pair(text: &str) -> Result<(String, String), &'static str> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.trim().to_owned(), value.to_owned()))
}

fn setting(text: &str) -> Result<(Key, String), String> {
    let (name, value) = pair(text).map_err(str::to_owned)?;
    match Key::named(&name) {
        // A token is no text for a command line, and the rest has flags of its own.
        Some(key) if key.about().shape == Shape::Text && !matches!(key, Key::Token | Key::Id | Key::LogLevel) => {
            Ok((key, value))
        }
        Some(key) => Err(format!("{key} cannot be set so")),
        None => Err(match Key::nearest(&name) {
            Some(nearest) => format!("there is no such key; did you mean {nearest}?"),
            None => "there is no such key".to_owned(),
        }),
    }
}

/// A reference to a secret, which is not itself one: the command line can be seen by every user of the machine.
pub(super) fn reference(given: &Secret) -> Result<Secret, Failure> {
    match SecretRef::parse(given.expose(), Platform::here()) {
        Ok(SecretRef::Literal(_)) => Err(Failure::Usage(
            "a secret on the command line can be seen by every user of this machine: name where it is, as in \
             keychain:NAME, env:NAME or file:PATH"
                .to_owned(),
        )),
        Ok(_) => Ok(given.clone()),
        Err(problem) => Err(Failure::Usage(problem.to_string())),
    }
}

fn references(given: &[TokenText]) -> Result<BTreeMap<String, Secret>, Failure> {
    let named = |text: &TokenText| {
        let (name, value) = pair(text.0.expose()).map_err(|problem| Failure::Usage(problem.to_owned()))?;
        Ok((name, reference(&Secret::new(value))?))
    };
    given.iter().map(named).collect()
}

pub(super) fn add(store: &Store, args: AddArgs, terminal: &Terminal) -> Result<(), Failure> {
    let mut draft = Draft::default();
    for (key, value) in &args.set {
        draft.set_text(*key, value);
    }
    draft.set_text(Key::ServerName, &args.name);
    draft.set_text(Key::LocalStdio, args.local_stdio.as_deref().unwrap_or_default());
    draft.set_text(Key::LocalStreamableHttp, args.local_streamable_http.as_deref().unwrap_or_default());
    draft.set_text(Key::LocalSse, args.local_sse.as_deref().unwrap_or_default());
    if !args.args.is_empty() {
        draft.set_list(Key::Args, args.args);
    }
    let plain =
        |pairs: Vec<(String, String)>| pairs.into_iter().map(|(name, value)| (name, Secret::new(value))).collect();
    draft.set_map(Key::Env, &plain(args.env));
    draft.set_map(Key::Labels, &plain(args.label));
    draft.set_map(Key::SecretEnv, &references(&args.secret_env)?);
    draft.set_map(Key::LocalHeaders, &references(&args.local_header)?);
    let gateways: Vec<_> = args.gateway.iter().flat_map(|text| culvert_profiles::addresses(text)).collect();
    let gateways: Vec<_> = gateways.into_iter().map(|address| DraftGateway { address, token: None }).collect();
    draft.set_gateways(&gateways);
    let mut kept = None;
    if args.token_stdin {
        let entry = format!("{}/token", text::clean(&args.name, 128));
        let token = from_stdin().map_err(Failure::NoToken)?;
        draft.set_text(Key::Token, &format!("keychain:{entry}"));
        kept = Some((entry, token));
    } else if let Some(token) = &args.token {
        draft.set_text(Key::Token, reference(&token.0)?.expose());
    }
    save(store, draft, kept.into_iter().collect(), terminal)
}

/// Checks a profile, puts its secrets into the keychain, and saves it.
pub(super) fn save(
    store: &Store,
    draft: Draft,
    keychain: Vec<(String, Secret)>,
    terminal: &Terminal,
) -> Result<(), Failure> {
    // Without a gateway it can be saved, to be finished later; with one it must be able to run.
    let profile = match draft.has(Key::Gateway) {
        true => Some(draft.profile(store.folder(), &surroundings())?),
        false => None,
    };
    for warning in profile.iter().flat_map(|profile| &profile.warnings) {
        terminal.say(Mood::Warning, &crate::exit::explained(warning, "  "));
    }
    // The name first: a secret for a profile that cannot be saved would be left over.
    let name = draft.text(Key::ServerName).unwrap_or_default().to_owned();
    store.is_free(&name)?;
    if !keychain.is_empty() {
        let set = async {
            let store = Keychain::of_the_system();
            for (entry, secret) in keychain {
                store.set(&entry, secret, Prompt::Allowed).await?;
            }
            Ok(())
        };
        in_runtime(set)?.map_err(Failure::Keychain)?;
    }
    let saved = store.add(draft, new_id())?;
    let file = text::clean(&saved.path.to_string_lossy(), 300);
    terminal.say(Mood::Info, &format!("saved {} in {file}", saved.name()));
    Ok(())
}
