//! The local server as the rest of the engine sees it: messages in, messages out, an end. Whether a process or a URL is
//! behind it is decided here.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use culvert_link::queue::{self, Gone, Refused, Weight};
use culvert_protocol::{Cause, ServerName};
use tokio::time::Instant;

use crate::child::Child;
use crate::config::{LocalServer, TunnelConfig};
use crate::figures::Direction;
use crate::http::headers::{Credentials, Headers};
use crate::http::url::ServerUrl;
use crate::http::{HttpServer, Place, Roots};
use crate::ledger::Ledger;
use crate::output::Output;
use crate::policy::{Gate, LivePolicy};

/// One conversation with the local server. Dropped without [`end`](Self::end), it is ended all the same, but nobody
/// waits for it.
#[derive(Debug)]
pub(crate) enum Local {
    /// A process of our own.
    Process(Box<Child>),
    /// A session at a URL.
    Http(HttpServer),
}

/// Where messages for a local server are put. Clones share its budget; a local server ends when all are gone.
#[derive(Debug, Clone)]
pub(crate) enum Input {
    /// A child's stdin.
    Process(queue::Sender<Bytes>),
    /// What is posted to a URL.
    Http(queue::Sender<Letter>),
}

/// A message for the local server, without line breaks.
#[derive(Debug)]
pub(crate) struct Letter {
    /// The message itself.
    pub(crate) line: Bytes,
    /// What its caller is known by, for a server that is reached by URL; a process never sees it.
    pub(crate) credentials: Option<Credentials>,
}

/// Begins conversations with one local server.
#[derive(Debug)]
pub(crate) struct Launcher {
    server: LocalServer,
    name: ServerName,
    max_message: usize,
    roots: Roots,
    ledger: Arc<Ledger>,
    policy: LivePolicy,
    random: Mutex<fastrand::Rng>,
}

impl Launcher {
    /// For the local server of `config`, whose pulse and log go to `ledger`; `random` spreads the waits of
    /// conversations that must be taken up again.
    pub(crate) fn new(config: &TunnelConfig, ledger: Arc<Ledger>, policy: LivePolicy, random: fastrand::Rng) -> Self {
        Self {
            server: config.server.clone(),
            name: config.name.clone(),
            max_message: config.max_message,
            roots: Roots::default(),
            ledger,
            policy,
            random: Mutex::new(random),
        }
    }

    /// Begins one. Whether a URL answers shows only when it is spoken to.
    ///
    /// # Errors
    /// A [`Cause`] when there is no such program or the system does not run it.
    pub(crate) fn launch(&self) -> Result<Local, Cause> {
        let local = match &self.server {
            LocalServer::Stdio(command) => Child::spawn(command, self.name.as_str(), self.max_message, &self.ledger)
                .map(|child| Local::Process(Box::new(child)))?,
            LocalServer::StreamableHttp { url, headers } => {
                let random = self.random.lock().unwrap_or_else(PoisonError::into_inner).fork();
                Local::Http(HttpServer::streamable(self.place(url, headers), random))
            }
            LocalServer::Sse { url, headers } => Local::Http(HttpServer::sse(self.place(url, headers))),
        };
        let gauge = match local.input() {
            Input::Process(stdin) => stdin.gauge(),
            Input::Http(letters) => letters.gauge(),
        };
        self.ledger.figures().watch_queue(Direction::ToServer, gauge);
        Ok(local)
    }

    /// A gate to put before one conversation.
    pub(crate) fn gate(&self) -> Gate {
        Gate::new(self.policy.clone())
    }

    /// What may pass to and from it.
    pub(crate) fn policy(&self) -> &LivePolicy {
        &self.policy
    }

    /// Where account of it is kept.
    pub(crate) fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    fn place(&self, url: &ServerUrl, headers: &Headers) -> Place {
        Place {
            url: url.clone(),
            headers: headers.clone(),
            max_message: self.max_message,
            roots: self.roots.clone(),
            ledger: self.ledger.clone(),
            #[cfg(test)]
            memory: None,
        }
    }
}

impl Local {
    /// Where its messages are put.
    pub(crate) fn input(&self) -> Input {
        match self {
            Self::Process(child) => Input::Process(child.stdin.clone()),
            Self::Http(server) => Input::Http(server.input.clone()),
        }
    }

    /// From now on it serves this session alone.
    pub(crate) fn serves(&self, who: &str, ledger: &Ledger) {
        if let Self::Process(child) = self
            && let Some(pid) = child.pid()
        {
            ledger.process_serves(pid, who);
        }
    }

    /// What comes next. After [`Output::Exited`] nothing does. Cancel safe.
    pub(crate) async fn next(&mut self) -> Output {
        match self {
            Self::Process(child) => child.next().await,
            Self::Http(server) => server.next().await,
        }
    }

    /// An answer of its own has come in. One that is reached by URL has its pulse felt where its answers come in: what
    /// comes from there may be said in its place.
    pub(crate) fn has_answered(&self, ledger: &Ledger, now: Instant) {
        if let Self::Process(_) = self {
            ledger.pulse().beat(now);
        }
    }

    /// Its last line on stderr, beginning with a separator, or nothing.
    pub(crate) fn last_words(&self) -> String {
        match self {
            Self::Process(child) => child.last_words(),
            Self::Http(_) => String::new(),
        }
    }

    /// Ends it, within a few seconds.
    pub(crate) async fn end(self) {
        match self {
            Self::Process(child) => child.end().await,
            Self::Http(server) => server.end().await,
        }
    }
}

impl Input {
    /// Puts a message in; waits while too many wait already.
    ///
    /// # Errors
    /// [`Gone`] when the local server will never take it.
    pub(crate) async fn send(&self, letter: impl Into<Letter>) -> Result<(), Gone> {
        let letter = letter.into();
        match self {
            Self::Process(stdin) => stdin.send(letter.line).await,
            Self::Http(letters) => letters.send(letter).await,
        }
    }

    /// Puts a message in if there is room for it now.
    ///
    /// # Errors
    /// [`Refused`] gives it back.
    pub(crate) fn try_send(&self, letter: impl Into<Letter>) -> Result<(), Refused<Letter>> {
        let letter = letter.into();
        match self {
            Self::Process(stdin) => stdin.try_send(letter.line).map_err(|refused| match refused {
                Refused::Full(line) => Refused::Full(line.into()),
                Refused::Gone(line) => Refused::Gone(line.into()),
            }),
            Self::Http(letters) => letters.try_send(letter),
        }
    }
}

impl From<Bytes> for Letter {
    fn from(line: Bytes) -> Self {
        Self { line, credentials: None }
    }
}

impl Weight for Letter {
    fn weight(&self) -> usize {
        self.line.len()
    }
}
