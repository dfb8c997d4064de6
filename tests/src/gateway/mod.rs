//! A base gateway on loopback that behaves as ContextForge was seen to behave: the released one, or its strict rework.
//!
//! It serves every link by itself (registration, acknowledgements, displacement, eviction), writes down every frame,
//! and takes each breach of the wire's rules down as one: a test that leaves breaches behind fails. A test steers it
//! through [`Manner`], through what it queues for the next upgrades and registrations, and link by link.

mod connection;
mod link;
mod manner;
mod registration;
pub mod strict;
mod upgrade;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

pub use connection::Command;
pub use link::{Frame, Link, LinkState};
pub use manner::{Acks, Dialect, Manner, Outcome, Paths};
pub use upgrade::{Refusal, UpgradeRequest};

use crate::authority::Authority;
use crate::watched::{PATIENCE, Watched};

/// The gateway; it ends with the test.
#[derive(Debug)]
pub struct FakeGateway {
    shared: Arc<Shared>,
    address: SocketAddr,
    scheme: &'static str,
    accepting: JoinHandle<()>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) manner: Manner,
    pub(crate) state: Watched<State>,
    tls: Option<Arc<rustls::ServerConfig>>,
}

/// What the gateway has seen, and what it will do next.
#[derive(Debug, Default)]
pub struct State {
    /// Every request for an upgrade, refused ones too.
    pub upgrades: Vec<UpgradeRequest>,
    /// Every link, in the order of their upgrades.
    pub links: Vec<LinkState>,
    /// Breaches of the wire's rules.
    pub breaches: Vec<String>,
    /// How the next upgrades are refused, one each.
    pub refusals: VecDeque<Refusal>,
    /// How the next registrations end, one each; when it is empty they succeed.
    pub outcomes: VecDeque<Outcome>,
    /// Registrations under way now, and the most that ever were.
    pub registering: (usize, usize),
}

impl FakeGateway {
    /// Starts on a free loopback port.
    pub async fn start(manner: Manner) -> Self {
        Self::listen("127.0.0.1:0", manner, None).await
    }

    /// Starts with the strict manners of ContextForge's rework.
    pub async fn next() -> Self {
        Self::start(Manner::next()).await
    }

    /// Starts with the manners of the released ContextForge.
    pub async fn released() -> Self {
        Self::start(Manner::released()).await
    }

    /// Starts behind TLS, with a certificate for `localhost` from `authority`.
    pub async fn with_tls(manner: Manner, authority: &Authority) -> Self {
        Self::listen("127.0.0.1:0", manner, Some(authority)).await
    }

    /// Starts at an address of the test's choice.
    pub async fn listen(address: &str, manner: Manner, authority: Option<&Authority>) -> Self {
        let listener = TcpListener::bind(address).await.expect("the address is free");
        let address = listener.local_addr().expect("it has an address");
        let tls = authority.map(Authority::server_config);
        let scheme = if tls.is_some() { "https" } else { "http" };
        let shared = Arc::new(Shared { manner, state: Watched::default(), tls });
        let accepting = tokio::spawn(accept(listener, shared.clone()));
        Self { shared, address, scheme, accepting }
    }

    /// The base URL.
    pub fn url(&self) -> String {
        let host = if self.scheme == "https" { "localhost".into() } else { self.address.ip().to_string() };
        format!("{}://{host}:{}", self.scheme, self.address.port())
    }

    /// Host and port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The newest link, once there are `count` of them.
    pub async fn link_number(&self, count: usize) -> Link {
        self.shared.state.until(&format!("link number {count}"), |state| state.links.get(count - 1).map(|_| ())).await;
        Link::new(self.shared.clone(), count - 1)
    }

    /// The first link.
    pub async fn link(&self) -> Link {
        self.link_number(1).await
    }

    /// The first link, once it is registered.
    pub async fn registered(&self) -> Link {
        self.registered_number(1).await
    }

    /// The link with this number, counted from one, once it is registered.
    pub async fn registered_number(&self, count: usize) -> Link {
        let link = self.link_number(count).await;
        link.registered().await;
        link
    }

    /// Refuses the next upgrade that way.
    pub fn refuse_next(&self, refusal: Refusal) {
        self.shared.state.change(|state| state.refusals.push_back(refusal));
    }

    /// Ends the next registration that way.
    pub fn next_outcome(&self, outcome: Outcome) {
        self.shared.state.change(|state| state.outcomes.push_back(outcome));
    }

    /// Calls a tool over whichever link is registered, again and again until one answer is a result: after a fault,
    /// this is when all is well again.
    ///
    /// # Panics
    /// When that takes longer than [`PATIENCE`].
    pub async fn call_until_well(&self, tool: &str, arguments: serde_json::Value) -> serde_json::Value {
        let trying = async {
            loop {
                let newest = |state: &State| state.links.iter().rposition(|link| link.registered && !link.ended);
                let link = Link::new(self.shared.clone(), self.shared.state.find(newest).await);
                let id = link.post_call(tool, arguments.clone()).await;
                tokio::select! {
                    answer = link.answer(&id) => if answer.get("result").is_some() { return answer },
                    () = link.ended() => {}
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        match tokio::time::timeout(PATIENCE, trying).await {
            Ok(answer) => answer,
            Err(_) => panic!("no call of {tool} got a result"),
        }
    }

    /// What it has seen, to look at and to wait on.
    pub fn state(&self) -> &Watched<State> {
        &self.shared.state
    }

    /// How many upgrades were asked for.
    pub fn upgrades(&self) -> usize {
        self.shared.state.look().upgrades.len()
    }

    /// How many links there have been.
    pub fn links(&self) -> usize {
        self.shared.state.look().links.len()
    }

    /// Waits until there have been `count` requests for an upgrade.
    pub async fn upgrades_reach(&self, count: usize) {
        self.shared
            .state
            .until(&format!("{count} upgrades"), |state| (state.upgrades.len() >= count).then_some(()))
            .await;
    }
}

impl Drop for FakeGateway {
    fn drop(&mut self) {
        self.accepting.abort();
        let state = self.shared.state.look();
        for link in &state.links {
            let _ = link.commands.try_send(Command::DropTcp);
        }
        if !std::thread::panicking() {
            assert!(state.breaches.is_empty(), "the wire's rules were broken: {:#?}", state.breaches);
        }
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        let shared = shared.clone();
        tokio::spawn(async move {
            match shared.tls.clone() {
                None => connection::serve(stream, shared).await,
                // A client that does not trust the certificate ends here; that is its affair.
                Some(tls) => {
                    if let Ok(stream) = TlsAcceptor::from(tls).accept(stream).await {
                        connection::serve(stream, shared).await;
                    }
                }
            }
        });
    }
}

impl Shared {
    pub(crate) fn breach(&self, what: String) {
        self.state.change(|state| state.breaches.push(what));
    }

    pub(crate) fn add_link(&self, commands: mpsc::Sender<Command>, request: UpgradeRequest) -> usize {
        self.state.change(|state| {
            state.links.push(LinkState::new(commands, request));
            state.links.len() - 1
        })
    }
}
