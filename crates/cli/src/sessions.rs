//! `culvert sessions`: which tunnels a gateway has, and the end of one. Works with Culvert's own gateway and with
//! ContextForge, which tells less.

mod shown;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use culvert_instance::{Empty, Source};
use culvert_link::Dialler;
use culvert_link::refusal::{self, Bearer};
use culvert_link::rest::Answer;
use culvert_profiles::{
    ConfigError, GivenGateway, Key, Origin, ProfileTunnel, Prompt, SecretRef, SecretSources, Settings, Sourced,
};
use culvert_protocol::{Cause, Explain, GatewayAddress, Secret, text};
use http::{Method, StatusCode};
use serde_json::Value;
use tokio::sync::OnceCell;

use crate::args::about;
use crate::exit::{Exit, fail, say};
use crate::saved::{NoPlace, failed, places};
use crate::stdout;
use crate::terminal::{Mood, Terminal};
use crate::token_flags::TokenFlags;
use crate::way_args::WayArgs;
use shown::Session;

/// List a gateway's sessions, or end one.
///
/// Without flags, asks every gateway of the saved profiles.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct SessionsArgs {
    #[command(subcommand)]
    command: Option<SessionsCommand>,

    #[command(flatten)]
    of: OfGateways,
}

/// Whose sessions, and how they are told.
#[derive(Debug, Args)]
struct OfGateways {
    #[arg(long, value_name = "URL", help_heading = "Gateway", help = about(
        Key::Gateway, "The gateway's address; may be repeated"
    ))]
    gateway: Vec<String>,

    #[command(flatten)]
    token: TokenFlags,

    #[command(flatten)]
    way: WayArgs,

    /// Allow a gateway that is not on this machine and has no TLS
    #[arg(long, help_heading = "Gateway")]
    allow_plaintext: bool,

    /// Take gateways and tokens from this file, or from the profiles in this folder
    #[arg(long, value_name = "PATH")]
    config: Option<PathBuf>,

    /// Print an object for each gateway, a line each
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum SessionsCommand {
    /// Show the sessions that the token may know of; the same as nothing
    List(OfGateways),
    /// End sessions; their tunnels may come back
    Disconnect {
        /// Ids of sessions, or names of servers
        #[arg(required = true, value_name = "SESSION")]
        which: Vec<String>,

        #[command(flatten)]
        of: OfGateways,
    },
}

/// A gateway, and where its token is.
struct Target {
    gateway: GatewayAddress,
    token: Option<SecretRef>,
    tunnel: ProfileTunnel,
    dialler: OnceCell<Dialler>,
}

impl Target {
    /// What dials it, ready with the secrets of the way.
    async fn dialler(&self, sources: &SecretSources) -> Result<&Dialler, Failure> {
        let made = || async { Ok(Dialler::new(culvert_instance::outbound(&self.tunnel, sources).await?)) };
        self.dialler.get_or_try_init(made).await.map_err(Failure::Gateway)
    }
}

/// Why nothing came of it.
#[derive(Debug)]
enum Failure {
    /// The gateway was not reached, or does not let us.
    Gateway(Cause),
    /// The gateway answers what cannot be understood.
    Answer(GatewayAddress, String),
    /// No such session anywhere.
    Unknown(String),
    /// Several servers have that name.
    Ambiguous(String, usize),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gateway(cause) => write!(f, "{cause}"),
            Self::Answer(gateway, why) => write!(f, "{gateway} does not tell its sessions: {why}"),
            Self::Unknown(which) => write!(f, "there is no session {which:?}, or it is not this token's to know"),
            Self::Ambiguous(which, count) => write!(f, "{count} sessions have the name {which:?}"),
        }
    }
}

impl Explain for Failure {
    fn code(&self) -> &'static str {
        match self {
            Self::Gateway(cause) => cause.code(),
            Self::Answer(..) => "gateway.answer",
            Self::Unknown(_) => "session.unknown",
            Self::Ambiguous(..) => "session.ambiguous",
        }
    }

    fn action(&self) -> Cow<'static, str> {
        match self {
            Self::Gateway(cause) => cause.action(),
            Self::Answer(..) => "Check that the URL is the gateway's, with its path prefix.".into(),
            Self::Unknown(_) => "`culvert sessions` lists them.".into(),
            Self::Ambiguous(..) => "Give the session's id; `culvert sessions` lists them.".into(),
        }
    }
}

impl From<&Failure> for Exit {
    fn from(failure: &Failure) -> Self {
        match failure {
            Failure::Gateway(cause) => cause.into(),
            Failure::Answer(..) => Self::Unreached,
            Failure::Unknown(_) | Failure::Ambiguous(..) => Self::Usage,
        }
    }
}

