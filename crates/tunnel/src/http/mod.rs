//! Local servers that are reached by URL instead of being started: one conversation with such a server, with the same
//! few handles that a child process has.

mod body;
mod call;
mod calls;
mod client;
mod connect;
mod driver;
mod events;
pub(crate) mod headers;
mod inbox;
mod listener;
pub(crate) mod opened;
mod pace;
mod sse;
mod stream;
mod streamable;
#[cfg(test)]
mod tests;
mod trouble;
pub(crate) mod url;

use std::sync::Arc;
use std::time::Duration;

use culvert_link::queue;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};

use self::client::Client;
pub(crate) use self::connect::Roots;
use self::driver::{Driver, Wire};
use self::headers::Headers;
use self::inbox::Inbox;
use self::sse::Sse;
use self::streamable::Streamable;
use self::url::ServerUrl;
use crate::ledger::Ledger;
use crate::local::Letter;
use crate::output::Output;

/// Bytes that may wait to be posted.
const INPUT_QUEUE: usize = 1024 * 1024;

/// Bytes of messages that may wait for whoever reads them.
const OUTPUT_QUEUE: usize = 1024 * 1024;

/// How long the end of a conversation is waited for; saying goodbye to the server is part of it.
const END: Duration = Duration::from_secs(3);

/// Where a local server is, and what speaking to it takes.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) url: ServerUrl,
    pub(crate) headers: Headers,
    /// Messages over this many bytes are not kept.
    pub(crate) max_message: usize,
    pub(crate) roots: Roots,
    pub(crate) ledger: Arc<Ledger>,
    /// In place of the network, where time is paused.
    #[cfg(test)]
    pub(crate) memory: Option<mpsc::UnboundedSender<tokio::io::DuplexStream>>,
}

/// One conversation. Dropped without [`end`](Self::end), it ends as well, and nobody waits for it.
#[derive(Debug)]
pub(crate) struct HttpServer {
    /// Messages for the server.
    pub(crate) input: queue::Sender<Letter>,
    output: queue::Receiver<Output>,
    driver: JoinHandle<()>,
    stop: DropGuard,
}

impl HttpServer {
    /// A conversation over Streamable HTTP. Nothing is sent until there is a message.
    pub(crate) fn streamable(place: Place, random: fastrand::Rng) -> Self {
        Self::begin(place, |client, inbox, faults| {
            Wire::Streamable(Arc::new(Streamable::new(client, inbox, faults, random)))
        })
    }

    /// A conversation over the older HTTP+SSE; its stream is opened at once.
    pub(crate) fn sse(place: Place) -> Self {
        Self::begin(place, |client, inbox, faults| Wire::Sse(Arc::new(Sse::new(client, inbox, faults))))
    }

    fn begin(place: Place, wire: impl FnOnce(Client, Arc<Inbox>, mpsc::Sender<trouble::Trouble>) -> Wire) -> Self {
        let (input, letters) = queue::bounded(INPUT_QUEUE);
        let (into, output) = queue::bounded(OUTPUT_QUEUE);
        let (faults, faulty) = mpsc::channel(1);
        let stop = CancellationToken::new();
        let inbox = Arc::new(Inbox::new(into, place.max_message, place.ledger.clone()));
        let wire = wire(Client::new(place), inbox.clone(), faults);
        let driver = tokio::spawn(Driver::new(wire, inbox, letters, faulty, stop.clone()).run());
        Self { input, output, driver, stop: stop.drop_guard() }
    }

    /// One whose server is played by a test: what it is told, and where it says something.
    #[cfg(test)]
    pub(crate) fn played() -> (Self, queue::Receiver<Letter>, queue::Sender<Output>) {
        let (input, letters) = queue::bounded(INPUT_QUEUE);
        let (into, output) = queue::bounded(OUTPUT_QUEUE);
        let stop = CancellationToken::new();
        let driver = tokio::spawn(stop.clone().cancelled_owned());
        (Self { input, output, driver, stop: stop.drop_guard() }, letters, into)
    }

    /// What comes next. After [`Output::Exited`] nothing does. Cancel safe.
    pub(crate) async fn next(&mut self) -> Output {
        match self.output.recv().await {
            Some(queued) => queued.item,
            None => std::future::pending().await,
        }
    }

    /// Ends the conversation, and tells the server so if it keeps a session for it.
    pub(crate) async fn end(self) {
        let Self { input, output, driver, stop } = self;
        drop((input, output));
        drop(stop);
        let _ = timeout(END, driver).await;
    }
}
