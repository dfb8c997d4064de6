//! An example of every variant of every error type that people meet, with `…` for what varies.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use culvert_gateway::GatewayError;
use culvert_instance::control::Control;
use culvert_instance::report::Problem;
use culvert_instance::{LockError, Undecided};
use culvert_profiles::{
    BadCommand, BadValue, ConfigError, Duplicate, Key, KeychainError, Open, Origin, Place, SecretError, SecretNotice,
    StoreError, Unsupported, Volume, WantedFile, Warning,
};
use culvert_protocol::address::BadAddress;
use culvert_protocol::name::BadName;
use culvert_protocol::{BadLabels, Cause, Explain};
use culvert_tunnel::{BadHeader, BadUrl, Notice};

use crate::exit::Exit;
use crate::health::NoHealth;
use crate::saved::NoPlace;
use crate::token_flags::NoToken;

/// What is said about one error.
#[derive(Debug)]
pub(super) struct Sample {
    pub(super) section: &'static str,
    pub(super) code: String,
    pub(super) says: String,
    pub(super) does: String,
    pub(super) exit: Option<Exit>,
}

/// Every way to end.
pub(super) fn exits() -> [Exit; 11] {
    use Exit::{
        Asked, Command, Configuration, Gateway, Internal, Interrupted, Registration, Server, Token, Unreached, Usage,
    };
    let exits =
        [Asked, Internal, Usage, Configuration, Command, Server, Token, Unreached, Registration, Gateway, Interrupted];
    // A new one does not compile here before it is in the list above.
    for exit in exits {
        match exit {
            Asked | Internal | Usage | Configuration | Command | Server | Token | Unreached | Registration
            | Gateway | Interrupted => {}
        }
    }
    exits
}

/// All of them.
pub(super) fn all() -> Vec<Sample> {
    let mut samples = Vec::new();
    for cause in causes() {
        samples.push(Sample { exit: Some(Exit::from(&cause)), ..sample("Tunnels", &cause) });
    }
    for error in configuration() {
        samples.push(sample("Configuration", &error));
    }
    for warning in warnings() {
        samples.push(sample("Notices and warnings", &warning));
    }
    let readable = |volume| SecretNotice::ReadableByOthers { file: text(), mode: 0o644, volume };
    let foreign = SecretNotice::ForeignOwner { file: text(), owner: 1000 };
    for notice in [readable(Volume::Ordinary), readable(Volume::Kubernetes), foreign] {
        samples.push(sample("Notices and warnings", &notice));
    }
    for error in secrets() {
        samples.push(sample("Secrets", &error));
    }
    let unreadable = NoToken::Unreadable(system());
    for error in [NoToken::Terminal, NoToken::Silent, NoToken::Empty, NoToken::NotAToken, unreadable] {
        samples.push(sample("Secrets", &error));
    }
    for error in saved() {
        samples.push(sample("Saved profiles", &*error));
    }
    for error in gateway() {
        samples.push(sample("A gateway that does not start", &error));
    }
    samples
}

fn sample(section: &'static str, error: &dyn Explain) -> Sample {
    let (code, says, does) = (error.code().to_owned(), error.to_string(), error.action().into_owned());
    Sample { section, code, says, does, exit: None }
}

fn text() -> String {
    "…".to_owned()
}

fn path() -> PathBuf {
    "…".into()
}

fn system() -> io::Error {
    io::Error::other("…")
}

fn place() -> Place {
    Place::new(&Arc::from(Path::new("…")), 0, 0)
}

