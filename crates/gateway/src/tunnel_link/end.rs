//! How a link ends: why, in which words, and with which close code.

use std::fmt;
use std::time::Duration;

use culvert_link::{FrameReceiver, FrameSender, LinkEnd};
use culvert_protocol::envelope::Writer;
use culvert_protocol::rpc_error::RpcError;
use culvert_protocol::text;
use tokio::time::timeout;

use crate::session::{Ending, Visitor};

/// "Policy violation" (RFC 6455 §7.4.1): what gateways of this protocol close a refused registration with.
const CLOSE_POLICY: u16 = 1008;

/// How long the client has to answer a close. Without the wait, bytes of its own that are under way would make the
/// system reset the connection, and the close might not arrive.
pub(super) const CLOSE_WAIT: Duration = Duration::from_secs(2);

/// Why a link is over.
#[derive(Debug)]
pub(super) enum Over {
    /// The client closed it, or the connection broke.
    Link(LinkEnd),
    /// The client took the server away.
    Unregistered,
    /// No `register` came.
    NeverRegistered,
    /// A second `register` came; ContextForge does not take that either.
    RegisteredTwice,
    /// The registration failed, for this reason.
    Refused(String),
    /// The gateway ends it.
    Ordered(Ending),
    /// The conversation with the child ended by itself.
    Closed(RpcError),
    /// The other tasks of the link are gone already.
    Gone,
}

impl fmt::Display for Over {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Link(end) => write!(f, "{end}"),
            Self::Unregistered => f.write_str("the client took the server away"),
            Self::NeverRegistered => f.write_str("the client did not register in time"),
            Self::RegisteredTwice => f.write_str("the client registered twice on one connection"),
            Self::Refused(why) => write!(f, "registration refused: {}", text::clean(why, 300)),
            Self::Ordered(ending) => write!(f, "{ending}"),
            Self::Closed(why) => f.write_str(&text::clean(why.message(), 300)),
            Self::Gone => f.write_str("the link was lost"),
        }
    }
}

impl Over {
    /// Says so in the log.
    pub(super) fn log(&self, visitor: &Visitor) {
        let (owner, peer) = (visitor.bearer.subject(), visitor.peer);
        match self {
            Self::Refused(_) | Self::RegisteredTwice | Self::NeverRegistered => {
                tracing::warn!(%owner, %peer, why = %self, "link ended");
            }
            _ => tracing::info!(%owner, %peer, why = %self, "link ended"),
        }
    }

    /// The close code and reason; `None` when nobody is there to read them.
    pub(super) fn close(&self) -> Option<(u16, &'static str)> {
        Some(match self {
            Self::Link(LinkEnd::TooLarge(_)) => (1009, "link.too_large"),
            Self::Link(LinkEnd::Protocol(_)) => (1002, ""),
            Self::Link(LinkEnd::Closed { .. } | LinkEnd::Lost(_) | LinkEnd::Silent(_)) => return None,
            Self::Unregistered => (1000, ""),
            Self::NeverRegistered => (CLOSE_POLICY, "register.missing"),
            Self::RegisteredTwice => (CLOSE_POLICY, "register.twice"),
            Self::Refused(_) => (CLOSE_POLICY, "register.refused"),
            Self::Ordered(ending) => ending.close(),
            Self::Closed(_) | Self::Gone => (1011, "tunnel.closed"),
        })
    }

    /// The cause code that clients of the channels dialect are told before the close, or nothing.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::Ordered(ending) => ending.code(),
            _ => self.close().map_or("", |(_, reason)| reason),
        }
    }

    /// Under which word it is counted.
    pub(super) fn label(&self) -> &'static str {
        match self {
            Self::Link(LinkEnd::Closed { .. }) => "link.closed",
            Self::Link(LinkEnd::Lost(_)) => "link.lost",
            Self::Link(LinkEnd::Silent(_)) => "link.silent",
            Self::Link(LinkEnd::Protocol(_)) => "link.protocol",
            Self::Unregistered => "register.ended",
            _ => self.code(),
        }
    }

    /// What is said before the close.
    pub(super) fn words(&self, writer: &Writer) -> Option<String> {
        match self {
            Self::Refused(why) => Some(writer.register_refused(&text::clean(why, 500))),
            Self::RegisteredTwice => Some(writer.error("This connection is registered already; open another one.")),
            Self::NeverRegistered => Some(writer.error("No register came.")),
            _ => None,
        }
    }
}

/// Tells the client, closes, and waits a little for its close.
pub(super) async fn last_words(over: Over, writer: &Writer, sender: &FrameSender, receiver: &mut FrameReceiver) {
    let Some((code, reason)) = over.close() else { return };
    let broken = matches!(over, Over::Link(_));
    let goodbye = async {
        if let Some(words) = over.words(writer) {
            // Whoever is gone hears nothing.
            let _ = sender.send(words).await;
        }
        sender.close(code, reason).await;
        // After a failed read there is nothing to wait for.
        while !broken && receiver.recv().await.is_ok() {}
        if broken {
            sender.closed().await;
        }
    };
    // A client that does not answer loses the connection.
    let _ = timeout(CLOSE_WAIT, goodbye).await;
}
