//! The engine's steps one by one, each tried once and undone at once: for whoever wants to know which of them fails.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use culvert_link::dial::{Dialled, Dialler};
use culvert_link::{Carriage, Frame};
use culvert_protocol::channels::control::Offer;
use culvert_protocol::envelope::{Envelope, Kind, Writer};
use culvert_protocol::message::{Message, Shape, member};
use culvert_protocol::rpc_error::{METHOD_NOT_FOUND, RpcError, empty_result};
use culvert_protocol::tool_policy::Definition;
use culvert_protocol::{Cause, Secret, ServerName};
use tokio::time::{Instant, timeout, timeout_at};

use crate::choice::Choice;
use crate::command;
use crate::config::{StdioCommand, Transport, TunnelConfig};
use crate::door::Door;
use crate::engine::{Stage, link_cause, session_id};
use crate::handshake::{self, Era, Greeting, NoGreeting};
use crate::local::Launcher;
use crate::outside::Bearer;
use crate::policy::LivePolicy;
use crate::register::{self, Acknowledged, Dialect, Unacknowledged};
use crate::registration::{Refusal, Refusals};

/// How long a farewell may take to get out.
const FAREWELL: Duration = Duration::from_secs(2);

/// A program that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// Its file.
    pub file: PathBuf,
    /// The entry of `PATH` that it was found in; none for one that was given as a path.
    pub found_in: Option<PathBuf>,
}

/// Finds the program of a command as the engine would.
///
/// # Errors
/// As starting it: [`Cause::CommandNotFound`], [`Cause::CommandRefused`], [`Cause::CommandInvalid`].
pub fn find(command: &StdioCommand) -> Result<Program, Cause> {
    let file = command::resolve(command, command::path_of(command).as_deref())?;
    let was_looked_up = !command.program.contains(std::path::is_separator);
    let found_in = file.parent().filter(|_| was_looked_up).map(Path::to_owned);
    Ok(Program { file, found_in })
}

/// What a local server said when it was tried.
#[derive(Debug, Clone)]
pub struct Met {
    greeting: Greeting,
    /// How long it took to its last answer.
    pub took: Duration,
}

/// What a local server says of its tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tools {
    /// It lists so many.
    Listed(usize),
    /// It says that it has some, and does not list them.
    Unlisted,
    /// It has none.
    None,
}

impl Met {
    /// The tools that it lists, as far as they can be read; none where it did not list them to the end.
    pub fn listed(&self) -> Option<&[Definition]> {
        self.greeting.listed.as_deref()
    }

    /// What it says of its tools.
    pub fn tools(&self) -> Tools {
        match (self.greeting.tools, self.greeting.era) {
            (Some(count), _) => Tools::Listed(count),
            (None, Era::Legacy) => {
                let all = member(&self.greeting.result, "capabilities").ok().flatten();
                let tools = all.and_then(|all| member(all, "tools").ok().flatten());
                if tools.is_some() { Tools::Unlisted } else { Tools::None }
            }
            (None, Era::Modern) => Tools::None,
        }
    }
}

/// Starts the local server, or begins a conversation with its URL; `initialize` and `tools/list` must be answered
/// within `limit`. Whatever comes of it, it is ended before this returns, which takes a few seconds where it does not
/// want to.
///
/// # Errors
/// The cause with which the engine would stop.
pub async fn meet(config: &TunnelConfig, limit: Duration, random: fastrand::Rng) -> Result<Met, Cause> {
    let began = Instant::now();
    let mut local = Launcher::new(config, Arc::default(), LivePolicy::default(), random).launch()?;
    let greeted = timeout(limit, handshake::greet(&mut local, limit)).await.unwrap_or(Err(NoGreeting::Silent));
    let took = began.elapsed();
    let last_words = local.last_words();
    local.end().await;
    match greeted {
        Ok(greeting) => Ok(Met { greeting, took }),
        Err(failed) => Err(failed.into_cause(limit, last_words)),
    }
}

/// A link on which nothing has been said.
#[derive(Debug)]
pub struct FreshLink {
    link: Dialled,
    session_id: String,
}

/// Dials the gateway with this bearer, none where it asks for none, as the `transport` of `config` says.
///
/// # Errors
/// The cause with which the engine's try would fail.
pub async fn dial(
    config: &TunnelConfig,
    token: Option<Secret>,
    random: &mut fastrand::Rng,
) -> Result<FreshLink, Cause> {
    let dialler = Dialler::new(config.outbound.clone());
    let bearer = token.map_or_else(Bearer::none, Bearer::fixed);
    let choice = Choice::new(config);
    let session_id = session_id(random);
    let door = Door { dialler: &dialler, config, bearer: &bearer, endpoint: None, choice: &choice };
    Ok(FreshLink { link: door.dial(&session_id).await?, session_id })
}