/// Lists or ends sessions.
pub(crate) fn run(args: SessionsArgs, terminal: &Terminal) -> Exit {
    let (which, mut args) = match args.command {
        None => (None, args.of),
        Some(SessionsCommand::List(of)) => (None, of),
        Some(SessionsCommand::Disconnect { which, of }) => (Some(which), of),
    };
    if let Err(error) = args.token.settle() {
        say(terminal, &error);
        return Exit::Usage;
    }
    let (targets, sources) = match targets(&args) {
        Ok(found) => found,
        Err(Unread::Config(error)) => return fail(terminal, &error),
        Err(Unread::Place(error)) => return failed(terminal, &error),
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(terminal, &NoPlace::System(error)),
    };
    let work = Work { targets, sources, json: args.json, terminal };
    match which {
        None => runtime.block_on(work.list()),
        Some(which) => runtime.block_on(work.disconnect(&which)),
    }
}

/// Why it is not known whom to ask.
enum Unread {
    Config(ConfigError),
    Place(NoPlace),
}

impl SessionsArgs {
    /// The token, if it stands in the arguments as it is.
    pub(crate) fn literal(&self) -> Option<&Secret> {
        match &self.command {
            None => self.of.token.literal(),
            Some(SessionsCommand::List(of) | SessionsCommand::Disconnect { of, .. }) => of.token.literal(),
        }
    }
}

impl OfGateways {
    fn settings(&self) -> Settings {
        let flag = |key: Key| Origin::Flag(key.about().flag.unwrap_or_default());
        let gateways: Vec<_> = self.gateway.iter().flat_map(|text| GivenGateway::all_in(text)).collect();
        self.way.over(Settings {
            gateway: (!gateways.is_empty()).then(|| Sourced::new(gateways, flag(Key::Gateway))),
            token: self.token.setting(),
            allow_plaintext: self.allow_plaintext.then(|| Sourced::new(true, flag(Key::AllowPlaintext))),
            ..Settings::default()
        })
    }
}

/// Whom to ask. What a profile says of its local server does not matter here.
fn targets(args: &OfGateways) -> Result<(Vec<Target>, SecretSources), Unread> {
    let flags = args.settings();
    let in_environment =
        std::env::var(Key::Gateway.about().variable.unwrap_or_default()).is_ok_and(|url| !url.is_empty());
    let is_saved = args.config.is_none() && args.gateway.is_empty() && !in_environment;
    let source = match is_saved {
        true if flags == Settings::default() => places().map_err(Unread::Place)?.source(),
        true => return Err(Unread::Config(ConfigError::Missing { key: Key::Gateway })),
        false if args.config.is_some() => Source { flags, config: args.config.clone(), empty: Empty::Mistake },
        // A gateway's settings are read together with a local server's, and this one is never started.
        false => {
            let nothing = Sourced::new("true".to_owned(), Origin::Flag("--local-stdio"));
            Source { flags: Settings { local_stdio: Some(nothing), ..flags }, config: None, empty: Empty::Mistake }
        }
    };
    let loaded = source.read().map_err(Unread::Config)?;
    let mut seen = BTreeSet::new();
    let tunnels = loaded.profiles.iter().flat_map(|profile| &profile.tunnels);
    let targets: Vec<_> = tunnels
        .map(|tunnel| Target {
            gateway: tunnel.config.gateway.clone(),
            token: tunnel.secrets.token.as_ref().map(|token| token.value.clone()),
            tunnel: tunnel.clone(),
            dialler: OnceCell::new(),
        })
        // Debug of a reference shows what it refers to and no secret, so two literals would look the same.
        .filter(|target| {
            let token = match &target.token {
                Some(SecretRef::Literal(secret)) => secret.expose().to_owned(),
                other => format!("{other:?}"),
            };
            seen.insert((target.gateway.to_string(), token))
        })
        .collect();
    match targets.is_empty() {
        true => Err(Unread::Place(NoPlace::Nothing)),
        false => Ok((targets, SecretSources::of_this_process(loaded.hidden.iter().cloned()))),
    }
}

struct Work<'t> {
    targets: Vec<Target>,
    sources: SecretSources,
    json: bool,
    terminal: &'t Terminal,
}