fn causes() -> Vec<Cause> {
    let gateway = text;
    let after = Duration::from_secs(30);
    let refused = |status| Cause::ServerRefused { url: text(), status, detail: text() };
    vec![
        Cause::Refused { gateway: gateway() },
        Cause::Lookup { gateway: gateway(), detail: text() },
        Cause::Unreachable { gateway: gateway(), detail: text() },
        Cause::Tls { gateway: gateway(), detail: text() },
        Cause::Certificate { detail: text() },
        Cause::Proxy { proxy: text(), detail: text() },
        Cause::ProxyRejected { proxy: text(), detail: text() },
        Cause::Upgrade { gateway: gateway(), status: text(), detail: text() },
        Cause::NoEndpoint { gateway: gateway() },
        Cause::NoSse { gateway: gateway(), detail: text() },
        Cause::Unavailable { gateway: gateway(), status: 503, retry_after: None },
        Cause::TokenRejected { gateway: gateway(), detail: text() },
        Cause::TokenMissing { gateway: gateway() },
        Cause::Forbidden { gateway: gateway(), detail: text() },
        Cause::TokenExpired { gateway: gateway() },
        Cause::RegisterRefused { reason: text() },
        Cause::RegisterFailed { reason: text() },
        Cause::RegisterTimeout { after },
        Cause::Displaced { name: text() },
        Cause::Removed { detail: text() },
        Cause::LinkLost { detail: text() },
        Cause::LinkSilent { after },
        Cause::FrameTooLarge,
        Cause::RetriesExhausted { tries: 3, last: Box::new(Cause::FrameTooLarge) },
        Cause::CommandNotFound { program: text(), searched: text(), remedy: None },
        Cause::CommandInvalid { detail: text() },
        Cause::CommandRefused { program: text(), detail: text() },
        Cause::CommandChanged,
        Cause::ServerExited { status: text(), stderr: text() },
        Cause::ServerFailedToStart { status: text(), stderr: text() },
        Cause::ServerSilent { after, stderr: text() },
        Cause::ServerHandshake { detail: text() },
        Cause::ServerUnreachable { url: text(), detail: text() },
        Cause::ServerRedirect { url: text(), to: text() },
        refused(401),
        refused(500),
        Cause::ServerForeignEndpoint { url: text(), endpoint: text() },
        Cause::ServerLost { url: text(), status: text() },
        Cause::Internal { detail: text() },
    ]
}

fn configuration() -> Vec<ConfigError> {
    let file = || Origin::File(place());
    let value = |origin, key, problem| ConfigError::Value { origin, key, shown: None, problem };
    let unsupported = |what| ConfigError::Unsupported { at: place(), what };
    let url = |problem| ConfigError::BadUrl { origin: file(), problem };
    let server_url = |problem| ConfigError::BadServerUrl { origin: file(), key: Key::LocalStreamableHttp, problem };
    vec![
        ConfigError::Unreadable { file: path(), detail: text() },
        ConfigError::Syntax { at: place(), detail: text() },
        ConfigError::UnknownKey { at: place(), key: text(), nearest: Some("…") },
        ConfigError::UnknownKey { at: place(), key: text(), nearest: None },
        unsupported(Unsupported::McpServers),
        unsupported(Unsupported::InEntry(Key::LogLevel)),
        unsupported(Unsupported::BesideServers(Key::LocalStdio)),
        unsupported(Unsupported::FlagBesideServers("--local-stdio")),
        value(file(), Key::Keepalive, BadValue::NotSeconds),
        value(Origin::Flag("--keepalive"), Key::Keepalive, BadValue::NotSeconds),
        value(file(), Key::Token, BadValue::NotAToken),
        value(Origin::Flag("--local-header"), Key::LocalHeaders, BadValue::NotHeader),
        ConfigError::Name { origin: file(), problem: BadName::Empty },
        ConfigError::Labels { origin: file(), problem: BadLabels::TooMany(17) },
        ConfigError::Header { origin: file(), key: Key::LocalHeaders, problem: BadHeader::Value(text()) },
        server_url(BadUrl::Credentials),
        server_url(BadUrl::Fragment),
        ConfigError::PlaintextServer { origin: file(), key: Key::LocalSse, url: text() },
        ConfigError::Missing { key: Key::LocalStdio },
        ConfigError::Missing { key: Key::Gateway },
        ConfigError::Conflict { origin: file(), key: Key::LocalSse, other: Key::LocalStdio },
        ConfigError::Duplicate { at: place(), what: Duplicate::Name { name: text(), gateway: text(), first: place() } },
        ConfigError::Duplicate { at: place(), what: Duplicate::Id { first: place() } },
        ConfigError::NeedsValue { at: place(), what: Open::Variable(text()) },
        ConfigError::NeedsValue { at: place(), what: Open::Input(text()) },
        ConfigError::NeedsValue { at: place(), what: Open::Place(text()) },
        ConfigError::EmptyFolder { folder: path() },
        url(BadAddress::Query),
        url(BadAddress::Unreadable(text())),
        ConfigError::Plaintext { origin: file(), gateway: text() },
        ConfigError::Command { origin: file(), problem: BadCommand::Empty },
    ]
}