impl FreshLink {
    /// What carries it.
    pub fn carriage(&self) -> Carriage {
        self.link.carriage
    }

    /// Whether it came about on a detour: WebSocket was wanted first and did not pass.
    pub fn is_detour(&self, config: &TunnelConfig) -> bool {
        self.link.carriage == Carriage::Sse && config.transport == Transport::Auto
    }

    /// Gives it up unused.
    pub async fn close(self) {
        let _ = timeout(FAREWELL, self.link.sender.close(1000, "")).await;
    }

    /// Registers `name`, waits until that is complete, sends one heartbeat, and unregisters. `met` answers when the
    /// gateway introduces itself to the server; no call is served. All of it within `limit`.
    ///
    /// # Errors
    /// The cause with which the engine's try would fail.
    pub async fn register(
        mut self,
        config: &TunnelConfig,
        name: &ServerName,
        met: &Met,
        limit: Duration,
    ) -> Result<Registered, Cause> {
        let config = TunnelConfig { name: name.clone(), ..config.clone() };
        let deadline = Instant::now() + limit;
        let tried = timeout_at(deadline, self.try_registration(&config, met)).await;
        let writer = Writer::new(&self.session_id);
        let farewell = async {
            let _ = self.link.sender.send(writer.unregister()).await;
            self.link.sender.close(1000, "").await;
            // The gateway takes the name back before it closes its side.
            while self.link.receiver.recv().await.is_ok() {}
        };
        let _ = timeout(FAREWELL, farewell).await;
        tried.unwrap_or(Err(Cause::RegisterTimeout { after: limit }))
    }

    async fn try_registration(&mut self, config: &TunnelConfig, met: &Met) -> Result<Registered, Cause> {
        let gateway = || config.gateway.to_string();
        let full = Offer { single_child: config.children.single, trial: true, ..Offer::ALL };
        // The plain dialect shows all there is to see, and every gateway speaks it. Over SSE there is the other only.
        let offer = match self.link.carriage {
            Carriage::WebSocket => Offer { channels: 0, resume: 0, trial: true, ..full },
            Carriage::Sse => full,
        };
        let began = Instant::now();
        let registered = register::register_with(&mut self.link, config, &self.session_id, offer, &config.labels).await;
        let Acknowledged { session_id, dialect } = registered.map_err(|failed| match failed {
            Unacknowledged::Refused(refusal) => Refusals::default().cause(refusal),
            Unacknowledged::Link(end) => link_cause(end, Stage::Registering, gateway),
        })?;
        self.session_id = session_id;
        let routing = match dialect {
            Dialect::Base => Routing::Some,
            Dialect::Mute => Routing::None,
            Dialect::Channels(_) => {
                return Ok(Registered { took: began.elapsed(), round_trip: None, routing: Routing::Some });
            }
        };
        if routing == Routing::Some {
            self.wait_for(config, met, Kind::RegisterComplete).await?;
        }
        let (took, asked) = (began.elapsed(), Instant::now());
        let _ = self.link.sender.send(Writer::new(&self.session_id).heartbeat()).await;
        self.wait_for(config, met, Kind::Heartbeat).await?;
        Ok(Registered { took, round_trip: Some(asked.elapsed()), routing })
    }

    /// Reads until an envelope of this kind comes. Requests are answered in the server's place.
    async fn wait_for(&mut self, config: &TunnelConfig, met: &Met, wanted: Kind) -> Result<(), Cause> {
        loop {
            let text = match self.link.receiver.recv().await {
                Ok(Frame::Text(text)) => text,
                Ok(Frame::Binary(_)) => continue,
                Err(end) => return Err(link_cause(end, Stage::Registering, || config.gateway.to_string())),
            };
            let Ok(envelope) = Envelope::parse(&text) else { continue };
            if envelope.kind == Kind::RegisterComplete && envelope.status.as_deref() != Some("success") {
                let refusal = Refusal::of(envelope.message.as_deref().unwrap_or_default());
                return Err(Refusals::default().cause(refusal));
            }
            if envelope.kind == wanted {
                return Ok(());
            }
            let payload = envelope.payload.and_then(|payload| payload.message().ok());
            if let Some(answer) = payload.and_then(|message| answer(&message, met)) {
                let _ = self.link.sender.send(Writer::new(&self.session_id).response(&answer)).await;
            }
        }
    }
}

