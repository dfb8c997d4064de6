//! A session of the channels dialect as its owner holds it, and those who may open channels. The [`task`] does the
//! work.

mod feeds;
mod task;

use std::sync::Arc;

use culvert_protocol::channels::Side;
use culvert_protocol::channels::control::Header;
use tokio::sync::{mpsc, oneshot};
use tokio_tungstenite::tungstenite::Utf8Bytes;

use self::task::Task;
use super::channel::Channel;
use crate::carriage::{FrameReceiver, FrameSender, LinkEnd};

/// Things that may wait for whoever owns the session.
const HAPPENINGS: usize = 256;

/// Learns how much passes over a link.
pub trait Tap: Send + Sync + 'static {
    /// So many bytes came in, in one message.
    fn heard(&self, bytes: usize);
    /// So many bytes go out, in one message.
    fn said(&self, bytes: usize);
    /// So many bytes were sent and are not acknowledged now.
    fn holds(&self, _bytes: u64) {}
}

/// What both ends agreed on, and who wants to know of it.
#[derive(Clone)]
pub struct Terms {
    /// Who learns how much passes.
    pub tap: Option<Arc<dyn Tap>>,
    /// Which end this is.
    pub side: Side,
    /// The credit of each side of each channel, in bytes.
    pub window: u32,
    /// The longest line that is taken, in bytes.
    pub max_line: usize,
}

/// What the owner of a session is told.
#[derive(Debug)]
pub enum Happening {
    /// A text message that is none of the carrier's.
    Text(Utf8Bytes),
    /// The gateway opened a channel.
    Opened(Channel, Header),
    /// The connection is gone. With [`Ended::Broken`] the session can be resumed on another.
    Lost(Ended),
}

/// How a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// The network, or the peer's process.
    Broken(LinkEnd),
    /// The peer broke the rules of the dialect: the session is over.
    Violation(String),
}

/// The owner's hold on a session. Dropped, the session ends: its channels with it.
#[derive(Debug)]
pub struct Carrier {
    commands: mpsc::Sender<Command>,
    happenings: mpsc::Receiver<(u64, Happening)>,
    /// Which connection this is: what is told of an earlier one is old.
    connection: u64,
}

/// Opens channels; for those who do not own the session.
#[derive(Debug, Clone)]
pub struct Opener {
    commands: mpsc::Sender<Command>,
}

/// A connection that is left unread while another is being tried.
#[derive(Debug)]
pub struct Held {
    sender: FrameSender,
    receiver: FrameReceiver,
    /// How many bytes of the peer's stream have come in; the number stands still.
    pub received: u64,
}

#[derive(Debug)]
enum Command {
    Open(Header, oneshot::Sender<Channel>),
    Text(String),
    Doubt,
    Detach(oneshot::Sender<u64>),
    Attach(FrameSender, FrameReceiver, u64),
    Hold(oneshot::Sender<Held>),
    GoOn(Held),
    Close(Option<String>, u16, &'static str),
}

impl Carrier {
    /// Takes a fresh link over.
    pub fn start(terms: Terms, sender: FrameSender, receiver: FrameReceiver) -> Self {
        let (commands, for_task) = mpsc::channel(64);
        let (to_owner, happenings) = mpsc::channel(HAPPENINGS);
        let task = Task::new(terms, (sender, receiver), for_task, to_owner);
        tokio::spawn(task.run());
        Self { commands, happenings, connection: 0 }
    }

    /// What happens next; `None` when the session is over. Cancel safe.
    pub async fn happens(&mut self) -> Option<Happening> {
        loop {
            match self.happenings.recv().await? {
                (connection, Happening::Lost(_)) if connection != self.connection => {}
                (_, happening) => return Some(happening),
            }
        }
    }

    /// Opens channels on this session, also after a resume.
    pub fn opener(&self) -> Opener {
        Opener { commands: self.commands.clone() }
    }

    /// Sends a text message on the connection there is; without one it is let go.
    pub async fn send_text(&self, text: String) {
        let _ = self.commands.send(Command::Text(text)).await;
    }

    /// Puts the connection to the test, as [`FrameSender::doubt`] does, with little patience.
    pub async fn doubt(&self) {
        let _ = self.commands.send(Command::Doubt).await;
    }

    /// Lets go of the connection, if any, and tells how many bytes of the peer's stream have come in. After this the
    /// number stands still until [`attach`](Self::attach).
    pub async fn detach(&mut self) -> Option<u64> {
        let (reply, count) = oneshot::channel();
        self.connection += 1;
        self.commands.send(Command::Detach(reply)).await.ok()?;
        count.await.ok()
    }

    /// Goes on with a new connection, from the byte of our stream that the peer has received. A count that cannot be
    /// shows as [`Ended::Violation`].
    pub async fn attach(&self, sender: FrameSender, receiver: FrameReceiver, received: u64) {
        let _ = self.commands.send(Command::Attach(sender, receiver, received)).await;
    }

    /// Takes the connection away to try another one: [`attach`](Self::attach) goes on with that, and
    /// [`go_on`](Self::go_on) with this. `None` when there is none, which [`happens`](Self::happens) tells.
    pub async fn hold(&mut self) -> Option<Held> {
        let (reply, held) = oneshot::channel();
        self.commands.send(Command::Hold(reply)).await.ok()?;
        held.await.ok()
    }

    /// Goes on with the connection that was held.
    pub async fn go_on(&self, held: Held) {
        let _ = self.commands.send(Command::GoOn(held)).await;
    }

    /// Ends the connection after what is queued and `last`, with a close code and a reason.
    pub async fn close(&self, last: Option<String>, code: u16, reason: &'static str) {
        let _ = self.commands.send(Command::Close(last, code, reason)).await;
    }
}

impl Opener {
    /// Opens a channel. `None` when the session is over or has too many.
    pub async fn open(&self, header: Header) -> Option<Channel> {
        let (reply, channel) = oneshot::channel();
        self.commands.send(Command::Open(header, reply)).await.ok()?;
        channel.await.ok()
    }
}
