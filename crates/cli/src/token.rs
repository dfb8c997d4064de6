//! `culvert token`: tokens for a gateway of ours are made, looked into and taken back.

use std::io::{self, IsTerminal as _, Read as _};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use culvert_gateway::GatewayError;
use culvert_gateway::config::SecretSource;
use culvert_gateway::tokens::{self, BadToken, Inspection, Lifetime, NewToken, Standing, UnixTime, Verdict};
use culvert_protocol::claims::{Claims, Right, peek};
use culvert_protocol::{Explain, Secret, ServerName, text};
use serde::Serialize;

use crate::args::TokenText;
use crate::exit::{Exit, fail, say};
use crate::moment;
use crate::state::{self, NoHome, StateArgs, variable};
use crate::terminal::{Mood, Terminal};

/// The longest token that is read from stdin, in bytes.
const LONGEST: u64 = 64 * 1024;

/// Make, inspect or revoke tokens for culvert gateway.
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub(crate) struct TokenArgs {
    #[command(subcommand)]
    command: TokenCommand,
}

#[derive(Debug, Subcommand)]
enum TokenCommand {
    /// Make a token; stdout is the token alone
    Create(CreateArgs),
    /// Show what a token says and whether this machine's gateway takes it
    Inspect(InspectArgs),
    /// Take a token back; a running gateway notices within seconds
    Revoke(RevokeArgs),
}

#[derive(Debug, Args)]
struct CreateArgs {
    /// Who the token is for
    #[arg(short, long, value_name = "SUBJECT")]
    username: String,

    /// How many minutes it is good; 0: until it is revoked
    #[arg(short, long, value_name = "MINUTES", default_value_t = 10_080)]
    exp: u32,

    /// Sign with this secret; a file or JWT_SECRET_KEY keeps it out of other users' sight
    #[arg(short, long, value_name = "SECRET", conflicts_with = "jwt_secret_file")]
    secret: Option<TokenText>,

    /// See and end everybody's servers and sessions
    #[arg(long)]
    admin: bool,

    /// What it may do: tunnel, call or both [default: both]
    #[arg(long, value_name = "RIGHT", value_delimiter = ',', value_parser = right)]
    can: Vec<Right>,

    /// Only for the server of this name; may be repeated [default: all of its subject's]
    #[arg(long, value_name = "NAME", value_parser = |name: &str| ServerName::new(name))]
    server: Vec<ServerName>,

    #[command(flatten)]
    state: StateArgs,
}

#[derive(Debug, Args)]
struct InspectArgs {
    /// The token, or - for stdin [default: env REVERSE_PROXY_TOKEN, else stdin]
    token: Option<TokenText>,

    /// Print a JSON object
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    state: StateArgs,
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("which").required(true))]
struct RevokeArgs {
    /// The token, or - for stdin
    #[arg(group = "which")]
    token: Option<TokenText>,

    /// The token's id (jti) instead of the token
    #[arg(long, value_name = "JTI", group = "which")]
    id: Option<String>,

    /// The gateway's state folder [default: as for create]
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
}

fn right(text: &str) -> Result<Right, &'static str> {
    match text.trim() {
        "tunnel" => Ok(Right::Tunnel),
        "call" => Ok(Right::Call),
        _ => Err("expected tunnel or call"),
    }
}

/// Does one of the token commands.
pub(crate) fn run(args: TokenArgs, terminal: &Terminal) -> Exit {
    let done = match args.command {
        TokenCommand::Create(args) => create(args, terminal),
        TokenCommand::Inspect(args) => inspect(args, terminal),
        TokenCommand::Revoke(args) => revoke(args, terminal),
    };
    match done {
        Ok(exit) => exit,
        Err(Failure::Gateway(error)) => fail(terminal, &error),
        Err(Failure::Token(error)) => {
            say(terminal, &error);
            Exit::Token
        }
        Err(Failure::Usage(text)) => {
            terminal.say(Mood::Error, text);
            Exit::Usage
        }
        Err(Failure::Io(error)) => {
            terminal.say(Mood::Error, &format!("stdin or stdout: {error}"));
            Exit::Internal
        }
    }
}