fn warnings() -> Vec<Warning> {
    vec![
        Warning::TokenInArguments,
        Warning::TokenInFile(place()),
        Warning::HeaderInFile(place()),
        Warning::VariableInFile(place()),
        Warning::SecretInFile(place()),
        Warning::Ignored { at: place(), key: text() },
        Warning::SwitchedOff(place()),
        Warning::Renamed { at: place(), name: text() },
        Warning::TokenNotForIt { gateway: text(), token: Origin::Variable("REVERSE_PROXY_TOKEN") },
        Warning::GatewayTwice(text()),
        Warning::Plaintext(text()),
        Warning::ShellSyntax(text()),
        Warning::Notice(Notice::NoRouting),
        Warning::Notice(Notice::SlowKeepalive(Duration::from_secs(120))),
        Warning::Notice(Notice::ToolsHeld(2)),
    ]
}

fn secrets() -> Vec<SecretError> {
    let limit = Duration::from_secs(30);
    vec![
        SecretError::Unset(text()),
        SecretError::File { file: text(), detail: text() },
        SecretError::NoCredentials(text()),
        SecretError::CommandRefused { program: text(), detail: text() },
        SecretError::CommandFailed { program: text(), how: text(), words: text() },
        SecretError::CommandSilent { program: text(), limit, words: text() },
        SecretError::Empty(text()),
        SecretError::TooLarge(text()),
        SecretError::NotText(text()),
        SecretError::NotAToken(text()),
        SecretError::NoAnswer(text()),
        KeychainError::Locked.into(),
        KeychainError::Absent(text()).into(),
        KeychainError::NoEntry(text()).into(),
        KeychainError::Ambiguous(text()).into(),
        KeychainError::Silent(limit).into(),
        KeychainError::Busy.into(),
        KeychainError::Refused(text()).into(),
    ]
}

fn saved() -> Vec<Box<dyn Explain>> {
    let Err(no_socket) = Control::bind(Path::new("/dev/null/x"), WantedFile(path())) else { panic!("it cannot be") };
    let error = || ConfigError::Syntax { at: place(), detail: text() };
    let refused = |code: &str, message: &str, action: &str| {
        let [code, message, action] = [code, message, action].map(str::to_owned);
        Box::new(NoPlace::Refused(Problem { code, message, action }))
    };
    vec![
        Box::new(StoreError::System { path: path(), what: "written", error: system() }),
        Box::new(StoreError::NameTaken { name: text(), path: path() }),
        Box::new(StoreError::NotFound(text())),
        Box::new(StoreError::Ambiguous { name: text(), count: 2 }),
        Box::new(StoreError::HandMade { path: path() }),
        Box::new(StoreError::Broken { path: path(), error: Box::new(error()) }),
        Box::new(StoreError::Changed { path: path() }),
        Box::new(NoPlace::Home),
        Box::new(NoPlace::Lock(LockError::Taken(None))),
        Box::new(NoPlace::Lock(LockError::File { path: path(), source: system() })),
        Box::new(NoPlace::Socket(no_socket)),
        Box::new(NoPlace::Wanted(system())),
        Box::new(NoPlace::Nothing),
        Box::new(NoPlace::Unknown(text(), vec![text()])),
        Box::new(NoPlace::Unknown(text(), Vec::new())),
        refused("…", "…", "…"),
        refused("profile.unknown", "there is no profile …", "There are: …."),
        refused("wanted.unsaved", "what is wanted cannot be saved: …", "Check the state folder and its disk."),
        refused("control.question", "this Culvert does not know that question", "Use the same version."),
        refused("instance.ending", "this Culvert is just ending", "Try again."),
        Box::new(Undecided::NothingHeld),
        Box::new(Undecided::Stale(text())),
        Box::new(Undecided::Unsaved(text())),
        Box::new(NoPlace::Mute(text())),
        Box::new(NoHealth::Address(([127, 0, 0, 1], 9464).into(), text())),
        Box::new(NoHealth::Token(path(), text())),
    ]
}

fn gateway() -> Vec<GatewayError> {
    let address = ([127, 0, 0, 1], 4444).into();
    vec![
        GatewayError::Listen { address, detail: text() },
        GatewayError::Plaintext { address },
        GatewayError::Open { address },
        GatewayError::Tls { path: path(), detail: text() },
        GatewayError::State { path: path(), detail: text() },
        GatewayError::StateInUse { path: path() },
        GatewayError::MetricsListen { address, detail: text() },
        GatewayError::MetricsToken { path: path(), detail: text() },
        GatewayError::PublishAddress { contextforge: text(), address },
        GatewayError::PublishPlaintext { contextforge: text() },
        GatewayError::PublishToken { path: path(), detail: text() },
        GatewayError::SecretFile { path: path(), detail: text() },
        GatewayError::SecretEmpty,
    ]
}