impl Work<'_> {
    async fn list(&self) -> Exit {
        let mut exit = Exit::Asked;
        for target in &self.targets {
            match self.sessions(target).await {
                Ok((sessions, _)) => exit = exit.max(self.show(target, &sessions)),
                Err(failure) => exit = exit.max(fail(self.terminal, &failure)),
            }
        }
        exit
    }

    fn show(&self, target: &Target, sessions: &[Session]) -> Exit {
        let lines = match self.json {
            true => {
                let raw: Vec<_> = sessions.iter().map(|session| &session.raw).collect();
                vec![serde_json::json!({"gateway": target.gateway.to_string(), "sessions": raw}).to_string()]
            }
            false => {
                let title = (self.targets.len() > 1).then(|| format!("{}:", target.gateway));
                title.into_iter().chain(shown::table(sessions)).collect()
            }
        };
        match stdout::print(&lines) {
            Ok(()) => Exit::Asked,
            Err(_) => Exit::Internal,
        }
    }

    /// Ends each of those that are named, at whichever gateway has it.
    async fn disconnect(&self, which: &[String]) -> Exit {
        let mut known = Vec::new();
        let mut exit = Exit::Asked;
        for target in &self.targets {
            match self.sessions(target).await {
                Ok((sessions, token)) => {
                    known.extend(sessions.into_iter().map(|session| (target, token.clone(), session)));
                }
                Err(failure) => exit = exit.max(fail(self.terminal, &failure)),
            }
        }
        for name in which {
            let by_id = known.iter().filter(|(.., session)| session.id == *name).take(1);
            let mut found: Vec<_> = by_id.collect();
            if found.is_empty() {
                found = known.iter().filter(|(.., session)| session.name.as_deref() == Some(name)).collect();
            }
            let ended = match found[..] {
                [] => Err(Failure::Unknown(text::clean(name, 100))),
                [(target, token, session)] => self.end(target, token.as_ref(), session).await,
                ref several => Err(Failure::Ambiguous(text::clean(name, 100), several.len())),
            };
            if let Err(failure) = ended {
                exit = exit.max(fail(self.terminal, &failure));
            }
        }
        exit
    }

    async fn end(&self, target: &Target, token: Option<&Secret>, session: &Session) -> Result<(), Failure> {
        // An id of a gateway goes into a path: nothing but what ids are made of.
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if session.id.is_empty() || !session.id.bytes().all(is_plain) || session.id.starts_with('.') {
            return Err(Failure::Answer(
                target.gateway.clone(),
                "it names a session in a way that fits no path".to_owned(),
            ));
        }
        let path = format!("/sessions/{}", session.id);
        let dialler = target.dialler(&self.sources).await?;
        let answer = dialler.ask(&target.gateway, token, Method::DELETE, &path).await.map_err(Failure::Gateway)?;
        match answer.status() {
            status if status.is_success() => {}
            StatusCode::NOT_FOUND => return Err(Failure::Unknown(text::clean(&session.id, 100))),
            _ => return Err(refused(target, token, &answer)),
        }
        if self.json {
            let ended = serde_json::json!({
                "gateway": target.gateway.to_string(), "status": "disconnected", "session_id": session.id,
            });
            let _ = stdout::print(&[ended.to_string()]);
        } else {
            let name = session.name.as_deref().unwrap_or("a server without a name");
            self.terminal.say(
                Mood::Info,
                &format!("ended session {} of {}", text::clean(&session.id, 100), text::clean(name, 100)),
            );
        }
        Ok(())
    }

    /// The sessions that a gateway tells, and the token that it was asked with.
    async fn sessions(&self, target: &Target) -> Result<(Vec<Session>, Option<Secret>), Failure> {
        let token = match &target.token {
            Some(reference) => Some(self.sources.read(reference, Prompt::Allowed).await.map_err(|error| {
                let (what, action) = (error.to_string(), error.action().into_owned());
                Failure::Gateway(Cause::Secret { code: error.code(), what, action })
            })?),
            None => None,
        };
        let asked =
            target.dialler(&self.sources).await?.ask(&target.gateway, token.as_ref(), Method::GET, "/sessions").await;
        let answer = asked.map_err(Failure::Gateway)?;
        if !answer.status().is_success() {
            return Err(refused(target, token.as_ref(), &answer));
        }
        let unreadable = |why: &str| Failure::Answer(target.gateway.clone(), why.to_owned());
        let body = answer.body().as_deref().unwrap_or_default();
        let told: Value = serde_json::from_slice(body).map_err(|_| unreadable("its answer is no JSON"))?;
        let list =
            told.get("sessions").unwrap_or(&told).as_array().ok_or_else(|| unreadable("its answer has no list"))?;
        Ok((list.iter().map(Session::read).collect(), token))
    }
}

fn refused(target: &Target, token: Option<&Secret>, answer: &Answer) -> Failure {
    let bearer = if token.is_some() { Bearer::Sent } else { Bearer::Absent };
    match refusal::cause(&target.gateway, bearer, answer) {
        Cause::Upgrade { .. } => Failure::Answer(target.gateway.clone(), format!("it answered {}", answer.status())),
        cause => Failure::Gateway(cause),
    }
}