/// Why a token command does not work out.
enum Failure {
    Gateway(GatewayError),
    Token(BadToken),
    Usage(&'static str),
    Io(io::Error),
}

impl From<GatewayError> for Failure {
    fn from(error: GatewayError) -> Self {
        Self::Gateway(error)
    }
}

impl From<NoHome> for Failure {
    fn from(why: NoHome) -> Self {
        Self::Usage(why.0)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

fn create(args: CreateArgs, terminal: &Terminal) -> Result<Exit, Failure> {
    let state_dir = args.state.folder()?;
    let source = match args.secret {
        Some(TokenText(current)) => SecretSource::Given { current, previous: None },
        None => args.state.secret_source(),
    };
    let secret = tokens::signing_secret(&source, &state_dir)?;
    let new = NewToken {
        subject: args.username,
        standing: if args.admin { Standing::Admin } else { Standing::User },
        lifetime: if args.exp == 0 { Lifetime::Forever } else { Lifetime::Minutes(args.exp) },
        can: some(args.can),
        servers: some(args.server),
    };
    let token = tokens::create(&secret, &new, UnixTime::now())?;
    crate::stdout::print(&[token.expose().to_owned()])?;
    if args.exp == 0 {
        terminal.say(Mood::Warning, "this token is good until it is revoked (culvert token revoke)");
    }
    Ok(Exit::Asked)
}

fn inspect(args: InspectArgs, terminal: &Terminal) -> Result<Exit, Failure> {
    let token = match args.token.or_else(|| variable("REVERSE_PROXY_TOKEN").map(TokenText)) {
        Some(given) => read(given.0)?,
        None if io::stdin().is_terminal() => return Err(Failure::Usage("give a token, or - and the token on stdin")),
        None => read(Secret::new("-"))?,
    };
    let claims = peek(token.expose()).ok_or(Failure::Token(BadToken::Unreadable))?;
    let state_dir = args.state.folder()?;
    let source = args.state.secret_source();
    // Looking must not make a secret: without any, nothing here can judge the token.
    let can_judge = !matches!(source, SecretSource::State) || state_dir.is_dir();
    let found = match can_judge {
        true => tokens::inspect(&token, &source, &state_dir, UnixTime::now())?,
        false => None,
    };
    let (claims, verdict) = match found {
        Some(Inspection { claims, verdict }) => (claims, Some(verdict)),
        None => (claims, None),
    };
    let shown = if args.json { json(&claims, verdict.as_ref()) } else { told(&claims, verdict.as_ref()) };
    crate::stdout::print(&shown)?;
    match verdict {
        Some(Verdict::Bad(why)) => {
            say(terminal, &why);
            Ok(Exit::Token)
        }
        Some(Verdict::Good) | None => Ok(Exit::Asked),
    }
}

fn revoke(args: RevokeArgs, terminal: &Terminal) -> Result<Exit, Failure> {
    let (id, exp) = match (args.id, args.token) {
        (Some(id), _) => (id, None),
        (None, Some(TokenText(given))) => {
            let claims = peek(read(given)?.expose()).ok_or(Failure::Token(BadToken::Unreadable))?;
            (claims.jti.ok_or(Failure::Token(BadToken::Id))?, claims.exp)
        }
        (None, None) => return Err(Failure::Usage("give the token to revoke, or --id")),
    };
    tokens::revoke(&state::folder(args.state_dir)?, &id, exp)?;
    terminal.say(Mood::Info, &format!("revoked the token {}", text::clean(&id, 100)));
    Ok(Exit::Asked)
}

fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

/// The token itself, or what stdin holds in its place.
fn read(given: Secret) -> io::Result<Secret> {
    if given.expose() != "-" {
        return Ok(given);
    }
    let mut text = String::new();
    io::stdin().lock().take(LONGEST).read_to_string(&mut text)?;
    Ok(Secret::new(text))
}

fn told(claims: &Claims, verdict: Option<&Verdict>) -> Vec<String> {
    let shown = |text: &str| text::clean(text, 200);
    let list = |list: Vec<String>| list.join(", ");
    let verdict = match verdict {
        None => "not checked: there is no signing secret here".to_owned(),
        Some(Verdict::Good) => "good on this machine's gateway".to_owned(),
        Some(Verdict::Bad(why)) => format!("refused: {why} [{}]", why.code()),
    };
    let admin = claims.user.as_ref().is_some_and(|user| user.is_admin);
    let rows = [
        ("subject", claims.sub.as_deref().map_or_else(|| "nobody".to_owned(), shown)),
        (
            "may",
            match &claims.can {
                None if admin => "all, as admin".to_owned(),
                None => "all that its subject may".to_owned(),
                Some(rights) => list(rights.iter().map(|right| word(*right).to_owned()).collect()),
            },
        ),
        (
            "servers",
            match &claims.servers {
                None => "all of its subject's".to_owned(),
                Some(names) => list(names.iter().map(|name| shown(name)).collect()),
            },
        ),
        ("expires", expiry(claims.exp, UnixTime::now())),
        ("id", claims.jti.as_deref().map_or_else(|| "none".to_owned(), shown)),
        ("verdict", verdict),
    ];
    rows.iter().map(|(title, text)| format!("{title:<8} {text}")).collect()
}

const fn word(right: Right) -> &'static str {
    match right {
        Right::Tunnel => "tunnel",
        Right::Call => "call",
    }
}

fn expiry(exp: Option<i64>, now: UnixTime) -> String {
    match exp.map(UnixTime) {
        None => "never".to_owned(),
        Some(exp) if exp <= now => format!("{} (over)", exp.rfc3339()),
        Some(exp) => {
            let left = std::time::Duration::from_secs(exp.since(now));
            format!("{} (in {})", exp.rfc3339(), moment::seconds(left))
        }
    }
}

#[derive(Serialize)]
struct Report<'a> {
    claims: &'a Claims,
    /// `null`: nothing here could judge it.
    good: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

fn json(claims: &Claims, verdict: Option<&Verdict>) -> Vec<String> {
    let bad = match verdict {
        Some(Verdict::Bad(why)) => Some(why),
        Some(Verdict::Good) | None => None,
    };
    let report = Report {
        claims,
        good: verdict.map(|verdict| *verdict == Verdict::Good),
        code: bad.map(Explain::code),
        message: bad.map(ToString::to_string),
    };
    serde_json::to_string(&report).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime(1_800_000_000);

    #[test]
    fn what_a_token_says_is_told_in_rows() {
        let claims = Claims {
            sub: Some("ann\u{1b}[31m".to_owned()),
            can: Some(vec![Right::Tunnel, Right::Call]),
            servers: Some(vec!["git".to_owned()]),
            jti: Some("j1".to_owned()),
            ..Claims::default()
        };
        assert_eq!(
            told(&claims, Some(&Verdict::Bad(BadToken::Revoked))),
            [
                "subject  ann [31m",
                "may      tunnel, call",
                "servers  git",
                "expires  never",
                "id       j1",
                "verdict  refused: the token has been revoked [auth.revoked]",
            ]
        );
        assert!(told(&claims, None)[5].contains("not checked"));
        let value: serde_json::Value = serde_json::from_str(&json(&claims, None)[0]).unwrap();
        assert_eq!(value["good"], serde_json::Value::Null);
        assert_eq!(value["claims"]["jti"], "j1");
    }

    #[test]
    fn expiry_is_a_time_and_a_distance() {
        assert_eq!(expiry(None, NOW), "never");
        assert_eq!(expiry(Some(NOW.0 - 1), NOW), "2027-01-15T07:59:59Z (over)");
        assert_eq!(expiry(Some(NOW.0 + 7_200), NOW), "2027-01-15T10:00:00Z (in 2 h)");
    }

    #[test]
    fn rights_are_two_words() {
        assert_eq!(right("call"), Ok(Right::Call));
        assert_eq!(right(" tunnel"), Ok(Right::Tunnel));
        assert!(right("admin").is_err());
    }
}