/// What a server that is only being tried says to a gateway: who it is, and that it has nothing to offer, so that no
/// client finds a tool which is gone again a moment later.
fn answer(message: &Message<'_>, met: &Met) -> Option<String> {
    let (Shape::Request(_), Some(id)) = (message.shape(), message.raw_id()) else { return None };
    let list = |of: &str| format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"{of}":[]}}}}"#);
    Some(match &*message.method() {
        "initialize" => handshake::repeat(&met.greeting, id),
        "ping" => empty_result(id),
        "tools/list" => list("tools"),
        "resources/list" => list("resources"),
        "resources/templates/list" => list("resourceTemplates"),
        "prompts/list" => list("prompts"),
        _ => RpcError::new(METHOD_NOT_FOUND, "tunnel.trial", "this registration is a test; it serves no calls")
            .answer(id),
    })
}

/// Whether a gateway hands calls on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Routing {
    /// It does.
    Some,
    /// It takes registrations and routes no MCP calls: the released ContextForge.
    None,
}

/// A registration that came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Registered {
    /// From `register` to its completion.
    pub took: Duration,
    /// From a heartbeat to its acknowledgement; none on a link over SSE, whose heartbeats are the link's own.
    pub round_trip: Option<Duration>,
    /// Whether calls would come through.
    pub routing: Routing,
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use culvert_protocol::Explain as _;

    use super::*;
    use crate::config::{LocalServer, sample};

    const PATIENCE: Duration = Duration::from_secs(30);

    fn scripted(script: &str) -> TunnelConfig {
        let args = vec!["-c".to_owned(), script.to_owned()];
        let command = StdioCommand { program: "sh".to_owned(), args, ..StdioCommand::default() };
        TunnelConfig { server: LocalServer::Stdio(command), ..sample() }
    }

    const ANSWERING: &str = r#"say() { printf '{"jsonrpc":"2.0","id":"%s","result":%s}\n' "$1" "$2"; }
        while read -r line; do case $line in
            *'"initialize"'*) say culvert-initialize '{"protocolVersion":"2025-11-25","capabilities":{"tools":{}}}' ;;
            *'"tools/list"'*) say culvert-tools-0 '{"tools":[{},{}]}' ;;
        esac; done"#;

    #[tokio::test]
    async fn a_server_is_met_and_answers_for_its_trial() {
        let met = meet(&scripted(ANSWERING), PATIENCE, fastrand::Rng::with_seed(1)).await.unwrap();
        assert_eq!(met.tools(), Tools::Listed(2));
        let said = |text| answer(&Message::parse(text).unwrap(), &met);
        let initialized = said(r#"{"jsonrpc":"2.0","id":7,"method":"initialize"}"#).unwrap();
        assert!(initialized.contains(r#""id":7"#) && initialized.contains("2025-11-25"), "{initialized}");
        let tools = r#"{"jsonrpc":"2.0","id":"a","result":{"tools":[]}}"#;
        assert_eq!(said(r#"{"jsonrpc":"2.0","id":"a","method":"tools/list"}"#).unwrap(), tools);
        assert!(said(r#"{"jsonrpc":"2.0","id":1,"method":"tools/call"}"#).unwrap().contains("-32601"));
        assert_eq!(said(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#), None);
    }

    #[tokio::test]
    async fn one_that_ends_or_says_nothing_is_told_by_its_cause() {
        let code = async |script: &str, limit| {
            meet(&scripted(script), limit, fastrand::Rng::with_seed(1)).await.unwrap_err().code()
        };
        assert_eq!(code("exit 3", PATIENCE).await, "server.failed_to_start");
        assert_eq!(code("exec cat > /dev/null", Duration::from_millis(50)).await, "server.silent");
    }

    #[test]
    fn a_program_is_found_with_the_folder_it_was_found_in() {
        let find = |program: &str| {
            let env = [("PATH".to_owned(), "/nonexistent:/bin".into())].into();
            super::find(&StdioCommand { program: program.to_owned(), env, ..StdioCommand::default() })
        };
        assert_eq!(find("sh").unwrap(), Program { file: "/bin/sh".into(), found_in: Some("/bin".into()) });
        assert_eq!(find("/bin/sh").unwrap().found_in, None);
        assert_eq!(find("nonesuch").unwrap_err().code(), "command.not_found");
    }
}
